"""Kind ``probe-count`` of recipes: does the ranking of the micro-probes get better with each that joins?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import uninas_bench as ub
from uninas_bench import BudgetSpent, Lacking, Measured, RecipeFields, RowOrColumn, TableKind

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from uninas_bench import PublishedTable, TableRequest

RESAMPLES = 1000


class ProbeCountRecipe(RecipeFields):
    """The architectures.

    Attributes:
        space, scale: of them.
        sample: how many of those with accuracies.
    """

    space: str
    scale: Mapping[str, str] = {}
    sample: int = 64


class ProbeCountRow(RowOrColumn):
    """A step: from ``count`` probes to one more."""

    count: int = 1


class ProbeCountColumn(RowOrColumn):
    """The accuracies: of a task, best first."""

    tasks: tuple[str, ...] = ()


class ProbeCount(TableKind):
    """All subsets of the probes, ranked by the accuracies of one table."""

    name = "probe-count"
    Recipe = ProbeCountRecipe
    Row = ProbeCountRow
    Column = ProbeCountColumn

    def run(self, table: PublishedTable, request: TableRequest) -> None:
        """Score once, then every step."""
        recipe = self.recipe(table)
        assert isinstance(recipe, ProbeCountRecipe)
        cells = self.wanted(table, request)
        for key in dict.fromkeys(column for _, column in cells):
            asked = self.column(table, key)
            assert isinstance(asked, ProbeCountColumn)
            steps = {row: self.row(table, row) for row, column in cells if column == key}
            try:
                found = _taus(request, recipe, asked.tasks)
            except Lacking as lacking:
                for row in steps:
                    request.lack(row, key, lacking)
                continue
            for row, step in steps.items():
                assert isinstance(step, ProbeCountRow)
                if step.count < found.sizes.max():
                    request.record(row, key, found.change(step.count))
                else:
                    request.lack(row, key, f"more than the {found.sizes.max()} probes that are trained")


class _Taus:
    """Tau of every subset, of the sample and of resamples of it."""

    def __init__(
        self, sizes: NDArray[np.int64], tau: NDArray[np.float64], draws: NDArray[np.float64], n: int
    ) -> None:
        self.sizes, self.tau, self.draws, self.n = sizes, tau, draws, n

    def change(self, count: int) -> Measured:
        """The mean tau of all subsets of ``count + 1`` probes less that of ``count``."""
        import numpy as np

        before, after = self.sizes == count, self.sizes == count + 1
        value = self.tau[after].mean() - self.tau[before].mean()
        spread = self.draws[after].mean(axis=0) - self.draws[before].mean(axis=0)
        low, high = np.nanquantile(spread, (0.025, 0.975))
        note = f"mean tau {self.tau[before].mean():.3f} to {self.tau[after].mean():.3f}"
        return Measured(float(value), float(low), float(high), n=self.n, note=note)


def _taus(request: TableRequest, recipe: ProbeCountRecipe, tasks: tuple[str, ...]) -> _Taus:
    import numpy as np

    from uninas_bench_plugins._micro_probes.standardising import total
    from uninas_bench_plugins._micro_probes.subsets import PROXY, subsets_of
    from uninas_bench_plugins.micro_probes import MicroProbes

    truth = request.truth(recipe.space, tasks, recipe.scale)
    proxy = request.proxy(PROXY)
    assert isinstance(proxy, MicroProbes)
    names = proxy.settings.names
    scores, accuracies = _scored(request, recipe, truth, proxy)
    chosen = subsets_of(names)
    columns = [total(scores[list(subset)], proxy.settings.weight_of, None) for subset in chosen]
    request.state_truth(truth, tasks[0], accuracies.index)
    found = ub.correlation.rank_correlations(
        columns, accuracies, method="bootstrap", resamples=RESAMPLES, seed=request.seed
    )
    whole = found.tau[-1]
    low, high = (float(ends[-1]) for ends in found.tau_interval())
    request.fact(
        f"{len(accuracies)} of the architectures of {truth.info.name}, seed {request.seed}; "
        f"all {len(names)} probes: "
        f"tau {whole:.3f} [{low:.3f}, {high:.3f}]"
    )
    request.fact(f"micro_probes with {proxy.settings}")
    sizes = np.array([len(subset) for subset in chosen], dtype=np.int64)
    return _Taus(sizes, found.tau, found.tau_draws, len(accuracies))


def _scored(
    request: TableRequest, recipe: ProbeCountRecipe, truth: ub.GroundTruth, proxy: ub.Proxy
) -> tuple[pd.DataFrame, pd.Series[float]]:
    """Components by encoding, and accuracies, of as many architectures as the budget lets be scored."""
    import pandas as pd

    space = request.space(recipe.space, recipe.scale)
    known = truth.accuracies()
    order = request.order(space, [str(encoding) for encoding in known.index])
    count = recipe.sample if request.sample is None else request.sample or len(order)
    frames: list[pd.DataFrame] = []

    def score(encodings: list[str]) -> None:
        frames.append(request.score(encodings, [proxy], space=space, task=truth.info.task))

    done = request.in_chunks(order[:count], score, things=1)
    if done < 3:
        raise BudgetSpent("fewer than three architectures fit into the budget")
    wide = pd.concat(frames).pivot(index="architecture", columns="component", values="value")
    chosen = [encoding for encoding in known.index if encoding in wide.index]
    return wide.loc[chosen], known.loc[chosen]
