"""Segmentation: a class for every pixel, by UperNet, judged by the mean intersection over union."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import Tensor

from uninas_bench.errors import UserError
from uninas_bench.training.data import ade20k
from uninas_bench.training.data.ade20k import Ade20kImages
from uninas_bench.training.data.places import folder_of
from uninas_bench.training.data.segmentation import (
    EvaluationMaps,
    LabelledImages,
    ShapeMaps,
    TrainingMaps,
    collate,
)
from uninas_bench.training.data.shapes import SHAPES
from uninas_bench.training.metrics.segmentation import SegmentationMeter
from uninas_bench.training.recipes.recipe import SegmentationAugmentation, UperNetHead
from uninas_bench.training.tasks.upernet import require_decoder

if TYPE_CHECKING:
    from uninas_bench.training.objective import Samples
    from uninas_bench.training.recipes.recipe import Recipe


class SegmentationObjective:
    """The task of a segmentation recipe; see `Objective`.

    Args:
        recipe: with the head ``upernet``; its data set is ``ade20k`` or ``shapes``.
        data: the folder of ``ade20k``, where it is not in the usual place.

    Raises:
        UserError: the data set has no labels of pixels or is not there, a batch is one image, or
            segmentation-models-pytorch is missing.
        InvalidFile: the folder has another layout.
    """

    metric = "miou"

    def __init__(self, recipe: Recipe, data: Mapping[str, str | Path]) -> None:
        require_decoder()
        assert isinstance(recipe.head, UperNetHead)
        assert isinstance(recipe.augmentation, SegmentationAugmentation)
        if recipe.run.batch < 2:
            raise UserError(
                f"recipe {recipe.name}: run.batch={recipe.run.batch}: expected at least 2, because UperNet "
                "takes batch statistics of whole images"
            )
        size = recipe.data.resolution
        training, test, self.classes = _images(recipe, data)
        self.training: Samples = TrainingMaps(training, size, recipe.augmentation)
        self.test: Samples = EvaluationMaps(test, size)
        self.fingerprint = f"{training.fingerprint}+{test.fingerprint}"

    @property
    def collate(self) -> Callable[[Sequence[tuple[Tensor, Any]]], tuple[Any, Any]]:
        """Tensors in training, lists where images differ in size."""
        return collate

    def meter(self) -> SegmentationMeter:
        """Of the test split."""
        return SegmentationMeter(self.classes)


def _images(recipe: Recipe, data: Mapping[str, str | Path]) -> tuple[LabelledImages, LabelledImages, int]:
    """The two splits, and the number of classes."""
    wanted = recipe.data
    if wanted.dataset == "shapes":
        size, ground = wanted.resolution, 1
        return (
            ShapeMaps("train", size, wanted.training_images),
            ShapeMaps("test", size, wanted.test_images),
            len(SHAPES) + ground,
        )
    if wanted.dataset == "ade20k":
        root = folder_of("ade20k", data, ade20k.LAYOUT)
        return (
            Ade20kImages(root, "train", wanted.training_images),
            Ade20kImages(root, "test", wanted.test_images),
            ade20k.CLASSES,
        )
    raise UserError(
        f'data set "{wanted.dataset}": has no labels of pixels; a segmentation recipe takes ade20k or shapes'
    )
