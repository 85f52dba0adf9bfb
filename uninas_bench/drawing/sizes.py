"""How large boxes are: as their texts and thumbnails need."""

from __future__ import annotations

from functools import lru_cache

from uninas_bench.diagram import Diagram, Node
from uninas_bench.drawing import style
from uninas_bench.drawing.layout import Layout, Size, TextSizes, lay_out
from uninas_bench.drawing.style import text_width

LINE_HEIGHT = 8.5
"""Of a line of detail."""
_HEIGHT, _CIRCLE = 17.0, 15.0
_LEAST_WIDTH, _SIDE = 46.0, 7.0
_THUMBNAIL_HEIGHT, _THUMBNAIL_SCALE = 120.0, 0.34
_TEXTS = TextSizes(
    edge=lambda text: text_width(text, style.DETAIL) + 4.0,
    repeat=lambda count: text_width(f"× {count}", style.MARK, bold=True),
    group=lambda text: text_width(text, style.DETAIL + 0.7),
)


def head_height(node: Node) -> float:
    """The height of a box's texts."""
    lines = len([line for line in node.detail.splitlines() if line])
    return _HEIGHT + lines * LINE_HEIGHT


def node_size(node: Node, thumbnails: float) -> Size:
    """Width and height of a box whose thumbnail is drawn at that scale."""
    if node.circle:
        diameter = max(_CIRCLE, text_width(node.label, style.LABEL) + 6.0)
        return diameter, diameter
    widths = [text_width(node.label, style.LABEL)]
    widths += [text_width(line, style.DETAIL) for line in node.detail.splitlines()]
    width, height = max(_LEAST_WIDTH, max(widths) + 2 * _SIDE), head_height(node)
    if node.thumbnail is not None:
        inner = natural_layout(node.thumbnail)
        width, height = (
            max(width, inner.width * thumbnails + 2 * _SIDE),
            height + inner.height * thumbnails + 9.0,
        )
    return width, height


@lru_cache(maxsize=64)
def natural_layout(diagram: Diagram) -> Layout:
    """The layout at the sizes of text in `style`."""
    scale = thumbnail_scale(diagram)
    return lay_out(diagram, {node.id: node_size(node, scale) for node in diagram.nodes}, _TEXTS)


def thumbnail_scale(diagram: Diagram) -> float:
    """One scale for all thumbnails, so that what is larger looks larger."""
    heights = [natural_layout(node.thumbnail).height for node in diagram.nodes if node.thumbnail is not None]
    return min(_THUMBNAIL_SCALE, _THUMBNAIL_HEIGHT / max(heights)) if heights else 1.0
