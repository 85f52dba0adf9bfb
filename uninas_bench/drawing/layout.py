"""Where everything in a diagram stands: groups are laid out from inside out, each as one box of its level."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from uninas_bench.diagram import Diagram, Edge, Group, Kind
from uninas_bench.drawing.layering import Link, Member
from uninas_bench.drawing.routing import Placed, Point, place

Size = tuple[float, float]
"""Width and height in points."""

PAD = 9.0
"""Between the frame of a group and what is in it."""
LABEL_ROW = 13.0
"""The room for the label of a group."""
_APART = 13.0
"""Between arrows that meet a box at one side."""


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle: its left and upper edges (y grows downwards), width and height, in points."""

    x: float
    y: float
    width: float
    height: float

    @property
    def centre(self) -> Point:
        """The point in the middle."""
        return self.x + self.width / 2, self.y + self.height / 2

    @property
    def right(self) -> float:
        """The right edge."""
        return self.x + self.width

    @property
    def bottom(self) -> float:
        """The lower edge."""
        return self.y + self.height

    def overlaps(self, other: Box) -> bool:
        """Whether the two share more than an edge."""
        return (
            self.x < other.right and other.x < self.right and self.y < other.bottom and other.y < self.bottom
        )


@dataclass(frozen=True, slots=True)
class Route:
    """An arrow: its corners from tail to head, and where its label starts, if it has one."""

    edge: Edge
    points: tuple[Point, ...]
    label: Point | None = None


@dataclass(frozen=True, slots=True)
class Layout:
    """Boxes of the nodes and frames of the groups by their ids, arrows, and the size of it all."""

    boxes: dict[str, Box]
    frames: dict[str, Box]
    routes: tuple[Route, ...]
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class TextSizes:
    """Widths of texts in points: of labels of edges and of the marks and labels of groups."""

    edge: Callable[[str], float]
    repeat: Callable[[int], float]
    group: Callable[[str], float]


@dataclass(slots=True)
class _Level:
    """A group laid out: its members and pieces of arrows, measured from the upper left of its frame."""

    width: float
    height: float
    centres: dict[str, Point]
    pieces: dict[int, tuple[list[Point], Point | None]]
    entries: dict[int, float] = field(default_factory=dict)
    exits: dict[int, float] = field(default_factory=dict)


def lay_out(diagram: Diagram, sizes: Mapping[str, Size], texts: TextSizes) -> Layout:
    """Place the nodes, of the given sizes, and everything else of a diagram."""
    return _Composer(diagram, sizes, texts).layout()


