"""Weights under which a sum of scores ranks as accuracies do, found by a tree-structured Parzen estimator."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np

from uninas_bench import pairs
from uninas_bench.errors import UserError

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import ArrayLike
    from optuna import Trial


def search_weights(
    scores: pd.DataFrame,
    accuracies: ArrayLike,
    trials: int = 250,
    seed: int = 0,
    low: float = -1.0,
    high: float = 1.0,
) -> pd.Series[float]:
    """One weight per proxy, such that the weighted sum of scores ranks the architectures as accuracy does.

    Optuna's TPE (Bergstra et al. 2011; multivariate: Falkner et al. 2018) maximises Kendall's tau-b, as
    UP-NAS does for its unified proxy. The first trial is the plain sum. The tau that is reached here is of
    the architectures that the weights were chosen by; only others tell how good they are.

    Args:
        scores: (n, proxies) on comparable scales, such as `RankNormaliser.transform` gives; no NaN.
        accuracies: (n,).
        trials: evaluations of tau; 250 take about 2 s for 13 proxies and 1,000 architectures.
        seed: the same gives the same weights, with the same version of optuna.
        low: the least that a weight may be.
        high: the largest.

    Returns:
        The weights, by the columns of ``scores``.

    Raises:
        UserError: a score or an accuracy is missing, a column is constant, or the bounds are none.
    """
    import optuna
    import pandas as pd

    values = scores.to_numpy("float64")
    truth = pairs.dense_ranks(accuracies)
    _check(scores, values, np.asarray(accuracies, dtype=np.float64), trials, low, high)
    names = [str(name) for name in scores.columns]

    def tau(trial: Trial) -> float:
        weights = np.array([trial.suggest_float(name, low, high) for name in names])
        found = pairs.kendall_tau_b(pairs.dense_ranks(values @ weights), truth)
        return 0.0 if math.isnan(found) else found  # Weights of 0 rank nothing.

    with _quiet():
        sampler = optuna.samplers.TPESampler(seed=seed % 2**32, multivariate=True)
        study = optuna.create_study(direction="maximize", sampler=sampler)
        study.enqueue_trial(dict.fromkeys(names, high))
        study.optimize(tau, n_trials=trials)
    return pd.Series([study.best_params[name] for name in names], index=scores.columns, dtype="float64")


def _check(
    scores: pd.DataFrame, values: pairs.Floats, truth: pairs.Floats, trials: int, low: float, high: float
) -> None:
    if truth.shape != (len(values),):
        raise UserError(
            f"scores {values.shape} and accuracies {truth.shape}: expected one accuracy per architecture"
        )
    if len(values) < 2 or not values.shape[1]:
        raise UserError(f"scores {values.shape}: expected at least two architectures and a proxy")
    if np.isnan(truth).any():
        raise UserError("an accuracy is NaN: leave out what was not measured")
    for name, column in zip(scores.columns, values.T, strict=True):
        if not np.isfinite(column).all():
            raise UserError(f"{name} has missing or infinite scores: RankNormaliser puts them last")
        if (column == column[0]).all():
            raise UserError(f"{name} is {column[0]:g} for all {len(column)} architectures: it has no weight")
    if trials < 1:
        raise UserError(f"trials={trials}: expected at least 1")
    if not low < high:
        raise UserError(f"low={low}, high={high}: expected low below high")


@contextmanager
def _quiet() -> Iterator[None]:
    """Optuna without its report of every trial, and its logging afterwards as it was."""
    import optuna

    before = optuna.logging.get_verbosity()
    with warnings.catch_warnings():
        # Before version 5 the multivariate sampler warned that its interface may change.
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        try:
            yield
        finally:
            optuna.logging.set_verbosity(before)
