"""The marks of a picture: frames, arrows, boxes and their texts, as matplotlib's patches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from uninas_bench.diagram import Diagram, Group, Node
from uninas_bench.drawing import style
from uninas_bench.drawing.layout import Box, Route
from uninas_bench.drawing.routing import Point
from uninas_bench.drawing.sizes import LINE_HEIGHT, head_height, natural_layout, thumbnail_scale
from uninas_bench.drawing.style import COLOURS, UNCOLOURED

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.path import Path

_CORNER = 4.0
_HEAD = 4.6
"""Length of an arrow's head."""


class Canvas:
    """A place on the axes where a layout is drawn, perhaps smaller and without its texts."""

    def __init__(self, axes: Axes, x: float, y: float, scale: float = 1.0, order: float = 1.0) -> None:
        self.axes = axes
        self.x, self.y, self.scale = x, y, scale
        self.order = order
        self.small = scale != 1.0

    def draw(self, diagram: Diagram) -> None:
        """Frames first, then arrows, then boxes."""
        layout, thumbnails = natural_layout(diagram), thumbnail_scale(diagram)
        for group in diagram.groups:
            self.frame(group, layout.frames[group.id], diagram.direction_of(group.id))
        for route in layout.routes:
            self.arrow(route)
        for node in diagram.nodes:
            self.node(node, layout.boxes[node.id], thumbnails)

    def moved(self, x: float, y: float) -> tuple[float, float]:
        """From the layout's coordinates to those of the axes."""
        return self.x + x * self.scale, self.y + y * self.scale

    def frame(self, group: Group, box: Box, direction: str) -> None:
        """Dashed where its content is there several times, faint otherwise."""
        repeated = group.repeat > 1
        self.rounded(
            box, "#fafafa" if repeated else "#f4f6f8", style.FRAME if repeated else "#c9ced3",
            dashed=repeated, corner=6.0,
        )  # fmt: skip
        if self.small:
            return
        x, y = self.moved(box.x, box.y)
        if repeated:
            place = x + box.width - 4.0, y + 9.0
            write(self.axes, *place, f"× {group.repeat}", style.MARK, bold=True, across="right")
        if not group.label:
            return
        if direction == "right":
            write(
                self.axes,
                x + 8.0,
                y + 10.0,
                group.label,
                style.DETAIL + 0.7,
                colour=style.MUTED,
                across="left",
            )
        else:
            write(
                self.axes, x + 9.0, y + box.height / 2, group.label, style.DETAIL + 0.7,
                colour=style.MUTED, rotation=90.0,
            )  # fmt: skip

    def arrow(self, route: Route) -> None:
        """A line with rounded corners and a head; its label stands at its end."""
        from matplotlib.patches import PathPatch, Polygon

        points = [self.moved(*point) for point in route.points]
        colour = "#a8a8a8" if route.edge.dotted else style.LINE
        head = 0.0 if self.small else _HEAD
        (x0, y0), (x1, y1) = points[-2], points[-1]
        length = max(abs(x1 - x0) + abs(y1 - y0), 1e-9)
        dx, dy = (x1 - x0) / length, (y1 - y0) / length
        if head:
            points[-1] = x1 - dx * head * 0.8, y1 - dy * head * 0.8
        line = PathPatch(
            _rounded_path(points, _CORNER * self.scale), fill=False, edgecolor=colour,
            linewidth=self.line, linestyle=(0, (1.2, 2.0)) if route.edge.dotted else "-",
            capstyle="butt", zorder=self.order + 0.2,
        )  # fmt: skip
        self.axes.add_patch(line)
        if not head:
            return
        wing = head * 0.42
        corners = [
            (x1, y1),
            (x1 - dx * head - dy * wing, y1 - dy * head + dx * wing),
            (x1 - dx * head + dy * wing, y1 - dy * head - dx * wing),
        ]
        self.axes.add_patch(
            Polygon(corners, closed=True, facecolor=colour, linewidth=0.0, zorder=self.order + 0.3)
        )
        if route.edge.label and route.label:
            x, y = self.moved(*route.label)
            write(
                self.axes, x + 2.5, y - 3.0, route.edge.label, style.DETAIL, colour=style.MUTED, across="left"
            )

    def node(self, node: Node, box: Box, thumbnails: float) -> None:
        """A box or circle with its label, its detail and its thumbnail."""
        from matplotlib.patches import Circle

        colours = COLOURS[node.kind]
        # What is too small for a text is strong in colour; tensors stay white.
        fill = colours.edge if self.small and node.kind not in UNCOLOURED else colours.fill
        x, y = self.moved(*box.centre)
        if node.circle:
            self.axes.add_patch(
                Circle(
                    (x, y), box.width / 2 * self.scale, facecolor=fill, edgecolor=colours.edge,
                    linewidth=self.line, zorder=self.order + 0.5,
                )
            )  # fmt: skip
        else:
            self.rounded(box, fill, colours.edge, order=self.order + 0.5)
        if self.small:
            return
        details = [line for line in node.detail.splitlines() if line]
        if node.thumbnail is not None:
            inner = natural_layout(node.thumbnail)
            place = x - inner.width * thumbnails / 2, y - box.height / 2 + head_height(node) + 3.0
            Canvas(self.axes, *place, thumbnails, self.order + 1.0).draw(node.thumbnail)
            y += (head_height(node) - box.height) / 2
        first = y - len(details) * LINE_HEIGHT / 2
        write(self.axes, x, first, node.label, style.LABEL)
        for number, line in enumerate(details, start=1):
            write(self.axes, x, first + number * LINE_HEIGHT, line, style.DETAIL, colour=style.MUTED)

    @property
    def line(self) -> float:
        """The width of lines; in a thumbnail they are finer, but not as fine as its boxes are small."""
        return max(0.25, 0.9 * min(1.0, 1.6 * self.scale))

    def rounded(
        self,
        box: Box,
        fill: str,
        edge: str,
        dashed: bool = False,
        corner: float = _CORNER,
        order: float | None = None,
    ) -> None:
        """A rectangle with round corners."""
        from matplotlib.patches import FancyBboxPatch

        radius = corner * self.scale
        patch = FancyBboxPatch(
            self.moved(box.x, box.y), box.width * self.scale, box.height * self.scale,
            boxstyle=f"round,pad=0,rounding_size={radius}", mutation_aspect=1.0, facecolor=fill,
            edgecolor=edge, linewidth=self.line, linestyle=(0, (4.0, 2.5)) if dashed else "-",
            zorder=self.order if order is None else order,
        )  # fmt: skip
        self.axes.add_patch(patch)


