"""A published table beside what came out here: terminal, CSV, JSON, Markdown, LaTeX."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from typing import TYPE_CHECKING

from uninas_bench.report.cells import MISSING, Column, signed
from uninas_bench.report.tables import latex_table, markdown_table, plain, terminal_table
from uninas_bench.reproduce.outcome import Cell, ColumnHead, Reproduction, Verdict
from uninas_bench.reproduce.published import CORRELATIONS

if TYPE_CHECKING:
    from rich.console import Console

    from uninas_bench.reproduce.published import Paper, PublishedTable

MARKS = {Verdict.INSIDE: "=", Verdict.OUTSIDE: "x", Verdict.UNDECIDED: "?", Verdict.INCOMPARABLE: "~"}
_UNITS = ((1e9, "G"), (1e6, "M"), (1e3, "k"))
_EXPECTED = "of 95% intervals one in twenty misses what it should hold"


def print_reproduction(found: Reproduction, console: Console) -> None:
    """Print the cells that were recomputed, then why the others were not, then what it all rests on."""
    from rich.text import Text

    console.print(Text(title_line(found), style="bold"), soft_wrap=True)
    console.print(Text(found.citation, style="dim"), soft_wrap=True)
    shown = computed(found)
    if shown:
        console.print()
        columns = cell_columns(found, shown)
        faint = [cell.verdict is Verdict.INCOMPARABLE for cell in shown]
        console.print(terminal_table(columns, faint), no_wrap=True, crop=False)
    console.print()
    for line in foot_lines(found):
        console.print(Text(line, style="dim"), soft_wrap=True)


def render_reproduction(found: Reproduction, form: str) -> str:
    """The text in ``csv`` or ``json``, which have every cell, in ``markdown`` or ``latex``."""
    if form == "csv":
        text: str = found.frame().to_csv(index=False, lineterminator="\n")
        return text
    if form == "json":
        return json.dumps(plain(found.as_dict()), indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    notes = [title_line(found), found.citation, *foot_lines(found)]
    columns = cell_columns(found, computed(found))
    if not columns[0].cells:
        columns = cell_columns(found, list(found.cells))
    if form == "markdown":
        return markdown_table(columns, notes)
    return latex_table(columns, notes, lambda cell: cell.replace("-.", "$-$."))


def title_line(found: Reproduction) -> str:
    """``vkdnw-1 · VKDNW, Table 1: Rank correlations of ...``."""
    return f"{found.table} · {found.paper}, {found.printed}: {found.caption}"


def computed(found: Reproduction) -> list[Cell]:
    """The cells with a number of ours."""
    return [cell for cell in found.cells if cell.measured is not None]


def cell_columns(found: Reproduction, cells: list[Cell]) -> list[Column]:
    """Row, column, printed, recomputed, interval, n, verdict and note: one line per cell."""
    heads = {head.key: head for head in found.columns}
    names = [heads[cell.column] for cell in cells]
    rows = [cell.row for cell in cells]

    def column(key: str, title: str, texts: Iterable[str], left: bool = False) -> Column:
        return Column(key, "", title, tuple(texts), left)

    pairs = list(zip(cells, names, strict=True))
    columns = [
        column("row", found.rows, rows, left=True),
        column("column", "column", (f"{head.group} {head.title}".strip() for head in names), left=True),
        column("published", "published", (cell.published + "?" * bool(cell.uncertain) for cell in cells)),
        column("recomputed", "recomputed", (recomputed_text(cell, head) for cell, head in pairs)),
        column("interval", "95% interval", (interval_text(cell, head) for cell, head in pairs), left=True),
        column("n", "n", (_count(cell) for cell in cells)),
        column("verdict", "verdict", map(_verdict, cells), left=True),
        column("note", "note", (_shortened(cell.reason) for cell in cells), left=True),
    ]  # fmt: skip
    blank = {"interval", "n", "note"}
    return [
        entry for entry in columns if entry.key not in blank or any(set(text) - {"-"} for text in entry.cells)
    ]


def recomputed_text(cell: Cell, head: ColumnHead) -> str:
    """Our number, to one digit more than the printed one where it is a correlation."""
    if cell.measured is None:
        return MISSING
    return cell.measured.text or number_text(cell.measured.value, head, cell.published)


def interval_text(cell: Cell, head: ColumnHead) -> str:
    """``[+.553, +.653]``; a dash for none."""
    if cell.measured is None or math.isnan(cell.measured.low):
        return MISSING
    low, high = (number_text(end, head, cell.published) for end in (cell.measured.low, cell.measured.high))
    return f"[{low}, {high}]"


def number_text(value: float, head: ColumnHead, published: str) -> str:
    """A number in the form of the printed ones."""
    if math.isnan(value):
        return MISSING
    if head.kind in CORRELATIONS or head.kind == "claim":
        return signed(value) if head.kind != "ndcg" else f"{value:.3f}".removeprefix("0")
    if head.kind in {"params", "flops"}:
        for unit, letter in _UNITS:
            if abs(value) >= unit:
                return f"{value / unit:.3f}{letter}"
        return f"{value:.0f}"
    digits = len(published.partition(".")[2]) if "." in published else 2
    return f"{value:.{max(digits, 2)}f}"


def foot_lines(found: Reproduction) -> list[str]:
    """Counts of verdicts, what was not computed and what that would need, facts, doubts, versions."""
    counts = found.counts()
    lines = [
        " · ".join(f"{count} {verdict}" for verdict, count in counts.items())
        + f", of {len(found.cells)} cells"
    ]
    judged = [cell.measured for cell in found.cells if cell.verdict in {Verdict.INSIDE, Verdict.OUTSIDE}]
    if any(m is not None and not m.exact and not math.isnan(m.low) for m in judged):
        lines.append(_EXPECTED)
    lines += _absences(found)
    lines += list(found.facts)
    doubts = {cell.uncertain: [] for cell in found.cells if cell.uncertain}  # type: dict[str, list[str]]
    for cell in found.cells:
        if cell.uncertain:
            doubts[cell.uncertain].append(f"{cell.row} {cell.column}")
    lines += [f"uncertain (?): {', '.join(cells)}: {why}" for why, cells in doubts.items()]
    about = found.about
    versions = ", ".join(f"{name} {version}" for name, version in about.get("versions", {}).items())
    lines.append(
        f"recipe {found.kind} {found.version} · seed {about.get('seed')} · {about.get('seconds')} s · "
        f"{versions}"
    )
    return lines


def _absences(found: Reproduction) -> list[str]:
    """One line per reason: which cells it is of."""
    by_reason: dict[tuple[str, str], list[Cell]] = {}
    for cell in found.cells:
        if cell.measured is None:
            by_reason.setdefault((str(cell.verdict), cell.reason), []).append(cell)
    heads = {head.key: f"{head.group} {head.title}".strip() for head in found.columns}
    lines = []
    for (verdict, reason), cells in by_reason.items():
        rows = list(dict.fromkeys(cell.row for cell in cells))
        columns = list(dict.fromkeys(heads[cell.column] for cell in cells))
        which = f"{_few(rows)} · {_few(columns)}"
        lines.append(f"{verdict}: {which} ({len(cells)}): {reason}")
    return lines


def _few(names: list[str], most: int = 6) -> str:
    return (
        ", ".join(names) if len(names) <= most else f"{', '.join(names[:most])} and {len(names) - most} more"
    )


def _verdict(cell: Cell) -> str:
    return f"{MARKS.get(cell.verdict, '')} {cell.verdict}".strip()


def _count(cell: Cell) -> str:
    return MISSING if cell.measured is None or cell.measured.n is None else f"{cell.measured.n:,}"


def _shortened(text: str, most: int = 90) -> str:
    return text if len(text) <= most else text[: most - 3] + "..."


def published_columns(table: PublishedTable) -> list[Column]:
    """A table as it is printed, an uncertain cell with a question mark."""
    columns = [Column("row", "", table.rows_are, tuple(row.name for row in table.rows), True)]
    for place, column in enumerate(table.columns):
        cells = tuple(
            (row.cells[place] or MISSING)
            + ("?" if row.cells[place] and table.doubt(row.name, column.key) else "")
            for row in table.rows
        )
        columns.append(
            Column(
                column.key, column.group, column.title, cells, column.kind in {"text", "setting", "formula"}
            )
        )
    return columns


def published_lines(paper: Paper, table: PublishedTable) -> list[str]:
    """What stands under a table as it is printed."""
    lines = [
        paper.citation,
        f"read from: {table.read_from}",
        f"recomputed by: {table.recipe.kind} {table.recipe.version}",
    ]
    lines += [f"{row.name}: {row.note}" for row in table.rows if row.note]
    doubts = {why for row in table.rows for why in row.uncertain.values()}
    lines += [f"uncertain (?): {why}" for why in sorted(doubts)]
    units = {column.unit for column in table.columns if column.unit}
    return [*lines, f"units: {', '.join(sorted(units))}"] if units else lines
