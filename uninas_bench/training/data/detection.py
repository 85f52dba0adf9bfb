"""Images with boxes and masks, as samples: what training and evaluation of a detector are shown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import torch
from torch import Tensor

from uninas_bench.training.data.run_lengths import encode
from uninas_bench.training.data.shapes import COUNTS, FINGERPRINT, SHAPES, Scene, draw_scene
from uninas_bench.training.data.subset import subset

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from uninas_bench.data.source import Split

Target = dict[str, Tensor]
GroundTruth = dict[str, list[dict[str, Any]]]


@dataclass(frozen=True, slots=True, eq=False)
class Annotated:
    """An image with its N objects.

    Attributes:
        image: (H, W, 3) uint8.
        boxes: (N, 4) float32: left, top, right and bottom edge, in pixels; none is empty.
        labels: (N,) int64, from 1 on.
        masks: (N, H, W) bool.
    """

    image: NDArray[np.uint8]
    boxes: NDArray[np.float32]
    labels: NDArray[np.int64]
    masks: NDArray[np.bool_]


class AnnotatedImages(Protocol):
    """One split of a detection data set."""

    fingerprint: str

    def __len__(self) -> int: ...

    def image(self, index: int) -> NDArray[np.uint8]:
        """(H, W, 3) uint8."""
        ...

    def image_id(self, index: int) -> int:
        """The number of the image in `ground_truth`."""
        ...

    def read(self, index: int) -> Annotated:
        """An image with the objects that are learnt."""
        ...

    def ground_truth(self) -> GroundTruth:
        """All images of the split as COCO's JSON has them: ``images``, ``annotations``, ``categories``."""
        ...


class ShapeScenes:
    """The data set ``shapes``: even numbers in landscape, odd ones in portrait format.

    Args:
        split: of the data set.
        resolution: the short and the long side.
        wanted: how many images; 0 for `COUNTS`.
    """

    fingerprint = FINGERPRINT

    def __init__(self, split: Split, resolution: tuple[int, int], wanted: int) -> None:
        self._split: Split = split
        self._sides = min(resolution), max(resolution)
        self._indices = subset(COUNTS[split], wanted, "shapes", split)

    def __len__(self) -> int:
        return len(self._indices)

    def _scene(self, index: int) -> Scene:
        number = self._indices[index]
        short, long = self._sides
        return draw_scene(self._split, number, (long, short) if number % 2 else (short, long))

    def image(self, index: int) -> NDArray[np.uint8]:
        """(H, W, 3) uint8."""
        return self._scene(index).image

    def image_id(self, index: int) -> int:
        """The number of the scene."""
        return self._indices[index]

    def read(self, index: int) -> Annotated:
        """The visible part of each object."""
        scene = self._scene(index)
        return Annotated(scene.image, scene.boxes, scene.labels + 1, scene.masks)

    def ground_truth(self) -> GroundTruth:
        """All scenes, drawn anew."""
        images: list[dict[str, Any]] = []
        annotations: list[dict[str, Any]] = []
        for index, image_id in enumerate(self._indices):
            scene = self._scene(index)
            height, width = scene.image.shape[:2]
            images.append({"id": image_id, "height": height, "width": width})
            for mask, (left, top, right, bottom), label, lengths in zip(
                scene.masks, scene.boxes.tolist(), scene.labels.tolist(), encode(scene.masks), strict=True
            ):
                annotations.append(
                    {
                        # pycocotools takes the number 0 for "matched with nothing".
                        "id": len(annotations) + 1,
                        "image_id": image_id,
                        "category_id": label + 1,
                        "bbox": [left, top, right - left, bottom - top],
                        "area": int(mask.sum()),
                        "iscrowd": 0,
                        "segmentation": lengths,
                    }
                )
        categories = [{"id": label, "name": name} for label, name in enumerate(SHAPES, 1)]
        return {"images": images, "annotations": annotations, "categories": categories}


class TrainingImages:
    """Samples that are learnt: an image with values in 0..1, and boxes, labels and masks.

    Args:
        images: of the training split.
        flip: probability of a horizontal flip, of all of them together; drawn from torch's generator.
    """

    def __init__(self, images: AnnotatedImages, flip: float) -> None:
        self._images = images
        self._flip = flip

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, index: int) -> tuple[Tensor, Target]:
        """Image (3, H, W) and a dict of ``boxes`` (N, 4), ``labels`` (N,) and ``masks`` (N, H, W) uint8.

        Raises:
            InvalidFile: the image or its annotations cannot be read.
        """
        found = self._images.read(index)
        image, boxes = _tensor(found.image), torch.from_numpy(found.boxes)
        masks = torch.from_numpy(found.masks.astype(np.uint8))
        if float(torch.rand(())) < self._flip:
            image, masks = image.flip(-1), masks.flip(-1)
            left, top, right, bottom = boxes.unbind(1)
            boxes = torch.stack((image.shape[-1] - right, top, image.shape[-1] - left, bottom), 1)
        return image, {"boxes": boxes, "labels": torch.from_numpy(found.labels), "masks": masks}


class EvaluationImages:
    """Samples of the evaluation: an image with values in 0..1, and its number.

    The objects are not read: the meter has them from the ground truth of the whole split.
    """

    def __init__(self, images: AnnotatedImages) -> None:
        self._images = images

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, index: int) -> tuple[Tensor, Target]:
        """Image (3, H, W) and a dict of ``image_id`` (), int64.

        Raises:
            InvalidFile: the image cannot be read.
        """
        return _tensor(self._images.image(index)), {"image_id": torch.tensor(self._images.image_id(index))}


def collate(samples: Sequence[tuple[Tensor, Target]]) -> tuple[list[Tensor], list[Target]]:
    """Lists of images and of targets: a batch whose images differ in size."""
    images, targets = zip(*samples, strict=True)
    return list(images), list(targets)


def _tensor(image: NDArray[np.uint8]) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1))).to(torch.float32) / 255
