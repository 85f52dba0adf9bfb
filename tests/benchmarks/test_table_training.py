"""Trainings a core-hour for this project's own tables: convolutions as torch computes them, and as we do.

Both ways take turns on the same networks in one process, timed by the processor's clock, from which other
work on the machine takes less than from the wall's.
"""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

import uninas_bench as ub
from uninas_bench.data.mnist_hard import MnistHard
from uninas_bench.ground_truth.own_tables import OWN_TABLES, OwnTable
from uninas_bench.ground_truth.quick_convolutions import quicken_
from uninas_bench.ground_truth.training import train
from uninas_bench.tasks import find_task

pytestmark = pytest.mark.slow

STEPS, ROUNDS, ARCHITECTURES = 12, 4, 3
TABLES = [table for table in OWN_TABLES if find_task(table.task).dataset == "mnist-hard"]


def step_seconds(table: OwnTable, network: nn.Module) -> float:
    images = MnistHard().load("train", find_task(table.task).resolution)
    network = copy.deepcopy(network)
    start = time.process_time()
    train(network, images, replace(table.settings, steps=STEPS), torch.Generator().manual_seed(0))
    return (time.process_time() - start) / STEPS


def networks(table: OwnTable) -> list[tuple[nn.Module, nn.Module]]:
    """The same random networks twice: plain, and with convolutions as products."""
    space, task = ub.space(table.space, **table.scale), find_task(table.task)
    torch.manual_seed(0)
    plain = [
        space.build(architecture, task).to(memory_format=torch.channels_last)
        for architecture in space.sample(ARCHITECTURES, np.random.default_rng(0))
    ]
    quick = copy.deepcopy(plain)
    for network in quick:
        quicken_(network)
    return list(zip(plain, quick, strict=True))


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_trainings_a_core_hour(table: OwnTable, record_property: Callable[[str, object], None]) -> None:
    before = after = 0.0
    with torch.random.fork_rng(devices=[]):
        for plain, quick in networks(table):
            best = [math.inf, math.inf]
            for _ in range(ROUNDS):
                best[0] = min(best[0], step_seconds(table, plain))
                best[1] = min(best[1], step_seconds(table, quick))
            before, after = before + best[0], after + best[1]
    hourly = [3600 * ARCHITECTURES / (table.settings.steps * part) for part in (before, after)]
    record_property("trainings per core-hour", hourly)
    print(f"\n{table.name}: {hourly[0]:.0f} trainings a core-hour before, {hourly[1]:.0f} now")  # noqa: T201
    # Products must never cost time; where most convolutions are large there is little to gain.
    assert after < 1.03 * before
    if table.space == "mbconv":
        assert after < 0.92 * before
