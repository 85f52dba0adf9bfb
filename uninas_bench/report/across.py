"""The board across tables: matrices of tau on the terminal, in Markdown, in LaTeX; long in CSV and JSON."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from uninas_bench.report.cells import MISSING, Column, interval, milliseconds, narrowed, number, share, signed
from uninas_bench.report.formats import to_json
from uninas_bench.report.sentences import fitted_line, packed_lines, subject_line, versions_line
from uninas_bench.report.tables import GAP, latex_table, markdown_table, terminal_table
from uninas_bench.space import SMALLEST_FAMILY

if TYPE_CHECKING:
    import pandas as pd
    from rich.console import Console

CEILING = "noise ceiling"
DROPPED_FIRST = ("interval", "ms", "failed", "passes", "of_ceiling")
"""What goes, in this order, while a matrix is too wide; after that, the tables' names give way to numbers."""
_RULE = (
    "place: mean over the tables of the place by tau among the proxies that are scored on every table; those "
    "without a tau on a table share its last places"
)
_RATIO = "of ceiling: mean of tau / noise ceiling; a proxy without a tau counts as 0"


@dataclass(frozen=True, slots=True)
class Matrix:
    """One of the board's tables of numbers.

    Attributes:
        title: what the numbers are; empty for the first.
        columns: of text, the numbers of tables in their heads.
        faint: by row: the ceiling and the baselines.
    """

    title: str
    columns: tuple[Column, ...]
    faint: tuple[bool, ...]

    def fitting(self, width: int) -> Matrix:
        """What fits into ``width`` characters."""
        kept = narrowed(list(self.columns), width, GAP, DROPPED_FIRST)
        if sum(column.width + GAP for column in kept) - GAP > width:
            kept = [
                replace(column, group="", title=f"[{column.group.split()[0]}]")
                if column.key == "tau" and column.group[0].isdigit()
                else column
                for column in kept
            ]
        return replace(self, columns=tuple(kept))


def matrices(frame: pd.DataFrame, *, given_size: bool) -> list[Matrix]:
    """Tau; where asked for, tau given parameters and FLOPs; for each table with families, tau in these."""
    found = [_tau_matrix(frame)]
    if given_size:
        found.append(_given_matrix(frame))
    return found + [_strata_matrix(frame, i, facts) for i, facts in _numbered(frame) if facts["strata"]]


def head_lines(frame: pd.DataFrame) -> list[str]:
    """A numbered line per table: what its column rests on."""
    return [f"{i} {subject_line(facts)}, n = {facts['n']:,}" for i, facts in _numbered(frame)]


def foot_lines(frame: pd.DataFrame) -> list[str]:
    """What a reader must know beside the numbers, one sentence a line."""
    attrs = frame.attrs
    method = {
        "asymptotic": "asymptotic (influence of each architecture)",
        "bootstrap": f"percentile bootstrap, {attrs['intervals']['resamples'] or 0:,} resamples",
        "none": "none",
    }[attrs["intervals"]["method"]]
    lines = [f"seed {attrs['seed']} · 95% intervals: {method} · {_failing(attrs)}", _RULE, _RATIO]
    # What is true of several tables is said once.
    absences: dict[str, list[int]] = {}
    for i, facts in _numbered(frame):
        for absence in _absences(facts):
            absences.setdefault(absence, []).append(i)
    lines += [f"{', '.join(map(str, tables))}: {absence}" for absence, tables in absences.items()]
    differing: dict[str, str] = {}
    fitted: dict[str, None] = {}
    for _, facts in _numbered(frame):
        differing |= facts["not_comparable"]
        fitted |= dict.fromkeys(facts["fitted"])
    if fitted:
        lines.append(fitted_line(list(fitted)))
    lines += _sampled(frame)
    if frame.attrs["strata"] and not any(facts["strata"] for _, facts in _numbered(frame)):
        lines.append(f"no family of {SMALLEST_FAMILY} architectures or more is known in these tables")
    return [*lines, *packed_lines({**attrs, "not_comparable": differing})]


