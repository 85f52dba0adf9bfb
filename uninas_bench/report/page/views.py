"""Everything that the page shows, from evidence."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from typing import TYPE_CHECKING

from uninas_bench.report.page.chapters import MOST_POINTS, PICTURES, chapter
from uninas_bench.report.page.expenses import expense_view
from uninas_bench.report.page.heat import across_views
from uninas_bench.report.page.model import ExpenseView, HeatView, Page, ReproductionView
from uninas_bench.report.page.origin import provenance_of
from uninas_bench.report.page.searches import search_views
from uninas_bench.report.plots.evidence import Evidence
from uninas_bench.report.plots.expense import expense_across

if TYPE_CHECKING:
    from uninas_bench.host import Host
    from uninas_bench.report.plots.courses import Course


def page_view(
    evidence: Evidence,
    *,
    host: Host,
    command: str,
    made: datetime.datetime,
    courses: Sequence[Course] = (),
    reproductions: Sequence[ReproductionView] = (),
    most_points: int = MOST_POINTS,
    pictures: int = PICTURES,
) -> Page:
    """The view of a page.

    Args:
        evidence: boards and what is behind them.
        host: the plugins; finds the spaces of searches.
        command: that makes this page.
        made: when; a page of the same arguments is the same file.
        courses: searches to be shown.
        reproductions: published tables beside ours.
        most_points: architectures that a chapter shows.
        pictures: of the best and of the most contested architectures of a chapter, each.
    """
    chapters = [
        chapter(table, place, most_points=most_points, pictures=pictures)
        for place, table in enumerate(evidence.tables, 1)
    ]
    frame = evidence.across
    across: tuple[HeatView, ...] = ()
    costs: ExpenseView | None = None
    notes: tuple[str, ...] = ()
    if frame is not None:
        from uninas_bench.report.across import foot_lines

        across = across_views(frame, [entry.id for entry in chapters])
        costs, notes = expense_view(expense_across(frame), "m-expense"), tuple(foot_lines(frame))
    proxies = len({str(name) for table in evidence.tables for name in table.board["proxy"]})
    architectures = sum(len(table.found.accuracies) for table in evidence.tables)
    count = len(chapters)
    where = f"{count} tables" if count > 1 else evidence.tables[0].name
    return Page(
        title=f"Proxies on {where}",
        lead=f"{proxies} proxies, {count} {'tables' if count > 1 else 'table'} of measured accuracies, "
        f"{architectures:,} architectures.",
        across=across,
        across_expense=costs,
        across_notes=notes,
        chapters=tuple(chapters),
        searches=search_views(courses, host),
        reproductions=tuple(reproductions),
        provenance=provenance_of(evidence, host, command),
        made=made.strftime("%Y-%m-%d %H:%M UTC"),
    )
