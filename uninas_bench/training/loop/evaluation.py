"""The metrics of a network on a test split, each sample seen by one process once."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
from torch import nn

from uninas_bench.training.loop.loading import batches
from uninas_bench.training.loop.sampler import evaluation_batches
from uninas_bench.training.loop.stepping import autocast

if TYPE_CHECKING:
    from uninas_bench.training.loop.distributed import Processes
    from uninas_bench.training.objective import Objective
    from uninas_bench.training.recipes.recipe import Recipe


def evaluate(
    objective: Objective,
    model: nn.Module,
    recipe: Recipe,
    *,
    seed: int,
    processes: Processes,
    workers: int,
    between: Callable[[], None] = lambda: None,
) -> dict[str, float]:
    """The metrics of ``model``, which is on the processes' device, in eval mode; it is left in that mode.

    Every process evaluates the network of the first one: buffers are copied from there, as running
    statistics differ between processes.

    Args:
        objective: the task, whose test split is read.
        model: with the task's head.
        recipe: for precision, memory format and batch.
        seed: of the run; a test split that draws gives the same in every evaluation.
        processes: all of which call this.
        workers: that read samples, per process; 0 for none.
        between: called before every batch; what it raises ends the evaluation.
    """
    processes.copy_from_first(model.buffers())
    model.eval()
    meter = objective.meter()
    keys = evaluation_batches(
        len(objective.test), recipe.run.evaluation_batch, processes.rank, processes.count
    )
    with (
        torch.inference_mode(),
        batches(
            objective,
            objective.test,
            keys,
            seed=seed,
            workers=workers,
            device=processes.device,
            channels_last=recipe.run.channels_last,
        ) as loaded,
    ):
        for images, targets in loaded:
            between()
            with autocast(recipe, processes.device):
                predictions = model(images)
            meter.update(predictions, targets)
    return {name: float(value) for name, value in meter.result(processes).items()}
