"""The noise ceiling against simulations whose reliability is known, and against plain enumeration."""

from __future__ import annotations

import itertools
import math
import time

import numpy as np
import pandas as pd
import pytest
from scipy.stats import kendalltau

from uninas_bench.ground_truth.noise import corrected_ceiling, noise_ceiling
from uninas_bench.ground_truth.table import GroundTruth, GroundTruthInfo

INFO = GroundTruthInfo("t", "s", "", "cifar10", "", "")


def simulated(
    n: int, seeds: int, noise: float, seed: int = 0, missing: float = 0.0
) -> tuple[np.ndarray, GroundTruth]:
    """Truth ~ N(0, 1) plus noise ~ N(0, noise^2) per seed, seen through an increasing, skewed map."""
    rng = np.random.default_rng(seed)
    truth = rng.normal(size=n)
    accuracy = 60 + 3 * (truth[:, None] + noise * rng.normal(size=(n, seeds)))
    keep = rng.random((n, seeds)) >= missing
    keep[:, 0] = True
    rows = [(f"a{i}", str(s), 1, accuracy[i, s], 0.0) for i in range(n) for s in range(seeds) if keep[i, s]]
    return truth, GroundTruth(
        INFO, pd.DataFrame(rows, columns=["architecture", "seed", "count", "accuracy", "loss"])
    )


@pytest.mark.parametrize("seeds", [2, 3, 4, 5])
def test_split_half_is_the_mean_over_all_splits(seeds: int) -> None:
    _, table = simulated(40, seeds, 0.7)
    matrix = table.seed_matrix().to_numpy()
    half = seeds // 2
    taus = [
        kendalltau(matrix[:, left].mean(axis=1), np.delete(matrix, left, axis=1).mean(axis=1)).statistic
        for left in map(list, itertools.combinations(range(seeds), half))
    ]
    found = noise_ceiling(table)
    assert found is not None
    assert found.split_half == pytest.approx(np.mean(taus), abs=1e-12)
    assert (found.seeds, found.architectures) == (seeds, 40)
    assert found.splits == (math.comb(seeds, half) if seeds % 2 else math.comb(seeds, half) // 2)


@pytest.mark.parametrize(("seeds", "noise"), [(2, 0.4), (4, 1.0), (6, 0.5), (8, 1.5)])
def test_split_half_is_the_reliability_of_half_means(seeds: int, noise: float) -> None:
    """Half means correlate as r = 1 / (1 + noise^2 / (seeds / 2)); Greiner: tau = 2 asin(r) / pi."""
    _, table = simulated(2500, seeds, noise)
    found = noise_ceiling(table)
    assert found is not None
    expected = 2 / math.pi * math.asin(1 / (1 + noise**2 / (seeds / 2)))
    assert found.split_half == pytest.approx(expected, abs=0.025)
    assert found.low < expected < found.high


@pytest.mark.parametrize(("seeds", "noise"), [(2, 0.4), (3, 0.5), (5, 1.0), (8, 1.5)])
def test_corrected_is_what_the_truth_reaches(seeds: int, noise: float) -> None:
    truth, table = simulated(2500, seeds, noise)
    found = noise_ceiling(table)
    assert found is not None
    reached = kendalltau(truth, table.accuracies().to_numpy()).statistic
    assert found.corrected == pytest.approx(reached, abs=0.02)
    assert found.corrected_low < found.corrected < found.corrected_high


def test_corrected_is_spearman_brown_for_equal_halves() -> None:
    for tau in (0.1, 0.37, 0.75, 0.99):
        rho = math.sin(math.pi * tau / 2)
        full = 2 * rho / (1 + rho)
        assert corrected_ceiling(tau, 8) == pytest.approx(2 / math.pi * math.asin(math.sqrt(full)), abs=1e-12)
    assert corrected_ceiling(1.0, 3) == 1.0
    assert corrected_ceiling(0.0, 3) == corrected_ceiling(-0.2, 3) == 0.0


def test_the_interval_covers_as_often_as_it_says() -> None:
    expected = 2 / math.pi * math.asin(1 / (1 + 0.5))
    hits = 0
    for seed in range(60):
        found = noise_ceiling(simulated(80, 2, math.sqrt(0.5), seed)[1], rng=np.random.default_rng(seed))
        assert found is not None
        hits += found.low <= expected <= found.high
    # 95% of 60 is 57; fewer than 50 or all too wide would be a fault.
    assert hits >= 50
    assert found.high - found.low < 0.3


def test_large_tables_have_narrow_intervals_of_the_right_width() -> None:
    """The rescaled bootstrap of 800 against the spread over independent tables of 4,000."""
    results = [noise_ceiling(simulated(4000, 2, 0.7, seed)[1]) for seed in range(24)]
    centers = np.array([found.split_half for found in results if found])
    widths = np.array([found.high - found.low for found in results if found])
    assert np.mean(widths) == pytest.approx(2 * 1.96 * centers.std(ddof=1), rel=0.4)


def test_missing_seeds() -> None:
    truth, table = simulated(1500, 4, 0.6, missing=0.35)
    found = noise_ceiling(table)
    assert found is not None
    assert found.architectures == int((table.counts() >= 2).sum()) < 1500
    many = table.counts()[table.counts() >= 2].index
    reached = kendalltau(truth[[int(name[1:]) for name in many]], table.subset(many).accuracies()).statistic
    assert found.corrected == pytest.approx(reached, abs=0.04)


def test_a_part_of_the_architectures() -> None:
    _, table = simulated(60, 2, 0.5)
    part = [f"a{i}" for i in range(0, 60, 2)]
    assert noise_ceiling(table, part) == noise_ceiling(table.subset(part))


def test_same_seed_same_answer() -> None:
    _, table = simulated(100, 12, 1.0)
    one, two, other = (noise_ceiling(table, rng=np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert one == two
    assert one != other


def test_none_where_nothing_is_known() -> None:
    assert noise_ceiling(simulated(50, 1, 0.5)[1]) is None
    assert noise_ceiling(simulated(2, 4, 0.5)[1]) is None
    rows = pd.DataFrame(
        {"architecture": list("abcd"), "seed": "mean", "count": 3, "accuracy": [1.0, 2, 3, 4], "loss": 0.0}
    )
    assert noise_ceiling(GroundTruth(INFO, rows)) is None
    flat = pd.concat([rows.assign(seed=seed, accuracy=10.0) for seed in "01"])
    assert noise_ceiling(GroundTruth(INFO, flat)) is None


def test_15625_architectures_take_about_a_second() -> None:
    _, table = simulated(15625, 3, 0.3)
    start = time.process_time()
    noise_ceiling(table)
    assert time.process_time() - start < 2.5
