"""Against scikit-learn, loops over pairs written from the definitions, and cases worked by hand."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from uninas_bench import correlation
from uninas_bench.errors import UserError

NAN = math.nan


def pairwise_tau_b(x, y):
    """Kendall's tau-b from its definition, a loop over pairs."""
    concordant = discordant = tied_x = tied_y = 0
    for (a, b), (c, d) in itertools.combinations(zip(x, y, strict=True), 2):
        concordant += (a - c) * (b - d) > 0
        discordant += (a - c) * (b - d) < 0
        tied_x += a == c
        tied_y += b == d
    total = len(x) * (len(x) - 1) / 2
    return (concordant - discordant) / math.sqrt((total - tied_x) * (total - tied_y))


columns = st.integers(3, 25).flatmap(
    lambda n: st.tuples(*(st.lists(st.integers(0, 8), min_size=n, max_size=n) for _ in range(2)))
)


@given(columns)
@settings(deadline=None, max_examples=60)
def test_kendall_is_the_count_over_pairs(both):
    x, y = both
    found = correlation.kendall(x, y)
    if len(set(x)) == 1 or len(set(y)) == 1:
        assert math.isnan(found)
    else:
        assert found == pytest.approx(pairwise_tau_b(x, y), abs=1e-12)


def test_kendall_with_ties_worked_by_hand():
    # 45 pairs, 4 tied in x, 6 + 3 in y; of the others 34 agree and 1 does not.
    x = [1, 2.5, 2.5, 4.5, 4.5, 6.5, 6.5, 8, 9.5, 9.5]
    y = [1, 2, 4.5, 4.5, 4.5, 4.5, 8, 8, 8, 10]
    assert correlation.kendall(x, y) == pytest.approx(33 / math.sqrt(41 * 36))


def test_failed_architectures_rank_below_all_and_tie():
    score, accuracy = [3.0, NAN, -math.inf, NAN, 2.0], [90.0, 10.0, 11.0, 12.0, 80.0]
    as_numbers = [3.0, -2.0, -1.0, -2.0, 2.0]
    for name in ("kendall", "spearman", "weighted_tau"):
        function = getattr(correlation, name)
        assert function(score, accuracy) == pytest.approx(function(as_numbers, accuracy), abs=1e-12)
    for name in ("ndcg", "regret"):
        function = getattr(correlation, name)
        assert function(score, accuracy, 2) == function(as_numbers, accuracy, 2)


def test_a_failure_costs_a_proxy_and_does_not_hide():
    accuracy = np.arange(20.0)
    assert correlation.kendall(accuracy, accuracy) == pytest.approx(1.0)
    broken = accuracy.copy()
    broken[19] = NAN
    assert correlation.kendall(broken, accuracy) < 0.85
    broken = accuracy.copy()
    broken[0] = NAN
    assert correlation.kendall(broken, accuracy) == pytest.approx(1.0)


def test_pearson_leaves_out_what_is_not_finite():
    score, accuracy = [1.0, 2.0, 4.0, NAN, math.inf], [2.0, 3.0, 9.0, 50.0, 60.0]
    assert correlation.pearson(score, accuracy) == pytest.approx(np.corrcoef([1, 2, 4], [2, 3, 9])[0, 1])


@pytest.mark.parametrize("name", ["kendall", "spearman", "pearson", "weighted_tau"])
def test_a_constant_column_and_a_single_value_have_no_correlation(name):
    function = getattr(correlation, name)
    assert math.isnan(function([1, 1, 1], [1, 2, 3]))
    assert math.isnan(function([1, 2, 3], [5, 5, 5]))
    assert math.isnan(function([1], [2]))
    assert math.isnan(function([], []))


@pytest.mark.parametrize("name", ["kendall", "spearman", "pearson", "weighted_tau"])
def test_correlations_keep_their_sign(name):
    rng = np.random.default_rng(0)
    x = rng.normal(size=40)
    assert getattr(correlation, name)(-x, x) == pytest.approx(-1.0)
    assert getattr(correlation, name)(x, x) == pytest.approx(1.0)


def test_weighted_tau_punishes_a_swap_of_the_best_most():
    accuracy = np.arange(10.0)
    top, bottom = accuracy.copy(), accuracy.copy()
    top[[8, 9]] = top[[9, 8]]
    bottom[[0, 1]] = bottom[[1, 0]]
    assert correlation.kendall(top, accuracy) == pytest.approx(correlation.kendall(bottom, accuracy))
    assert correlation.weighted_tau(top, accuracy) < correlation.weighted_tau(bottom, accuracy)


def test_partial_tau_is_the_published_formula():
    # Kendall 1942: tau_xy = .5, tau_xz = .6, tau_yz = .7 give (.5 - .42) / sqrt(.64 * .51).
    assert correlation.partial(0.5, 0.6, 0.7) == pytest.approx(0.08 / math.sqrt(0.64 * 0.51))


def test_partial_tau_of_a_proxy_that_only_counts_parameters_is_near_zero():
    rng = np.random.default_rng(1)
    params = rng.normal(size=400)
    accuracy, copycat = params + rng.normal(size=400), params + rng.normal(size=400)
    insight = accuracy + rng.normal(size=400)
    assert correlation.kendall(copycat, accuracy) > 0.2
    assert correlation.partial_tau(copycat, accuracy, params) < 0.15
    assert correlation.partial_tau(insight, accuracy, params) > 0.3
    assert math.isnan(correlation.partial_tau(params, accuracy, params))
    assert math.isnan(correlation.partial_tau(2 * params, accuracy, params))


