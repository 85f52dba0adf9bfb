"""The tables that this project trains itself: their spaces, scales, tasks, samples and protocols, as data.

Scales keep the topologies of a space and shrink what surrounds them until a training takes a few seconds of
one core; `docs/decisions/0007-small-tables.md` has the measurements that they were chosen by.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from uninas_bench.errors import UnknownName
from uninas_bench.ground_truth.training import TrainingSettings


@dataclass(frozen=True, kw_only=True)
class OwnTable:
    """All that decides what is in a table.

    Attributes:
        name: of the table and of its file.
        space: the search space's name.
        scale: parameters of the space that differ from its own scale.
        task: with a resolution where that is not the task's own.
        sample: random architectures; the extremes come on top, see `sampling.representatives`.
        sample_seed: fixes them.
        seeds: trainings of each architecture.
        settings: the protocol.
    """

    name: str
    space: str
    scale: Mapping[str, str]
    task: str
    sample: int = 300
    sample_seed: int = 0
    seeds: int = 8
    settings: TrainingSettings = field(default_factory=TrainingSettings)


_CELLS = {"channels": "8", "cells": "1"}
_UNINAS = {"widths": "32:32:64:64", "depths": "1:1:1:1", "stem": "16:32"}

OWN_TABLES = (
    # The table that is compared with official accuracies: twice the steps bring its ranking nearer to them.
    OwnTable(
        name="nasbench201-mnist-hard", space="nasbench201", scale=_CELLS, task="mnist-hard",
        settings=TrainingSettings(steps=480, init="kaiming"),
    ),
    # Up to 64 channels at full resolution, which the scale cannot change: smaller images, fewer steps, and an
    # initialisation that learns more in them.
    OwnTable(
        name="nats-size-mnist-hard", space="nats_size", scale={}, task="mnist-hard@8",
        settings=TrainingSettings(steps=100, init="kaiming"),
    ),
    OwnTable(
        name="hytra-mnist-hard",
        space="hytra",
        scale={"blocks": "2:2:2:2", "widths": "4:8:16:32", "stem": "16", "head": "8"},
        task="mnist-hard@32",
    ),
    OwnTable(
        name="mbconv-mnist-hard",
        space="mbconv",
        scale={
            "depths": "1:1:1:1:1", "widths": "16:24:32:32:48", "stem": "16:16", "final": "48", "head": "64",
        },
        task="mnist-hard@32",
        sample=150,
        settings=TrainingSettings(steps=240),
    ),
    OwnTable(name="uninas-mnist-hard", space="uninas", scale=_UNINAS, task="mnist-hard@16"),
    OwnTable(name="nasbench201-fashion-mnist", space="nasbench201", scale=_CELLS, task="fashion-mnist@16"),
    OwnTable(name="uninas-fashion-mnist", space="uninas", scale=_UNINAS, task="fashion-mnist@16"),
)  # fmt: skip


def find_own_table(name: str) -> OwnTable:
    """The table of a name.

    Raises:
        UnknownName: there is none.
    """
    tables = {table.name: table for table in OWN_TABLES}
    if name not in tables:
        raise UnknownName("table of this project", name, tables)
    return tables[name]
