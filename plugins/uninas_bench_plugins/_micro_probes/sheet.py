"""The contact sheet: examples of each probe, what they ask for, and what a network answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from torch import Tensor

from uninas_bench_plugins._micro_probes.answers import NOTES, drawn, said, shown
from uninas_bench_plugins._micro_probes.probe import Examples, Probe, Source

if TYPE_CHECKING:
    from matplotlib.figure import Figure

INK, MUTED, GOOD, BAD, LINE = "#1d2329", "#6a737d", "#2c8a4b", "#c23b32", "#d5dade"
CELL, GAP, APART, TEXT = 1.0, 0.07, 0.22, 0.24
"""Of a picture, between pictures of one row, between pairs of views, and of the line below, in inches."""
HEAD, LABEL, NOTE, MARGIN, TITLE = 0.58, 0.78, 0.2, 0.3, 0.75
"""Of a panel's head, its rows' names and its note, around panels, and of the sheet's head, in inches."""


@dataclass(frozen=True, slots=True, eq=False)
class Panel:
    """One probe on the sheet.

    Attributes:
        probe: the task.
        source: of the examples.
        examples: that are drawn.
        baselines: what trivial answers score.
        output: what the head of a trained network gave for the examples.
        score: that this network reached.
    """

    probe: Probe
    source: Source
    examples: Examples
    baselines: Mapping[str, float]
    output: Tensor | None = None
    score: float | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Cell:
    """A picture (3, h, w) with a word below."""

    picture: Tensor
    word: str = ""
    colour: str = MUTED


def rows(panel: Panel) -> dict[str, list[Cell]]:
    """The rows of a panel by their names, each with all views of all examples."""
    probe, examples = panel.probe, panel.examples
    truth = examples.targets[probe.truth]
    found = {
        "input": _row(shown(examples), [[""] * probe.views] * len(examples)),
        "target": _row(drawn(probe, examples, truth, panel.source), said(probe, truth)),
    }
    if panel.output is not None:
        answers = probe.answer(panel.output)
        pictures, words = drawn(probe, examples, answers, panel.source), said(probe, answers)
        measures = [
            probe.measure(panel.output[i : i + 1], examples[i : i + 1].targets) for i in range(len(examples))
        ]
        colours = [GOOD if _better(probe, value, panel.baselines["blind"]) else BAD for value in measures]
        words = [
            [word or f"{value:.2f}" for word in line] for line, value in zip(words, measures, strict=True)
        ]
        found["prediction"] = _row(pictures, words, colours)
    return found


def contact_sheet(panels: Sequence[Panel], title: str, subtitle: str) -> Figure:
    """The panels in two columns, at 100 dots per inch and more."""
    from matplotlib.figure import Figure

    pages = [rows(panel) for panel in panels]
    across = 1 if len(panels) == 1 else 2
    width = max(_width(panel) for panel in panels)
    heights = [HEAD + len(page) * (CELL + TEXT) + NOTE for page in pages]
    lines = [max(heights[i : i + across]) for i in range(0, len(panels), across)]
    size = (across * (width + MARGIN) + MARGIN, TITLE + sum(lines) + MARGIN * len(lines))
    figure = Figure(figsize=size, facecolor="white")
    page_top = size[1]
    _write(figure, MARGIN, page_top - 0.36, title, size=15, weight="bold")
    _write(figure, MARGIN, page_top - 0.6, subtitle, size=9.5, color=MUTED)
    for i, (panel, page) in enumerate(zip(panels, pages, strict=True)):
        top = page_top - TITLE - sum(lines[: i // across]) - MARGIN * (i // across)
        _draw(figure, panel, page, MARGIN + (i % across) * (width + MARGIN), top, width)
    return figure


def _draw(
    figure: Figure, panel: Panel, page: Mapping[str, list[Cell]], left: float, top: float, width: float
) -> None:
    probe = panel.probe
    from matplotlib.lines import Line2D

    w, h = figure.get_size_inches()
    rule = Line2D(
        [left / w, (left + width) / w], [top / h] * 2, color=LINE, linewidth=1, transform=figure.transFigure
    )
    figure.add_artist(rule)
    _write(figure, left, top - 0.2, probe.name.upper(), size=12, weight="bold")
    _write(figure, left + 0.55, top - 0.2, probe.title, size=12)
    _write(figure, left, top - 0.42, probe.question, size=9.5, color=MUTED)
    if panel.score is not None:
        good = _better(probe, panel.score, panel.baselines["blind"])
        text = f"score {panel.score:.3f}"
        _write(
            figure,
            left + width,
            top - 0.2,
            text,
            size=12,
            weight="bold",
            color=GOOD if good else BAD,
            ha="right",
        )
    levels = ", ".join(f"{key} {value:.2f}" for key, value in panel.baselines.items())
    sense = "higher" if probe.higher_is_better else "lower"
    _write(
        figure, left + width, top - 0.42, f"{sense} is better; {levels}", size=9.5, color=MUTED, ha="right"
    )
    for number, (label, cells) in enumerate(page.items()):
        bottom = top - HEAD - number * (CELL + TEXT) - CELL
        _write(figure, left, bottom + CELL / 2, label, size=9.5, color=MUTED, va="center")
        for i, cell in enumerate(cells):
            x = left + LABEL + _offset(i, probe.views)
            _place(figure, cell, x, bottom)
    below = top - HEAD - len(page) * (CELL + TEXT) - 0.12
    _write(figure, left + LABEL, below, NOTES[probe.name], size=8.5, color=MUTED, style="italic")


def _place(figure: Figure, cell: Cell, left: float, bottom: float) -> None:
    width, height = figure.get_size_inches()
    axes = figure.add_axes((left / width, bottom / height, CELL / width, CELL / height))
    axes.imshow(cell.picture.permute(1, 2, 0).numpy(), interpolation="nearest")
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_color(LINE)
    if cell.word:
        _write(figure, left + CELL / 2, bottom - 0.15, cell.word, size=8.5, color=cell.colour, ha="center")


def _row(pictures: Tensor, words: list[list[str]], colours: Sequence[str] | None = None) -> list[Cell]:
    colours = [MUTED] * len(pictures) if colours is None else colours
    return [
        Cell(picture, word, colour)
        for views, line, colour in zip(pictures, words, colours, strict=True)
        for picture, word in zip(views, line, strict=True)
    ]


def _better(probe: Probe, value: float, than: float) -> bool:
    return value > than if probe.higher_is_better else value < than


def _offset(cell: int, views: int) -> float:
    """Of a cell from the first one: examples of several views stand apart."""
    return cell * (CELL + GAP) + (cell // views) * (APART - GAP if views > 1 else 0)


def _width(panel: Panel) -> float:
    cells = len(panel.examples) * panel.probe.views
    return LABEL + _offset(cells - 1, panel.probe.views) + CELL


def _write(figure: Figure, x: float, y: float, text: str, **style: object) -> None:
    width, height = figure.get_size_inches()
    figure.text(x / width, y / height, text, **{"color": INK, "va": "baseline", **style})
