"""Images with a label at every pixel, as samples: what a segmentation is trained and evaluated on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
import torch
from torch import Tensor

from uninas_bench.training.data import joint
from uninas_bench.training.data.shapes import COUNTS, FINGERPRINT, draw_scene
from uninas_bench.training.data.subset import subset

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from uninas_bench.data.source import Split
    from uninas_bench.training.recipes.recipe import SegmentationAugmentation

IGNORED = 255
"""The label of pixels that are of no class: neither learnt nor judged."""
MEAN = (0.485, 0.456, 0.406)
DEVIATION = (0.229, 0.224, 0.225)
"""Of ImageNet's training images, as the classification that comes before normalises."""


@dataclass(frozen=True, slots=True, eq=False)
class Labelled:
    """An image and its labels.

    Attributes:
        image: (H, W, 3) uint8.
        labels: (H, W) uint8: the class, or `IGNORED`.
    """

    image: NDArray[np.uint8]
    labels: NDArray[np.uint8]


class LabelledImages(Protocol):
    """One split of a segmentation data set."""

    fingerprint: str

    def __len__(self) -> int: ...

    def read(self, index: int) -> Labelled:
        """An image with its labels."""
        ...


class ShapeMaps:
    """The data set ``shapes``: label 0 is the ground.

    Args:
        split: of the data set.
        size: height and width.
        wanted: how many images; 0 for `COUNTS`.
    """

    def __init__(self, split: Split, size: tuple[int, int], wanted: int) -> None:
        self._split: Split = split
        self._size = size
        self._indices = subset(COUNTS[split], wanted, "shapes", split)
        self.fingerprint = f"{FINGERPRINT}:{len(self._indices)}x{size[0]}x{size[1]}"

    def __len__(self) -> int:
        return len(self._indices)

    def read(self, index: int) -> Labelled:
        """A scene."""
        scene = draw_scene(self._split, self._indices[index], self._size)
        return Labelled(scene.image, scene.label_map)


class TrainingMaps:
    """Samples that are learnt: all of one size, augmented.

    An image is resized at random (see `joint.scaled`), cropped at random, flipped, distorted in its colours,
    normalised, and padded at the right and at the bottom where it is too small: zeros, which are the mean
    colour, and `IGNORED`. Labels go along.

    Args:
        images: of the training split.
        size: height and width of the crops.
        augmentation: the recipe's.
    """

    def __init__(
        self, images: LabelledImages, size: tuple[int, int], augmentation: SegmentationAugmentation
    ) -> None:
        self._images = images
        self._size = size
        self._augmentation = augmentation

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        """Image (3, H, W) float32, normalised, and labels (H, W) int64; drawn from torch's generator.

        Raises:
            InvalidFile: the image or its labels cannot be read.
        """
        image, labels = _tensors(self._images.read(index))
        low, high = self._augmentation.scale
        factor = low + (high - low) * float(torch.rand(()))
        image, labels = joint.scaled(image, labels, factor * min(self._size))
        image, labels = joint.cropped(image, labels, self._size)
        if float(torch.rand(())) < self._augmentation.flip:
            image, labels = image.flip(-1), labels.flip(-1)
        values = image.to(torch.float32) / 255
        if self._augmentation.photometric:
            values = joint.distorted(values)
        return (
            joint.filled(_normalised(values), self._size, 0.0),
            joint.filled(labels, self._size, IGNORED)[0].to(torch.int64),
        )


class EvaluationMaps:
    """Samples of the evaluation: a whole image, its short side as long as the crops' of the training.

    The ratio of the sides is kept. The labels stay as they are: predictions are judged at their resolution.

    Args:
        images: of the test split.
        size: height and width of the crops in training.
    """

    def __init__(self, images: LabelledImages, size: tuple[int, int]) -> None:
        self._images = images
        self._short = min(size)

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        """Image (3, H, W) float32, normalised, and labels (H', W') int64.

        Raises:
            InvalidFile: the image or its labels cannot be read.
        """
        image, labels = _tensors(self._images.read(index))
        resized, _ = joint.scaled(image, None, self._short)
        return _normalised(resized.to(torch.float32) / 255), labels[0].to(torch.int64)


def collate(
    samples: Sequence[tuple[Tensor, Tensor]],
) -> tuple[Tensor | list[Tensor], Tensor | list[Tensor]]:
    """A batch; lists where sizes differ, as they do in evaluation."""
    images, labels = (list(part) for part in zip(*samples, strict=True))
    return _stacked(images), _stacked(labels)


def _stacked(tensors: list[Tensor]) -> Tensor | list[Tensor]:
    return torch.stack(tensors) if len({tensor.shape for tensor in tensors}) == 1 else tensors


def _tensors(found: Labelled) -> tuple[Tensor, Tensor]:
    """Image (3, H, W) and labels (1, H, W), both uint8."""
    image = torch.from_numpy(np.ascontiguousarray(found.image.transpose(2, 0, 1)))
    return image, torch.from_numpy(np.ascontiguousarray(found.labels))[None]


def _normalised(values: Tensor) -> Tensor:
    mean, deviation = (torch.tensor(numbers)[:, None, None] for numbers in (MEAN, DEVIATION))
    return (values - mean) / deviation
