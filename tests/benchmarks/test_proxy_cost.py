"""What every proxy costs on a full-size NAS-Bench-201 network, in bare forward passes, against its goal."""

from __future__ import annotations

import math
import time

import numpy as np
import pytest
import torch

import uninas_bench as ub
from tests.benchmarks.yardstick import multiple
from uninas_bench.data.source import ImageSet
from uninas_bench.isolation import isolated
from uninas_bench.subject import CellSubject
from uninas_bench.tasks import find_task

pytestmark = pytest.mark.slow

# Multiples of a bare forward pass: the goal, and what the authors' implementations take.
GOALS = {
    "nwot": (1.2, 3.4),
    "zico": (5.2, 6.0),
    "az_nas": (3.0, 4.7),
    "jacov": (2.6, 3.1),
    "vkdnw": (13.0, 34.0),
    "zen": (2.6, 2.5),
    "gradsign": (5.0, 6.7),
    # The authors' pass is that of jacov, and lets the weights take part in it.
    "epe_nas": (2.6, 3.1),
}
ARCHITECTURES = {
    "dense": "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|+"
    "|skip_connect~0|nor_conv_1x1~1|nor_conv_3x3~2|",
    "mixed": "|nor_conv_3x3~0|+|none~0|none~1|+|avg_pool_3x3~0|nor_conv_1x1~1|nor_conv_3x3~2|",
}


def images(n: int = 256) -> ImageSet:
    rng = np.random.default_rng(0)
    pixels = rng.standard_normal((n, 3, 32, 32), dtype=np.float32)
    return ImageSet(pixels, rng.integers(0, 10, n), (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("name", GOALS)
def test_passes(benchmark, name, architecture):
    """Measured up to five times: the machine may be busy, but it never makes a call too fast."""
    goal, authors = GOALS[name]
    space, task, proxy = ub.space("nasbench201"), find_task("cifar10"), ub.proxy(name)

    def measure():
        with isolated(0):
            return multiple(space, ARCHITECTURES[architecture], task, proxy, images())

    cost = benchmark.pedantic(measure, rounds=1)
    for _ in range(4):
        if cost.passes <= goal:
            break
        cost = min(cost, measure(), key=lambda c: c.passes)
    benchmark.extra_info.update(
        passes=round(cost.passes, 2), seconds=round(cost.proxy, 3), goal=goal, authors=authors
    )
    assert cost.passes <= goal, f"{name} takes {cost.passes:.2f} bare forward passes, {authors} as published"


def test_te_nas_takes_one_backward_pass_per_image():
    """Against a plain loop of backward passes, in turns, by the processor's time; 16 images stand for 64."""
    space, task, proxy = ub.space("nasbench201"), find_task("cifar10"), ub.proxy("te_nas", batch=16)
    architecture = space.parse(ARCHITECTURES["mixed"])
    subject = CellSubject(
        space, architecture, task, proxy.settings, cell_seed=1, run_seed=0, images=images()
    )  # fmt: skip
    network, inputs = subject.network(), subject.batch()[0]
    weights = [parameter for name, parameter in network.named_parameters() if "weight" in name]

    def loop():
        for logit in network(inputs).sum(1).unbind():
            torch.autograd.grad(logit, weights, retain_graph=True)

    best = {}
    with isolated(0):
        for _ in range(5):
            for name, call in (("te_nas", lambda: proxy.evaluate(subject)), ("loop", loop)):
                start = time.process_time()
                call()
                best[name] = min(best.get(name, math.inf), time.process_time() - start)
            if best["te_nas"] <= 1.2 * best["loop"]:
                break
    assert best["te_nas"] <= 1.2 * best["loop"], f"te_nas takes {best['te_nas'] / best['loop']:.2f} loops"
