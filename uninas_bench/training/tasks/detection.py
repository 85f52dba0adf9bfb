"""Detection and instance segmentation: boxes and masks of COCO or of drawn shapes, by Mask R-CNN."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import Tensor

from uninas_bench.data.source import Split
from uninas_bench.errors import UserError
from uninas_bench.training.data import coco
from uninas_bench.training.data.detection import (
    AnnotatedImages,
    EvaluationImages,
    ShapeScenes,
    TrainingImages,
    collate,
)
from uninas_bench.training.data.places import folder_of
from uninas_bench.training.data.run_lengths import require_pycocotools
from uninas_bench.training.data.shapes import SHAPES
from uninas_bench.training.metrics.coco import CocoMeter
from uninas_bench.training.recipes.recipe import DetectionAugmentation, MaskRcnnHead, Recipe

if TYPE_CHECKING:
    from uninas_bench.training.objective import Meter, Samples

_CLASSES = {"coco": coco.CLASSES, "shapes": 1 + len(SHAPES)}


class DetectionObjective:
    """A detection recipe on its data; see `Objective`.

    Args:
        recipe: with a Mask R-CNN head; its data set is ``coco`` or ``shapes``.
        data: where COCO's folder is, unless it is ``coco/`` in the data folder.

    Raises:
        UserError: the data set has no boxes or is not there, or pycocotools is missing.
        InvalidFile: the folder is laid out otherwise, or its annotations are damaged.
    """

    metric = "box_ap"

    def __init__(self, recipe: Recipe, data: Mapping[str, str | Path]) -> None:
        # Before the first step, not at the first evaluation: drawn shapes are learnt without it.
        require_pycocotools()
        assert isinstance(recipe.head, MaskRcnnHead)
        assert isinstance(recipe.augmentation, DetectionAugmentation)
        training = _images(recipe, "train", recipe.data.training_images, data)
        self._test_images = _images(recipe, "test", recipe.data.test_images, data)
        self.training: Samples = TrainingImages(training, recipe.augmentation.flip)
        self.test: Samples = EvaluationImages(self._test_images)
        self.classes = _CLASSES[recipe.data.dataset]
        self.fingerprint = " ".join(
            dict.fromkeys(
                (training.fingerprint, self._test_images.fingerprint)
            )  # once where they are the same
        )

    @property
    def collate(self) -> Callable[[Sequence[tuple[Tensor, Any]]], tuple[Any, Any]]:
        """Lists: images differ in size."""
        return collate

    def meter(self) -> Meter:
        """Average precision over all images of the test split."""
        return CocoMeter(self._test_images.ground_truth())


def _images(recipe: Recipe, split: Split, wanted: int, data: Mapping[str, str | Path]) -> AnnotatedImages:
    dataset = recipe.data.dataset
    if dataset == "shapes":
        return ShapeScenes(split, recipe.data.resolution, wanted)
    if dataset == "coco":
        return coco.CocoImages(folder_of(dataset, data, coco.LAYOUT), split, wanted)
    raise UserError(f'data set "{dataset}": has no boxes; a detection recipe takes {" or ".join(_CLASSES)}')