def print_across(
    frame: pd.DataFrame, console: Console, *, given_size: bool = False, hints: tuple[str, ...] = ()
) -> None:
    """Print every matrix with its title, then foot lines and ``hints``; a pipe gets all columns."""
    from rich.text import Text

    for matrix in matrices(frame, given_size=given_size):
        shown = matrix.fitting(console.width) if console.is_terminal else matrix
        if matrix.title:
            console.print()
            console.print(Text(matrix.title, style="bold"), soft_wrap=True)
        console.print(terminal_table(shown.columns, shown.faint), no_wrap=True, crop=False)
    for line in foot_lines(frame):
        console.print(Text(line, style="dim"), soft_wrap=True)
    for line in hints:
        console.print(Text(line), soft_wrap=True)


def render_across(frame: pd.DataFrame, form: str, *, given_size: bool = False) -> str:
    """The board in ``csv`` or ``json`` (one row per proxy, table and family), ``markdown`` or ``latex``."""
    if form == "csv":
        text: str = frame.assign(seed=frame.attrs["seed"]).to_csv(index=False, lineterminator="\n")
        return text
    if form == "json":
        return to_json(frame)
    parts = []
    found = matrices(frame, given_size=given_size)
    for place, matrix in enumerate(found):
        last = place == len(found) - 1
        notes = [matrix.title] if matrix.title else []
        notes += [*head_lines(frame), *foot_lines(frame), versions_line(frame)] if last else []
        columns = [column for column in matrix.columns if form == "markdown" or column.key != "interval"]
        if form == "markdown":
            parts.append(markdown_table(columns, notes))
        else:
            parts.append(latex_table(columns, notes or ["Kendall's tau-b"], _minus))
    return "\n".join(parts)


def _minus(cell: str) -> str:
    return cell.replace("-.", "$-$.")


def _numbered(frame: pd.DataFrame) -> list[tuple[int, Mapping[str, Any]]]:
    return list(enumerate(frame.attrs["tables"].values(), 1))


def _tau_matrix(frame: pd.DataFrame) -> Matrix:
    from uninas_bench.across import summary

    total = summary(frame)
    columns = _front(total, (CEILING,))
    columns += [
        Column("place", "mean", "place", ("", *(number(value, 1) for value in total["mean_place"]))),
        Column("of_ceiling", "of", "ceiling", ("", *map(signed, total["mean_of_ceiling"]))),
    ]
    for i, facts in _numbered(frame):
        name = facts["ground_truth"]["name"]
        rows = _rows(frame, total, name, "")
        columns += _values(rows, "tau", f"{i} {facts['space']}", facts["task"], facts["noise_ceiling"])
    columns += [
        Column("ms", "cost", "ms", ("", *map(milliseconds, total["seconds"]))),
        Column("passes", "", "x forward", ("", *(number(value, 1) for value in total["passes"]))),
        Column("failed", "", "failed", ("", *map(str, total["failed"]))),
    ]
    return _matrix(frame, "", columns, total, above=1)


def _given_matrix(frame: pd.DataFrame) -> Matrix:
    from uninas_bench.across import summary

    total = summary(frame)
    columns = _front(total)
    for i, facts in _numbered(frame):
        rows = _rows(frame, total, facts["ground_truth"]["name"], "")
        columns += _values(
            rows, "tau_given_size", f"{i} {facts['space']}", facts["task"], None, ceiling=False
        )
    title = "what is not size: partial tau-b given parameters and FLOPs"
    return _matrix(frame, title, columns, total, above=0)


def _strata_matrix(frame: pd.DataFrame, i: int, facts: Mapping[str, Any]) -> Matrix:
    from uninas_bench.across import summary

    total = summary(frame)
    columns = _front(total, (CEILING, "n"))
    for stratum, inside in facts["strata"].items():
        rows = _rows(frame, total, facts["ground_truth"]["name"], stratum)
        respect, _, kind = stratum.partition(": ")
        tau, ends = _values(rows, "tau", respect, kind, inside["noise_ceiling"])
        tau = replace(tau, cells=(tau.cells[0], f"{inside['n']:,}", *tau.cells[1:]))
        columns += [tau, replace(ends, cells=(ends.cells[0], "", *ends.cells[1:]))]
    title = f"in families of architectures, {i} {facts['space']} on {facts['task']}: tau-b"
    return _matrix(frame, title, columns, total, above=2)