class _Composer:
    """One layout in the making."""

    def __init__(self, diagram: Diagram, sizes: Mapping[str, Size], texts: TextSizes) -> None:
        self.diagram = diagram
        self.texts = texts
        self.groups = {group.id: group for group in diagram.groups}
        self.nodes = {node.id: node for node in diagram.nodes}
        self.outputs: dict[str, list[int]] = {name: [] for name in (*self.nodes, *self.groups)}
        self.inputs: dict[str, list[int]] = {name: [] for name in self.outputs}
        for number, edge in enumerate(diagram.edges):
            self.outputs[edge.source].append(number)
            self.inputs[edge.target].append(number)
        self.sizes = {name: self._wide_enough(name, sizes[name]) for name in self.nodes}
        self.levels: dict[str | None, _Level] = {}
        self.meetings = [diagram.meeting(edge) for edge in diagram.edges]
        """Where each edge is drawn, and between which members of that level."""
        self.entering: dict[str, dict[int, str]] = {group: {} for group in self.groups}
        self.leaving: dict[str, dict[int, str]] = {group: {} for group in self.groups}
        """For each group, the edges across its frame and the members inside that they end at."""
        for number, edge in enumerate(diagram.edges):
            self._cross(self.leaving, number, edge.source)
            self._cross(self.entering, number, edge.target)

    def _wide_enough(self, name: str, size: Size) -> Size:
        """With room for every arrow at the side of a box."""
        if self.nodes[name].circle or self.nodes[name].kind is Kind.TENSOR:
            return size
        needed = _APART * max(len(self.inputs[name]), len(self.outputs[name]))
        width, height = size
        if self.diagram.direction_of(self.nodes[name].group) == "right":
            return width, max(height, needed)
        return max(width, needed), height

    def _size(self, name: str) -> Size:
        inner = self.levels.get(name)
        return (inner.width, inner.height) if inner else self.sizes[name]

    def _cross(self, frames: dict[str, dict[int, str]], number: int, end: str) -> None:
        inside = end
        for group in self.diagram.frames_between(end, self.meetings[number][0]):
            frames[group][number] = inside
            inside = group

    def layout(self) -> Layout:
        """Lay out every level, then say where each stands on the page."""
        page = self._level(None)
        boxes: dict[str, Box] = {}
        frames: dict[str, Box] = {}
        pieces: dict[int, list[tuple[list[Point], Point | None]]] = {}
        self._unfold(None, (0.0, 0.0), boxes, frames, pieces)
        routes = tuple(
            _stitched(edge, pieces.get(number, [])) for number, edge in enumerate(self.diagram.edges)
        )
        return Layout(boxes, frames, routes, page.width, page.height)

    def _level(self, group: str | None) -> _Level:
        for member in self.diagram.members(group):
            if member in self.groups:
                self.levels[member] = self._level(member)
        direction = self.diagram.direction_of(group)
        placed = place(*self._contents(group, turned=direction == "right"))
        level = self._framed(group, placed, turned=direction == "right")
        self.levels[group] = level
        return level

    def _contents(self, group: str | None, turned: bool) -> tuple[list[Member], list[Link]]:
        """Members and links of a level; arrows across its frame get a place of their own on the frame."""
        members, links = [], []
        for name in self.diagram.members(group):
            width, height = self._size(name)
            across, along = (height, width) if turned else (width, height)
            inner = self.levels.get(name)
            if inner:
                members.append(Member(name, across, along, entries=inner.entries, exits=inner.exits))
                continue
            # The tensor that several arrows carry leaves at one point; the outputs of an operation do not.
            exits = dict.fromkeys(self.outputs[name], 0.0) if self.nodes[name].kind is Kind.TENSOR else {}
            members.append(Member(name, across, along, self.nodes[name].circle, exits=exits))
        label = [self.texts.edge(edge.label) if edge.label else 0.0 for edge in self.diagram.edges]
        for number, (level, source, target) in enumerate(self.meetings):
            if level == group:
                straight = self.diagram.edges[number].straight
                links.append(Link(number, source, target, label[number], straight))
        if group is not None:
            for number, member in self.entering[group].items():
                members.append(Member(_inlet(number), 2 * label[number], 0.0, pin="first"))
                links.append(Link(number, _inlet(number), member))
            for number, member in self.leaving[group].items():
                members.append(Member(_outlet(number), 0.0, 0.0, pin="last"))
                links.append(Link(number, member, _outlet(number)))
        return members, links

    def _framed(self, group: str | None, placed: Placed, turned: bool) -> _Level:
        """Put a frame around a level, with room for its marks; turn it where arrows lead to the right."""
        before, after, start, end = self._padding(group, turned)
        if turned:
            before, after, start, end = start, end, before, after
        if group is not None:
            start = 0.0 if self.entering[group] else start
            end = 0.0 if self.leaving[group] else end
        across, along = before + placed.across + after, start + placed.along + end

        def moved(point: Point) -> Point:
            x, y = point[0] + before, point[1] + start
            return (y, x) if turned else (x, y)

        pieces = {
            key: (
                [moved(point) for point in path],
                moved(placed.labels[key]) if key in placed.labels else None,
            )
            for key, path in placed.paths.items()
        }
        level = _Level(
            along if turned else across,
            across if turned else along,
            {name: moved(centre) for name, centre in placed.centres.items()},
            pieces,
        )
        if group is not None:
            for number in self.entering[group]:
                level.entries[number] = placed.centres[_inlet(number)][0] + before - across / 2
            for number in self.leaving[group]:
                level.exits[number] = placed.centres[_outlet(number)][0] + before - across / 2
        return level

    def _padding(self, group: str | None, turned: bool) -> tuple[float, float, float, float]:
        """The room left, right, above and below inside a frame."""
        if group is None:
            return 0.0, 0.0, 0.0, 0.0
        found: Group = self.groups[group]
        mark = self.texts.repeat(found.repeat) + 10.0 if found.repeat > 1 else 0.0
        row = LABEL_ROW if found.label else 0.0
        if turned:
            return PAD, PAD, PAD + max(row, LABEL_ROW if mark else 0.0), PAD
        return PAD + row, max(PAD, mark), PAD, PAD

    def _unfold(
        self,
        group: str | None,
        origin: Point,
        boxes: dict[str, Box],
        frames: dict[str, Box],
        pieces: dict[int, list[tuple[list[Point], Point | None]]],
    ) -> None:
        level = self.levels[group]

        def moved(point: Point) -> Point:
            return point[0] + origin[0], point[1] + origin[1]

        for number, (path, label) in level.pieces.items():
            piece = [moved(point) for point in path], None if label is None else moved(label)
            pieces.setdefault(number, []).append(piece)
        for name in self.diagram.members(group):
            width, height = self._size(name)
            x, y = moved(level.centres[name])
            box = Box(x - width / 2, y - height / 2, width, height)
            if name in self.groups:
                frames[name] = box
                self._unfold(name, (box.x, box.y), boxes, frames, pieces)
            else:
                boxes[name] = box


def _inlet(number: int) -> str:
    return f"\0in{number}"


def _outlet(number: int) -> str:
    return f"\0out{number}"


def _stitched(edge: Edge, pieces: list[tuple[list[Point], Point | None]]) -> Route:
    """One arrow of its pieces at several levels, each of which starts where another ends."""
    label = next((label for _, label in pieces if label is not None), None)
    rest = [path for path, _ in pieces]
    joined = rest.pop(0)
    while rest:
        number = min(
            range(len(rest)), key=lambda n: min(_gap(joined[-1], rest[n][0]), _gap(rest[n][-1], joined[0]))
        )
        path = rest.pop(number)
        joined = (
            joined + path[1:] if _gap(joined[-1], path[0]) <= _gap(path[-1], joined[0]) else path + joined[1:]
        )
    return Route(edge, tuple(joined), label)


def _gap(first: Point, second: Point) -> float:
    return abs(first[0] - second[0]) + abs(first[1] - second[1])
