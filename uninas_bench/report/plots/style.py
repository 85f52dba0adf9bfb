"""How figures for papers look: widths of columns, sizes of text, colours."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Width = Literal["single", "double"]
INCHES: dict[Width, float] = {"single": 3.5, "double": 7.16}
"""Of a column, and of two with their gap, of a page of two columns (IEEE, CVPR and the like)."""
INK, MUTED, LINE, DOT, FRONT, CEILING = "#1a1a1a", "#5c5c5c", "#d9dce0", "#0072b2", "#b34f00", "#6a4c93"
LOST = FRONT
TEXT, SMALL = 7.0, 6.0
"""Points."""
_LETTERS = 20
"""Of small text in an inch."""
COURSES = (
    ("#0072b2", "-"), ("#b34f00", "--"), ("#00785a", ":"), ("#9c3f77", "-."), ("#6b6100", (0, (4, 4))),
    ("#1a1a1a", (0, (1, 4))),
)  # fmt: skip
"""Colours that the colour-blind tell apart, each with dashes of its own for a print in black."""


def sheet(width: Width, height: float) -> Figure:
    """An empty figure of that width, ``height`` inches high, without pyplot."""
    from matplotlib.figure import Figure

    return Figure(figsize=(INCHES[width], height), facecolor="white", layout="constrained")


def plain(axes: Axes) -> None:
    """Two axes, thin lines, small letters."""
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_linewidth(0.6)
        axes.spines[side].set_color(MUTED)
    axes.tick_params(labelsize=SMALL, colors=INK, width=0.6, length=2, pad=2)
    axes.xaxis.label.set_fontsize(TEXT)
    axes.yaxis.label.set_fontsize(TEXT)
    axes.grid(color=LINE, linewidth=0.4)
    axes.set_axisbelow(True)


def foot(figure: Figure, text: str) -> None:
    """What must stand beside the numbers, under the figure; the layout leaves room for it."""
    letters = int(figure.get_figwidth() * _LETTERS)
    figure.supxlabel("\n".join(textwrap.wrap(text, letters)), fontsize=SMALL, color=MUTED)
