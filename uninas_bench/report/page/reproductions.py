"""Published tables beside what this machine makes of them, cell by cell; the two never share a column."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING

from uninas_bench.errors import InvalidFile
from uninas_bench.report.cells import Column
from uninas_bench.report.page.model import ReproductionView, TableView

if TYPE_CHECKING:
    from uninas_bench.reproduce.outcome import Cell, Reproduction


def read_reproductions(path: Path) -> list[Reproduction]:
    """What ``uninas-bench reproduce run --format json`` wrote: one table, or a list of them.

    Raises:
        InvalidFile: the file is missing, no JSON, or of another kind.
    """
    from uninas_bench.reproduce.outcome import read_reproduction

    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InvalidFile(f"{path}: {error.strerror or error}") from None
    except ValueError:
        raise InvalidFile(
            f"{path}: not JSON; uninas-bench reproduce run TABLE --format json --output FILE writes one"
        ) from None
    entries = content if isinstance(content, list) else [content]
    return [read_reproduction(entry, str(path)) for entry in entries]


def reproduction_view(found: Reproduction, place: int) -> ReproductionView:
    """The view of one table."""
    counts = ", ".join(f"{count} {verdict}" for verdict, count in found.counts().items())
    heads = {head.key: " ".join(part for part in (head.group, head.title) if part) for head in found.columns}
    units = {head.key: head.unit for head in found.columns}
    cells = found.cells

    def column(key: str, group: str, title: str, texts: list[str], left: bool = False) -> Column:
        return Column(key, group, title, tuple(texts), left)

    columns = (
        column("proxy", "", found.rows, [cell.row for cell in cells], True),
        column(
            "column", "", "column", [_titled(heads[cell.column], units[cell.column]) for cell in cells], True
        ),
        column("published", "in the paper", "published", [cell.published for cell in cells]),
        column("recomputed", "here", "recomputed", [_value(cell) for cell in cells]),
        column("interval", "", "[95% interval]", [_interval(cell) for cell in cells], True),
        column("n", "", "n", [_count(cell) for cell in cells]),
        column("verdict", "", "verdict", [str(cell.verdict) for cell in cells], True),
        column("reason", "", "what to know", [_reason(cell) for cell in cells], True),
    )
    about = (f"{found.printed}: {found.caption}", found.citation, *found.facts, f"Cells: {counts}.")
    return ReproductionView(
        f"{found.paper}, {found.printed} ({found.table})", tuple(line for line in about if line),
        TableView(f"r{place}", f"{found.table}: published and recomputed", columns, (False,) * len(cells)),
    )  # fmt: skip


def _titled(title: str, unit: str) -> str:
    return f"{title} ({unit})" if unit else title


def _value(cell: Cell) -> str:
    measured = cell.measured
    if measured is None:
        return "-"
    return measured.text or ("-" if math.isnan(measured.value) else _like(cell, measured.value))


def _interval(cell: Cell) -> str:
    measured = cell.measured
    if measured is None or math.isnan(measured.low) or math.isnan(measured.high):
        return "-"
    return f"[{_like(cell, measured.low)}, {_like(cell, measured.high)}]"


def _like(cell: Cell, value: float) -> str:
    """With a digit more than the paper prints."""
    if not cell.rounding > 0 or abs(value) >= 1e6:
        return f"{value:.4g}"
    digits = max(0, round(-math.log10(2 * cell.rounding)) + 1)
    return f"{value:,.{digits}f}"


def _count(cell: Cell) -> str:
    measured = cell.measured
    return "-" if measured is None or measured.n is None else f"{measured.n:,}"


def _reason(cell: Cell) -> str:
    notes = [cell.reason, cell.measured.note if cell.measured is not None else ""]
    if cell.uncertain:
        notes.append(f"uncertain in print: {cell.uncertain}")
    return "; ".join(dict.fromkeys(note for note in notes if note))