def _matrix(
    frame: pd.DataFrame, title: str, columns: list[Column], total: pd.DataFrame, *, above: int
) -> Matrix:
    if frame.attrs["intervals"]["method"] == "none":
        columns = [column for column in columns if column.key != "interval"]
    return Matrix(title, tuple(columns), (*[True] * above, *total["baseline"]))


def _front(total: pd.DataFrame, above: tuple[str, ...] = ()) -> list[Column]:
    """Place and name of every row; ``above`` are names of rows before those of proxies."""
    place, places = 0, []
    for baseline, mean in zip(total["baseline"], total["mean_place"], strict=True):
        counts = not baseline and not math.isnan(mean)
        place += counts
        places.append(str(place) if counts else "·" if baseline else MISSING)
    return [
        Column("#", "", "#", (*("" for _ in above), *places)),
        Column("proxy", "", "proxy", (*above, *total["proxy"]), left=True),
    ]


def _rows(frame: pd.DataFrame, total: pd.DataFrame, table: str, stratum: str) -> pd.DataFrame:
    """The rows of a table, one per proxy of the board; a proxy that was not scored has n = NaN."""
    part = frame[(frame["ground_truth"] == table) & (frame["stratum"] == stratum)]
    return part.set_index("proxy").reindex(total["proxy"])


def _values(
    rows: pd.DataFrame,
    name: str,
    group: str,
    title: str,
    known: Mapping[str, float] | None,
    *,
    ceiling: bool = True,
) -> list[Column]:
    """A column of taus and one of their intervals; blank where a proxy was not scored."""
    scored = rows["n"].notna()
    texts = [signed(value) if there else "" for value, there in zip(rows[name], scored, strict=True)]
    ends = [
        interval(low, high) if there and not math.isnan(low) else ""
        for low, high, there in zip(rows[f"{name}_low"], rows[f"{name}_high"], scored, strict=True)
    ]
    if ceiling:
        texts.insert(0, share(known["corrected"]) if known else MISSING)
        low_high = f"[{share(known['corrected_low'])}, {share(known['corrected_high'])}]" if known else ""
        ends.insert(0, low_high)
    return [Column("tau", group, title, tuple(texts)), Column("interval", "", "", tuple(ends), left=True)]


def _failing(attrs: Mapping[Any, Any]) -> str:
    if attrs["failed"] == "last":
        return "failed architectures rank last"
    return "failed architectures left out, proxy by proxy"


def _sampled(frame: pd.DataFrame) -> list[str]:
    """Which proxies would be on a board of fewer architectures, and of how many."""
    sizes: dict[str, set[int]] = {}
    for _, facts in _numbered(frame):
        for proxy, count in facts["sampled"].items():
            sizes.setdefault(proxy, set()).add(count)
    return [
        f"{proxy}: its scores came with the package for {count:,} architectures of a table (--sample {count})"
        for proxy, counts in sizes.items()
        for count in sorted(counts)
    ]


def _absences(facts: Mapping[str, Any]) -> list[str]:
    """Which proxies failed everywhere on a table and why, which were not scored, which families are small."""
    lines = []
    nowhere: dict[str, list[str]] = {}
    for proxy, reasons in facts["failures"].items():
        if sum(reasons.values()) >= facts["n"]:
            nowhere.setdefault(next(iter(reasons)), []).append(proxy)
    for reason, proxies in nowhere.items():
        lines.append(f"no tau for {', '.join(proxies)}: {reason}")
    if facts["unseen"]:
        dataset = facts["task"].partition("@")[0]
        reason = f"since the images of {dataset} are not at hand (--data {dataset}=FILE.npz|FOLDER)"
        lines.append(f"not scored, {reason}: {', '.join(facts['unseen'])}")
    lacking = [name for name in facts["lacking"] if name not in facts["unseen"]]
    if lacking:
        lines.append(f"not scored, since scores are missing: {', '.join(lacking)}")
    if facts.get("small_strata"):
        small = ", ".join(f"{name} (n = {count})" for name, count in facts["small_strata"].items())
        lines.append(f"too small to be ranked: {small}")
    return lines
