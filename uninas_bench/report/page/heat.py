"""Tables of correlations whose cells are coloured."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pandas as pd

from uninas_bench.across import matrix, summary
from uninas_bench.report.cells import interval, number, share, signed
from uninas_bench.report.page.model import Heat, HeatHead, HeatRow, HeatView
from uninas_bench.report.plots.agreement import Agreement

_STRONG = 0.72
"""From this absolute value on a cell is dark enough for light text."""


def heat(value: float, about: str, digits: int = 2, under: str = "") -> Heat:
    """A cell; without a value it is hatched."""
    if math.isnan(value):
        return Heat("-", about, "", False)
    # Neither +.00 nor -.00: what is nothing has no sign.
    text = signed(value, digits) if round(value, digits) else share(0.0, digits)
    return Heat(text, about, f"{max(-1.0, min(1.0, value)):.2f}", abs(value) >= _STRONG, under)


def agreement_view(found: Agreement, name: str) -> HeatView:
    """Proxies by proxies; what a cell says in full is shown when it is pointed at."""
    rows = []
    for i, row in enumerate(found.proxies):
        cells = []
        for j, column in enumerate(found.proxies):
            ends = "" if i == j else f" {interval(found.low[i][j], found.high[i][j])}"
            cells.append(heat(found.tau[i][j], f"{row}, {column}: {signed(found.tau[i][j])}{ends}"))
        rows.append(HeatRow(row, False, (), tuple(cells)))
    note = (
        f"Tau-b between scores, n = {found.n:,}, seed {found.seed}; proxies that rank alike stand together. "
        "Intervals (95 %, asymptotic) are told by the cells."
    )
    return HeatView(
        name, "Agreement between proxies", f"Agreement between proxies on {found.table}", (),
        tuple(HeatHead(proxy) for proxy in found.proxies), tuple(rows), (note,), sortable=False,
    )  # fmt: skip


def across_views(frame: pd.DataFrame, chapters: Sequence[str]) -> tuple[HeatView, ...]:
    """Proxies by tables: tau, and tau given parameters and FLOPs.

    Args:
        frame: from `uninas_bench.across.build`.
        chapters: ids of the tables' chapters.
    """
    return (
        _across(frame, chapters, "tau", "m1", "Every proxy on every table",
                "Kendall's tau-b of every proxy on every table, best mean place first"),
        _across(frame, chapters, "tau_given_size", "m2", "What is not size",
                "Partial tau-b given parameters and FLOPs"),
    )  # fmt: skip


def _across(
    frame: pd.DataFrame, chapters: Sequence[str], value: str, name: str, title: str, caption: str
) -> HeatView:
    tables = frame.attrs["tables"]
    total = summary(frame)
    values = {key: matrix(frame, key) for key in (value, f"{value}_low", f"{value}_high")}
    scored = matrix(frame, "n").notna()
    plain, method = value == "tau", frame.attrs["intervals"]["method"]
    rows, place = [], 0
    for row in total.itertuples(index=False):
        proxy = str(row.proxy)
        mean, ratio = float(row.mean_place), float(row.mean_of_ceiling)  # type: ignore[arg-type]
        counts = not row.baseline and not math.isnan(mean)
        place += counts
        front = (str(place) if counts else "·", number(mean, 1), signed(ratio)) if plain else ()
        cells = []
        for table in tables:
            tau, low, high = (float(values[key].loc[proxy, table]) for key in values)
            ends = interval(low, high) if not math.isnan(low) else ""
            about = "" if scored.loc[proxy, table] else "not scored"
            cells.append(heat(tau, about, 3, ends))
        rows.append(HeatRow(proxy, bool(row.baseline), front, tuple(cells)))
    heads = tuple(
        HeatHead(
            facts["space"], (facts["task"], f"n = {facts['n']:,}", *_ceiling(facts, plain)), f"#{chapter}"
        )
        for facts, chapter in zip(tables.values(), chapters, strict=True)
    )
    return HeatView(
        name, title, caption, ("#", "mean place", "of ceiling") if plain else (), heads, tuple(rows),
        (f"Seed {frame.attrs['seed']}; intervals: 95 %, {method}; hatched: no tau.",),
    )  # fmt: skip


def _ceiling(facts: dict[str, dict[str, float]], shown: bool) -> tuple[str, ...]:
    if not shown:
        return ()
    known = facts["noise_ceiling"]
    if not known:
        return ("ceiling unknown",)
    ends = f"[{share(known['corrected_low'])}, {share(known['corrected_high'])}]"
    return (f"ceiling {share(known['corrected'])}", ends)
