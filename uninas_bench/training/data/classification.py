"""The samples of a classification recipe: files in ImageNet's layout, sets that fit in memory, shapes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

from uninas_bench.data.catalogue import find_images, image_sources
from uninas_bench.data.location import data_folder
from uninas_bench.data.source import ImageSet, ImageSource, Split
from uninas_bench.errors import InvalidFile, UserError
from uninas_bench.tasks import find_task
from uninas_bench.training.data.augmentation import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    Channels,
    Transform,
    evaluation_transform,
    training_transform,
)
from uninas_bench.training.data.image_folders import LAYOUT, list_image_folders
from uninas_bench.training.data.places import folder_of
from uninas_bench.training.data.shapes import COUNTS, FINGERPRINT, SHAPES, draw_single
from uninas_bench.training.data.subset import subset
from uninas_bench.training.recipes.recipe import ClassificationAugmentation, Recipe

if TYPE_CHECKING:
    from PIL.Image import Image
    from torch import Tensor

_WHITE = 255


class Images(Protocol):
    """One split as it is before any augmentation."""

    def __len__(self) -> int: ...

    def read(self, index: int) -> tuple[Image, int]:
        """An RGB image and its label."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class ClassificationSamples:
    """Images of a split, through a transform; a target is a label."""

    images: Images
    transform: Transform
    indices: Sequence[int]

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        """An image (3, R, R), normalised, and its label.

        Raises:
            InvalidFile: the image cannot be read.
        """
        image, label = self.images.read(self.indices[index])
        return self.transform(image), label


@dataclass(frozen=True, slots=True, eq=False)
class ClassificationData:
    """Both splits of a recipe.

    Attributes:
        training: augmented as the recipe says, from the global generators.
        test: as they are evaluated.
        classes: labels are below.
        fingerprint: of the images, and of the resolution where they were brought to it before.
    """

    training: ClassificationSamples
    test: ClassificationSamples
    classes: int
    fingerprint: str


def classification_data(
    recipe: Recipe,
    data: Mapping[str, str | Path | ImageSource],
    registered: Mapping[str, ImageSource] | None = None,
) -> ClassificationData:
    """The samples of a recipe.

    ``imagenet1k`` is read from files in its layout, with as many classes as there are folders, unless it is
    given as arrays; ``shapes`` is drawn; everything else is what `find_images` finds, normalised by the
    statistics of its training split.

    Args:
        recipe: of a classification.
        data: where data sets are that are not in the usual places.
        registered: image sources of plugins; default the built-in ones.

    Raises:
        InvalidFile: files are missing, or damaged, or laid out otherwise.
        UserError: nobody has the images, or they cannot be brought to the resolution.
    """
    assert isinstance(recipe.augmentation, ClassificationAugmentation)
    if registered is None:
        registered = {source.name: source for source in image_sources()}
    found = _found(recipe, data, registered)
    resolution = recipe.data.resolution[0]
    statistics = found.mean, found.std
    return ClassificationData(
        ClassificationSamples(
            found.train,
            training_transform(recipe.augmentation, resolution, *statistics),
            subset(len(found.train), recipe.data.training_images, recipe.data.dataset, "train"),
        ),
        ClassificationSamples(
            found.test,
            evaluation_transform(recipe.augmentation, resolution, *statistics),
            subset(len(found.test), recipe.data.test_images, recipe.data.dataset, "test"),
        ),
        found.classes,
        found.fingerprint,
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Found:
    train: Images
    test: Images
    classes: int
    fingerprint: str
    mean: Channels = IMAGENET_MEAN
    std: Channels = IMAGENET_STD


def _found(
    recipe: Recipe,
    data: Mapping[str, str | Path | ImageSource],
    registered: Mapping[str, ImageSource],
) -> _Found:
    dataset, resolution = recipe.data.dataset, recipe.data.resolution[0]
    if dataset == "shapes":
        train, test = (_Shapes(split, resolution) for split in COUNTS)
        return _Found(train, test, len(SHAPES), f"{FINGERPRINT}@{resolution}")
    places = {name: place for name, place in data.items() if isinstance(place, str | Path)}
    arrays = dataset in data and (dataset not in places or Path(places[dataset]).suffix == ".npz")
    if dataset == "imagenet1k" and not arrays:
        folders = list_image_folders(folder_of(dataset, places, LAYOUT))
        return _Found(folders.train, folders.test, len(folders.train.classes), folders.fingerprint)
    source = find_images(dataset, registered, data)
    if source is None:
        raise UserError(
            f"no images of {dataset}: give them by --data {dataset}=FILE.npz|FOLDER, or keep them as "
            f"{data_folder() / dataset} (UNINAS_BENCH_DATA names that folder)"
        )
    return _in_memory(source, dataset, resolution)


def _in_memory(source: ImageSource, dataset: str, resolution: int) -> _Found:
    classes = find_task(dataset).classes
    train, test = source.load("train", resolution), source.load("test", resolution)
    for images in (train, test):
        if images.pixels.dtype != np.uint8:
            raise UserError(f"{dataset}: images of {images.pixels.dtype} cannot be augmented, only uint8")
        if images.labels.min() < 0 or images.labels.max() >= classes:
            where = getattr(source, "path", dataset)
            found = f"{images.labels.min()}..{images.labels.max()}"
            raise InvalidFile(f"{where}: labels {found}, expected 0..{classes - 1} for {dataset}")
    return _Found(
        _Arrays(train),
        _Arrays(test),
        classes,
        f"{source.fingerprint}@{resolution}",
        _unit(train.mean),
        _unit(train.std),
    )


def _unit(values: Channels) -> Channels:
    """Where white is 1, as in tensors, of what is given where white is 255."""
    return (values[0] / _WHITE, values[1] / _WHITE, values[2] / _WHITE)


@dataclass(frozen=True, slots=True, eq=False)
class _Arrays:
    images: ImageSet

    def __len__(self) -> int:
        return len(self.images)

    def read(self, index: int) -> tuple[Image, int]:
        from PIL import Image

        pixels = np.ascontiguousarray(self.images.pixels[index].transpose(1, 2, 0))
        return Image.fromarray(pixels), int(self.images.labels[index])


@dataclass(frozen=True, slots=True)
class _Shapes:
    split: Split
    resolution: int

    def __len__(self) -> int:
        return COUNTS[self.split]

    def read(self, index: int) -> tuple[Image, int]:
        from PIL import Image

        pixels, label = draw_single(self.split, index, (self.resolution, self.resolution))
        return Image.fromarray(pixels), label
