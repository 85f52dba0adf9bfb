"""The course of searches, for papers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from uninas_bench.report.plots import style
from uninas_bench.report.plots.courses import Course, grouped
from uninas_bench.report.plots.style import Width

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_HEIGHT = 2.1


def draw_courses(courses: Sequence[Course], width: Width) -> Figure:
    """A panel for each space and proxy, a line for each search."""
    groups = grouped(courses)
    figure = style.sheet(width, _HEIGHT * len(groups) + 0.2)
    for axes, ((space, proxy, _), group) in zip(
        figure.subplots(len(groups), 1, squeeze=False).flat, groups.items(), strict=True
    ):
        style.plain(axes)
        for place, course in enumerate(group):
            colour, dashes = style.COURSES[place % len(style.COURSES)]
            best = course.best()
            axes.step(
                [count for count, _ in best], [score for _, score in best], where="post", color=colour,
                linestyle=dashes, linewidth=1.1, label=f"{course.name} ({course.label})",
            )  # fmt: skip
        axes.set_title(f"{proxy} in {space}", fontsize=style.TEXT, loc="left", pad=3)
        axes.set_xlabel("architectures scored")
        axes.set_ylabel("best score so far")
        axes.legend(fontsize=style.SMALL, frameon=False, loc="lower right")
    return figure
