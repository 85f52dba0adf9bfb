"""The fast counts against scipy's definitions and loops over pairs."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from uninas_bench import correlation, pairs

columns = st.integers(1, 40).flatmap(
    lambda n: st.tuples(*(st.lists(st.integers(0, 12), min_size=n, max_size=n) for _ in range(2)))
)


def test_dense_ranks_put_failures_at_zero():
    assert pairs.dense_ranks([0.5, math.nan, -math.inf, 0.5, 2.0]).tolist() == [2, 0, 1, 2, 3]


@given(columns)
@settings(deadline=None, max_examples=150)
def test_dominated_and_balance_count_pairs(both):
    x, y = (np.array(column) for column in both)
    below = ((x[None] < x[:, None]) & (y[None] < y[:, None])).sum(axis=1)
    signs = np.sign(x[:, None] - x[None]) * np.sign(y[:, None] - y[None])
    assert pairs.dominated(x, y).tolist() == below.tolist()
    assert pairs.balance(x, y).tolist() == signs.sum(axis=1).tolist()


@given(columns)
@settings(deadline=None, max_examples=100)
def test_statistics_equal_those_of_scipy(both):
    x, y = (pairs.dense_ranks(column) for column in both)
    found = (
        pairs.kendall_tau_b(x, y),
        pairs.linear_correlation(pairs.mid_ranks(x), pairs.mid_ranks(y)),
        pairs.weighted_tau(x, y),
    )
    expected = (correlation.kendall(x, y), correlation.spearman(x, y), correlation.weighted_tau(x, y))
    assert found == pytest.approx(expected, abs=1e-12, nan_ok=True)


@pytest.mark.parametrize("n", [257, 3000])
def test_statistics_equal_those_of_scipy_at_size(n):
    rng = np.random.default_rng(n)
    x = pairs.dense_ranks(np.round(rng.normal(size=n), 2))
    y = pairs.dense_ranks(x + 300 * rng.normal(size=n))
    assert pairs.kendall_tau_b(x, y) == pytest.approx(correlation.kendall(x, y), abs=1e-12)
    assert pairs.weighted_tau(x, y) == pytest.approx(correlation.weighted_tau(x, y), abs=1e-12)
