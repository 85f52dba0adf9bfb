"""Searches as they stand on the page: the best score so far, and the candidates."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from uninas_bench.report.cells import Column
from uninas_bench.report.page.geometry import Places, frame, steps
from uninas_bench.report.page.model import CourseLine, PictureView, SearchView, TableView
from uninas_bench.report.page.pictures import picture
from uninas_bench.report.plots.courses import Course, grouped
from uninas_bench.report.plots.scatter import Axis

if TYPE_CHECKING:
    from uninas_bench.host import Host

SHOWN = 5
"""Candidates of each search."""
_WIDTH, _HEIGHT = 680, 320


def search_views(courses: Sequence[Course], host: Host) -> tuple[SearchView, ...]:
    """One for each space and proxy."""
    found = []
    for place, ((space, proxy, settings), group) in enumerate(grouped(courses).items(), 1):
        found.append(_view(f"s{place}", f"{proxy} in {space}", settings, group, host))
    return tuple(found)


def axes(group: Sequence[Course]) -> tuple[Axis, Axis]:
    """Architectures scored, and best scores so far."""
    tops = [score for course in group for _, score in course.best()]
    low, high = (min(tops), max(tops)) if tops else (0.0, 1.0)
    room = 0.06 * (high - low) or abs(high) * 0.1 or 1.0
    return Axis(0.0, float(max(len(course.scores) for course in group) or 1)), Axis(low - room, high + room)


def _view(name: str, title: str, settings: str, group: Sequence[Course], host: Host) -> SearchView:
    x, y = axes(group)
    box = frame(x, y, "architectures scored", "best score so far", width=_WIDTH, height=_HEIGHT, about=(6, 7))
    places = Places(box, x, y)
    lines = []
    for style, course in enumerate(group):
        best = course.best()
        end = f"{best[-1][1]:.6g} after {len(course.scores):,}" if best else "no score"
        failed = sum(math.isnan(score) for score in course.scores)
        if failed:
            end += f", {failed:,} failed"
        path = steps([(places.x(count), places.y(score)) for count, score in best])
        lines.append(CourseLine(f"{course.name}: {course.label}", path, style % 6, end))
    pictures = [_picture(course, host) for course in group if course.candidates.candidates]
    return SearchView(title, settings, box, tuple(lines), _candidates(name, group), tuple(pictures))


def _candidates(name: str, group: Sequence[Course]) -> TableView:
    rows = [(course.name, entry) for course in group for entry in course.candidates.candidates[:SHOWN]]

    def column(key: str, title: str, cells: list[str], left: bool = False) -> Column:
        return Column(key, "", title, tuple(cells), left)

    return TableView(
        f"{name}-candidates", "Best candidates",
        (
            column("run", "run", [run for run, _ in rows], True),
            column("rank", "#", [str(entry.rank) for _, entry in rows]),
            column("score", "score", [f"{entry.score:.6g}" for _, entry in rows]),
            column("params", "params", [f"{entry.costs.params:,}" for _, entry in rows]),
            column("flops", "FLOPs", [f"{entry.costs.flops:,}" for _, entry in rows]),
            column("iteration", "iteration", [str(entry.iteration) for _, entry in rows]),
            column("architecture", "architecture", [entry.architecture for _, entry in rows], True),
        ),
        (False,) * len(rows),
    )  # fmt: skip


def _picture(course: Course, host: Host) -> PictureView:
    made = course.candidates
    scale = dict(pair.split("=", 1) for pair in made.scale.split(",")) if made.scale else {}
    space = host.space(made.space).scaled(**scale) if scale else host.space(made.space)
    drawing, why = picture(space, made.architectures[0])
    first = made.candidates[0]
    return PictureView(first.architecture, (f"best of {course.name}: {first.score:.6g}",), drawing, why)