@pytest.mark.parametrize("k", [1, 3, 10, 60])
@pytest.mark.parametrize("ties", ["average", "first"])
def test_ndcg_is_that_of_scikit_learn(k, ties):
    from sklearn.metrics import ndcg_score

    rng = np.random.default_rng(2)
    # scikit-learn casts the gains to 64-bit integers, so they stay below 2^63 here.
    accuracy = rng.uniform(10, 62, 60)
    score = np.round(rng.normal(size=60)) if ties == "average" else rng.normal(size=60)
    gains = [np.exp2(accuracy) - 1]
    expected = ndcg_score(gains, [score], k=k, ignore_ties=ties == "first")
    assert correlation.ndcg(score, accuracy, k, ties=ties) == pytest.approx(expected, rel=1e-9)


def test_ndcg_does_not_overflow_and_reaches_one():
    accuracy = np.array([5000.0, 4999.0, 3.0])
    assert correlation.ndcg(accuracy, accuracy, 2) == 1.0
    assert correlation.ndcg(-accuracy, accuracy, 1) == 0.0
    assert math.isnan(correlation.ndcg([1.0, 2.0], [0.0, 0.0], 1))


def test_regret_is_the_loss_of_the_best_k():
    accuracy = [90.0, 94.0, 93.0, 10.0]
    assert correlation.regret([4, 1, 3, 2], accuracy, 1) == pytest.approx(4.0)
    assert correlation.regret([4, 1, 3, 2], accuracy, 2) == pytest.approx(1.0)
    assert correlation.regret([4, 1, 3, 2], accuracy, 4) == 0.0
    assert correlation.regret([4, 1, 3, 2], accuracy, 100) == 0.0


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 9)), min_size=1, max_size=6), st.integers(1, 6))
@settings(deadline=None, max_examples=60)
def test_regret_is_the_mean_over_every_order_of_equal_scores(rows, k):
    score, accuracy = (np.array(column, dtype=float) for column in zip(*rows, strict=True))
    losses = []
    for order in itertools.permutations(range(len(rows))):
        best = sorted(order, key=lambda i: -score[i])[:k]
        losses.append(accuracy.max() - accuracy[best].max())
    assert correlation.regret(score, accuracy, k) == pytest.approx(np.mean(losses), abs=1e-9)


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 9)), min_size=1, max_size=6), st.integers(1, 6))
@settings(deadline=None, max_examples=60)
def test_ndcg_is_the_mean_over_every_order_of_equal_scores(rows, k):
    score, accuracy = (np.array(column, dtype=float) for column in zip(*rows, strict=True))
    found = correlation.ndcg(score, accuracy, k)
    gain = 2**accuracy - 1
    places = np.log2(np.arange(2, len(rows) + 2))[:k]
    ideal = (np.sort(gain)[::-1][:k] / places).sum()
    if ideal == 0:
        assert math.isnan(found)
        return
    values = []
    for order in itertools.permutations(range(len(rows))):
        best = sorted(order, key=lambda i: -score[i])[:k]
        values.append((gain[best] / places).sum() / ideal)
    assert found == pytest.approx(np.mean(values), abs=1e-9)


@pytest.mark.data
@pytest.mark.parametrize(
    ("whole", "n", "tau", "rho", "ndcg", "within"),
    [(True, 15_625, 0.578, 0.753, 0.729, 0.001), (False, 9_445, 0.623, 0.799, 0.745, 0.005)],
)
def test_flops_have_the_published_numbers(real_data, whole, n, tau, rho, ndcg, within):
    """FLOPs against CIFAR-10 as VKDNW prints it: Table 1 on 9,445 cells, its repository on all.

    FLOPs are tied in groups; the authors' nDCG leaves ties in an order of their own, hence its tolerance.
    """
    folder = real_data / "ground_truth"
    cells = pd.read_csv(folder / "nasbench201.csv.gz")
    if not whole:
        listed = pd.read_csv(folder / "nasbench201_zero_cost_scores_cifar10.csv.gz")["arch_index"]
        cells = cells[cells["arch_index"].isin(listed)]
    assert len(cells) == n
    flops, accuracy = cells["flops_m_cifar10"], cells["cifar10_test_acc_200ep"]
    assert correlation.kendall(flops, accuracy) == pytest.approx(tau, abs=0.0005)
    assert correlation.spearman(flops, accuracy) == pytest.approx(rho, abs=0.0005)
    assert correlation.ndcg(flops, accuracy, 1000) == pytest.approx(ndcg, abs=within)


def test_mistakes_are_named():
    with pytest.raises(UserError, match="k=0: expected at least 1"):
        correlation.ndcg([1.0], [1.0], 0)
    with pytest.raises(UserError, match="k=0: expected at least 1"):
        correlation.regret([1.0], [1.0], 0)
    with pytest.raises(UserError, match="an accuracy is NaN"):
        correlation.kendall([1.0, 2.0], [NAN, 2.0])
    with pytest.raises(UserError, match="expected two columns of one length"):
        correlation.spearman([1.0, 2.0], [2.0])
