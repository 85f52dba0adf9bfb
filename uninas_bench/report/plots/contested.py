"""Which architectures are best, and over which the proxies disagree most."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from uninas_bench.report.plots.evidence import TableEvidence


@dataclass(frozen=True, slots=True)
class Standing:
    """Where an architecture stands.

    Attributes:
        accuracy: percent, the mean over its seeds.
        place: by accuracy, from 1.
        n: of so many.
        spread: standard deviation of its places by the proxies, as a share of n.
        best: the proxy that places it best, and that place.
        worst: the proxy that places it worst, and that place.
    """

    encoding: str
    accuracy: float
    place: int
    n: int
    spread: float
    best: tuple[str, int]
    worst: tuple[str, int]


def standings(table: TableEvidence) -> list[Standing]:
    """Of all architectures, in the order of the table.

    Proxies count that are no baselines, and those alone that ranked this architecture and have a tau; a
    family of alike proxies counts as often as it has members.
    """
    accuracies = table.found.accuracies
    truth = accuracies.rank(ascending=False, method="min").to_numpy()
    counting = {
        str(row.proxy)
        for row in table.board.itertuples(index=False)
        if not row.baseline and not math.isnan(row.tau)  # type: ignore[arg-type]
    }
    names, columns = [], []
    for row in table.found.rows:
        if row.proxy in counting:
            names.append(row.proxy)
            columns.append(row.scores.reindex(accuracies.index).rank(ascending=False).to_numpy())
    places = np.array(columns, dtype=np.float64).reshape(len(names), len(accuracies))
    n = len(accuracies)
    found = []
    for i, (encoding, accuracy) in enumerate(accuracies.items()):
        column = places[:, i]
        known = np.flatnonzero(~np.isnan(column))
        spread = float(np.std(column[known]) / n) if len(known) > 1 else math.nan
        first, last = ("", 0), ("", 0)
        if len(known):
            low, high = known[column[known].argmin()], known[column[known].argmax()]
            first, last = (names[low], round(column[low])), (names[high], round(column[high]))
        found.append(Standing(str(encoding), float(accuracy), int(truth[i]), n, spread, first, last))
    return found


def best(found: list[Standing], count: int) -> list[Standing]:
    """The most accurate."""
    return sorted(found, key=lambda entry: entry.place)[:count]


def contested(found: list[Standing], count: int) -> list[Standing]:
    """Those whose places differ most, none without a spread."""
    known = [entry for entry in found if not math.isnan(entry.spread)]
    return sorted(known, key=lambda entry: -entry.spread)[:count]
