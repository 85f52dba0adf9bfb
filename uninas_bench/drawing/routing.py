"""How the links of a layered layout run: straight, or across on a track of their own between two layers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from uninas_bench.drawing.coordinates import positions
from uninas_bench.drawing.layering import Item, Link, Member, Segment, layered

Point = tuple[float, float]
"""Across and along the flow, in points."""

_TRACK, _ABOVE, _ARROW, _LABEL, _LEAST = 6.5, 6.0, 9.0, 9.0, 14.0
_STRAIGHT = 0.5
_CLEAR = 6.0


@dataclass(frozen=True, slots=True)
class Placed:
    """A level laid out.

    Attributes:
        centres: of its members, by their ids.
        paths: the corners of its links, by their keys.
        labels: where the text of a link starts, right of the link and above what it leads to.
        across: its size at a right angle to the flow.
        along: its size with the flow.
    """

    centres: dict[str, Point]
    paths: dict[int, list[Point]]
    labels: dict[int, Point]
    across: float
    along: float


def place(members: Sequence[Member], links: Sequence[Link]) -> Placed:
    """Lay out one level: layers, order, places across and along the flow, tracks of the links."""
    layers = layered(members, links)
    centres = positions(layers)
    router = _Router({id(item): x for item, x in centres})
    along = 0.0
    for number, layer in enumerate(layers):
        if not number:
            along = router.put(layer, 0.0)
            continue
        gap = router.plan(layer)
        start, along = along, router.put(layer, along + gap.height)
        router.draw(gap, start)
    places = {item.member.id: (x, router.middle[id(item)]) for item, x in centres if item.member is not None}
    across = max((x + item.across / 2 for item, x in centres), default=0.0)
    paths = {key: list(_corners(points)) for key, points in router.paths.items()}
    return Placed(places, paths, router.labels, across, along)


@dataclass(slots=True, eq=False)
class _Bundle:
    """Links of a gap that run on one track: they leave from one point, or lead to one."""

    segments: list[Segment]
    starts: list[float]
    ends: list[float]
    track: int = 0

    @property
    def span(self) -> tuple[float, float]:
        """The leftmost and rightmost place that it reaches."""
        return min(*self.starts, *self.ends), max(*self.starts, *self.ends)

    def meets(self, other: _Bundle) -> bool:
        """Whether the two would touch on one track."""
        (low, high), (other_low, other_high) = self.span, other.span
        return low < other_high + _TRACK and other_low < high + _TRACK

    def crossings_above(self, other: _Bundle) -> int:
        """How often the two cross if this one is the upper."""
        (low, high), (other_low, other_high) = self.span, other.span
        return sum(low < x < high for x in other.starts) + sum(other_low < x < other_high for x in self.ends)


@dataclass(slots=True, eq=False)
class _Gap:
    """What happens between two layers: who goes straight, in from the side of a circle, or on a track."""

    straight: list[Segment] = field(default_factory=list)
    sideways: list[Segment] = field(default_factory=list)
    bundles: list[_Bundle] = field(default_factory=list)
    label: float = 0.0
    arrow: float = 0.0

    @property
    def height(self) -> float:
        """The room that it needs along the flow."""
        tracks = 1 + max((bundle.track for bundle in self.bundles), default=-1)
        return max(_LEAST, _ABOVE + tracks * _TRACK + self.arrow) + self.label


class _Router:
    """Goes through the gaps from first to last and notes the points of every link."""

    def __init__(self, x: dict[int, float]) -> None:
        self.x = x
        self.middle: dict[int, float] = {}
        self.paths: dict[int, list[Point]] = {}
        self.labels: dict[int, Point] = {}

    def put(self, layer: Sequence[Item], start: float) -> float:
        """Stand the items of a layer on its middle line, groups at its start; returns where it ends."""
        height = max((item.along for item in layer), default=0.0)
        for item in layer:
            grouped = item.member is not None and item.member.entries and not item.member.round
            self.middle[id(item)] = start + (item.along if grouped else height) / 2
        return start + height

    def plan(self, lower: Sequence[Item]) -> _Gap:
        """Sort the segments that lead to a layer."""
        gap = _Gap()
        bundles: dict[tuple[str, int, float], _Bundle] = {}
        for item in lower:
            gap.arrow = max(gap.arrow, _ARROW if item.along else 0.0)
            from_sides = self._from_sides(item, lower)
            for segment in item.above:
                if segment.link.label and segment.lower.member is not None:
                    gap.label = _LABEL
                start, end = self._start(segment), self._end(segment)
                if segment in from_sides:
                    gap.sideways.append(segment)
                elif abs(start - end) < _STRAIGHT:
                    gap.straight.append(segment)
                else:
                    bundle = bundles.setdefault(self._bundle_key(segment), _Bundle([], [], []))
                    bundle.segments.append(segment)
                    bundle.starts.append(start)
                    bundle.ends.append(end)
        gap.bundles = _tracked(bundles.values())
        return gap

    def draw(self, gap: _Gap, start: float) -> None:
        """Note the points of the links of a gap that starts there."""
        end = start + gap.height
        for segment in gap.straight:
            self._note(segment, [], end - gap.arrow)
        for segment in gap.sideways:
            x, y = self._start(segment), self.middle[id(segment.lower)]
            radius = segment.lower.across / 2
            side = self.x[id(segment.lower)] + (radius if x > self.x[id(segment.lower)] else -radius)
            points = self.paths.setdefault(segment.link.key, [])
            points += [(x, self._leaving(segment)), (x, y), (side, y)]
        for bundle in gap.bundles:
            track = start + _ABOVE + bundle.track * _TRACK
            for segment in bundle.segments:
                corners = [(self._start(segment), track), (self._end(segment), track)]
                self._note(segment, corners, end - gap.arrow)

    def _note(self, segment: Segment, corners: list[Point], label: float) -> None:
        lower = segment.lower
        arriving = (self._end(segment), self.middle[id(lower)] - lower.along / 2)
        points = self.paths.setdefault(segment.link.key, [])
        points += [(self._start(segment), self._leaving(segment)), *corners, arriving]
        if segment.link.label and lower.member is not None:
            self.labels[segment.link.key] = (self._end(segment), label)

    def _start(self, segment: Segment) -> float:
        return self.x[id(segment.upper)] + segment.leaves

    def _end(self, segment: Segment) -> float:
        return self.x[id(segment.lower)] + segment.arrives

    def _leaving(self, segment: Segment) -> float:
        return self.middle[id(segment.upper)] + segment.upper.along / 2

    def _bundle_key(self, segment: Segment) -> tuple[str, int, float]:
        """Links that leave one point together share a track; else those that arrive at one."""
        siblings = [other for other in segment.upper.below if other.leaves == segment.leaves]
        if len(siblings) > 1:
            return "from", id(segment.upper), segment.leaves
        return "to", id(segment.lower), segment.arrives

    def _from_sides(self, item: Item, layer: Sequence[Item]) -> list[Segment]:
        """Of the links that meet in a circle, the outermost ones with free way to its left and right."""
        if item.member is None or not item.member.round or len(item.above) < 2:
            return []
        left_limit = max((self._edge(other, 1) for other in layer[: item.place]), default=-_CLEAR)
        right_limit = min((self._edge(other, -1) for other in layer[item.place + 1 :]), default=float("inf"))
        ordered = sorted(item.above, key=self._start)
        low, high = (self.x[id(item)] + side * (item.across / 2 + _CLEAR) for side in (-1, 1))
        found = []
        if left_limit + _CLEAR <= self._start(ordered[0]) <= low:
            found.append(ordered[0])
        if high <= self._start(ordered[-1]) <= right_limit - _CLEAR:
            found.append(ordered[-1])
        return found

    def _edge(self, item: Item, side: int) -> float:
        return self.x[id(item)] + side * item.across / 2


def _tracked(bundles: Iterable[_Bundle]) -> list[_Bundle]:
    """The bundles from upper to lower, each on the first track where it touches no other, few crossings."""
    waiting = list(bundles)
    done: list[_Bundle] = []
    while waiting:
        costs = [
            sum(
                bundle.crossings_above(other) - other.crossings_above(bundle)
                for other in waiting
                if other is not bundle
            )
            for bundle in waiting
        ]
        bundle = waiting.pop(costs.index(min(costs)))
        bundle.track = 1 + max((other.track for other in done if other.meets(bundle)), default=-1)
        done.append(bundle)
    return done


def _corners(points: Sequence[Point]) -> Iterable[Point]:
    """Without the points at which a path goes straight on."""
    kept: list[Point] = []
    for point in points:
        if kept and _close(kept[-1], point):
            continue
        if len(kept) > 1 and any(
            abs(kept[-2][axis] - point[axis]) < _STRAIGHT and abs(kept[-1][axis] - point[axis]) < _STRAIGHT
            for axis in (0, 1)
        ):
            kept.pop()
        kept.append(point)
    return kept


def _close(first: Point, second: Point) -> bool:
    return abs(first[0] - second[0]) < _STRAIGHT and abs(first[1] - second[1]) < _STRAIGHT
