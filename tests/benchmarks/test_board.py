"""A board over a whole space from a filled store, and the command on a few hundred architectures.

Times are processor seconds, of this process or of the command's.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pytest

import uninas_bench as ub
from uninas_bench.cells import Outcome, Status
from uninas_bench.ground_truth.files import write_table
from uninas_bench.ground_truth.table import GroundTruth, GroundTruthInfo
from uninas_bench.host import default_host
from uninas_bench.leaderboard import build
from uninas_bench.plan import make_plan
from uninas_bench.store import Provenance, open_store

pytestmark = pytest.mark.slow

SPACE = ub.space("nasbench201", channels=8, cells=1)
BASELINES = ("params", "flops")
PROVENANCE = Provenance("", "", "", "", (), "", "synthetic", "", "cpu", 1)


def children():
    """Processor time of finished child processes: what a busy machine cannot stretch."""
    times = os.times()
    return times.children_user + times.children_system


def scorer(name):
    @ub.simple_proxy(name, version=1)
    def score(subject):
        raise AssertionError("everything is in the store")

    return score


def filled(folder, n, seeds, proxies):
    """A synthetic table of n architectures, and a store that has all scores on it."""
    rng = np.random.default_rng(0)
    points = SPACE.sample(n, rng)
    quality = rng.normal(80, 5, n).clip(11, 95)
    rows = pd.DataFrame(
        {
            "architecture": np.repeat([point.encoding for point in points], seeds),
            "seed": np.tile([str(seed) for seed in range(seeds)], n),
            "count": 1,
            "accuracy": (np.repeat(quality, seeds) + rng.normal(size=n * seeds)).clip(0, 100).round(2),
            "loss": np.nan,
        }
    )
    info = GroundTruthInfo(f"synthetic{n}", SPACE.name, str(SPACE.scale), "cifar10", "made up", "a test")
    table = GroundTruth(info, rows)
    write_table(table, folder / "table.csv.gz")
    plan = make_plan(
        default_host(), points, [*proxies, *BASELINES], space=SPACE, task="cifar10", seed=0, data=None
    )
    with open_store(folder / "scores.db") as store:
        run = store.begin_run(PROVENANCE)
        for k, (configuration, proxy) in enumerate(zip(plan.configurations, plan.scored, strict=True)):
            values = quality + rng.normal(scale=k + 1, size=n)
            store.write(
                (
                    Outcome(configuration, point.encoding, Status.OK, "", {proxy.components[0]: value}, 0.1)
                    for point, value in zip(points, values.tolist(), strict=True)
                ),
                run,
            )
        store.end_run(run)
    return table


@pytest.fixture(scope="module")
def whole_space(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    proxies = [scorer(f"proxy{k}") for k in range(8)]
    return filled(folder, 15_625, 1, proxies), proxies, folder / "scores.db"


@pytest.mark.benchmark(timer=time.process_time)
@pytest.mark.parametrize(("intervals", "limit"), [("none", 3.0), ("asymptotic", 15.0)])
def test_a_board_over_the_whole_space(benchmark, whole_space, intervals, limit):
    table, proxies, store = whole_space
    frame = benchmark.pedantic(
        build,
        kwargs={"ground_truth": table, "proxies": proxies, "store": store, "intervals": intervals},
        rounds=2,
    )
    assert len(frame) == 10
    assert frame.attrs["n"] == 15_625
    assert frame["tau"].iloc[0] > 0.7
    assert benchmark.stats.stats.min < limit


@pytest.mark.benchmark(timer=children)
def test_the_command_from_the_store(benchmark, tmp_path):
    """The whole process, 320 architectures with 8 seeds, the bootstrap and the noise ceiling included."""
    filled(tmp_path, 320, 8, [])
    command = [
        sys.executable, "-m", "uninas_bench", "leaderboard", "--ground-truth", tmp_path / "table.csv.gz",
        "--proxies", "params,flops", "--store", tmp_path / "scores.db",
    ]  # fmt: skip
    output = benchmark.pedantic(
        subprocess.run,
        args=([str(part) for part in command],),
        kwargs={"capture_output": True, "text": True, "check": True},
        rounds=3,
    ).stdout
    assert "all 640 scores came from the store" in output
    assert benchmark.stats.stats.min < 1.5
