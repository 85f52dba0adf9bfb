"""Sums by hand, and what no change of a member's scale may change."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from uninas_bench.ensembles.combination import combine
from uninas_bench_plugins.az_nas import rank_sum

NAN = math.nan
KINDS = ("rank", "log-rank", "z")
SMALL = pd.DataFrame({"a": [10.0, 30.0, 20.0, 20.0], "b": [1.0, 2.0, 4.0, 3.0]}, index=list("wxyz"))


def drawn(n=40, members=4, seed=0, failing=False):
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(n, members)).round(1)  # Rounded, so that there are ties.
    if failing:
        values[rng.random(values.shape) < 0.15] = NAN
    return pd.DataFrame(values, index=[f"cell {i}" for i in range(n)], columns=list("abcd")[:members])


def test_rank_sums_by_hand():
    # Ranks of a: 1, 4, 2.5, 2.5; of b: 1, 2, 4, 3.
    assert combine(SMALL, "rank").tolist() == [2.0, 6.0, 6.5, 5.5]
    assert combine(SMALL, "rank", [2.0, 0.5]).tolist() == [2.5, 9.0, 7.0, 6.5]
    # Turned around, b ranks 4, 3, 1, 2.
    assert combine(SMALL, "rank", [1.0, -2.0]).tolist() == [9.0, 10.0, 4.5, 6.5]


def test_log_rank_sums_by_hand():
    expected = [
        math.log(1 / 4 * 1 / 4),
        math.log(4 / 4 * 2 / 4),
        math.log(2.5 / 4),
        math.log(2.5 / 4 * 3 / 4),
    ]
    assert combine(SMALL, "log-rank").tolist() == pytest.approx(expected, abs=1e-12)
    turned = [math.log(1 / 4), 0 + math.log(3 / 4), math.log(2.5 / 4 / 4), math.log(2.5 / 4 * 2 / 4)]
    assert combine(SMALL, "log-rank", [1.0, -1.0]).tolist() == pytest.approx(turned, abs=1e-12)


def test_z_sums_by_hand():
    # a: mean 20, variance (100 + 100) / 4; b: mean 2.5, variance (2.25 + .25 + 2.25 + .25) / 4.
    a = [-10 / math.sqrt(50), 10 / math.sqrt(50), 0.0, 0.0]
    b = [value / math.sqrt(1.25) for value in (-1.5, -0.5, 1.5, 0.5)]
    expected = [3 * x - y for x, y in zip(a, b, strict=True)]
    assert combine(SMALL, "z", [3.0, -1.0]).tolist() == pytest.approx(expected, abs=1e-12)


def test_ranks_are_scipys():
    frame = drawn()
    expected = sum(stats.rankdata(frame[name]) for name in frame)
    assert combine(frame, "rank").to_numpy() == pytest.approx(expected)


def test_log_ranks_are_those_of_az_nas():
    frame = drawn(failing=True)
    pd.testing.assert_series_equal(combine(frame, "log-rank"), rank_sum(frame), check_names=False)


def test_what_a_member_failed_on_is_last_whatever_the_sign():
    frame = pd.DataFrame({"a": [1.0, 2.0, NAN, 4.0, NAN], "b": [1.0, 2.0, 3.0, NAN, NAN]})
    # a: failures share 1.5, then 3, 4, 5; b: the same places for its own.
    ranks_a, ranks_b = [3, 4, 1.5, 5], [3, 4, 5, 1.5]
    assert combine(frame, "rank").tolist()[:4] == [a + b for a, b in zip(ranks_a, ranks_b, strict=True)]
    turned = [5, 4, 3, 1.5]
    assert combine(frame, "rank", [1.0, -1.0]).tolist()[:4] == [
        a + b for a, b in zip(ranks_a, turned, strict=True)
    ]
    for kind in KINDS:
        assert combine(frame, kind).isna().tolist() == [False] * 4 + [True]
    z = combine(frame[["a", "b"]].iloc[:4], "z", [1.0, -1.0])
    deviation = math.sqrt(14 / 9)
    assert z.iloc[2] == pytest.approx((1 - 7 / 3) / deviation - 1 / math.sqrt(2 / 3))


def test_failures_left_out_leave_the_others_to_themselves():
    frame = drawn(failing=True)
    whole = frame.dropna()
    assert 5 < len(whole) < len(frame)
    for kind in KINDS:
        found = combine(frame, kind, [1, 2, -1, 0.5], failed="exclude")
        pd.testing.assert_series_equal(found.dropna(), combine(whole, kind, [1, 2, -1, 0.5]))


@pytest.mark.parametrize("kind", ["rank", "log-rank"])
@pytest.mark.parametrize("failing", [False, True])
def test_monotone_changes_of_a_member_leave_rank_sums(kind, failing):
    frame = drawn(failing=failing)
    changed = frame.assign(a=np.exp(frame["a"]), b=frame["b"] ** 3 - 100, c=1e-9 * frame["c"])
    weights = [1, -2, 0.25, 1]
    pd.testing.assert_series_equal(combine(frame, kind, weights), combine(changed, kind, weights))


@pytest.mark.parametrize("failing", [False, True])
def test_affine_changes_of_a_member_leave_z_sums_and_others_do_not(failing):
    frame = drawn(failing=failing)
    changed = frame.assign(a=3 * frame["a"] + 7, b=0.01 * frame["b"] - 100)
    weights = [1, -2, 0.25, 1]
    pd.testing.assert_series_equal(combine(frame, "z", weights), combine(changed, "z", weights))
    bent = frame.assign(a=np.exp(frame["a"]))
    assert not np.allclose(combine(frame, "z"), combine(bent, "z"), equal_nan=True)


@pytest.mark.parametrize("kind", KINDS)
def test_the_order_of_members_and_architectures_changes_not_a_bit(kind):
    frame = drawn(members=4)
    expected = combine(frame, kind, [1, -2, 0.3, 0.7])
    swapped = combine(frame[list("dbca")], kind, [0.7, -2, 0.3, 1])
    assert swapped.tolist() == expected.tolist()
    shuffled = frame.sample(frac=1, random_state=1)
    found = combine(shuffled, kind, [1, -2, 0.3, 0.7]).reindex(frame.index)
    if kind == "z":  # Means are sums in the order of the rows.
        assert found.tolist() == pytest.approx(expected.tolist(), rel=1e-12)
    else:
        assert found.tolist() == expected.tolist()


@pytest.mark.parametrize("kind", KINDS)
def test_opposite_signs_give_the_opposite_order(kind):
    frame = drawn()
    up, down = combine(frame, kind, [1, 1, 1, 1]), combine(frame, kind, [-1, -1, -1, -1])
    if kind == "log-rank":  # Low ranks cost more than high ones gain: not the mirror image.
        assert stats.kendalltau(up, down).statistic < -0.5
    else:
        assert stats.kendalltau(up, down).statistic == pytest.approx(-1, abs=0.01)


def test_a_constant_member_moves_nobody():
    frame = SMALL.assign(c=5.0)
    for kind in KINDS:
        assert combine(frame, kind).rank().tolist() == combine(SMALL, kind).rank().tolist()
