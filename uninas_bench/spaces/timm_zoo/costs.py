"""Parameters and FLOPs of the zoo's networks, from a table that was counted once."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from functools import lru_cache
from importlib import resources

from uninas_bench.architecture import Costs, Task
from uninas_bench.errors import InvalidArchitecture
from uninas_bench.spaces.timm_zoo.models import Model

RESOLUTIONS = tuple(range(32, 257, 32))
"""What every network takes: all of them halve an image five times."""
_CLASSES = 1000
"""Of the networks that were counted."""


def zoo_costs(model: Model, task: Task) -> Costs:
    """Parameters, and multiply-accumulates of convolutions, linear maps and products of attention.

    ``costs.csv`` says what torch's counter found in a network of 1,000 classes on the meta device, where
    attention is spelt out and counted too; other numbers of classes change the last linear map alone.

    Raises:
        InvalidArchitecture: the network does not take the task's resolution.
    """
    check_resolution(task)
    counted = _table()[model.name, task.resolution]
    more = task.classes - _CLASSES
    return Costs(counted.params + more * (model.head + 1), counted.flops + more * model.head)


def check_resolution(task: Task) -> None:
    """Refuse a task whose images not all networks of the zoo take.

    Raises:
        InvalidArchitecture: the resolution is not among `RESOLUTIONS`.
    """
    if task.resolution not in RESOLUTIONS:
        raise InvalidArchitecture(
            f"timm_zoo: networks take images of {', '.join(map(str, RESOLUTIONS))} pixels, not the "
            f"{task.resolution} of {task}; another resolution is asked for as in imagenet1k@64"
        )


@lru_cache(maxsize=1)
def _table() -> Mapping[tuple[str, int], Costs]:
    text = resources.files("uninas_bench.spaces.timm_zoo").joinpath("costs.csv").read_text("utf-8")
    return {
        (row["model"], int(row["resolution"])): Costs(int(row["params"]), int(row["flops"]))
        for row in csv.DictReader(text.splitlines())
    }
