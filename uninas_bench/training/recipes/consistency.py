"""What fields of a recipe must be to one another: types alone do not say it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from uninas_bench.errors import UnknownName, UserError
from uninas_bench.tasks import find_task, task_names
from uninas_bench.training.recipes.policy import check_policy
from uninas_bench.training.recipes.recipe import (
    ClassificationAugmentation,
    Recipe,
    Schedule,
    SegmentationAugmentation,
)

_HEADS = {"classification": "linear", "detection": "mask-rcnn", "segmentation": "upernet"}
_KINDS = {"coco": ("detection",), "ade20k": ("segmentation",), "shapes": tuple(_HEADS)}
"""Of the data sets that are not for classification alone."""
_SIDES = range(8, 4097)


def check_recipe(recipe: Recipe) -> None:
    """Pass over a recipe that makes sense.

    Raises:
        UnknownName: the data set is not in the catalogue of tasks.
        UserError: fields that do not go together; the message names them, and what would be right.
    """
    _check_task(recipe)
    _check_resolution(recipe)
    _check_schedule(recipe.schedule)
    _check_augmentation(recipe)
    for name in ("backbone.drop_path", "optimiser.betas"):
        value = value_of(recipe, name)
        if max(value if isinstance(value, tuple) else (value,)) >= 1:
            raise UserError(f"{name} = {_shown(value)}: expected less than 1")
    unknown = sorted(set(recipe.assumed) - set(field_names(recipe)))
    if unknown:
        raise UserError(f'assumed: "{unknown[0]}" is no field of a section')


def field_names(recipe: Recipe) -> tuple[str, ...]:
    """The dotted names of all fields of all sections, such as ``schedule.epochs``."""

    def names(table: Mapping[str, Any], prefix: str) -> Iterator[str]:
        for key, value in table.items():
            if isinstance(value, Mapping):
                yield from names(value, f"{prefix}{key}.")
            elif prefix:
                yield f"{prefix}{key}"

    return tuple(names(recipe.model_dump(), ""))


def value_of(recipe: Recipe, name: str) -> Any:
    """The value of a field by its dotted name; None where the section has no such field."""
    section, field = name.split(".")
    return getattr(getattr(recipe, section), field, None)


def _check_task(recipe: Recipe) -> None:
    kind = recipe.kind
    for part, wanted in (("head", _HEADS[kind]), ("augmentation", kind)):
        found = getattr(recipe, part).kind
        if found != wanted:
            raise UserError(f'{part}.kind = "{found}": expected "{wanted}" for {kind}')
    dataset = recipe.data.dataset
    known = {find_task(name).dataset for name in task_names()}
    if dataset not in known:
        raise UnknownName("data set", dataset, known)
    kinds = _KINDS.get(dataset, ("classification",))
    if kind not in kinds:
        raise UserError(f'data.dataset = "{dataset}": is for {" and ".join(kinds)}, not for {kind}')


def _check_resolution(recipe: Recipe) -> None:
    height, width = recipe.data.resolution
    if height not in _SIDES or width not in _SIDES:
        raise UserError(f"data.resolution = [{height}, {width}]: expected sides of 8 to 4096 pixels")
    if recipe.kind == "classification" and height != width:
        raise UserError(f"data.resolution = [{height}, {width}]: expected a square for classification")
    if recipe.kind == "detection" and height > width:
        raise UserError(f"data.resolution = [{height}, {width}]: expected the short side's limit first")
    earlier = recipe.backbone.pretrained_resolution
    if earlier and earlier not in _SIDES:
        raise UserError(f"backbone.pretrained_resolution = {earlier}: expected 0 or 8 to 4096 pixels")


def _check_schedule(schedule: Schedule) -> None:
    epochs, warm_up = schedule.epochs, schedule.warm_up_epochs
    if warm_up > epochs:
        raise UserError(f"schedule.warm_up_epochs = {warm_up}: expected at most schedule.epochs = {epochs}")
    for name in ("warm_up_rate", "minimal_rate"):
        rate = getattr(schedule, name)
        if rate > schedule.rate:
            raise UserError(f"schedule.{name} = {rate}: expected at most schedule.rate = {schedule.rate}")
    milestones = list(schedule.milestones)
    if milestones and schedule.kind != "multi-step":
        raise UserError(f"schedule.milestones = {milestones}: expected [] where kind is {schedule.kind}")
    if milestones != sorted(set(milestones)) or any(stone >= epochs for stone in milestones):
        raise UserError(f"schedule.milestones = {milestones}: expected rising epochs below {epochs}")


def _check_augmentation(recipe: Recipe) -> None:
    augmentation = recipe.augmentation
    if isinstance(augmentation, SegmentationAugmentation) and augmentation.scale[0] > augmentation.scale[1]:
        raise UserError(f"augmentation.scale = {_shown(augmentation.scale)}: expected the least first")
    if not isinstance(augmentation, ClassificationAugmentation):
        return
    least, largest = augmentation.crop_area
    if not 0 < least <= largest:
        shown = _shown(augmentation.crop_area)
        raise UserError(f"augmentation.crop_area = {shown}: expected the least first, above 0")
    if not augmentation.evaluation_crop:
        raise UserError("augmentation.evaluation_crop = 0.0: expected a part of the image above 0")
    if augmentation.padding and augmentation.crop != "padded":
        raise UserError(
            f'augmentation.padding = {augmentation.padding}: expected 0 where crop is "{augmentation.crop}"'
        )
    try:
        check_policy(augmentation.policy)
    except UserError as error:
        raise UserError(f"augmentation.{error}") from None


def _shown(value: Any) -> str:
    return str(list(value) if isinstance(value, tuple) else value)
