"""A chapter of the page: one table of accuracies, its board, its plots, its pictures, its scores."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from uninas_bench.architecture import Architecture
from uninas_bench.report.cells import board_columns, interval, number, share, signed
from uninas_bench.report.page.expenses import expense_view
from uninas_bench.report.page.geometry import Places, dots, frame
from uninas_bench.report.page.heat import agreement_view
from uninas_bench.report.page.model import Chapter, Gauge, PictureView, ScatterView, ScoresView, TableView
from uninas_bench.report.page.pictures import picture
from uninas_bench.report.plots.agreement import agreement
from uninas_bench.report.plots.contested import Standing, best, contested, standings
from uninas_bench.report.plots.evidence import TableEvidence
from uninas_bench.report.plots.expense import expense
from uninas_bench.report.plots.scatter import Correlation, Scatter, scatters
from uninas_bench.report.sentences import foot_lines, subject_line

MOST_POINTS = 600
"""Architectures that a chapter shows; of a larger population a part, drawn once for all its plots."""
PICTURES = 3
"""Of the best architectures, and as many of the most contested."""
_FRONT = ("accuracy", "seeds' sd", "params", "FLOPs")
_WIDTH, _HEIGHT = 320, 250


def chapter(
    table: TableEvidence, place: int, *, most_points: int = MOST_POINTS, pictures: int = PICTURES
) -> Chapter:
    """The view of a table.

    Args:
        table: with its board.
        place: from 1, for the ids of the page.
        most_points: architectures that plots and the table of scores show.
        pictures: of the best, and of the most contested.
    """
    name = f"t{place}"
    shown = _shown(len(table.found.accuracies), most_points)
    found = scatters(table)
    facts = standings(table)
    return Chapter(
        id=name,
        title=f"{table.found.space.name} on {table.found.task.name}",
        name=table.name,
        subject=subject_line(table.board.attrs),
        board=TableView(
            f"{name}-board", f"Board of {table.name}",
            tuple(column for column in board_columns(table.board) if column.key != "bar"),
            tuple(bool(value) for value in table.board["baseline"]), tuple(foot_lines(table.board)),
        ),
        scatters=tuple(
            scatter_view(scatter, len(_FRONT) + column, shown) for column, scatter in enumerate(found)
        ),
        expense=expense_view(expense(table), f"{name}-expense"),
        agreement=agreement_view(agreement(table), f"{name}-agreement"),
        best=tuple(picture_view(table, entry, contested_=False) for entry in best(facts, pictures)),
        contested=tuple(picture_view(table, entry, contested_=True) for entry in contested(facts, pictures)),
        scores=scores_view(table, found, shown, name),
    )  # fmt: skip


def scatter_view(scatter: Scatter, column: int, shown: Sequence[int]) -> ScatterView:
    """The plot of the architectures in ``shown``; its correlation is that of all."""
    log = ", logarithmic" if scatter.x.scaling == "log" else ""
    box = frame(
        scatter.x, scatter.y, f"score of {scatter.proxy}{log}", "accuracy (%)", width=_WIDTH, height=_HEIGHT
    )
    places = Places(box, scatter.x, scatter.y)
    points, failed, rows = [], [], []
    for row, i in enumerate(shown):
        y = places.y(scatter.accuracies[i])
        if math.isnan(scatter.scores[i]):
            failed.append((box.left + 4.0, y))
            rows.append(row)
        else:
            points.append((places.x(scatter.scores[i]), y))
    told = scatter.correlation
    notes = [f"n = {told.n:,}, seed {told.seed}"]
    if told.ceiling is not None:
        notes.append(f"ceiling {share(told.ceiling[0])} {_plain(told.ceiling[1], told.ceiling[2])}")
    if told.failed:
        notes.append(f"{told.failed:,} failed: hollow, at the left edge")
    outside = sum(
        not (scatter.y.holds(accuracy) and (math.isnan(score) or scatter.x.holds(score)))
        for score, accuracy in zip(scatter.scores, scatter.accuracies, strict=True)
    )
    if outside:
        notes.append(f"{outside:,} beyond the axes, drawn at their ends")
    if len(shown) < len(scatter.scores):
        notes.append(f"{len(shown):,} of {len(scatter.scores):,} are drawn")
    ends = f" {interval(told.low, told.high)}" if not math.isnan(told.low) else ""
    return ScatterView(
        scatter.proxy, column, box, dots(points), dots(failed), ",".join(map(str, rows)),
        f"{signed(told.tau)}{ends}", gauge(told), tuple(notes),
    )  # fmt: skip


def gauge(told: Correlation) -> Gauge | None:
    """The bar from -1 to 1; None without a tau."""
    if math.isnan(told.tau):
        return None
    low, high = (told.tau if math.isnan(end) else end for end in (told.low, told.high))
    bar = Gauge(_percent(told.tau), _percent(low), round(_percent(high) - _percent(low), 1), None)
    if told.ceiling is None:
        return bar
    known, first, last = map(_percent, told.ceiling)
    return Gauge(bar.tau, bar.low, bar.width, known, first, round(last - first, 1))


def scores_view(
    table: TableEvidence, found: Sequence[Scatter], shown: Sequence[int], name: str
) -> ScoresView:
    """Accuracies, costs and the scores of every proxy of the architectures in ``shown``."""
    matrix = table.found.table.subset(list(table.found.accuracies.index)).seed_matrix()
    deviations = matrix.std(axis=1, ddof=1).reindex(table.found.accuracies.index).to_numpy(dtype=np.float64)
    accuracies = table.found.accuracies
    rows = []
    for i in shown:
        encoding = str(accuracies.index[i])
        costs = table.found.costs[encoding]
        front = (
            f"{float(accuracies.iloc[i]):.2f}", number(float(deviations[i]), 2),
            f"{costs.params:,}", f"{costs.flops:,}",
        )  # fmt: skip
        rows.append((encoding, (*front, *(_score(scatter.scores[i]) for scatter in found))))
    note = "Accuracy in percent, the mean over the seeds; a dash: no score. Scores to six digits."
    if len(shown) < len(accuracies):
        note += f" {len(shown):,} of {len(accuracies):,} architectures, evenly spaced in the table's order."
    return ScoresView(f"{name}-scores", (*_FRONT, *(scatter.proxy for scatter in found)), tuple(rows), note)


def picture_view(table: TableEvidence, entry: Standing, *, contested_: bool) -> PictureView:
    """An architecture with its accuracy, and where the proxies place it."""
    drawing, why = picture(table.found.space, Architecture(table.found.space.name, entry.encoding))
    lines = [f"{entry.accuracy:.2f} %, place {entry.place:,} of {entry.n:,}"]
    if entry.best[0]:
        lines.append(
            f"places by proxies: {entry.best[1]:,} ({entry.best[0]}) to {entry.worst[1]:,} ({entry.worst[0]})"
        )
    if contested_:
        lines.append(f"standard deviation of the places: {entry.spread:.0%} of all")
    return PictureView(entry.encoding, tuple(lines), drawing, why)


def _shown(count: int, most: int) -> list[int]:
    """All, or so many, evenly spaced."""
    if count <= most:
        return list(range(count))
    return sorted({round(i * (count - 1) / (most - 1)) for i in range(most)})


def _score(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.6g}"


def _percent(tau: float) -> float:
    return round(50 * (1 + tau), 1)


def _plain(low: float, high: float) -> str:
    return f"[{share(low)}, {share(high)}]"
