"""Paired tests that are right about what they say: false alarms counted on real score noise."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from uninas_bench.baseline.statistics import compare, holm

TWO_SEEDS = Path(__file__).with_name("two_seeds.csv.gz")


def test_holm_steps_down_until_one_stands():
    """Worked by hand: .01 <= .05/4, .013 <= .05/3, .03 > .05/2, and so .04 stands, too."""
    assert holm([0.03, 0.01, 0.04, 0.013], 0.05) == [False, True, False, True]
    assert holm([0.04], 0.05) == [True]
    assert holm([float("nan"), 0.04], 0.05) == [False, True]
    assert holm([], 0.05) == []


def noisy(n=80, seed=0):
    rng = np.random.default_rng(seed)
    truth = rng.normal(size=n)
    return truth, truth + rng.normal(scale=0.5, size=n), rng


def test_equal_scores_are_no_change():
    truth, score, _ = noisy()
    changes, inversions = compare({"a": score}, {"a": score}, truth)
    assert changes["a"].p == 1
    assert changes["a"].then == changes["a"].now == pytest.approx(stats.kendalltau(score, truth).statistic)
    assert not changes["a"].significant
    assert not inversions


def test_the_p_is_that_of_resampled_rows():
    """Against a bootstrap that repeats rows and asks scipy."""
    truth, then, rng = noisy(40)
    now = then + rng.normal(scale=0.6, size=40)
    p = compare({"a": then}, {"a": now}, truth)[0]["a"].p
    draws = []
    for _ in range(1000):
        rows = rng.integers(0, 40, 40)
        draws.append(
            stats.kendalltau(now[rows], truth[rows]).statistic
            - stats.kendalltau(then[rows], truth[rows]).statistic
        )
    smaller = min(np.mean(np.array(draws) <= 0), np.mean(np.array(draws) >= 0))
    assert p == pytest.approx(2 * smaller, abs=0.05)


def test_a_proxy_that_became_noise_is_worse_and_one_that_lost_its_noise_is_better():
    truth, score, rng = noisy()
    then = {"good": score, "noise": rng.normal(size=80)}
    now = {"good": rng.normal(size=80), "noise": truth + rng.normal(scale=0.3, size=80)}
    changes, inversions = compare(then, now, truth)
    assert changes["good"].significant
    assert changes["good"].now < changes["good"].then
    assert changes["noise"].significant
    assert changes["noise"].now > changes["noise"].then
    assert [(pair.above, pair.below) for pair in inversions] == [("good", "noise")]
    assert inversions[0].then > 0 > inversions[0].now


def test_places_that_were_never_told_apart_are_no_inversion():
    truth, score, rng = noisy()
    then = {"a": score, "b": score + rng.normal(scale=0.01, size=80)}
    assert not compare(then, {"a": then["b"], "b": then["a"]}, truth)[1]


def test_a_small_change_of_all_scores_is_found_only_where_it_is_no_chance():
    """Noise of a tenth of the spread costs no significant tau; as much noise as signal does."""
    truth, score, rng = noisy(60)
    jitter = score + rng.normal(scale=0.05, size=60)
    assert not compare({"a": score}, {"a": jitter}, truth)[0]["a"].significant
    spoilt = score + rng.normal(scale=2, size=60)
    assert compare({"a": score}, {"a": spoilt}, truth)[0]["a"].significant


def test_failed_architectures_rank_last_then_and_now():
    truth, score, _ = noisy()
    broken = score.copy()
    broken[truth > np.quantile(truth, 0.6)] = np.nan
    change = compare({"a": score}, {"a": broken}, truth)[0]["a"]
    assert change.significant
    assert change.now < 0.2


def test_a_constant_proxy_has_no_tau():
    truth, score, _ = noisy()
    change = compare({"a": score}, {"a": np.zeros(80)}, truth)[0]["a"]
    assert np.isnan([change.now, change.p]).all()
    assert not change.significant


def real_scores() -> pd.DataFrame:
    """All proxies on the 303 embedded architectures, with seeds 0 and 1: other weights, other images."""
    with gzip.open(TWO_SEEDS, "rt") as file:
        return pd.read_csv(file)


def false_alarms(checks: int, n: int) -> tuple[int, int]:
    """Checks with an alarm, and how many taus there were, where only the seed has changed."""
    frame = real_scores()
    names = [column.removesuffix("@1") for column in frame if column.endswith("@1")]
    rng = np.random.default_rng(0)
    alarms = 0
    for number in range(checks):
        rows = frame.iloc[np.sort(rng.choice(len(frame), n, replace=False))]
        first, second = ("@0", "@1") if number % 2 else ("@1", "@0")
        changes, inversions = compare(
            {name: rows[name + first].to_numpy() for name in names},
            {name: rows[name + second].to_numpy() for name in names},
            rows["accuracy"].to_numpy(),
            seed=number,
        )
        alarms += bool(inversions) or any(change.significant for change in changes.values())
    return alarms, len(names)


def test_few_false_alarms():
    alarms, proxies = false_alarms(10, 60)
    assert proxies == 17
    assert alarms <= 1


@pytest.mark.slow
def test_false_alarms_over_200_resamples_are_below_five_percent():
    """Real score noise: the same proxies with another seed, on 200 drawn samples of architectures."""
    alarms, _ = false_alarms(200, 60)
    assert alarms < 0.05 * 200


def test_the_gate_sees_what_it_should_in_the_same_noise():
    """With another seed and the sign flipped, every proxy with a tau above .3 is caught, on every sample."""
    frame = real_scores()
    names = [column.removesuffix("@1") for column in frame if column.endswith("@1")]
    rng = np.random.default_rng(1)
    for number in range(10):
        rows = frame.iloc[np.sort(rng.choice(len(frame), 60, replace=False))]
        then = {name: rows[f"{name}@0"].to_numpy() for name in names}
        now = {name: -rows[f"{name}@1"].to_numpy() for name in names}
        changes, _ = compare(then, now, rows["accuracy"].to_numpy(), seed=number)
        missed = [name for name in names if changes[name].then > 0.3 and not changes[name].significant]
        assert not missed


def test_a_proxy_that_fell_behind_many_is_told_of_once():
    from types import SimpleNamespace

    from uninas_bench.baseline.statistics import Inversion
    from uninas_bench.baseline.verdict import Check

    pairs = (
        Inversion("zico", "zen", 0.1, -1.0, 0.01, 0.001),
        Inversion("zico", "snip", 0.2, -0.9, 0.01, 0.001),
        Inversion("best", "zico", 0.3, -0.2, 0.01, 0.001),
        Inversion("a", "b", 0.3, -0.2, 0.01, 0.001),
    )
    baseline = SimpleNamespace(subject="somewhere")
    assert Check(baseline, (), pairs).of_ranking() == (
        (
            "zico on somewhere: it is now significantly behind zen (tau +0.100 -> -1.000), snip (tau +0.200 "
            "-> -0.900), which it was ahead of and significantly ahead of best (tau -0.300 -> +0.200), "
            "which it was behind"
        ),
        "a on somewhere: it is now significantly behind b (tau +0.300 -> -0.200), which it was ahead of",
    )
    assert Check(baseline, (), pairs, allowed=4).passed
