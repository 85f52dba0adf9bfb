"""Kind ``up-nas`` of recipes: the tables of UP-NAS, from an estimator that learns one half of the scores."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import uninas_bench as ub
from uninas_bench import BudgetSpent, Lacking, Measured, RecipeFields, RowOrColumn, TableKind
from uninas_bench_plugins._up_nas.weights import paper_members, weights_of

if TYPE_CHECKING:
    import pandas as pd

    from uninas_bench import PublishedTable, TableRequest
    from uninas_bench_plugins._up_nas.settings import UpNasSettings
    from uninas_bench_plugins._up_nas.tables import Study
    from uninas_bench_plugins.up_nas import UpNas

STARTS = 32
FEWEST = 40
"""Architectures, of which half train the estimator."""
TASK = "cifar10"
"""That members score; the tables have no other scores."""


class UpNasRecipe(RecipeFields):
    """Nothing is left to choose; ``sample`` architectures are scored where there is no file of scores."""

    sample: int = 300


class UpNasRow(RowOrColumn):
    """A member by its name, a weighting, or the best of the benchmark (``bound``).

    Attributes:
        member, weights: of which exactly one is said where ``bound`` is not.
        layers: hidden layers of the estimator; 0 for the setting's.
        bound: the highest accuracy that there is.
    """

    member: str = ""
    weights: str = ""
    layers: int = 0
    bound: bool = False


class UpNasColumn(RowOrColumn):
    """Tau of the score or of the prediction, or the accuracy of what is found.

    Attributes:
        quantity: which.
        tasks: of the accuracies, best first.
    """

    quantity: Literal["original", "predicted", "found"] = "original"
    tasks: tuple[str, ...] = ()


class UpNasTables(TableKind):
    """Scores, or a file of them; half of them trains the estimator, the other half is measured."""

    name = "up-nas"
    Recipe = UpNasRecipe
    Row = UpNasRow
    Column = UpNasColumn

    def run(self, table: PublishedTable, request: TableRequest) -> None:
        """Every wanted cell."""
        wanted = self.wanted(table, request)
        truths = self._truths(table, request, wanted)
        cells = []
        for row, column in wanted:
            accuracies = truths.get(self._column(table, column).tasks)
            if accuracies is None:
                continue
            if self._row(table, row).bound:
                request.record(row, column, Measured(float(accuracies.max()), n=len(accuracies), exact=True))
            else:
                cells.append((row, column, accuracies))
        if not cells:
            return
        recipe = self.recipe(table)
        assert isinstance(recipe, UpNasRecipe)
        with _folder(request.folder) as folder:
            # Made by the first cell: without scores, it and all others say what they lack.
            studies = cache(lambda: _Studies(request, folder, recipe.sample))
            for row, column, accuracies in cells:
                entry, asked = self._row(table, row), self._column(table, column)
                try:
                    request.record(row, column, studies().measure(entry, asked, accuracies))
                except Lacking as lacking:
                    request.lack(row, column, lacking)

    def _truths(
        self, table: PublishedTable, request: TableRequest, cells: list[tuple[str, str]]
    ) -> dict[tuple[str, ...], pd.Series[float]]:
        """Accuracies by tasks; cells without any say what they lack."""
        found: dict[tuple[str, ...], pd.Series[float]] = {}
        for row, column in cells:
            tasks = self._column(table, column).tasks
            if tasks in found:
                continue
            try:
                truth = request.truth("nasbench201", tasks)
            except Lacking as lacking:
                request.lack(row, column, lacking)
                continue
            found[tasks] = truth.accuracies()
            request.state_truth(truth, tasks[0])
        return found

    def _row(self, table: PublishedTable, name: str) -> UpNasRow:
        found = self.row(table, name)
        assert isinstance(found, UpNasRow)
        return found

    def _column(self, table: PublishedTable, key: str) -> UpNasColumn:
        found = self.column(table, key)
        assert isinstance(found, UpNasColumn)
        return found


@dataclass(frozen=True)
class _Found:
    """Encodings that the starts end at, and the pick of them."""

    ends: tuple[str, ...]
    pick: str


class _Studies:
    """Scores, and what is learned of them by the number of layers."""

    def __init__(self, request: TableRequest, folder: Path, sample: int) -> None:
        self.request, self.folder = request, folder
        self.space = ub.space("nasbench201")
        proxy: UpNas = request.proxy("up_nas")  # type: ignore[assignment]
        self.settings: UpNasSettings = proxy.settings
        self.members = paper_members()
        self.scores = self._scores(sample)
        self._learned: dict[int, Study] = {}
        self._found: dict[tuple[str, int], _Found] = {}
        request.fact(
            f"{len(self.scores):,} architectures have scores: one half trains autoencoder and estimator, "
            f"seed {request.seed}; normalised by {self.settings.normaliser}"
        )

    def measure(self, entry: UpNasRow, asked: UpNasColumn, accuracies: pd.Series[float]) -> Measured:
        """What a cell comes to."""
        if asked.quantity == "found":
            return self._accuracy_of_found(entry, accuracies)
        study = self.study(entry.layers)
        frame = study.targets if asked.quantity == "original" else study.predictions
        known = [encoding for encoding in study.held_out if encoding in accuracies.index]
        if len(known) < FEWEST // 2:
            raise Lacking(f"accuracies of the held-out half: {len(known)} of {len(study.held_out)} are known")
        return self.request.correlate("tau", self._column(frame, entry).loc[known], accuracies.loc[known])

    def study(self, layers: int) -> Study:
        """What is learned with so many hidden layers."""
        from dataclasses import replace

        from uninas_bench_plugins._up_nas.tables import learn

        if layers not in self._learned:
            settings = replace(self.settings, layers=layers) if layers else self.settings
            self.request.announce("training autoencoder and estimator")
            self._learned[layers] = learn(self.space, self.scores, settings, self.folder, self.request.seed)
        return self._learned[layers]

    def _accuracy_of_found(self, entry: UpNasRow, accuracies: pd.Series[float]) -> Measured:
        if entry.member:
            best = str(self.scores[entry.member].idxmax())
            return Measured(
                _accuracy(accuracies, best),
                n=len(self.scores),
                note=f"the architecture that it scores best: {best}",
            )
        found = self._search(entry)
        ends = accuracies.reindex(list(found.ends)).dropna()
        low, high = ends.quantile([0.025, 0.975])
        return Measured(
            _accuracy(accuracies, found.pick), float(low), float(high),
            note=f"mean over {len(ends)} starts {ends.mean():.2f}, best {ends.max():.2f}",
        )  # fmt: skip

    def _search(self, entry: UpNasRow) -> _Found:
        import numpy as np

        from uninas_bench_plugins._up_nas.ascent import climb

        key = (entry.weights, entry.layers)
        if key not in self._found:
            weights = weights_of(entry.weights, self.members)
            assert weights is not None
            model = self.study(entry.layers).model(weights)
            starts = self.space.sample(STARTS, np.random.default_rng(self.request.seed))
            climbs = climb(model, starts, self.settings)
            pick = max(climbs, key=lambda way: max(way.scores))
            self._found[key] = _Found(tuple(way.best.encoding for way in climbs), pick.best.encoding)
        return self._found[key]

    def _column(self, frame: pd.DataFrame, entry: UpNasRow) -> pd.Series[float]:
        import pandas as pd

        if entry.member:
            return frame[entry.member]
        weights = weights_of(entry.weights, self.members)
        assert weights is not None
        return frame[list(weights)] @ pd.Series(weights)

    def _scores(self, sample: int) -> pd.DataFrame:
        from uninas_bench_plugins._up_nas.files import read_scores

        if self.settings.scores:
            return read_scores(Path(self.settings.scores), self.space, self.members, self.settings.column)
        return self._computed(sample)

    def _computed(self, sample: int) -> pd.DataFrame:
        import pandas as pd

        proxies = [self.request.proxy(name, {"batch": self.settings.batch}) for name in self.members]
        for proxy in proxies:
            self.request.check_images(proxy, TASK)
        count = self.request.sample if self.request.sample else sample
        order = self.request.order(self.space, [found.encoding for found in self.space.enumerate()])
        frames = []

        def score(encodings: list[str]) -> None:
            frames.append(self.request.score(encodings, proxies, space=self.space, task=TASK))

        if self.request.in_chunks(order[:count], score, things=len(proxies)) < FEWEST:
            raise BudgetSpent(f"fewer than {FEWEST} architectures fit into the budget")
        wide = pd.concat(frames).pivot(index="architecture", columns="component", values="value")
        return wide[list(self.members)]


def _accuracy(accuracies: pd.Series[float], encoding: str) -> float:
    if encoding not in accuracies.index:
        raise Lacking(f"the accuracy of {encoding}, which the table does not have")
    return float(accuracies[encoding])


@contextmanager
def _folder(given: Path | None) -> Iterator[Path]:
    if given is not None:
        given.mkdir(parents=True, exist_ok=True)
        yield given
        return
    with tempfile.TemporaryDirectory(prefix="uninas-bench-up-nas-") as folder:
        yield Path(folder)
