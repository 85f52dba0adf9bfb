"""What a recipe will do to a network, before any data are there: rates, steps, memory, compute."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from uninas_bench.errors import UserError
from uninas_bench.training.estimate import BACKWARD, Footprint, check_memory, footprint
from uninas_bench.training.loop.schedule import Plan, learning_rate, plan_of
from uninas_bench.training.networks.building import untrained
from uninas_bench.training.tasks.catalogue import objective_of, usual_classes

if TYPE_CHECKING:
    from uninas_bench.training.networks.trainee import Trainee
    from uninas_bench.training.recipes.recipe import Recipe

PUBLISHED_IMAGES = {"imagenet1k": 1_281_167, "coco": 117_266, "ade20k": 20_210}
"""Training images of the standard splits; of COCO those that have annotations."""


@dataclass(frozen=True, slots=True)
class RatePoint:
    """The learning rate at the first step of an epoch, or at the last step of all."""

    epoch: int
    step: int
    rate: float


@dataclass(frozen=True, slots=True)
class TrainingPlan:
    """What there is to know beforehand.

    Attributes:
        images: of the training split; ``counted`` where they were, else the number that is published.
        devices: processes, one device each.
        plan: steps and rates.
        rates: where the schedule has a corner, and at the ends.
        footprint: of one batch on one device.
        half: whether bfloat16 autocast is in force.
        macs: multiply-accumulates of the whole training, over all devices; evaluations are left out.
    """

    images: int
    counted: bool
    devices: int
    plan: Plan
    rates: tuple[RatePoint, ...]
    footprint: Footprint
    half: bool
    macs: int

    def hours(self, tflops: float) -> float:
        """Hours at so many 10^12 floating point operations per second and device, two per MAC."""
        return 2 * self.macs / (tflops * 1e12 * self.devices) / 3600


def training_plan(
    trainee: Trainee,
    recipe: Recipe,
    *,
    devices: int = 1,
    images: int | None = None,
    data: Mapping[str, str | Path] | None = None,
    half: bool = False,
    memory: int | None = None,
) -> TrainingPlan:
    """Plan the training of a network.

    Args:
        trainee: the architecture.
        recipe: the protocol.
        devices: that train together.
        images: of the training split; default counted in ``data``, or as published.
        data: where data sets are.
        half: bfloat16 autocast.
        memory: bytes of a device.

    Raises:
        UserError: the network cannot be built, or cannot fit into ``memory``, or the number of images is
            unknown.
    """
    counted = False
    if images is None:
        images, counted = _training_images(recipe, data or {})
    plan = plan_of(recipe, images, devices)
    classes = usual_classes(recipe)
    with torch.device("meta"):
        model, backbone = untrained(trainee, recipe, classes, seed=0)
    found = footprint(model, backbone, recipe)
    if memory is not None:
        check_memory(found, recipe, memory, half=half, where="a device")
    return TrainingPlan(
        images=images,
        counted=counted,
        devices=devices,
        plan=plan,
        rates=_corners(plan),
        footprint=found,
        half=half,
        macs=(1 + BACKWARD) * found.macs * plan.steps * plan.images_per_step,
    )


def _training_images(recipe: Recipe, data: Mapping[str, str | Path]) -> tuple[int, bool]:
    limit = recipe.data.training_images
    dataset = recipe.data.dataset
    try:
        return len(objective_of(recipe, data).training), True
    except UserError:
        # Data that were named must be there; others may be elsewhere, where the training will be.
        if dataset in data or dataset not in PUBLISHED_IMAGES:
            raise
    published = PUBLISHED_IMAGES[dataset]
    return min(limit, published) if limit else published, False


def _corners(plan: Plan) -> tuple[RatePoint, ...]:
    """Start, end of the warm-up, milestones, a few places in between, and the last step."""
    between = range(0, plan.steps, max(1, plan.steps // 8))
    corners = {0, plan.warm_up_steps, plan.warm_up_steps - 1, *plan.milestones, *between, plan.steps - 1}
    return tuple(
        RatePoint(step // plan.steps_per_epoch, step, learning_rate(step, plan))
        for step in sorted(corners)
        if 0 <= step < plan.steps
    )
