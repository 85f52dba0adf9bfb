"""How far scores moved, in a unit that no proxy's scale changes."""

from __future__ import annotations

import numpy as np
import pytest

from uninas_bench.baseline.drift import drift

NAMES = [f"a{i}" for i in range(40)]
THEN = np.random.default_rng(0).normal(50, 3, 40)


def moved(then, now, tolerance=1e-3):
    return drift(NAMES[: len(then)], then, now, tolerance)


def test_equal_to_the_last_bit():
    found = moved(THEN, THEN.copy())
    assert (found.equal, found.total, found.largest, found.where, found.looks) == (40, 40, 0.0, "", "")
    nudged = THEN.copy()
    nudged[7] = np.nextafter(nudged[7], 100)
    found = moved(THEN, nudged)
    assert found.equal == 39
    assert found.where == "a7"
    assert not found.beyond


@pytest.mark.parametrize(("scale", "offset"), [(1, 0), (1e-9, 0), (1e12, 0), (1, 1000), (-3, 5)])
def test_the_unit_follows_the_scores(scale, offset):
    now = THEN.copy()
    now[3] += 0.5
    whole = moved(THEN, now).largest
    assert moved(THEN * scale + offset, now * scale + offset).largest == pytest.approx(whole, rel=1e-6)


def test_the_unit_is_the_spread_of_usual_architectures():
    then = np.arange(41.0)
    now = then.copy()
    now[20] += 2
    assert drift([str(i) for i in range(41)], then, now, 0.01).largest == pytest.approx(2 / 20)


def test_outliers_are_measured_by_their_own_distance():
    then = np.concatenate([np.arange(40.0), [1e9]])
    now = then.copy()
    now[-1] *= 1 + 1e-6
    assert drift([str(i) for i in range(41)], then, now, 1e-3).largest == pytest.approx(1e-6, rel=1e-3)


def test_a_constant_column_has_a_unit_too():
    assert moved(np.full(5, 4.0), np.full(5, 5.0)).largest == pytest.approx(0.25)
    assert moved(np.zeros(5), np.ones(5)).largest == 1
    half = np.array([0.0] * 30 + list(range(10)))
    assert np.isfinite(moved(half, half + 1).largest)


@pytest.mark.parametrize(
    ("now", "looks"),
    [
        (-THEN, "the sign is flipped"),
        (2 * THEN, "the scores are 2 times what they were"),
        (THEN + 10, "the scores are 1 times what they were, +10"),
        (1 / THEN, "the order is turned around"),
        (np.exp(THEN / 10), "other values in the same order"),
        (np.full(40, 3.0), "all scores are equal now"),
        (np.random.default_rng(1).permutation(THEN), ""),
    ],
)
def test_what_it_looks_like(now, looks):
    assert moved(THEN, now).looks == looks


def test_failures():
    then, now = THEN.copy(), THEN.copy()
    then[0] = then[1] = np.nan
    now[1] = now[2] = np.nan
    found = moved(then, now)
    assert (found.failing, found.fixed, found.equal) == (("a2",), ("a0",), 38)
    assert not found.beyond
    assert moved(np.full(3, np.nan), np.full(3, np.nan)).equal == 3
