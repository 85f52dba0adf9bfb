"""What stands on the page, before it is HTML: texts and places, nothing that has to be computed.

Every text is plain; the templates escape it. Places are in the units of a picture's view box.
"""

from __future__ import annotations

from dataclasses import dataclass

from markupsafe import Markup

from uninas_bench.report.cells import Column
from uninas_bench.report.plots.placing import Label


@dataclass(frozen=True, slots=True)
class Tick:
    """A number on an axis."""

    at: float
    text: str


@dataclass(frozen=True, slots=True)
class Frame:
    """The box that a plot is drawn in, with its axes."""

    width: int
    height: int
    left: int
    right: int
    top: int
    bottom: int
    x_label: str
    y_label: str
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]


@dataclass(frozen=True, slots=True)
class Gauge:
    """A tau with its interval against the noise ceiling, in percent of a bar from -1 to 1."""

    tau: float
    low: float
    width: float
    ceiling: float | None
    ceiling_low: float = 0.0
    ceiling_width: float = 0.0


@dataclass(frozen=True, slots=True)
class ScatterView:
    """Scores of a proxy against accuracies.

    Attributes:
        column: of the proxy in the chapter's table of scores.
        path: one dot per architecture with a score, in the order of that table.
        failed_path: dots of the others, at the left edge.
        failed: their rows in that table, with commas between them.
        tau: as text, with its interval.
        gauge: None where there is no tau.
        notes: what else must be said.
    """

    proxy: str
    column: int
    frame: Frame
    path: str
    failed_path: str
    failed: str
    tau: str
    gauge: Gauge | None
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Whisker:
    """A point with its vertical interval, and its label where there is room for one."""

    x: float
    y: float
    low: float
    high: float
    name: str
    about: str
    front: bool
    label: Label | None


@dataclass(frozen=True, slots=True)
class Band:
    """A level with an interval, across the plot."""

    y: float
    high: float
    height: float
    text: str


@dataclass(frozen=True, slots=True)
class ExpenseView:
    """Cost against tau."""

    title: str
    frame: Frame
    points: tuple[Whisker, ...]
    front: str
    free: tuple[Band, ...]
    ceiling: Band | None
    notes: tuple[str, ...]
    numbers: TableView


@dataclass(frozen=True, slots=True)
class Heat:
    """A coloured cell: its text, what it says in full, its value from -1 to 1, and what stands under it."""

    text: str
    about: str
    value: str
    strong: bool
    under: str = ""

    @property
    def kind(self) -> str:
        """The class of the cell."""
        if not self.value:
            return "none"
        return ("neg" if self.value.startswith("-") else "pos") + (" strong" if self.strong else "")


@dataclass(frozen=True, slots=True)
class HeatHead:
    """Above a column of a heat map."""

    text: str
    lines: tuple[str, ...] = ()
    href: str = ""


@dataclass(frozen=True, slots=True)
class HeatRow:
    """A row: its name, then texts, then the coloured cells."""

    name: str
    faint: bool
    front: tuple[str, ...]
    cells: tuple[Heat, ...]


@dataclass(frozen=True, slots=True)
class HeatView:
    """A heat map as a table."""

    id: str
    title: str
    caption: str
    front: tuple[str, ...]
    heads: tuple[HeatHead, ...]
    rows: tuple[HeatRow, ...]
    notes: tuple[str, ...]
    sortable: bool = True


@dataclass(frozen=True, slots=True)
class TableView:
    """A table of texts.

    Attributes:
        columns: as terminal and Markdown have them.
        faint: by row.
    """

    id: str
    caption: str
    columns: tuple[Column, ...]
    faint: tuple[bool, ...]
    notes: tuple[str, ...] = ()
    filters: bool = True


@dataclass(frozen=True, slots=True)
class ScoresView:
    """All scores of a chapter, one row per architecture; plots tell them, too, when pointed at."""

    id: str
    heads: tuple[str, ...]
    rows: tuple[tuple[str, tuple[str, ...]], ...]
    note: str


@dataclass(frozen=True, slots=True)
class PictureView:
    """An architecture: its picture where the space draws one, and what is said of it."""

    encoding: str
    lines: tuple[str, ...]
    drawing: Markup | None
    why: str = ""


@dataclass(frozen=True, slots=True)
class Chapter:
    """One table of accuracies."""

    id: str
    title: str
    name: str
    subject: str
    board: TableView
    scatters: tuple[ScatterView, ...]
    expense: ExpenseView
    agreement: HeatView
    best: tuple[PictureView, ...]
    contested: tuple[PictureView, ...]
    scores: ScoresView


@dataclass(frozen=True, slots=True)
class CourseLine:
    """A search in a plot of several; ``style`` numbers its colour and dashes."""

    label: str
    path: str
    style: int
    end: str


@dataclass(frozen=True, slots=True)
class SearchView:
    """Searches of one space and proxy."""

    title: str
    about: str
    frame: Frame
    lines: tuple[CourseLine, ...]
    candidates: TableView
    best: tuple[PictureView, ...]


@dataclass(frozen=True, slots=True)
class ReproductionView:
    """A published table beside ours."""

    title: str
    about: tuple[str, ...]
    table: TableView


@dataclass(frozen=True, slots=True)
class Fact:
    """A line of the provenance."""

    name: str
    value: str
    code: bool = False


@dataclass(frozen=True, slots=True)
class Page:
    """All of it."""

    title: str
    lead: str
    across: tuple[HeatView, ...]
    across_expense: ExpenseView | None
    across_notes: tuple[str, ...]
    chapters: tuple[Chapter, ...]
    searches: tuple[SearchView, ...]
    reproductions: tuple[ReproductionView, ...]
    provenance: tuple[Fact, ...]
    made: str
