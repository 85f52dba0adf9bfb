"""The kinds of figures: what each shows, and of what it is made."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from uninas_bench.errors import UnknownName, UserError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from uninas_bench.report.plots.courses import Course
    from uninas_bench.report.plots.evidence import Evidence
    from uninas_bench.report.plots.style import Width


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of figure.

    Attributes:
        about: one sentence.
        of: ``table``: one table of accuracies; ``tables``: several; ``searches``: folders of searches.
    """

    name: str
    about: str
    of: str


KINDS = {
    kind.name: kind
    for kind in (
        Kind("scatter", "every proxy's scores against the accuracies, with tau and its interval", "table"),
        Kind("ceiling", "tau of every proxy with its interval, against the noise ceiling", "table"),
        Kind("pareto", "cost against tau, with the Pareto front", "table"),
        Kind("agreement", "tau between the scores of every two proxies, alike ones together", "table"),
        Kind("matrix", "tau of every proxy on every table", "tables"),
        Kind("search", "the best score so far of searches", "searches"),
    )
}


def find_kind(name: str) -> Kind:
    """The kind of that name.

    Raises:
        UnknownName: there is none.
    """
    if name not in KINDS:
        raise UnknownName("kind of figure", name, KINDS)
    return KINDS[name]


def draw(
    kind: str,
    evidence: Evidence | None = None,
    *,
    courses: Sequence[Course] = (),
    width: Width = "double",
) -> Figure:
    """Draw a figure of numbers that were gathered before.

    Args:
        kind: a name of `KINDS`.
        evidence: boards and what is behind them; not for ``search``.
        courses: for ``search``.
        width: of one column of a paper, or of two.

    Raises:
        UserError: no such kind, or what it shows is not there.
    """
    from uninas_bench.report.plots import correlations, courses_figure, expense_figure, heat_maps

    found = find_kind(kind)
    if found.of == "searches":
        if not courses:
            raise UserError(f"{kind}: no search to draw; give the folder of one, or several")
        return courses_figure.draw_courses(courses, width)
    assert evidence is not None
    if kind == "matrix":
        return heat_maps.draw_matrix(evidence, width)
    table = evidence.tables[0]
    if len(evidence.tables) > 1:
        raise UserError(f"{kind}: a figure of one table; name it with --ground-truth")
    one: dict[str, Callable[..., Figure]] = {
        "scatter": correlations.draw_scatters,
        "ceiling": correlations.draw_ceiling,
        "pareto": expense_figure.draw_expense,
        "agreement": heat_maps.draw_agreement,
    }
    return one[kind](table, width)


def draw_kind(
    kind: str, *, candidates: Sequence[Path] = (), width: Width = "double", **options: Any
) -> Figure:
    """Gather and draw; see `uninas_bench.plot`.

    Args:
        kind: a name of `KINDS`.
        candidates: folders of searches, for ``search``.
        width: of one column of a paper, or of two.
        options: fields of `Question`, and arguments of `collect`.

    Raises:
        UserError: as `draw` and `collect`.
    """
    from uninas_bench.across import ALL
    from uninas_bench.report.plots.courses import read_course
    from uninas_bench.report.plots.evidence import asked_of, collect

    found = find_kind(kind)
    if found.of == "searches":
        return draw(kind, courses=[read_course(path) for path in candidates], width=width)
    if candidates:
        raise UserError(f"candidates with {kind}: they belong to search")
    question, places = asked_of(options, across=ALL if found.of == "tables" else None)
    if found.of == "table" and question.across is not None:
        raise UserError(f"across=... with {kind}: a figure of one table; name it with ground_truth")
    return draw(kind, collect(question, **places), width=width)
