"""The rows of a board that are ensembles of other proxies, computed from their scores."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from uninas_bench.ensembles.notation import VERSION
from uninas_bench.errors import UserError
from uninas_bench.score_columns import ScoreColumn, expense

if TYPE_CHECKING:
    import pandas as pd

    from uninas_bench.ensembles.notation import Ensemble
    from uninas_bench.intervals import Failed
    from uninas_bench.scores import Scores


@dataclass(frozen=True, eq=False)
class EnsembleColumn:
    """An ensemble's scores.

    Attributes:
        column: as of any proxy.
        account: what the scores were made of: notation, members with versions, settings, coefficients or
            weights per fold, and how many architectures each failed on.
    """

    column: ScoreColumn
    account: Mapping[str, Any]


def check_ensembles(ensembles: Sequence[Ensemble], taken: Collection[str], n: int) -> None:
    """Find what is wrong with ensembles before anything is scored.

    Args:
        ensembles: their members are known proxies.
        taken: names of proxies.
        n: architectures of the population.

    Raises:
        UserError: a row has the name of a proxy, or there are too few architectures to find weights on.
    """
    for ensemble in ensembles:
        if ensemble.name in taken:
            raise UserError(
                f'aggregate "{ensemble.name} = {ensemble}": {ensemble.name} is a proxy; choose another name'
            )
        if ensemble.kind == "tpe":
            from uninas_bench.ensembles.cross_fitting import check_enough

            check_enough(n)


def ensemble_column(
    ensemble: Ensemble,
    columns: Mapping[str, ScoreColumn],
    accuracies: pd.Series[float],
    scores: Scores,
    *,
    failed: Failed,
    seed: int,
) -> EnsembleColumn:
    """Combine the members' columns over the population.

    Args:
        ensemble: whose members are in ``columns``.
        columns: by proxy.
        accuracies: of the population; only the kind ``tpe`` looks at them.
        scores: what the columns were made of, for what they cost together.
        failed: see `combination.combine`; under ``last`` and ``tpe`` a failure is the lowest score.
        seed: of folds and weights.

    Returns:
        Scores that are NaN where every member failed (``exclude``: any). Where a member failed on all
        architectures, so does the ensemble.

    Raises:
        UserError: a member has the same score everywhere.
    """
    import pandas as pd

    from uninas_bench.ensembles.combination import combine

    members = [columns[name] for name in ensemble.members]
    frame = pd.DataFrame({member.proxy: member.scores.reindex(accuracies.index) for member in members})
    account: dict[str, Any] = {
        "notation": str(ensemble),
        "kind": ensemble.kind,
        "members": {
            member.proxy: {"version": member.version, "settings": member.settings, "failed": member.failed}
            for member in members
        },
    }
    settings = str(ensemble)
    _check_constant(ensemble, frame)
    if frame.isna().all().any():
        found = pd.Series(float("nan"), index=frame.index)
    elif ensemble.kind == "tpe":
        found, fitted = _weighted(ensemble, frame, accuracies, failed, seed)
        settings += f" (trials={fitted['trials']},folds={fitted['folds']})"
        weights = fitted.pop("weights")
        account |= fitted
        for name in ensemble.members:
            account["members"][name]["weights"] = weights[name]
    else:
        found = combine(frame, ensemble.kind, ensemble.coefficients, failed=failed)
        for term in ensemble.terms:
            account["members"][term.member]["coefficient"] = term.coefficient
    seconds, passes = expense(scores, [entry for entry in scores.plan.proxies if entry.name in frame.columns])
    reasons: Counter[str] = Counter()
    for member in members:
        reasons.update({f"{member.proxy} {reason}": count for reason, count in member.failures.items()})
    column = ScoreColumn(
        ensemble.name, VERSION, settings, found, seconds, passes, dict(reasons.most_common())
    )
    return EnsembleColumn(column, account)


def _check_constant(ensemble: Ensemble, frame: pd.DataFrame) -> None:
    for name, column in frame.items():
        if column.nunique() == 1:
            count, value = int(column.count()), column.max()
            raise UserError(
                f'aggregate "{ensemble}": {name} is {value:g} for all {count} architectures: '
                "it ranks nothing; leave it out"
            )


def _weighted(
    ensemble: Ensemble, frame: pd.DataFrame, accuracies: pd.Series[float], failed: Failed, seed: int
) -> tuple[pd.Series[float], dict[str, Any]]:
    from importlib import metadata

    from uninas_bench.ensembles.cross_fitting import FOLDS, TRIALS, cross_fitted

    known = frame.notna()
    kept = frame[known.all(axis=1)] if failed == "exclude" else frame
    try:
        found = cross_fitted(kept, accuracies[kept.index], seed=seed, trials=TRIALS)
    except UserError as error:
        raise UserError(f'aggregate "{ensemble}": {error}') from None
    scores = found.scores.reindex(frame.index).where(known.any(axis=1))
    fitted = {
        "folds": FOLDS,
        "trials": TRIALS,
        "fitted_on": found.fitted_on,
        "optuna": metadata.version("optuna"),
        "weights": {str(name): column.tolist() for name, column in found.weights.items()},
    }
    return scores, fitted
