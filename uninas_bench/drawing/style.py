"""How pictures look: colours, sizes of text, and how wide a text is."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from uninas_bench.diagram import Kind

if TYPE_CHECKING:
    from matplotlib.font_manager import FontProperties

FONT = "DejaVu Sans"
"""It comes with matplotlib, so texts have one width everywhere."""
LABEL, DETAIL, MARK, TITLE = 8.0, 6.3, 8.5, 9.5
"""Sizes of text in points: of labels, of what is under them, of ``x 12`` on a frame, of the title."""
INK, MUTED, LINE, FRAME = "#1a1a1a", "#5c5c5c", "#3d3d3d", "#7a7a7a"


@dataclass(frozen=True, slots=True)
class Colours:
    """Of a box: its inside and its edge."""

    fill: str
    edge: str


COLOURS = {
    Kind.CONVOLUTION: Colours("#cfe6f5", "#0072b2"),
    Kind.NORMALISATION: Colours("#d2efe4", "#009e73"),
    Kind.ACTIVATION: Colours("#fce8c3", "#c98500"),
    Kind.ATTENTION: Colours("#f4dbe8", "#b5588c"),
    Kind.POOLING: Colours("#f8d5c2", "#d55e00"),
    Kind.STRUCTURE: Colours("#e6e6e6", "#6b6b6b"),
    Kind.OTHER: Colours("#f8f4bd", "#a39a00"),
    Kind.TENSOR: Colours("#ffffff", "#8a8a8a"),
    Kind.BLOCK: Colours("#ffffff", "#4a4a4a"),
}
"""Hues of Okabe and Ito, "Color Universal Design" (2008), which the colour-blind tell apart; pale insides."""

UNCOLOURED = frozenset({Kind.TENSOR, Kind.BLOCK})
"""White, and so without an entry in the legend."""


@lru_cache(maxsize=64)
def font(size: float, bold: bool = False) -> FontProperties:
    """The font of all texts."""
    from matplotlib.font_manager import FontProperties

    return FontProperties(family=FONT, size=size, weight="bold" if bold else "normal")


@lru_cache(maxsize=4096)
def text_width(text: str, size: float, bold: bool = False) -> float:
    """The width of a line of text in points."""
    from matplotlib.textpath import TextToPath

    width, _, _ = TextToPath().get_text_width_height_descent(text, font(size, bold), ismath=False)
    return float(width)
