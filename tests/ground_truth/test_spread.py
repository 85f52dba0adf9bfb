"""The spread of seeds against numpy, row by row."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from uninas_bench.ground_truth.spread import seed_spread
from uninas_bench.ground_truth.table import GroundTruth, GroundTruthInfo

INFO = GroundTruthInfo("t", "s", "", "cifar10", "", "")


def table(rows: list[tuple[str, str, float]]) -> GroundTruth:
    columns = ["architecture", "seed", "accuracy"]
    return GroundTruth(INFO, pd.DataFrame(rows, columns=columns).assign(count=1, loss=float("nan")))


def test_pooled_is_the_residual_of_one_mean_per_architecture() -> None:
    """The pooled variance is the residual of a one-way analysis of variance, gaps included."""
    rng = np.random.default_rng(0)
    rows = [(f"a{i}", str(k), 50 + i + rng.normal()) for i in range(9) for k in range(2 + i % 3)]
    spread = seed_spread(table(rows))
    assert spread is not None
    values = [np.array([v for name, _, v in rows if name == f"a{i}"]) for i in range(9)]
    residual = sum(((v - v.mean()) ** 2).sum() for v in values)
    assert spread.pooled == pytest.approx(np.sqrt(residual / (len(rows) - 9)))
    assert spread.each["a4"] == pytest.approx(values[4].std(ddof=1))
    assert spread.median == pytest.approx(np.median([v.std(ddof=1) for v in values]))


def test_an_architecture_with_one_seed_says_nothing() -> None:
    spread = seed_spread(table([("a", "0", 50), ("a", "1", 52), ("b", "0", 90)]))
    assert spread is not None
    assert list(spread.each.index) == ["a"]
    assert spread.pooled == pytest.approx(np.sqrt(2))


@pytest.mark.parametrize("seed", ["0", "mean"])
def test_without_two_seeds_there_is_none(seed: str) -> None:
    assert seed_spread(table([("a", seed, 50), ("b", seed, 90)])) is None
