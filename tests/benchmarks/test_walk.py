"""How fast the walk steps at the paper's setting, and how that compares to the authors' package."""

from __future__ import annotations

import time
from typing import Any

import pytest
import torch

from uninas_bench.bounds import Bounds
from uninas_bench.spaces.uninas.encoding import read_design, write_design
from uninas_bench.spaces.uninas.macro import UninasScale
from uninas_bench.spaces.uninas.space import NAMED, Uninas
from uninas_bench.spaces.uninas.toolkit_json import write_json
from uninas_bench.spaces.uninas.walk import Walk, WalkSettings
from uninas_bench.tasks import find_task

SCALE = UninasScale()
TASK = find_task("imagenet1k")
AUTHORS_STEPS = 20
BOUNDS = Bounds.read("22M..28M", "6G..20G")
# Processor time: the bounds hold on a busy machine, too.
pytestmark = [pytest.mark.slow, pytest.mark.benchmark(timer=time.process_time)]


def paper_walk(warm: int, settings: WalkSettings | None = None) -> Walk:
    """The paper's walk after some steps: its networks grow at first, and its steps slow down with them."""
    design = read_design(NAMED["coatnet"], SCALE.widths)
    walk = Walk(design, SCALE, TASK, bounds=BOUNDS, settings=settings, seed=0)
    for _ in range(warm):
        walk.step()
    return walk


def run(walk: Walk, steps: int) -> None:
    for _ in range(steps):
        walk.step()


def test_steps_of_the_papers_walk(benchmark: Any) -> None:
    """At least 5,000 steps a second on one core, where the networks are as large as they get."""
    walk = paper_walk(20_000)
    steps = 10_000
    benchmark.pedantic(run, args=(walk, steps), rounds=5)
    benchmark.extra_info["steps per second"] = round(steps / benchmark.stats.stats.median)
    assert steps / benchmark.stats.stats.median > 5000


def test_steps_that_keep_everything_alive(benchmark: Any) -> None:
    walk = paper_walk(2000, WalkSettings(live=True))
    benchmark.pedantic(run, args=(walk, 500), rounds=3)
    benchmark.extra_info["steps per second"] = round(500 / benchmark.stats.stats.median)


def test_a_network_as_text(benchmark: Any) -> None:
    walk = paper_walk(20_000)
    benchmark.pedantic(
        lambda: write_design(walk.design()), setup=lambda: run(walk, 200), rounds=50
    )  # every block is another one


@pytest.mark.filterwarnings("ignore")  # of their profiler
def test_ratio_to_the_authors_step(benchmark: Any) -> None:
    """`create_new_model` copies the network and builds every candidate, also those that it does not keep."""
    from tests.interop.authors import model_of, step  # skips where the package is absent

    torch.manual_seed(0)
    space = Uninas()
    theirs = model_of(write_json(space, space.parse("coatnet"), TASK))
    limits = {
        "flops_min": 6 * 10**9,
        "flops_max": 20 * 10**9,
        "params_min": 22 * 10**6,
        "params_max": 28 * 10**6,
    }
    walk = paper_walk(20_000)
    begin = time.process_time()
    for _ in range(AUTHORS_STEPS):
        theirs = step(theirs, **limits) or theirs
    seconds = (time.process_time() - begin) / AUTHORS_STEPS
    benchmark.pedantic(run, args=(walk, 5000), rounds=3)
    ratio = seconds / (benchmark.stats.stats.median / 5000)
    benchmark.extra_info["theirs, seconds a step"] = round(seconds, 3)
    benchmark.extra_info["times as fast as theirs"] = round(ratio)
    assert ratio > 1000
