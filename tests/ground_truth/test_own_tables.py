"""The catalogue of this project's own tables: every entry is a space at a scale, and its networks train."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import torch

import uninas_bench as ub
from uninas_bench.data.arrays import image_set
from uninas_bench.errors import UnknownName
from uninas_bench.ground_truth import training
from uninas_bench.ground_truth.own_tables import OWN_TABLES, OwnTable, find_own_table
from uninas_bench.ground_truth.training import train
from uninas_bench.tasks import find_task


def test_what_is_promised() -> None:
    spaces = Counter(table.space for table in OWN_TABLES)
    assert set(spaces) == {"nasbench201", "nats_size", "hytra", "mbconv", "uninas"}
    for table in OWN_TABLES:
        assert table.sample * table.seeds >= (1200 if table.space == "mbconv" else 2400)
        assert table.seeds >= 8
    fashion = {table.space for table in OWN_TABLES if find_task(table.task).dataset == "fashion-mnist"}
    assert fashion == {"nasbench201", "uninas"}
    assert len({table.name for table in OWN_TABLES}) == len(OWN_TABLES)


def test_names() -> None:
    assert find_own_table("uninas-mnist-hard").space == "uninas"
    with pytest.raises(UnknownName, match='did you mean "hytra-mnist-hard"'):
        find_own_table("hytra-mnist")


@pytest.mark.parametrize("table", OWN_TABLES, ids=lambda table: table.name)
def test_networks_of_the_scale_train(table: OwnTable) -> None:
    space, task = ub.space(table.space, **table.scale), find_task(table.task)
    assert space.size is None or space.size > table.sample
    rng = np.random.default_rng(0)
    size = (64, task.resolution, task.resolution, 3)
    images = image_set(rng.integers(0, 255, size, dtype=np.uint8), rng.integers(0, task.classes, 64))
    settings = replace(table.settings, steps=2)
    for architecture in space.sample(2, rng):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            network = space.build(architecture, task)
            before = [parameter.clone() for parameter in network.parameters()]
            train(network, images, settings, torch.Generator().manual_seed(0))
        assert any(not torch.equal(a, b) for a, b in zip(before, network.parameters(), strict=True))
        accuracy, loss = training.test(network, images)
        assert 0 <= accuracy <= 100
        assert math.isfinite(loss)
