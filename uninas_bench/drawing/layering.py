"""First phases of a layered layout: layers by longest path, virtual items on long links, few crossings.

After Sugiyama, Tagawa and Toda, "Methods for Visual Understanding of Hierarchical System Structures",
IEEE Trans. SMC 11(2), 1981. Written out, since no kept pure Python library lays out nested groups with
ports, which is what folded attention heads are.
"""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Literal

_SWEEPS = 8
_STARTS = 12


@dataclass(frozen=True, slots=True)
class Member:
    """What is to be placed; across is at a right angle to the flow, along is with it.

    Attributes:
        id: unique in its level.
        across: its size at a right angle to the flow.
        along: its size with the flow.
        round: links meet it in its centre, and may come from the side.
        entries: where each link (by its key) must enter, from the centre; what is absent may move.
        exits: the same for links that leave.
        pin: kept alone in the first or last layer: a place on the frame around the level.
    """

    id: str
    across: float
    along: float
    round: bool = False
    entries: Mapping[int, float] = field(default_factory=dict)
    exits: Mapping[int, float] = field(default_factory=dict)
    pin: Literal["first", "last"] | None = None


@dataclass(frozen=True, slots=True)
class Link:
    """An arrow between two members of a level; ``label`` is its text's width, ``straight`` as in `Edge`."""

    key: int
    source: str
    target: str
    label: float = 0.0
    straight: bool = False


@dataclass(slots=True, eq=False)
class Item:
    """A member in its layer, or a place that a long link passes (``member`` is None)."""

    member: Member | None
    layer: int
    place: int = 0
    above: list[Segment] = field(default_factory=list)
    below: list[Segment] = field(default_factory=list)

    @property
    def is_box(self) -> bool:
        """Whether there is something to see, rather than a link that passes or crosses the frame."""
        return self.member is not None and self.member.pin is None

    @property
    def across(self) -> float:
        """The size at a right angle to the flow."""
        return self.member.across if self.member else 0.0

    @property
    def along(self) -> float:
        """The size with the flow."""
        return self.member.along if self.member else 0.0


@dataclass(slots=True, eq=False)
class Segment:
    """The piece of a link between one layer and the next; offsets are from the items' centres."""

    link: Link
    upper: Item
    lower: Item
    leaves: float = 0.0
    arrives: float = 0.0


def layered(members: Sequence[Member], links: Sequence[Link]) -> list[list[Item]]:
    """The layers from first to last, each from left to right, joined by segments."""
    depth = _depths(members, links)
    items = {member.id: Item(member, depth[member.id]) for member in members}
    layers: list[list[Item]] = [[] for _ in range(1 + max(depth.values(), default=-1))]
    outgoing: dict[str, list[Link]] = {member.id: [] for member in members}
    fed = {link.target for link in links}
    for link in links:
        outgoing[link.source].append(link)
    placed: set[str] = set()

    def visit(member: str) -> None:
        """Depth first, so that what a branch leads to stands under it."""
        stack: list[tuple[str, Link | None]] = [(member, None)]
        while stack:
            name, link = stack.pop()
            if link is not None:
                _chain(items[link.source], items[link.target], link, layers)
            if name not in placed:
                placed.add(name)
                layers[items[name].layer].append(items[name])
                stack += [(step.target, step) for step in reversed(outgoing[name])]

    for member in members:
        if member.id not in fed:
            visit(member.id)
    for layer in layers:
        _number(layer)
    for item in items.values():
        for segment in item.below:
            segment.leaves = item.member.exits.get(segment.link.key, 0.0) if item.member else 0.0
        for segment in item.above:
            segment.arrives = item.member.entries.get(segment.link.key, 0.0) if item.member else 0.0
    _reduce_crossings(layers)
    return layers


