"""Planted weights are found, noise stays noise, and the real table gives what was measured on it."""

from __future__ import annotations

import logging
import subprocess
import sys

import numpy as np
import optuna
import pandas as pd
import pytest

from uninas_bench import RankNormaliser, UserError, correlation, search_weights
from uninas_bench.ensembles.cross_fitting import FEWEST, cross_fitted


def planted(n=300, seed=0, weights=(1.0, -0.8, 0.5, 0.0), noise=0.1):
    """Scores and accuracies of which the weights are known."""
    rng = np.random.default_rng(seed)
    scores = pd.DataFrame(rng.random((n, len(weights))), columns=list("abcdef")[: len(weights)])
    scores.index = pd.Index([f"cell {i}" for i in range(n)])
    accuracy = scores @ np.array(weights) + noise * pd.Series(rng.normal(size=n), index=scores.index)
    return scores, accuracy


def test_planted_weights_are_found_with_their_signs():
    scores, accuracy = planted()
    found = search_weights(scores, accuracy, trials=120)
    assert found.index.tolist() == list("abcd")
    assert found.between(-1, 1).all()
    assert found["a"] > 0.2
    assert found["b"] < -0.2
    assert found["c"] > 0
    assert abs(found["d"]) < 0.5 * found["a"]
    best = correlation.kendall(scores @ [1, -0.8, 0.5, 0], accuracy)
    assert best > correlation.kendall(scores @ found, accuracy) > 0.95 * best


def test_bounds_are_kept():
    scores, accuracy = planted(n=60)
    found = search_weights(scores, accuracy, trials=40, low=0.0, high=0.5)
    assert found.between(0, 0.5).all()
    assert found["b"] < 0.15


def test_the_plain_sum_is_tried_first():
    scores, accuracy = planted(n=60)
    assert search_weights(scores, accuracy, trials=1).tolist() == [1.0] * 4
    rng = np.random.default_rng(0)
    noise = pd.Series(rng.random(60))
    plain = correlation.kendall(scores.sum(axis=1), noise)
    assert correlation.kendall(scores @ search_weights(scores, noise, trials=30), noise) >= plain


def test_the_seed_decides_and_the_state_of_numpy_does_not():
    scores, accuracy = planted(n=60)
    np.random.seed(1)  # noqa: NPY002
    before = np.random.get_state()[1].tolist()  # noqa: NPY002
    first = search_weights(scores, accuracy, trials=30, seed=5)
    assert np.random.get_state()[1].tolist() == before  # noqa: NPY002
    np.random.seed(2)  # noqa: NPY002
    assert search_weights(scores, accuracy, trials=30, seed=5).tolist() == first.tolist()
    assert search_weights(scores, accuracy, trials=30, seed=6).tolist() != first.tolist()
    assert search_weights(scores, accuracy, trials=2, seed=2**62).notna().all()


def test_optuna_is_silent_and_logs_afterwards_as_before(capfd):
    scores, accuracy = planted(n=20)
    level = optuna.logging.get_verbosity()
    search_weights(scores, accuracy, trials=3)
    assert optuna.logging.get_verbosity() == level
    assert logging.getLogger("optuna").getEffectiveLevel() == level
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("change", "options", "message"),
    [
        ({"a": 1.0}, {}, "a is 1 for all 20 architectures: it has no weight"),
        ({"b": np.nan}, {}, "b has missing or infinite scores"),
        ({}, {"low": 1.0, "high": 1.0}, "expected low below high"),
        ({}, {"trials": 0}, "trials=0: expected at least 1"),
    ],
)
def test_mistakes_are_named(change, options, message):
    scores, accuracy = planted(n=20)
    with pytest.raises(UserError, match=message):
        search_weights(scores.assign(**change), accuracy, **options)


def test_columns_must_match():
    scores, accuracy = planted(n=20)
    with pytest.raises(UserError, match="expected one accuracy per architecture"):
        search_weights(scores, accuracy.iloc[:19])
    with pytest.raises(UserError, match="an accuracy is NaN"):
        search_weights(scores, accuracy.mask(accuracy == accuracy.max()))
    with pytest.raises(UserError, match="at least two architectures"):
        search_weights(scores.iloc[:1], accuracy.iloc[:1])


