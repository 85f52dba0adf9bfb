"""Steps and learning rates: functions of the recipe alone, so that a resume has nothing to restore."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from uninas_bench.errors import UserError

if TYPE_CHECKING:
    from uninas_bench.training.recipes.recipe import Recipe


@dataclass(frozen=True)
class Plan:
    """A recipe's schedule in steps, on so many images and processes.

    Attributes:
        kind: what follows the warm-up.
        epochs: the warm-up's included.
        steps_per_epoch: whole steps; the images of an epoch's permutation that would begin another are left.
        warm_up_steps: before ``rate`` is reached; the first step at ``rate`` is the one of this number.
        steps: made in all; fewer than the epochs' where ``run.steps`` ends the run.
        rate: of the steps of this plan, already in proportion to ``images_per_step``.
        minimal_rate: likewise.
        warm_up_rate: likewise, of step 0.
        milestones: steps from which the rate is once more multiplied by ``gamma``.
        gamma: of ``multi-step``.
        clamped: whether ``multi-step`` stops at ``minimal_rate``.
        images_per_step: over all processes and accumulated passes.
    """

    kind: Literal["cosine", "linear", "multi-step"]
    epochs: int
    steps_per_epoch: int
    warm_up_steps: int
    steps: int
    rate: float
    minimal_rate: float
    warm_up_rate: float
    milestones: tuple[int, ...]
    gamma: float
    clamped: bool
    images_per_step: int


def plan_of(recipe: Recipe, images: int, processes: int) -> Plan:
    """The plan of a recipe for so many training images and processes.

    Rates grow in proportion to the images of a step: UniNAS, Table III, gives them per GPU of
    ``rate_batch`` images, to be "adjusted accordingly when more GPUs are used".

    Raises:
        UserError: the images do not fill a single step.
    """
    run, schedule = recipe.run, recipe.schedule
    images_per_step = processes * run.batch * run.accumulate
    steps_per_epoch = images // images_per_step
    if steps_per_epoch == 0:
        raise UserError(
            f"{images} training images do not fill one step of {images_per_step}: {processes} process(es) of "
            f"run.batch={run.batch}, run.accumulate={run.accumulate}; lower one of them"
        )
    steps = schedule.epochs * steps_per_epoch
    scale = images_per_step / schedule.rate_batch
    return Plan(
        kind=schedule.kind,
        epochs=schedule.epochs,
        steps_per_epoch=steps_per_epoch,
        warm_up_steps=schedule.warm_up_epochs * steps_per_epoch,
        steps=min(steps, run.steps) if run.steps else steps,
        rate=schedule.rate * scale,
        minimal_rate=schedule.minimal_rate * scale,
        warm_up_rate=schedule.warm_up_rate * scale,
        milestones=tuple(epoch * steps_per_epoch for epoch in schedule.milestones),
        gamma=schedule.gamma,
        clamped=schedule.clamped,
        images_per_step=images_per_step,
    )


def learning_rate(step: int, plan: Plan) -> float:
    """The rate of a step, counted from 0.

    The warm-up is linear in the step. The cosine and the line span what the epochs leave after it and reach
    ``minimal_rate`` one step after the last; ``multi-step`` counts its milestones from the start.
    """
    if step < plan.warm_up_steps:
        return plan.warm_up_rate + step * (plan.rate - plan.warm_up_rate) / plan.warm_up_steps
    if plan.kind == "multi-step":
        rate = plan.rate * plan.gamma ** sum(step >= milestone for milestone in plan.milestones)
        return max(rate, plan.minimal_rate) if plan.clamped else rate
    rest = plan.epochs * plan.steps_per_epoch - plan.warm_up_steps
    part = (step - plan.warm_up_steps) / max(1, rest)
    left = 0.5 * (1 + math.cos(math.pi * part)) if plan.kind == "cosine" else 1 - part
    return plan.minimal_rate + (plan.rate - plan.minimal_rate) * left


def evaluation_due(done: int, plan: Plan, recipe: Recipe) -> bool:
    """Whether an evaluation follows after ``done`` steps: the last, or the last of a wanted epoch."""
    epoch, rest = divmod(done, plan.steps_per_epoch)
    every = recipe.run.evaluate_every
    return done == plan.steps or (every > 0 and rest == 0 and epoch % every == 0)


def checkpoint_due(done: int, plan: Plan, recipe: Recipe) -> bool:
    """Whether a checkpoint follows after ``done`` steps; one also precedes every evaluation, lest it fail."""
    every = recipe.run.checkpoint_every or plan.steps_per_epoch
    return done % every == 0 or evaluation_due(done, plan, recipe)
