"""Which objective a recipe has."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from uninas_bench.training.objective import Objective
    from uninas_bench.training.recipe import Recipe


def objective_of(recipe: Recipe, data: Mapping[str, str | Path]) -> Objective:
    """The task of a recipe on its data.

    Args:
        recipe: its ``kind`` and data set.
        data: where data sets are that are not in the usual places.

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

    return ClassificationObjective(recipe, data)
