"""Every subset of the six probes on one board: does the ranking get better with each probe that joins?

The note on TF-NAS reports that the rank correlation rises monotonically with the number of tasks, without
saying which ones join when. Here all 63 subsets are ranked, so the answer is a distribution for each number.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import TYPE_CHECKING, Any

import uninas_bench as ub
from uninas_bench import Proxy, UserError
from uninas_bench_plugins._micro_probes.standardising import Reference, total

if TYPE_CHECKING:
    import pandas as pd

    from uninas_bench_plugins.micro_probes import MicroProbes

PROXY = "micro_probes"


class SubsetSum(Proxy):
    """S of some of the probes, from the stored components of all: nothing is trained for it.

    Args:
        probes: names, in the order of the proxy's components.
        weights: by probe; where it is missing 1.
        reference: statistics to standardise by; default those of the population.
    """

    requires = (PROXY,)

    def __init__(
        self, probes: Sequence[str], weights: Mapping[str, float], reference: Reference | None
    ) -> None:
        super().__init__()
        self.name = "+".join(probes)
        self.probes = tuple(probes)
        self.weights = weights
        self.statistics = reference

    def aggregate(self, components: pd.DataFrame) -> pd.Series[float]:
        """The weighted sum of the z-scores of these probes."""
        columns = components[[f"{PROXY}.{name}" for name in self.probes]]
        return total(columns.set_axis(list(self.probes), axis=1), self.weights, self.statistics)


def subsets_of(names: Sequence[str]) -> list[tuple[str, ...]]:
    """Every subset but the empty one, small ones first: 63 of six."""
    return [chosen for count in range(1, len(names) + 1) for chosen in combinations(names, count)]


def subset_board(proxy: MicroProbes, beside: Sequence[str] = (), **options: Any) -> pd.DataFrame:
    """The board of all subsets of the probes that a proxy is made of.

    Args:
        proxy: with the settings to score with; two probes at least, none of weight 0.
        beside: other proxies, scored on the same architectures.
        options: of `uninas_bench.leaderboard`, such as ``space``, ``sample``, ``seed`` and ``store``.

    Returns:
        As `uninas_bench.leaderboard` gives it, best tau first, with the column ``probes`` behind ``proxy``:
        how many there are in a subset, 0 for everything else.

    Raises:
        UserError: there is one probe only, or whatever a leaderboard refuses.
    """
    names, weights = proxy.settings.names, proxy.settings.weight_of
    if len(names) < 2:
        raise UserError(f"probes={'+'.join(names)}: expected two at least; one has no subsets")
    silent = [name for name in names if not weights.get(name, 1.0)]
    if silent:
        raise UserError(f"weights: {silent[0]} has weight 0; leave it out with {PROXY}.probes instead")
    path = proxy.settings.reference
    reference = Reference.read(path) if path else None
    sums = {subset.name: subset for subset in
            (SubsetSum(chosen, weights, reference) for chosen in subsets_of(names))}  # fmt: skip
    board = ub.leaderboard(proxies=[proxy, *beside, *sums.values()], **options)
    counts = [len(sums[name].probes) if name in sums else 0 for name in board["proxy"]]
    attributes = dict(board.attrs)
    board.insert(1, "probes", counts)
    board.attrs.update(attributes)
    return board


def by_count(board: pd.DataFrame) -> pd.DataFrame:
    """Lowest, mean and highest tau of the subsets of each size; one row per size.

    Args:
        board: from `subset_board`.
    """
    subsets = board[board["probes"] > 0]
    return subsets.groupby("probes")["tau"].agg(["min", "mean", "max", "size"]).reset_index()


def joins(board: pd.DataFrame) -> tuple[int, int]:
    """In how many cases a probe that joins a subset raises its tau, and of how many: 186 of six probes.

    Args:
        board: from `subset_board`.
    """
    subsets = board[board["probes"] > 0]
    taus = {
        frozenset(name.split("+")): tau for name, tau in zip(subsets["proxy"], subsets["tau"], strict=True)
    }
    everyone = frozenset[str]().union(*taus)
    steps = [taus[chosen | {newcomer}] > taus[chosen] for chosen in taus for newcomer in everyone - chosen]
    return sum(steps), len(steps)
