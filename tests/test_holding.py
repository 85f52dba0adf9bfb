"""Partial tau given several columns: against the recursion on scipy's taus, and against resampling."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from uninas_bench import correlation
from uninas_bench.holding import Holding
from uninas_bench.pairs import dense_ranks


def recursion(score, accuracy, first, second):
    """Second-order partial tau by the textbook's recursion from first-order ones."""
    return correlation.partial(
        correlation.partial_tau(score, accuracy, first),
        correlation.partial_tau(score, second, first),
        correlation.partial_tau(accuracy, second, first),
    )


def columns(n, seed, ties=False):
    rng = np.random.default_rng(seed)
    params = rng.normal(size=n)
    flops = 0.8 * params + 0.5 * rng.normal(size=n)
    accuracy = params + flops + rng.normal(size=n)
    score = accuracy + params + rng.normal(size=n)
    found = score, accuracy, params, flops
    return tuple(np.round(column) for column in found) if ties else found


def given_size(score, accuracy, *held, **options):
    return Holding(dense_ranks(accuracy), [dense_ranks(z) for z in held], **options).tau(dense_ranks(score))


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_two_columns_are_held_as_the_recursion_has_it(seed, ties):
    score, accuracy, params, flops = columns(60, seed, ties)
    found = given_size(score, accuracy, params, flops)
    assert found[0] == pytest.approx(recursion(score, accuracy, params, flops), abs=1e-12)
    assert found[0] == pytest.approx(given_size(score, accuracy, flops, params)[0], abs=1e-12)
    assert found[1] < found[0] < found[2]


def test_one_column_and_none_are_kendalls_own_formulas():
    score, accuracy, params, _ = columns(50, 0)
    assert given_size(score, accuracy, params)[0] == pytest.approx(
        correlation.partial_tau(score, accuracy, params)
    )
    assert given_size(score, accuracy)[0] == pytest.approx(correlation.kendall(score, accuracy))


def test_a_column_that_says_nothing_new_changes_nothing():
    score, accuracy, params, _ = columns(50, 1)
    alone = given_size(score, accuracy, params)
    for again in (np.exp(params), np.ones(50)):
        assert given_size(score, accuracy, params, again) == pytest.approx(alone)
        assert given_size(score, accuracy, again, params) == pytest.approx(alone)


def test_nothing_is_left_of_size_itself_of_a_constant_or_where_accuracy_is_size():
    score, accuracy, params, flops = columns(50, 2)
    for column in (params, flops, np.ones(50)):
        assert all(map(math.isnan, given_size(column, accuracy, params, flops)))
    assert math.isnan(given_size(score, params, params, flops)[0])
    assert math.isnan(given_size(score, np.ones(50), params, flops)[0])


def test_the_interval_is_about_as_wide_as_resampling_says():
    data = np.array(columns(250, 3))
    found = given_size(*data)
    rng = np.random.default_rng(0)
    draws = [recursion(*data[:, rng.integers(250, size=250)]) for _ in range(200)]
    width = 2 * 1.96 * np.std(draws)
    assert found[2] - found[1] == pytest.approx(width, rel=0.2)


def test_some_architectures_alone_and_no_interval():
    score, accuracy, params, flops = columns(60, 4)
    kept = np.arange(60) % 3 > 0
    whole = Holding(dense_ranks(accuracy), [dense_ranks(params), dense_ranks(flops)], intervals=False)
    found = whole.among(kept).tau(dense_ranks(score)[kept])
    assert found[0] == pytest.approx(given_size(score[kept], accuracy[kept], params[kept], flops[kept])[0])
    assert math.isnan(found[1])
    assert math.isnan(found[2])


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.randoms(use_true_random=False))
def test_the_order_of_the_architectures_does_not_matter(seed, random):
    data = np.array(columns(25, seed, ties=seed % 2 == 0))
    order = list(range(25))
    random.shuffle(order)
    assert given_size(*data[:, order]) == pytest.approx(given_size(*data), nan_ok=True)
