"""What VKDNW costs where it is dearest: all edges convolutions, and many classes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import uninas_bench as ub
from tests.benchmarks.yardstick import multiple
from uninas_bench.data.source import ImageSet
from uninas_bench.isolation import isolated
from uninas_bench.tasks import find_task

pytestmark = pytest.mark.slow

CONVOLUTIONS = (
    "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|+|nor_conv_3x3~0|nor_conv_3x3~1|nor_conv_3x3~2|"
)
POOLING = "|nor_conv_3x3~0|+|avg_pool_3x3~0|skip_connect~1|+|nor_conv_3x3~0|avg_pool_3x3~1|avg_pool_3x3~2|"
NO_IMAGES = ImageSet(np.zeros((1, 3, 1, 1), np.uint8), np.zeros(1, np.int64), (0.0,) * 3, (1.0,) * 3)


# 120 classes: 64 backwards, from the inputs of the head, where one for each logit would be 119.
@pytest.mark.parametrize(("task", "goal"), [("cifar10", 13), ("imagenet16-120", 100)])
@pytest.mark.parametrize("architecture", [CONVOLUTIONS, POOLING], ids=["convolutions", "pooling"])
def test_passes(benchmark: Any, architecture: str, task: str, goal: float) -> None:
    def measure() -> Any:
        with isolated(0):
            return multiple(
                ub.space("nasbench201"), architecture, find_task(task), ub.proxy("vkdnw"), NO_IMAGES, rounds=3
            )

    cost = benchmark.pedantic(measure, rounds=1)
    benchmark.extra_info.update(passes=round(cost.passes, 2), seconds=round(cost.proxy, 3), goal=goal)
    assert cost.passes <= goal