def test_neither_torch_nor_scipy_stats_is_imported():
    code = (
        "import sys, pandas, uninas_bench as ub\n"
        "frame = pandas.DataFrame({'a': [1., 2, 3], 'b': [3., 1, 2]})\n"
        "ub.search_weights(ub.RankNormaliser.fit(frame).transform(frame), [1, 2, 3], trials=15)\n"
        "print([name for name in ('torch', 'scipy.stats', 'matplotlib', 'sklearn') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_cross_fitted_scores_find_what_is_there():
    scores, accuracy = planted(noise=0.05)
    found = cross_fitted(scores, accuracy, trials=60)
    assert correlation.kendall(found.scores, accuracy) > 0.75
    assert found.weights.shape == (5, 4)
    assert (found.weights["a"] > 0).all()
    assert (found.weights["b"] < 0).all()
    assert found.fitted_on == 240


def test_noise_is_not_flattered():
    """In sample the weights of noise reach a tau above 0.1; the cross-fitted scores have none."""
    inside, outside = [], []
    for seed in range(5):
        rng = np.random.default_rng(seed)
        scores = pd.DataFrame(rng.normal(size=(120, 5)), columns=list("abcde"))
        noise = pd.Series(rng.normal(size=120))
        ranks = RankNormaliser.fit(scores).transform(scores)
        weights = search_weights(ranks, noise, trials=30, seed=seed)
        inside.append(correlation.kendall(ranks @ weights, noise))
        outside.append(correlation.kendall(cross_fitted(scores, noise, seed=seed, trials=30).scores, noise))
    # The tau of 120 pairs of noise has a standard error of 0.062.
    limit = 3 * 0.062 / np.sqrt(len(outside))
    assert np.mean(inside) > limit
    assert abs(np.mean(outside)) < limit


def test_an_architectures_own_accuracy_has_no_part_in_its_score():
    scores, accuracy = planted(n=60, noise=1.0)
    before = cross_fitted(scores, accuracy, trials=20).scores
    worst = accuracy.idxmin()
    changed = accuracy.copy()
    changed[worst] = 1e6
    after = cross_fitted(scores, changed, trials=20).scores
    assert after[worst] == before[worst]
    assert (after != before).any()  # In other folds, whose weights it has a part in.


def test_the_order_of_architectures_does_not_matter():
    scores, accuracy = planted(n=60)
    scores.iloc[3, 0] = np.nan
    expected = cross_fitted(scores, accuracy, trials=15).scores
    shuffled = scores.sample(frac=1, random_state=0)
    found = cross_fitted(shuffled, accuracy, trials=15).scores
    assert found.index.equals(shuffled.index)
    assert found.reindex(scores.index).tolist() == expected.tolist()
    assert expected.notna().all()


def test_too_few_architectures_are_refused():
    scores, accuracy = planted(n=FEWEST - 1)
    with pytest.raises(UserError, match=f"on at least {FEWEST} architectures; there are {FEWEST - 1}"):
        cross_fitted(scores, accuracy)


@pytest.mark.data
@pytest.mark.slow
def test_weights_of_published_scores_hold_on_other_architectures(real_data):
    """13 proxies as NAS-Bench-Suite-Zero published them: one alone reaches .63, a weighted sum .70."""
    folder = real_data / "ground_truth"
    table = pd.read_csv(folder / "nasbench201.csv.gz").set_index("arch_index")
    published = pd.read_csv(folder / "nasbench201_zero_cost_scores_cifar10.csv.gz").set_index("arch_index")
    scores = published.drop(columns="naslib_op_tuple").mask(lambda frame: frame == -1e8)
    accuracy = table["cifar10_test_acc_200ep_train25k_seed888"].reindex(scores.index)
    order = np.random.default_rng(0).permutation(len(scores))
    training, rest = scores.index[order[:1000]], scores.index[order[1000:]]
    assert (len(scores.columns), len(rest)) == (13, 8445)
    normaliser = RankNormaliser.fit(scores.loc[training])
    weights = search_weights(normaliser.transform(scores.loc[training]), accuracy[training])
    held_out = normaliser.transform(scores.loc[rest])
    found = correlation.kendall(held_out @ weights, accuracy[rest])
    alone = max(correlation.kendall(held_out[name], accuracy[rest]) for name in held_out)
    assert found >= 0.70
    assert alone < 0.65
