"""A baseline and a check of one: on the terminal, in Markdown and LaTeX, as CSV and JSON."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from uninas_bench.baseline.verdict import MEANINGS, Check, Finding, Verdict
from uninas_bench.report.cells import MISSING, Column, interval, narrowed, number, signed
from uninas_bench.report.tables import GAP, latex_table, markdown_table, plain, terminal_table

if TYPE_CHECKING:
    from rich.console import Console

    from uninas_bench.baseline.model import Baseline

_DROPPED_FIRST = ("settings", "scores", "passes then", "passes", "tau then", "failed", "version")
"""What goes, in this order, while a table is too wide; the regressions below it say all that counts."""


def check_columns(check: Check) -> list[Column]:
    """A line per proxy: mark, tau now and then, what became of it, scores, cost, place."""
    rows = check.findings
    return [
        _column("mark", "", [row.verdict.value for row in rows]),
        _column("proxy", "proxy", [row.name for row in rows], left=True),
        _column("tau now", "tau now", [_signed(row.change.now if row.change else None) for row in rows]),
        _column("tau then", "tau then", [_signed(row.recorded.tau) for row in rows]),
        _column("change", "change", [change_words(row) for row in rows], left=True),
        _column("scores", "scores", [score_words(row) for row in rows], left=True),
        _column("passes", "x forward now", [_number(row.passes) for row in rows]),
        _column("passes then", "then", [_number(row.recorded.passes) for row in rows]),
    ]


def change_words(finding: Finding) -> str:
    """What became of tau, or why nothing can be said of it."""
    if finding.verdict is Verdict.NOT_COMPARABLE:
        return f"{MEANINGS[finding.verdict]}: {finding.reason}"
    if finding.change is None:
        return "gone"
    change, meaning = finding.change, MEANINGS[finding.verdict]
    if finding.verdict is Verdict.SAME:
        return meaning
    return meaning if math.isnan(change.p) else f"{meaning} (p = {change.p:.2g})"


def score_words(finding: Finding) -> str:
    """How many scores are equal, and how far the others moved."""
    moved = finding.drift
    if moved is None:
        return MISSING
    text = f"{moved.equal:,}/{moved.total:,} equal"
    if moved.largest:
        text += f", largest difference {moved.largest:.2g} of the spread"
    if moved.failing:
        text += f", {len(moved.failing)} newly failing"
    if moved.fixed:
        text += f", {len(moved.fixed)} fixed"
    if finding.causes:
        text += f" ({', '.join(finding.causes)}?)"
    return text


def head_line(check: Check) -> str:
    """What was compared."""
    baseline = check.baseline
    drawn = "" if baseline.sample is None else ", drawn"
    return (
        f"{baseline.subject} · ground truth: {baseline.ground_truth}, {len(baseline.architectures):,} "
        f"architectures{drawn} · seed {baseline.seed}"
    )


def check_lines(check: Check) -> list[str]:
    """Under the table: legend, environment, what was not compared, regressions."""
    used = [verdict for verdict in Verdict if any(row.verdict is verdict for row in check.findings)]
    lines = [" · ".join(f"{verdict.value} {MEANINGS[verdict]}" for verdict in used)]
    if check.elsewhere:
        lines.append(f"made elsewhere, so scores may differ more: {'; '.join(check.elsewhere)}")
    if not check.computed:
        lines.append("nothing was computed: these are stored scores, which no change of the code shows in")
    if check.not_comparable:
        lines.append(
            f"not compared: {', '.join(check.not_comparable)}; to have them compared from now on, record the "
            "baseline again"
        )
    if check.inversions and len(check.inversions) <= check.allowed:
        lines.append(f"{len(check.inversions)} pairs changed places, {check.allowed} are tolerated")
    return lines


def verdict_lines(check: Check) -> list[str]:
    """``regression: ...`` for each, or that there is none."""
    if check.passed:
        return [f"no regression on {check.baseline.subject}"]
    return [f"regression: {line}" for line in check.regressions]


def print_check(check: Check, console: Console) -> None:
    """Table, foot lines and regressions; on a terminal, the columns that there is room for."""
    columns = check_columns(check)
    if console.is_terminal:
        columns = narrowed(columns, console.width, GAP, _DROPPED_FIRST)
    _print(console, head_line(check), columns, [*check_lines(check), *verdict_lines(check)])


def render_check(check: Check, form: str) -> str:
    """The text of a check in ``table``, ``csv``, ``json``, ``markdown`` or ``latex``."""
    if form == "json":
        return json.dumps(check_values(check), indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    if form == "csv":
        return _csv([_row(check, finding) for finding in check.findings])
    notes = [*verdict_lines(check), head_line(check), *check_lines(check)]
    return _text(form, head_line(check), check_columns(check), notes)


def check_values(check: Check) -> dict[str, Any]:
    """All of a check as JSON has it; NaN is null."""
    baseline = check.baseline
    return {
        "passed": check.passed,
        "regressions": list(check.regressions),
        "baseline": {
            "space": baseline.space,
            "scale": baseline.scale,
            "task": baseline.task,
            "ground_truth": baseline.ground_truth,
            "architectures": len(baseline.architectures),
            "seed": baseline.seed,
            "made_with": dict(baseline.made_with),
        },
        "made_with": dict(check.made_with),
        "computed": check.computed,
        "inversions": [
            {
                "above": pair.above, "below": pair.below, "then": plain(pair.then), "now": plain(pair.now),
                "p_then": plain(pair.p_then), "p_now": plain(pair.p_now),
            }
            for pair in check.inversions
        ],
        "rows": [_row(check, finding) for finding in check.findings],
    }  # fmt: skip


def baseline_columns(baseline: Baseline) -> list[Column]:
    """A line per proxy as it was recorded."""
    rows = baseline.proxies
    return [
        _column("rank", "#", [row.rank for row in rows]),
        _column("proxy", "proxy", [row.name for row in rows], left=True),
        _column("version", "version", [row.version for row in rows]),
        _column("tau", "tau-b", [_signed(row.tau) for row in rows]),
        _column(
            "interval", "[95% interval]",
            [interval(_float(row.tau_low), _float(row.tau_high)) for row in rows], left=True,
        ),
        _column("passes", "x forward", [_number(row.passes) for row in rows]),
        _column("failed", "failed", [sum(score is None for score in row.scores) for row in rows]),
        _column("settings", "settings", [row.settings for row in rows], left=True),
    ]  # fmt: skip


def baseline_lines(baseline: Baseline) -> list[str]:
    """What a recorded board rests on."""
    made = ", ".join(f"{name} {value}" for name, value in baseline.made_with.items())
    tolerances = [f"{p.name} {p.tolerance:g}" for p in baseline.proxies if p.tolerance is not None]
    lines = [f"made with {made}", f"accuracies sha256 {baseline.accuracies[:12]}"]
    if tolerances:
        lines.append(f"tolerances of their own, in spreads of the scores: {', '.join(tolerances)}")
    return lines


def print_baseline(baseline: Baseline, console: Console) -> None:
    """A recorded board; on a terminal, the columns that there is room for."""
    columns = baseline_columns(baseline)
    if console.is_terminal:
        columns = narrowed(columns, console.width, GAP, _DROPPED_FIRST)
    _print(console, _recorded_line(baseline), columns, baseline_lines(baseline))


def render_baseline(baseline: Baseline, form: str) -> str:
    """The text of a recorded board in ``table``, ``csv``, ``json``, ``markdown`` or ``latex``."""
    rows = [
        {
            "proxy": row.name, "version": row.version, "rank": row.rank, "tau": row.tau,
            "tau_low": row.tau_low, "tau_high": row.tau_high, "passes": row.passes,
            "failed": sum(score is None for score in row.scores), "plugin": row.plugin,
            "tolerance": row.tolerance, "settings": row.settings,
        }
        for row in baseline.proxies
    ]  # fmt: skip
    context = {
        "space": baseline.space, "scale": baseline.scale, "task": baseline.task,
        "ground_truth": baseline.ground_truth, "n": len(baseline.architectures), "seed": baseline.seed,
    }  # fmt: skip
    if form == "json":
        whole = {"baseline": {**context, "made_with": dict(baseline.made_with)}, "rows": rows}
        return json.dumps(whole, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    if form == "csv":
        return _csv([{**context, **row} for row in rows])
    head = _recorded_line(baseline)
    return _text(form, head, baseline_columns(baseline), [head, *baseline_lines(baseline)])


def _recorded_line(baseline: Baseline) -> str:
    return (
        f"{baseline.subject} · ground truth: {baseline.ground_truth} · n = {len(baseline.architectures):,} · "
        f"seed {baseline.seed}"
    )


def _row(check: Check, finding: Finding) -> dict[str, Any]:
    """One proxy in flat columns, full precision."""
    change, moved, recorded = finding.change, finding.drift, finding.recorded
    row = {
        "proxy": finding.name,
        "mark": finding.verdict.value,
        "verdict": MEANINGS[finding.verdict],
        "reason": finding.reason,
        "tau_now": change.now if change else None,
        "tau_then": recorded.tau,
        "tau_now_low": change.low if change else None,
        "tau_now_high": change.high if change else None,
        "p": change.p if change else None,
        "rank_now": finding.rank,
        "rank_then": recorded.rank,
        "architectures": len(recorded.scores),
        "equal": moved.equal if moved else None,
        "beyond": len(moved.beyond) if moved else None,
        "largest": moved.largest if moved else None,
        "where": moved.where if moved else None,
        "tolerance": moved.tolerance if moved else None,
        "order": moved.order if moved else None,
        "failing": len(moved.failing) if moved else None,
        "fixed": len(moved.fixed) if moved else None,
        "passes_now": finding.passes,
        "passes_then": recorded.passes,
        "causes": "; ".join(finding.causes),
        "regressions": "; ".join(check.of(finding)),
    }
    return {name: plain(value) for name, value in row.items()}


def _csv(rows: Sequence[Mapping[str, Any]]) -> str:
    file = io.StringIO()
    table = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
    table.writeheader()
    table.writerows(rows)
    return file.getvalue()


def _text(form: str, head: str, columns: list[Column], notes: Sequence[str]) -> str:
    if form == "markdown":
        return markdown_table(columns, notes)
    if form == "latex":
        return latex_table(columns, notes, lambda cell: cell.replace("-.", "$-$."))
    from rich.console import Console

    file = io.StringIO()
    _print(Console(file=file, highlight=False), head, columns, [note for note in notes if note != head])
    return file.getvalue()


def _print(console: Console, head: str, columns: list[Column], lines: Sequence[str]) -> None:
    from rich.text import Text

    console.print(Text(head), soft_wrap=True)
    console.print()
    count = len(columns[0].cells)
    console.print(terminal_table(columns, [False] * count), no_wrap=True, crop=False)
    for line in lines:
        style = "bold red" if line.startswith("regression:") else "dim"
        console.print(Text(line, style=style), soft_wrap=True)


def _column(key: str, title: str, cells: Sequence[object], *, left: bool = False) -> Column:
    return Column(key, "", title, tuple(str(cell) for cell in cells), left)


def _signed(value: float | None) -> str:
    return signed(_float(value))


def _number(value: float | None) -> str:
    value = _float(value)
    return number(value, 2 if abs(value) < 1 else 1)


def _float(value: float | None) -> float:
    return math.nan if value is None else float(value)
