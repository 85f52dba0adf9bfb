"""Boards within the kinds of architectures that a space knows: tau in each family alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from uninas_bench.architecture import Architecture
from uninas_bench.ground_truth.noise import noise_ceiling
from uninas_bench.intervals import Failed, Method, rank_correlations
from uninas_bench.space import SMALLEST_FAMILY, StratifiedSpace

if TYPE_CHECKING:
    from uninas_bench.gathering import Gathered


def families(found: Gathered) -> dict[str, list[str]]:
    """The encodings of each family of a population, by names such as ``attention: 0%``; sorted by name.

    Empty where the space knows no families.
    """
    if not isinstance(found.space, StratifiedSpace):
        return {}
    members: dict[str, list[str]] = {}
    for encoding in map(str, found.accuracies.index):
        kinds = found.space.families(Architecture(found.space.name, encoding))
        for respect, kind in kinds.items():
            members.setdefault(f"{respect}: {kind}", []).append(encoding)
    return dict(sorted(members.items()))


def stratum(
    found: Gathered, encodings: list[str], *, failed: Failed, method: Method, resamples: int, seed: int
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """A family's facts (n, noise ceiling), and a row for each proxy: tau, its interval, n, failed.

    The scores are those over the whole population: what a proxy aggregates, such as ranks, is not made anew.
    """
    accuracies = found.accuracies.loc[encodings]
    scores = [np.asarray(row.scores.reindex(accuracies.index), dtype=np.float64) for row in found.rows]
    ceiling = noise_ceiling(found.table, encodings)
    correlations = rank_correlations(
        scores, accuracies.to_numpy(), failed=failed, method=method, resamples=resamples, seed=seed
    )
    low, high = correlations.tau_interval()
    facts = {"n": len(encodings), "noise_ceiling": None if ceiling is None else asdict(ceiling)}
    rows = [
        {
            "proxy": row.proxy,
            "tau": correlations.tau[i],
            "tau_low": low[i],
            "tau_high": high[i],
            "n": int(correlations.n[i]),
            "failed": int(np.isnan(scores[i]).sum()),
        }
        for i, row in enumerate(found.rows)
    ]
    return facts, rows


def ranked_families(members: Mapping[str, list[str]]) -> tuple[dict[str, list[str]], dict[str, int]]:
    """The families that are large enough, and the sizes of the others."""
    large = {name: encodings for name, encodings in members.items() if len(encodings) >= SMALLEST_FAMILY}
    return large, {name: len(encodings) for name, encodings in members.items() if name not in large}
