"""Recompute a published table: `reproduce` and what it needs to know."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from uninas_bench.errors import UnknownName, UserError
from uninas_bench.reproduce.budget import Budget, read_duration
from uninas_bench.reproduce.outcome import Cell, ColumnHead, Reproduction, Verdict
from uninas_bench.reproduce.published import Column, Paper, PublishedTable, find_table
from uninas_bench.reproduce.request import TableRequest

if TYPE_CHECKING:
    from uninas_bench.data.source import ImageSource
    from uninas_bench.execution import ProgressEvent
    from uninas_bench.fitting import FitProgress
    from uninas_bench.ground_truth.table import GroundTruth
    from uninas_bench.host import Host
    from uninas_bench.reproduce.kind import TableKind


def kind_of(table: PublishedTable, host: Host) -> TableKind:
    """The kind of recipe of a table, the recipe checked.

    Raises:
        UserError: no plugin registers it, or the file's recipe is not one of that kind.
    """
    kind = host.recipe_kind(table.recipe.kind)
    kind.check(table)
    return kind


def reproduce(
    table: str,
    *,
    rows: Sequence[str] | None = None,
    columns: Sequence[str] | None = None,
    sample: int | Literal["all"] | None = None,
    budget: str | float | None = None,
    seed: int = 0,
    store: str | Path | Literal["default"] | None = "default",
    workers: int = 1,
    data: Mapping[str, str | Path | ImageSource] | None = None,
    ground_truths: Iterable[str | Path | GroundTruth] = (),
    settings: Mapping[str, Mapping[str, object]] | None = None,
    device: str = "cpu",
    folder: str | Path | None = None,
    full: bool = False,
    host: Host | None = None,
    announce: Callable[[str], None] = lambda _sentence: None,
    progress: Callable[[ProgressEvent], None] | None = None,
    begin: Callable[[int, int], None] | None = None,
    fitting: FitProgress | None = None,
) -> Reproduction:
    """Recompute what can be recomputed here of a published table.

    Args:
        table: its name, ``vkdnw-1``.
        rows: only those, by name. A row that takes long is computed only where it is named.
        columns: only those, by key, group, title or name.
        sample: architectures; default what the recipe says.
        budget: ``30m``, or seconds: a pilot is timed, and as many architectures scored as fit.
        seed: of sample, scores, bootstrap and trainings.
        store: as in `uninas_bench.score`; what is finished is kept there, also after Ctrl-C.
        workers: processes.
        data: image sources.
        ground_truths: tables of accuracies, before those that are installed.
        settings: of proxies, by name, over those of the recipe.
        device: where networks run.
        folder: for what is trained; else it is thrown away.
        full: what is scaled down otherwise runs at the paper's size.
        host: the plugins; default those that are installed.
        announce: told in a sentence what begins.
        progress: called after every finished cell.
        begin: called before scoring: architectures, proxies.
        fitting: called while a proxy is fitted.

    Raises:
        UserError: a name, a setting or a file is wrong.
    """
    from uninas_bench.ground_truth.catalogue import find_ground_truth
    from uninas_bench.store import default_store_url

    paper, found = find_table(table)
    if host is None:
        from uninas_bench.host import default_host

        host = default_host()
    kind = kind_of(found, host)
    clock = Budget(_seconds(budget))
    request = TableRequest(
        host=host,
        rows=_chosen_rows(found, rows),
        columns=_chosen_columns(found, columns),
        sample=0 if sample == "all" else _sample(sample),
        budget=clock,
        seed=seed,
        store=default_store_url() if store == "default" else store,
        workers=workers,
        data=data or {},
        ground_truths=tuple(find_ground_truth(_path(entry), host=host) for entry in ground_truths),
        settings=_checked_settings(settings or {}, host),
        device=device,
        folder=None if folder is None else Path(folder),
        full=full,
        announce=announce,
        progress=progress,
        begin=begin,
        fitting=fitting,
    )
    kind.run(found, request)
    return _outcome(paper, found, kind, request)


def _seconds(budget: str | float | None) -> float:
    if budget is None:
        return math.inf
    return read_duration(budget) if isinstance(budget, str) else float(budget)


def _sample(sample: int | str | None) -> int | None:
    if sample is not None and (not isinstance(sample, int) or sample < 1):
        raise UserError(f"sample={sample}: expected an integer of at least 1, or all")
    return sample


def _path(entry: str | Path | GroundTruth) -> str | Path | GroundTruth:
    return Path(entry) if isinstance(entry, str) and Path(entry).is_file() else entry


def _checked_settings(
    settings: Mapping[str, Mapping[str, object]], host: Host
) -> Mapping[str, Mapping[str, object]]:
    for name, values in settings.items():
        host.proxy(name).with_settings(**values)
    return settings


def _chosen_rows(table: PublishedTable, names: Sequence[str] | None) -> frozenset[str] | None:
    if names is None:
        return None
    known = {row.name.casefold(): row.name for row in table.rows}
    for name in names:
        if name.casefold() not in known:
            raise UnknownName("row", name, known.values())
    return frozenset(known[name.casefold()] for name in names)


def _chosen_columns(table: PublishedTable, names: Sequence[str] | None) -> frozenset[str] | None:
    if names is None:
        return None
    chosen: set[str] = set()
    for name in names:
        matching = {
            column.key
            for column in table.columns
            if name.casefold() in {text.casefold() for text in _spellings(column)}
        }
        if not matching:
            raise UnknownName("column", name, [column.key for column in table.columns])
        chosen |= matching
    return frozenset(chosen)


def _spellings(column: Column) -> tuple[str, ...]:
    return column.key, column.group, column.title, column.name


def _outcome(paper: Paper, table: PublishedTable, kind: TableKind, request: TableRequest) -> Reproduction:
    from uninas_bench.leaderboard import versions

    recipe = kind.recipe(table)
    name = f"{paper.key}-{table.name}"
    return Reproduction(
        table=name,
        paper=paper.paper,
        citation=paper.citation,
        printed=table.printed,
        caption=table.caption,
        kind=kind.name,
        version=recipe.version,
        rows=table.rows_are,
        columns=tuple(ColumnHead(c.key, c.group, c.title, c.kind, c.unit) for c in table.columns),
        cells=tuple(
            _cell(table, kind, request, row.name, column.key)
            for row in table.rows
            for column in table.columns
            if table.text(row.name, column.key) and request.wants(row.name, column.key)
        ),
        facts=(*request.facts, *recipe.differs, *_notes(table, request)),
        about={
            "seed": request.seed,
            "workers": request.workers,
            "seconds": round(request.budget.spent, 1),
            "budget": request.budget.seconds if request.budget.limited else None,
            "command": " ".join(sys.argv),
            "versions": versions(),
            **request.about,
        },
    )


def _notes(table: PublishedTable, request: TableRequest) -> list[str]:
    """What the paper says of rows that were asked for."""
    by_note: dict[str, list[str]] = {}
    for row in table.rows:
        if row.note and (request.rows is None or row.name in request.rows):
            by_note.setdefault(row.note, []).append(row.name)
    return [f"{', '.join(names)}: {note}" for note, names in by_note.items()]


def _cell(table: PublishedTable, kind: TableKind, request: TableRequest, row: str, column: str) -> Cell:
    printed = table.printed_number(row, column)
    measured = request.measured.get((row, column))
    if measured is not None:
        verdict = measured.verdict(printed)
        reason = "; ".join(filter(None, (measured.incomparable, measured.note)))
    else:
        verdict, reason = _absence(table, kind, request, row, column)
    half = 0.0 if printed is None else printed.high - printed.value
    return Cell(
        row=row,
        column=column,
        published=table.text(row, column),
        value=math.nan if printed is None else printed.value,
        rounding=half if math.isfinite(half) else 0.0,
        uncertain=table.doubt(row, column),
        measured=measured,
        verdict=verdict,
        reason=reason,
    )


def _absence(
    table: PublishedTable, kind: TableKind, request: TableRequest, row: str, column: str
) -> tuple[Verdict, str]:
    needs = kind.row(table, row).needs or kind.column(table, column).needs or kind.recipe(table).needs
    if needs:
        return Verdict.IMPOSSIBLE, f"needs {needs}"
    if (row, column) in request.lacking:
        verdict, reason = request.lacking[row, column]
        return verdict, f"needs {reason}" if verdict is Verdict.IMPOSSIBLE else reason
    return Verdict.IMPOSSIBLE, "nothing here recomputes it"


__all__ = ["kind_of", "reproduce"]
