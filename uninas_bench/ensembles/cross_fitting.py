"""Scores by weights that were found on other architectures, so that a board of them is honest."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from uninas_bench.ensembles.rank_normaliser import RankNormaliser
from uninas_bench.ensembles.weight_search import search_weights
from uninas_bench.errors import UserError
from uninas_bench.seeds import derive_seed

FOLDS = 5
TRIALS = 250
LARGEST = 1000
"""Weights are found on no more architectures than these: a dozen numbers do not get better by more."""
FEWEST = 50
"""Below these, a fold's weights rest on too few architectures to mean anything."""


@dataclass(frozen=True, slots=True, eq=False)
class CrossFit:
    """Out-of-sample scores.

    Attributes:
        scores: one per architecture, from weights that its own accuracy had no part in.
        weights: (folds, members), those that each fold was scored by.
        fitted_on: how many architectures the weights of a fold rest on.
    """

    scores: pd.Series[float]
    weights: pd.DataFrame
    fitted_on: int


def cross_fitted(
    scores: pd.DataFrame, accuracies: pd.Series[float], *, seed: int = 0, trials: int = TRIALS
) -> CrossFit:
    """Weigh the members of an ensemble by `search_weights`, each fold by weights from the other folds.

    The architectures are dealt into five folds. For each, members are rank-normalised and weighted on the
    others (on up to 1,000 of them, drawn); both are then applied to the fold. Sums by different weights are
    made comparable by the mean and standard deviation that each has over all architectures, for which no
    accuracy is looked at. So nothing that depends on an architecture's accuracy has a part in its score.

    A comparison of two folds is one of two sets of weights: the tau is a little below that of weights which
    were found elsewhere (by .002 for 300 architectures), and never flattering.

    Args:
        scores: (architectures, members), NaN where a member failed: the worst there is.
        accuracies: by the same index.
        seed: of folds and weights.
        trials: of each search.

    Returns:
        The scores on the index of ``scores``. They do not depend on the order of architectures.

    Raises:
        UserError: fewer than 50 architectures, or a member that is constant on a training part.
    """
    n = len(scores)
    check_enough(n)
    ordered = scores.sort_index()
    truth = accuracies.reindex(ordered.index).to_numpy("float64")
    rng = np.random.default_rng(derive_seed("ensemble folds", seed))
    fold = rng.permutation(np.arange(n) % FOLDS)
    sums = np.empty(n)
    weights = {}
    for number in range(FOLDS):
        training = rng.permutation(np.flatnonzero(fold != number))[:LARGEST]
        normaliser = RankNormaliser.fit(ordered.iloc[training])
        ranks = normaliser.transform(ordered)
        found = search_weights(
            ranks.iloc[training], truth[training], trials, derive_seed("ensemble weights", seed, number)
        )
        total = ranks.to_numpy("float64") @ found.to_numpy("float64")
        sums[fold == number] = ((total - total.mean()) / (total.std() or 1.0))[fold == number]
        weights[number] = found
    return CrossFit(
        pd.Series(sums, index=ordered.index).reindex(scores.index),
        pd.DataFrame(weights).T,
        min(n - n // FOLDS, LARGEST),
    )


def check_enough(n: int) -> None:
    """Raise `UserError` where ``n`` architectures are too few for weights."""
    if n < FEWEST:
        raise UserError(f"tpe finds weights on at least {FEWEST} architectures; there are {n}")