def _rounded_path(points: Sequence[Point], radius: float) -> Path:
    from matplotlib.path import Path

    corners: list[Point] = [points[0]]
    codes = [Path.MOVETO]
    for before, corner, after in zip(points, points[1:], points[2:], strict=False):
        cut = min(radius, _distance(before, corner) / 2, _distance(corner, after) / 2)
        corners += [_towards(corner, before, cut), corner, _towards(corner, after, cut)]
        codes += [Path.LINETO, Path.CURVE3, Path.CURVE3]
    return Path([*corners, points[-1]], [*codes, Path.LINETO])


def _distance(first: Point, second: Point) -> float:
    return abs(first[0] - second[0]) + abs(first[1] - second[1])


def _towards(start: Point, end: Point, by: float) -> Point:
    length = max(_distance(start, end), 1e-9)
    return start[0] + (end[0] - start[0]) * by / length, start[1] + (end[1] - start[1]) * by / length


def write(
    axes: Axes,
    x: float,
    y: float,
    text: str,
    size: float,
    *,
    bold: bool = False,
    colour: str = style.INK,
    across: str = "center",
    rotation: float = 0.0,
) -> None:
    """A line of text around a point."""
    axes.text(
        x, y, text, fontproperties=style.font(size, bold), color=colour, ha=across, va="center_baseline",
        rotation=rotation, rotation_mode="anchor", zorder=9.0, parse_math=False, usetex=False,
    )  # fmt: skip