def _depths(members: Sequence[Member], links: Sequence[Link]) -> dict[str, int]:
    """The layer of each member: as early as possible, but sources right above what they feed."""
    inputs: dict[str, list[str]] = {member.id: [] for member in members}
    outputs: dict[str, list[str]] = {member.id: [] for member in members}
    for link in links:
        inputs[link.target].append(link.source)
        outputs[link.source].append(link.target)
    pins = {member.id: member.pin for member in members}
    start = 1 if "first" in pins.values() else 0
    depth: dict[str, int] = {}
    waiting = {name: len(sources) for name, sources in inputs.items()}
    ready = [name for name, count in waiting.items() if not count]
    order = []
    while ready:
        name = ready.pop()
        order.append(name)
        earliest = 1 + max((depth[source] for source in inputs[name]), default=-1)
        depth[name] = earliest if pins[name] == "first" else max(start, earliest)
        for target in outputs[name]:
            waiting[target] -= 1
            if not waiting[target]:
                ready.append(target)
    for name in reversed(order):
        if not inputs[name] and outputs[name] and pins[name] is None:
            depth[name] = min(depth[target] for target in outputs[name]) - 1
    last = 1 + max((depth[name] for name in depth if pins[name] != "last"), default=-1)
    return depth | {name: last for name, pin in pins.items() if pin == "last"}


def _chain(source: Item, target: Item, link: Link, layers: list[list[Item]]) -> None:
    upper = source
    for layer in range(source.layer + 1, target.layer):
        passing = Item(None, layer)
        layers[layer].append(passing)
        _join(link, upper, passing)
        upper = passing
    _join(link, upper, target)


def _join(link: Link, upper: Item, lower: Item) -> None:
    segment = Segment(link, upper, lower)
    upper.below.append(segment)
    lower.above.append(segment)


def _number(layer: Sequence[Item]) -> None:
    for place, item in enumerate(layer):
        item.place = place


def _reduce_crossings(layers: list[list[Item]]) -> None:
    """The best order that sweeps find from the first one, or from shuffled ones where links still cross."""
    best = [list(layer) for layer in layers]
    fewest = _crossings(layers)
    for start in range(_STARTS):
        if not fewest:
            break
        random = Random(start)  # noqa: S311  (an order, no secret)
        for layer in layers:
            # Sorting by random keys, since Python does not promise what `shuffle` makes of a seed.
            if start:
                layer.sort(key=lambda _: random.random())
            _number(layer)
        for sweep in range(_SWEEPS):
            down = sweep % 2 == 0
            for layer in layers[1:] if down else layers[-2::-1]:
                layer.sort(key=lambda item: _barycentre(item, down))
                _number(layer)
            _swap_neighbours(layers)
            found = _crossings(layers)
            if found < fewest:
                fewest, best = found, [list(layer) for layer in layers]
    for layer, order in zip(layers, best, strict=True):
        layer[:] = order
        _number(layer)


def _upper_end(segment: Segment) -> tuple[int, float]:
    return segment.upper.place, segment.leaves


def _lower_end(segment: Segment) -> tuple[int, float]:
    return segment.lower.place, segment.arrives


def _barycentre(item: Item, down: bool) -> float:
    ends = (
        [(segment.upper, segment.leaves) for segment in item.above]
        if down
        else [(segment.lower, segment.arrives) for segment in item.below]
    )
    if not ends:
        return item.place
    return sum(end.place + offset / max(end.across, 1.0) for end, offset in ends) / len(ends)


def _crossings(layers: Sequence[Sequence[Item]]) -> int:
    total = 0
    for layer in layers:
        segments = [segment for item in layer for segment in item.below]
        seen: list[tuple[int, float]] = []
        for segment in sorted(segments, key=lambda segment: (_upper_end(segment), _lower_end(segment))):
            end = _lower_end(segment)
            total += len(seen) - bisect_right(seen, end)
            insort(seen, end)
    return total


def _swap_neighbours(layers: Sequence[list[Item]]) -> None:
    improved = True
    while improved:
        improved = False
        for layer in layers:
            for place in range(len(layer) - 1):
                left, right = layer[place], layer[place + 1]
                if _between(left, right) > _between(right, left):
                    layer[place], layer[place + 1] = right, left
                    _number(layer)
                    improved = True


def _between(left: Item, right: Item) -> int:
    """Crossings among the links of two neighbours, were they to stand in this order."""
    up = [_upper_end(segment) for segment in left.above], [_upper_end(segment) for segment in right.above]
    down = [_lower_end(segment) for segment in left.below], [_lower_end(segment) for segment in right.below]
    return sum(first > second for lefts, rights in (up, down) for first in lefts for second in rights)
