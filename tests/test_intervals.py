"""Resampled statistics against scipy on rows drawn out one by one; intervals against simulation."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest
from scipy import stats

from uninas_bench import correlation
from uninas_bench.errors import UserError
from uninas_bench.intervals import BOOTSTRAP_UP_TO, rank_correlations


def example(n, rng, noise=(0.5, 1.0, 2.0), decimals=1):
    accuracy = np.round(rng.normal(size=n), decimals)
    return accuracy, [np.round(accuracy + scale * rng.normal(size=n), decimals) for scale in noise]


@pytest.mark.parametrize("failed", ["last", "exclude"])
def test_every_resample_has_scipys_statistics(failed):
    rng = np.random.default_rng(0)
    accuracy, scores = example(40, rng)
    scores[1][[3, 7, 20]] = np.nan
    found = rank_correlations(scores, accuracy, failed=failed, method="bootstrap", resamples=25, seed=4)
    draws = np.random.default_rng(4).multinomial(40, np.full(40, 1 / 40), size=25)
    for column, score in enumerate(scores):
        for row, times in enumerate(draws):
            drawn = np.repeat(np.arange(40), times)
            x, y = score[drawn], accuracy[drawn]
            if failed == "exclude":
                x, y = x[~np.isnan(x)], y[~np.isnan(x)]
            x = np.where(np.isnan(x), -99.0, x)
            assert found.tau_draws[column, row] == pytest.approx(stats.kendalltau(x, y).statistic, abs=1e-12)
            assert found.rho_draws[column, row] == pytest.approx(stats.spearmanr(x, y).statistic, abs=1e-12)


@pytest.mark.parametrize("method", ["bootstrap", "asymptotic", "none"])
def test_estimates_are_those_of_scipy_whatever_the_interval(method):
    accuracy, scores = example(60, np.random.default_rng(1))
    found = rank_correlations(scores, accuracy, method=method, resamples=20)
    assert found.tau == pytest.approx([correlation.kendall(score, accuracy) for score in scores], abs=1e-12)
    assert found.rho == pytest.approx([correlation.spearman(score, accuracy) for score in scores], abs=1e-12)


@pytest.mark.parametrize("decimals", [0, 6])
def test_influence_is_the_jackknife(decimals):
    """The standard error by influence against the delete-one jackknife, recomputed with scipy."""
    n = 150
    accuracy, scores = example(n, np.random.default_rng(2), decimals=decimals)
    found = rank_correlations(scores, accuracy, method="asymptotic")
    for row, score in enumerate(scores):
        for draws, statistic in ((found.tau_draws, stats.kendalltau), (found.rho_draws, stats.spearmanr)):
            left_out = np.array(
                [statistic(np.delete(score, i), np.delete(accuracy, i)).statistic for i in range(n)]
            )
            jackknife = math.sqrt((n - 1) / n * ((left_out - left_out.mean()) ** 2).sum())
            assert math.sqrt((draws[row] ** 2).sum()) == pytest.approx(jackknife, rel=0.03)


@pytest.mark.parametrize("decimals", [0, 6])
def test_asymptotic_and_bootstrap_intervals_agree(decimals):
    accuracy, scores = example(800, np.random.default_rng(3), decimals=decimals)
    first = rank_correlations(scores, accuracy, method="bootstrap", resamples=2000)
    second = rank_correlations(scores, accuracy, method="asymptotic")
    for one, other in (
        (first.tau_interval(), second.tau_interval()),
        (first.rho_interval(), second.rho_interval()),
    ):
        widths = one[1] - one[0]
        assert other[1] - other[0] == pytest.approx(widths, rel=0.1)
        assert np.abs(np.array(one) - np.array(other)).max() < 0.12 * widths.max()


@pytest.mark.parametrize(("method", "n"), [("bootstrap", 60), ("asymptotic", 200)])
def test_nineteen_of_twenty_intervals_hold_the_truth(method, n):
    """Of a bivariate normal, tau is 2/pi arcsin(r) and rho is 6/pi arcsin(r/2) (Kruskal 1958)."""
    rng, r, runs = np.random.default_rng(5), 0.7, 400
    tau, rho = 2 / math.pi * math.asin(r), 6 / math.pi * math.asin(r / 2)
    hits = np.zeros(2)
    for run in range(runs):
        accuracy = rng.normal(size=n)
        score = r * accuracy + math.sqrt(1 - r * r) * rng.normal(size=n)
        found = rank_correlations([score], accuracy, method=method, resamples=400, seed=run)
        for index, (truth, (low, high)) in enumerate(
            ((tau, found.tau_interval()), (rho, found.rho_interval()))
        ):
            hits[index] += low[0] <= truth <= high[0]
    # Three standard errors of a share of .95 in 400 runs are .033.
    assert (hits / runs >= 0.95 - 0.04).all()
    assert (hits / runs <= 0.95 + 0.04).all()


@pytest.mark.parametrize(("method", "n"), [("bootstrap", 80), ("asymptotic", 300)])
def test_the_paired_test_keeps_its_level_and_finds_differences(method, n):
    rng = np.random.default_rng(6)
    same, worse = [], []
    for run in range(150):
        accuracy = rng.normal(size=n)
        shared = rng.normal(size=n)
        twins = [accuracy + shared + 0.5 * rng.normal(size=n) for _ in range(2)]
        poor = accuracy + shared + 2.0 * rng.normal(size=n)
        found = rank_correlations([*twins, poor], accuracy, method=method, resamples=300, seed=run)
        same.append(found.p_value(0, 1))
        worse.append(found.p_value(0, 2))
    assert np.mean(np.array(same) < 0.05) <= 0.11
    assert np.mean(np.array(worse) < 0.05) >= 0.7


@pytest.mark.parametrize("method", ["bootstrap", "asymptotic"])
def test_a_proxy_does_not_differ_from_itself_nor_from_a_monotone_map_of_it(method):
    accuracy, (score, *_) = example(50, np.random.default_rng(7))
    found = rank_correlations([score, np.exp(score)], accuracy, method=method, resamples=50)
    assert found.p_value(0, 1) == 1.0


def test_auto_resamples_small_populations_only():
    rng = np.random.default_rng(8)
    for n, method in ((50, "bootstrap"), (BOOTSTRAP_UP_TO + 1, "asymptotic")):
        accuracy, scores = example(n, rng, noise=(1.0,))
        assert rank_correlations(scores, accuracy, resamples=10).method == method


def test_more_rows_than_one_block_of_the_sign_matrix():
    accuracy, scores = example(700, np.random.default_rng(9), noise=(1.0,))
    found = rank_correlations(scores, accuracy, method="bootstrap", resamples=10, seed=3)
    times = np.random.default_rng(3).multinomial(700, np.full(700, 1 / 700), size=10)[0]
    drawn = np.repeat(np.arange(700), times)
    expected = stats.kendalltau(scores[0][drawn], accuracy[drawn]).statistic
    assert found.tau_draws[0, 0] == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("method", ["bootstrap", "asymptotic", "none"])
def test_a_constant_proxy_has_no_number(method):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = rank_correlations(
            [[1.0] * 12, [*range(12)], [math.nan] * 12], [*range(12)], method=method, failed="exclude"
        )
        assert np.isnan(found.tau).tolist() == [True, False, True]
        assert np.isnan(found.tau_interval()[0]).tolist() == [True, method == "none", True]
        assert math.isnan(found.p_value(0, 1))
    assert found.n.tolist() == [12, 12, 0]
    if method != "none":
        assert found.tau_interval()[1][1] == pytest.approx(1.0)


def test_mistakes_are_named():
    with pytest.raises(UserError, match="an accuracy is NaN"):
        rank_correlations([[1.0, 2.0]], [1.0, math.nan])
    with pytest.raises(UserError, match="resamples=3: expected at least 10"):
        rank_correlations([[1.0, 2.0]], [1.0, 2.0], resamples=3)
