"""Draw a diagram with matplotlib, without pyplot: nothing outside the figure is read or changed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from uninas_bench.diagram import Diagram, Kind
from uninas_bench.drawing import style
from uninas_bench.drawing.canvas import Canvas, write
from uninas_bench.drawing.sizes import LINE_HEIGHT, natural_layout
from uninas_bench.drawing.style import COLOURS, UNCOLOURED, text_width
from uninas_bench.errors import UserError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FORMATS = ("svg", "png", "pdf")
_MARGIN = 10.0
_POINTS_PER_INCH = 72.0
_SWATCH = 9.0
_ROW = 14.0
_MOST_PIXELS = 60_000
_REPRODUCIBLE: dict[Any, Any] = {
    "svg.hashsalt": "uninas-bench",
    # Texts stay texts: they can be searched, and edited for a paper.
    "svg.fonttype": "none",
    "pdf.fonttype": 42,
    # Letters have the widths that boxes were made for.
    "text.hinting": "none",
    "savefig.bbox": None,
    "savefig.facecolor": "white",
    "savefig.transparent": False,
}


def render(diagram: Diagram) -> Figure:
    """The figure of a diagram, as large as its content at the sizes of text in `style`."""
    from matplotlib.figure import Figure

    picture = _Picture(diagram)
    figure = Figure(figsize=(picture.width / _POINTS_PER_INCH, picture.height / _POINTS_PER_INCH))
    axes = figure.add_axes((0.0, 0.0, 1.0, 1.0))
    axes.set_axis_off()
    axes.set_xlim(0.0, picture.width)
    axes.set_ylim(picture.height, 0.0)
    picture.draw(axes)
    return figure


def save(figure: Figure, path: Path, dpi: int = 200, about: str = "") -> None:
    """Write a figure as its name's ending says; equal figures give equal files.

    Args:
        figure: from `render`.
        path: ends in .svg, .png or .pdf.
        dpi: dots per inch of a .png.
        about: kept as the title in the file's metadata, such as the architecture that it shows.

    Raises:
        UserError: another ending than .svg, .png or .pdf, or a place that cannot be written.
    """
    from matplotlib import rc_context

    form = path.suffix.lower().removeprefix(".")
    if form not in FORMATS:
        raise UserError(f"--output {path}: expected a name that ends in .svg, .png or .pdf")
    if form == "png" and max(figure.get_size_inches()) * dpi > _MOST_PIXELS:
        raise UserError(f"--output {path}: too large at {dpi} dots per inch; write a .svg, or lower --dpi")
    undated = {"svg": {"Date": None}, "pdf": {"CreationDate": None}, "png": {}}
    metadata = undated[form] | ({"Title": about} if about else {})
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with rc_context(_REPRODUCIBLE):
            figure.savefig(path, format=form, dpi=dpi, metadata=metadata)
    except OSError as error:
        raise UserError(f"--output {path}: {error.strerror or error}") from None


class _Picture:
    """A diagram with its layout, its lines of text and its legend on one page; y grows downwards."""

    def __init__(self, diagram: Diagram) -> None:
        self.diagram = diagram
        self.layout = natural_layout(diagram)
        content = max(self.layout.width, text_width(diagram.title, style.TITLE, bold=True), 150.0)
        self.notes = [line for line in diagram.note.splitlines() if line]
        content = max([content, *(text_width(line, style.DETAIL) for line in self.notes)])
        self.legend = _legend_rows(_kinds(diagram), content)
        self.width = content + 2 * _MARGIN
        self.top = _MARGIN + (16.0 if diagram.title else 0.0) + len(self.notes) * (LINE_HEIGHT + 1)
        self.top += 6.0 if diagram.title or self.notes else 0.0
        self.below = self.top + self.layout.height + (12.0 if self.legend else 0.0)
        self.height = self.below + _ROW * len(self.legend) + _MARGIN

    def draw(self, axes: Axes) -> None:
        """Titles, the drawing itself in the middle, the legend under it."""
        middle = self.width / 2
        y = _MARGIN + 7.0
        if self.diagram.title:
            write(axes, middle, y, self.diagram.title, style.TITLE, bold=True)
            y += _ROW
        for line in self.notes:
            write(axes, middle, y, line, style.DETAIL, colour=style.MUTED)
            y += LINE_HEIGHT + 1
        canvas = Canvas(axes, middle - self.layout.width / 2, self.top)
        canvas.draw(self.diagram)
        for number, row in enumerate(self.legend):
            _legend(axes, row, middle, self.below + _ROW * number + _ROW / 2)


def _kinds(diagram: Diagram) -> list[Kind]:
    """The kinds that occur and need an explanation, in the order of `Kind`."""
    found = {node.kind for node in diagram.nodes}
    for node in diagram.nodes:
        if node.thumbnail is not None:
            found |= {inner.kind for inner in node.thumbnail.nodes}
    return [kind for kind in Kind if kind in found and kind not in UNCOLOURED]


def _entry_width(kind: Kind) -> float:
    return _SWATCH + 4.0 + text_width(kind.value, style.DETAIL + 0.4)


def _legend_rows(kinds: Sequence[Kind], width: float) -> list[list[Kind]]:
    rows: list[list[Kind]] = []
    used = 0.0
    for kind in kinds:
        if not rows or used + _entry_width(kind) > width:
            rows.append([])
            used = 0.0
        rows[-1].append(kind)
        used += _entry_width(kind) + 12.0
    return rows


def _legend(axes: Axes, kinds: Sequence[Kind], middle: float, y: float) -> None:
    from matplotlib.patches import FancyBboxPatch

    x = middle - (sum(map(_entry_width, kinds)) + 12.0 * (len(kinds) - 1)) / 2
    for kind in kinds:
        swatch = FancyBboxPatch(
            (x, y - _SWATCH / 2), _SWATCH, _SWATCH, boxstyle="round,pad=0,rounding_size=2.0",
            facecolor=COLOURS[kind].fill, edgecolor=COLOURS[kind].edge, linewidth=0.8,
        )  # fmt: skip
        axes.add_patch(swatch)
        write(axes, x + _SWATCH + 4.0, y, kind.value, style.DETAIL + 0.4, colour=style.MUTED, across="left")
        x += _entry_width(kind) + 12.0
