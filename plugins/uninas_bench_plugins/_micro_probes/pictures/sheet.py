"""The contact sheet: examples of each probe, what they ask for, and what a network answers.

Lengths are in inches, from the left and from the top of the sheet.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from torch import Tensor

from uninas_bench_plugins._micro_probes.pictures.answers import NOTES
from uninas_bench_plugins._micro_probes.pictures.panels import Cell, Panel, rows_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

INK, MUTED, LINE = "#1d2329", "#6a737d", "#d5dade"
GOOD, BAD = "#2c8a4b", "#c23b32"
COLUMNS = 2
MARGIN = 0.3
TITLE, ABOUT = 0.58, 0.2
"""Height of the sheet's title, and of each line below it."""
HEAD, NOTE = 0.58, 0.2
"""Height of a panel's head and of its note."""
LABEL = 0.78
"""Width of the names of rows."""
CELL, WORD = 1.0, 0.24
"""Side of a picture, and height of the word below it."""
GAP, APART = 0.07, 0.22
"""Between pictures, and between the pairs of a probe of two views."""
NARROWEST = 7.1
"""Panel: its head needs that."""


def contact_sheet(panels: Sequence[Panel], title: str, about: Sequence[str]) -> Figure:
    """The panels side by side, under a title and lines of what they are about."""
    contents = [rows_of(panel) for panel in panels]
    columns = min(COLUMNS, len(panels))
    width = max(NARROWEST, *(_width(panel) for panel in panels))
    heights = [HEAD + len(rows) * (CELL + WORD) + NOTE + MARGIN for rows in contents]
    lines = [max(heights[i : i + columns]) for i in range(0, len(panels), columns)]
    top = TITLE + ABOUT * len(about)
    sheet = _Sheet(columns * (width + MARGIN) + MARGIN, top + sum(lines))
    sheet.write(MARGIN, 0.36, title, size=15, weight="bold", color=INK)
    for i, text in enumerate(about):
        sheet.write(MARGIN, TITLE + ABOUT * i, text)
    for i, (panel, rows) in enumerate(zip(panels, contents, strict=True)):
        line, column = divmod(i, columns)
        left, upper = MARGIN + column * (width + MARGIN), top + sum(lines[:line])
        _draw_head(sheet, panel, left, upper, width)
        for number, (name, cells) in enumerate(rows.items()):
            _draw_row(sheet, name, cells, panel.probe.views, left, upper + HEAD + number * (CELL + WORD))
        lower = upper + HEAD + len(rows) * (CELL + WORD) + 0.12
        sheet.write(left + LABEL, lower, NOTES[panel.probe.name], size=8.5, style="italic")
    return sheet.figure


def _draw_head(sheet: _Sheet, panel: Panel, left: float, top: float, width: float) -> None:
    probe = panel.probe
    sheet.rule(left, top, width)
    sheet.write(left, top + 0.21, probe.name.upper(), size=12, weight="bold", color=INK)
    sheet.write(left + 0.55, top + 0.21, probe.title, size=12, color=INK)
    sheet.write(left, top + 0.43, probe.question)
    levels = ", ".join(f"{name} {value:.2f}" for name, value in panel.baselines.items())
    sense = "higher" if probe.higher_is_better else "lower"
    sheet.write(left + width, top + 0.43, f"{sense} is better; {levels}", ha="right")
    if panel.score is not None:
        colour = GOOD if panel.beats_blindness(panel.score) else BAD
        text = f"score {panel.score:.3f}"
        sheet.write(left + width, top + 0.21, text, size=12, weight="bold", color=colour, ha="right")


def _draw_row(sheet: _Sheet, name: str, cells: Sequence[Cell], views: int, left: float, top: float) -> None:
    sheet.write(left, top + CELL / 2, name, va="center")
    for i, cell in enumerate(cells):
        x = left + LABEL + _offset(i, views)
        sheet.picture(x, top, cell.picture)
        colour = MUTED if cell.good is None else GOOD if cell.good else BAD
        sheet.write(x + CELL / 2, top + CELL + 0.15, cell.word, size=8.5, color=colour, ha="center")


def _offset(cell: int, views: int) -> float:
    """Of a cell from the first one of its row."""
    return cell * (CELL + GAP) + (cell // views) * (APART - GAP if views > 1 else 0)


def _width(panel: Panel) -> float:
    return LABEL + _offset(len(panel.examples) * panel.probe.views - 1, panel.probe.views) + CELL


class _Sheet:
    """A blank figure, and marks on it."""

    def __init__(self, width: float, height: float) -> None:
        from matplotlib.figure import Figure

        self.width, self.height = width, height
        self.figure = Figure(figsize=(width, height), facecolor="white")

    def write(self, x: float, y: float, text: str, **style: object) -> None:
        """A text on the line ``y``."""
        style = {"size": 9.5, "color": MUTED, **style}
        self.figure.text(x / self.width, 1 - y / self.height, text, **style)  # type: ignore[arg-type]

    def rule(self, x: float, y: float, length: float) -> None:
        """A line to the right."""
        from matplotlib.lines import Line2D

        ends, level = [x / self.width, (x + length) / self.width], 1 - y / self.height
        line = Line2D(ends, [level] * 2, color=LINE, linewidth=1, transform=self.figure.transFigure)
        self.figure.add_artist(line)

    def picture(self, x: float, y: float, picture: Tensor) -> None:
        """A picture (3, h, w), its pixels as squares, in a frame."""
        place = x / self.width, 1 - (y + CELL) / self.height, CELL / self.width, CELL / self.height
        axes = self.figure.add_axes(place)
        axes.imshow(picture.permute(1, 2, 0).numpy(), interpolation="nearest")
        axes.set(xticks=[], yticks=[])
        axes.spines[:].set_color(LINE)
