"""Which objective a recipe has, and which network."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from uninas_bench.tasks import find_task
from uninas_bench.training.recipes.recipe import LinearHead, MaskRcnnHead

if TYPE_CHECKING:
    from torch import nn

    from uninas_bench.data.source import ImageSource
    from uninas_bench.training.networks.backbone import Backbone
    from uninas_bench.training.objective import Objective
    from uninas_bench.training.recipes.recipe import Recipe


def objective_of(
    recipe: Recipe, data: Mapping[str, str | Path], registered: Mapping[str, ImageSource] | None = None
) -> Objective:
    """The task of a recipe on its data.

    Args:
        recipe: its ``kind`` and data set.
        data: where data sets are that are not in the usual places.
        registered: image sources of plugins, for classifications; default the built-in ones.

    Raises:
        UserError: the data are missing or laid out otherwise, or a package that the task needs is missing.
    """
    if recipe.kind == "detection":
        from uninas_bench.training.tasks.detection import DetectionObjective

        return DetectionObjective(recipe, data)
    if recipe.kind == "segmentation":
        from uninas_bench.training.tasks.segmentation import SegmentationObjective

        return SegmentationObjective(recipe, data)
    from uninas_bench.training.tasks.classification import ClassificationObjective

    return ClassificationObjective(recipe, data, registered)


def network_of(recipe: Recipe, backbone: Backbone, classes: int) -> nn.Module:
    """A backbone with the head of the recipe, from the torch generator in force.

    Its ``forward(images, targets)`` gives, in train mode, a dict of losses, means over the batch, whose sum
    is what is minimised; in eval mode ``forward(images)`` gives what the objective's meter takes.

    Raises:
        UserError: the backbone has no maps for the head, or a package that the head needs is missing.
    """
    if isinstance(recipe.head, LinearHead):
        from uninas_bench.training.tasks.classification import Classifier

        return Classifier(backbone, recipe.head.smoothing)
    if isinstance(recipe.head, MaskRcnnHead):
        from uninas_bench.training.tasks.mask_rcnn import Detector

        return Detector(backbone, classes, recipe.head, recipe.data.resolution)
    from uninas_bench.training.tasks.upernet import UperNet

    return UperNet(backbone, classes, recipe.head)


def usual_classes(recipe: Recipe) -> int:
    """How many classes the recipe's data set has, before any data are there.

    Of drawn shapes, the ground is one more where boxes or pixels are learnt.
    """
    dataset = recipe.data.dataset
    return find_task(dataset).classes + (dataset == "shapes" and recipe.kind != "classification")
