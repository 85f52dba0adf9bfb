"""Kind ``correlation``: how well proxies rank the architectures of a table of accuracies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from uninas_bench.architecture import Architecture
from uninas_bench.execution import opened
from uninas_bench.reproduce.kind import RecipeFields, RowOrColumn, TableKind
from uninas_bench.reproduce.published import PublishedTable
from uninas_bench.reproduce.request import BudgetSpent, Lacking, TableRequest
from uninas_bench.reproduce.sampling import subset_of
from uninas_bench.tasks import find_task

if TYPE_CHECKING:
    import pandas as pd

    from uninas_bench.architecture import Task
    from uninas_bench.ground_truth.table import GroundTruth
    from uninas_bench.proxy import Proxy
    from uninas_bench.scores import Scores
    from uninas_bench.space import SearchSpace

FEWEST = 10
"""Below that a correlation says nothing."""


class CorrelationRecipe(RecipeFields):
    """Which architectures, and what they are ranked by.

    Attributes:
        space, scale: of the architectures; the space's own scale where there is none.
        subset: of those with accuracies; see `sampling.subset_of`.
        sample: how many of them, where nothing else was asked for; 0 for all.
        population: how many the printed numbers rest on; 0 where it is not said.
    """

    space: str
    scale: Mapping[str, str] = {}
    subset: str = "all"
    sample: int = 300
    population: int = 0


class CorrelationRow(RowOrColumn):
    """A proxy.

    Attributes:
        proxy: its name.
        settings: where they are not its defaults.
        others: settings of proxies that it requires, by name.
        component: one of its components in place of its score: ``vkdnw.dim``.
        file: the setting that must name a file of the user's.
        costly: why it is only computed where the row is asked for by name.
        incomparable: why what it gives cannot be held against what is printed.
    """

    proxy: str = ""
    settings: Mapping[str, object] = {}
    others: Mapping[str, Mapping[str, object]] = {}
    component: str = ""
    file: str = ""
    costly: str = ""
    incomparable: str = ""


class CorrelationColumn(RowOrColumn):
    """A statistic on a task.

    Attributes:
        tasks: of the accuracies, best first.
        metric: ``tau``, ``rho``, ``pearson``, ``ndcg@K``; ``best``: the accuracy of what is scored best.
        incomparable: why its numbers cannot be held against what is printed.
    """

    tasks: tuple[str, ...] = ()
    metric: str = "tau"
    incomparable: str = ""


@dataclass(frozen=True)
class _Line:
    """A row that is to be scored."""

    name: str
    fields: CorrelationRow
    proxy: Proxy
    required: Mapping[str, Proxy]

    @property
    def free(self) -> bool:
        """Whether it builds no network, so that all architectures can be taken."""
        return not self.proxy.needs and not self.proxy.requires


@dataclass
class _Batch:
    """Rows that are scored in one run, and all proxies of them."""

    lines: list[_Line]
    proxies: dict[str, Proxy]


class Correlation(TableKind):
    """Scores a sample of the architectures, and all of them where that costs nothing."""

    name = "correlation"
    Recipe = CorrelationRecipe
    Row = CorrelationRow
    Column = CorrelationColumn

    def run(self, table: PublishedTable, request: TableRequest) -> None:
        """Task by task; the budget is shared among the tasks that are still to come."""
        wanted = self.wanted(table, request)
        by_task: dict[tuple[str, ...], list[tuple[str, str]]] = {}
        for row, column in wanted:
            fields = self.column(table, column)
            assert isinstance(fields, CorrelationColumn)
            by_task.setdefault(fields.tasks, []).append((row, column))
        # One store for all: of a store in memory, what a pilot has scored must not be scored again.
        with opened(request.store) as store:
            for done, (tasks, cells) in enumerate(by_task.items()):
                _OneTask(self, table, replace(request, store=store), tasks, cells, len(by_task) - done).run()


class _OneTask:
    """The cells of one task."""

    def __init__(
        self,
        kind: Correlation,
        table: PublishedTable,
        request: TableRequest,
        tasks: tuple[str, ...],
        cells: list[tuple[str, str]],
        to_come: int,
    ) -> None:
        recipe = kind.recipe(table)
        assert isinstance(recipe, CorrelationRecipe)
        self.kind, self.table, self.recipe, self.request = kind, table, recipe, request
        self.tasks, self.cells, self.to_come = tasks, cells, to_come

    def run(self) -> None:
        """Record every cell."""
        try:
            truth = self.request.truth(self.recipe.space, self.tasks, self.recipe.scale)
        except Lacking as lacking:
            for row, column in self.cells:
                self.request.lack(row, column, lacking)
            return
        space = self.request.space(self.recipe.space, self.recipe.scale)
        task = find_task(truth.info.task)
        accuracies = truth.accuracies()
        accuracies = accuracies.loc[subset_of(self.recipe.subset, space, list(map(str, accuracies.index)))]
        self._state_truth(truth, accuracies)
        lines = self._lines(task)
        free = [line for line in lines if line.free]
        if free:
            self._score_and_record(free, space, task, accuracies, whole=True)
        paid = [line for line in lines if not line.free]
        if paid:
            self._sampled(paid, space, task, accuracies)

    def _lines(self, task: Task) -> list[_Line]:
        lines = []
        for name in dict.fromkeys(row for row, _ in self.cells):
            fields = self.kind.row(self.table, name)
            assert isinstance(fields, CorrelationRow)
            try:
                lines.append(self._line(name, fields, task))
            except Lacking as lacking:
                self._lack(name, lacking)
        return lines

    def _line(self, name: str, fields: CorrelationRow, task: Task) -> _Line:
        if fields.costly and not self.request.names(name):
            raise BudgetSpent(f"{fields.costly}; --rows {name!r} runs it")
        proxy = self.request.proxy(fields.proxy, fields.settings)
        if fields.file and not getattr(proxy.settings, fields.file, ""):
            raise Lacking(f"a file: --set {fields.proxy}.{fields.file}=FILE")
        required = {other: self.request.proxy(other, fields.others.get(other)) for other in proxy.requires}
        for part in (proxy, *required.values()):
            self.request.check_images(part, task)
        return _Line(name, fields, proxy, required)

    def _sampled(
        self, lines: list[_Line], space: SearchSpace, task: Task, accuracies: pd.Series[float]
    ) -> None:
        order = self.request.order(space, list(map(str, accuracies.index)))
        asked = self.request.sample
        wished = self.recipe.sample if asked is None else asked
        wished = len(order) if wished == 0 else min(wished, len(order))
        size = self._score(lines, space, task, order[:wished])
        if size < min(FEWEST, wished):
            for line in lines:
                self._lack(line.name, BudgetSpent(f"fewer than {FEWEST} architectures fit into the budget"))
            return
        kept = set(order[:size])
        chosen = accuracies[[encoding in kept for encoding in accuracies.index]]
        self.request.fact(
            f"{task.name}: {size:,} of {len(order):,} drawn uniformly, seed {self.request.seed}"
            + ("" if size == wished else f"; the budget let {size} of {wished} be scored")
        )
        self.request.about.setdefault("samples", {})[task.name] = {"n": size, "of": len(order)}
        self._score_and_record(lines, space, task, chosen, whole=size == len(order))

    def _score(self, lines: list[_Line], space: SearchSpace, task: Task, order: Sequence[str]) -> int:
        """Score architectures in the given order while the budget lasts; how many have all their scores."""
        whole = self.request.budget
        budget = whole.share(self.to_come) if whole.limited else whole
        return self.request.in_chunks(
            order, lambda chunk: self._run(lines, space, task, chunk), things=len(lines), budget=budget
        )

    def _run(
        self, lines: list[_Line], space: SearchSpace, task: Task, encodings: Sequence[str]
    ) -> list[tuple[_Batch, Scores]]:
        from uninas_bench.engine import run

        request = self.request
        architectures = [Architecture(space.name, encoding) for encoding in encodings]
        return [
            (
                batch,
                run(
                    architectures, list(batch.proxies.values()), space=space, task=task, seed=request.seed,
                    workers=request.workers, store=request.store, data=request.data, device=request.device,
                    progress=request.progress, fitting=request.fitting, host=request.host,
                ),
            )
            for batch in batches(lines)
        ]  # fmt: skip

    def _score_and_record(
        self, lines: list[_Line], space: SearchSpace, task: Task, accuracies: pd.Series[float], *, whole: bool
    ) -> None:
        from uninas_bench.score_columns import score_column

        encodings = [str(encoding) for encoding in accuracies.index]
        for batch, found in self._run(lines, space, task, encodings):
            for line in batch.lines:
                if line.fields.component:
                    proxy, _, part = line.fields.component.partition(".")
                    scores = found.components(proxy)[part]
                else:
                    scores = score_column(found, line.proxy).scores
                self._record(line, scores, accuracies, whole=whole)

    def _record(
        self, line: _Line, scores: pd.Series[float], accuracies: pd.Series[float], *, whole: bool
    ) -> None:
        for row, column in self.cells:
            if row != line.name:
                continue
            asked = self._asked(column)
            metric = asked.metric
            if metric.startswith(("ndcg", "best")) and not whole:
                everything = f"all {self.recipe.population:,}" if self.recipe.population else "all"
                reason = f"{everything} architectures: {metric} rests on the best of them; --sample all"
                self.request.lack(row, column, reason)
                continue
            exact = whole and line.free and self.recipe.population in {0, len(accuracies)}
            why = line.fields.incomparable or asked.incomparable
            measured = self.request.correlate(metric, scores, accuracies, exact=exact, incomparable=why)
            self.request.record(row, column, measured)

    def _asked(self, column: str) -> CorrelationColumn:
        fields = self.kind.column(self.table, column)
        assert isinstance(fields, CorrelationColumn)
        return fields

    def _lack(self, row: str, reason: Lacking) -> None:
        for name, column in self.cells:
            if name == row:
                self.request.lack(name, column, reason)

    def _state_truth(self, truth: GroundTruth, accuracies: pd.Series[float]) -> None:
        self.request.state_truth(truth, self.tasks[0], accuracies.index)
        if self.recipe.population and self.recipe.population != len(accuracies):
            self.request.fact(
                f"the printed numbers rest on {self.recipe.population:,} architectures; "
                f"{truth.info.name} leaves {len(accuracies):,} of these"
            )


def batches(lines: Sequence[_Line]) -> list[_Batch]:
    """Groups of rows that can be scored together: no proxy in two settings."""
    found: list[_Batch] = []
    for line in lines:
        needed = {line.proxy.name: line.proxy, **line.required}
        for batch in found:
            if all(
                str(batch.proxies[n].settings) == str(p.settings)
                for n, p in needed.items()
                if n in batch.proxies
            ):
                batch.lines.append(line)
                batch.proxies.update(needed)
                break
        else:
            found.append(_Batch([line], needed))
    return found
