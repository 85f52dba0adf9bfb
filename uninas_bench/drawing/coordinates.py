"""Where the items of a layered layout stand across the flow: one linear program.

The objective is that of Gansner, Koutsofios, North and Vo, "A Technique for Drawing Directed Graphs",
IEEE Trans. SE 19(3), 1993, section 4 (long links straight before short ones), to which chains of
operations and the symmetry of forks are added.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from uninas_bench.drawing.layering import Item, Segment

GAP = 16.0
"""Between two boxes of a layer, in points."""
PASSING_GAP = 12.0
"""Between a box and a link that passes, or between two such links."""
_INSET = 6.0
_APART = 8.0
# A little weight on the places themselves keeps the picture narrow where nothing else decides.
_NARROW = 1e-3
_CHAIN, _SPINE, _LONG, _MIXED, _SHORT, _SYMMETRY = 60.0, 30.0, 16.0, 2.0, 1.0, 8.0


def positions(layers: Sequence[Sequence[Item]]) -> list[tuple[Item, float]]:
    """The centre of every item, the leftmost edge at 0; sets where the segments meet their items."""
    items = [item for layer in layers for item in layer]
    for item in items:
        _spread(item)
    found = list(zip(items, _solved(layers, items), strict=True))
    centres = {id(item): x for item, x in found}
    for item in items:
        _straighten(item, centres)
    return found


def _main(segments: Sequence[Segment], upper: bool) -> Segment | None:
    """Of several links, the one to run straight: so marked, to the only box, else the middle one."""
    if len(segments) < 2:
        return None
    marked = [segment for segment in segments if segment.link.straight]
    if len(marked) == 1:
        return marked[0]
    boxes = [segment for segment in segments if (segment.upper if upper else segment.lower).is_box]
    if len(boxes) == 1:
        return boxes[0]
    return _ordered(segments, upper)[len(segments) // 2] if len(segments) % 2 else None


def _ordered(segments: Sequence[Segment], upper: bool) -> list[Segment]:
    if upper:
        return sorted(segments, key=lambda segment: (segment.upper.place, segment.leaves))
    return sorted(segments, key=lambda segment: (segment.lower.place, segment.arrives))


def _set(segment: Segment, upper: bool, offset: float) -> None:
    """Move the end that the segment has at the item, which is not the end ``upper`` speaks of."""
    if upper:
        segment.arrives = offset
    else:
        segment.leaves = offset


def _is_free(item: Item, upper: bool) -> bool:
    member = item.member
    return member is not None and not member.round and not (member.entries if upper else member.exits)


def _spread(item: Item) -> None:
    """Give every link of a box its own place on it: in equal pieces, or around a main link."""
    for segments, upper in ((item.above, True), (item.below, False)):
        if not segments or not _is_free(item, upper):
            continue
        main = _main(segments, upper)
        ordered = _ordered(segments, upper)
        count = len(ordered)
        middle = ordered.index(main) if main else (count - 1) / 2
        step = item.across / 2 / (max(middle, count - 1 - middle) + 0.5)
        for number, segment in enumerate(ordered):
            _set(segment, upper, (number - middle) * step)


def _straighten(item: Item, centres: dict[int, float]) -> None:
    """Move the links of a box along its side to where they run straight, if they keep their distance."""
    for segments, upper in ((item.above, True), (item.below, False)):
        if not _is_free(item, upper) or len(segments) < 2:
            continue
        ordered = _ordered(segments, upper)
        offsets = [segment.arrives if upper else segment.leaves for segment in ordered]
        wanted = [_reached(segment, upper, centres) - centres[id(item)] for segment in ordered]
        for number in sorted(range(len(ordered)), key=lambda n: abs(wanted[n] - offsets[n])):
            left = offsets[number - 1] + _APART if number else -item.across / 2 + _INSET
            last = number + 1 == len(ordered)
            right = item.across / 2 - _INSET if last else offsets[number + 1] - _APART
            if left <= wanted[number] <= right:
                offsets[number] = wanted[number]
        for segment, offset in zip(ordered, offsets, strict=True):
            _set(segment, upper, offset)


def _reached(segment: Segment, upper: bool, centres: dict[int, float]) -> float:
    """Where the other end of a segment is."""
    if upper:
        return centres[id(segment.upper)] + segment.leaves
    return centres[id(segment.lower)] + segment.arrives


def _weight(segment: Segment) -> float:
    upper, lower = segment.upper, segment.lower
    if upper.is_box and lower.is_box and len(upper.below) == 1 and len(lower.above) == 1:
        return _CHAIN
    if segment in (_main(upper.below, False), _main(lower.above, True)):
        return _SPINE
    if not (upper.is_box and len(upper.below) > 1) and not (lower.is_box and len(lower.above) > 1):
        return _LONG
    return _SHORT if upper.is_box and lower.is_box else _MIXED


def _solved(layers: Sequence[Sequence[Item]], items: Sequence[Item]) -> list[float]:
    """Minimise the weighted lengths across the flow under the distances between neighbours."""
    from scipy.optimize import Bounds, LinearConstraint, milp
    from scipy.sparse import coo_array

    numbers = {id(item): number for number, item in enumerate(items)}
    terms = [_length(segment, numbers) for item in items for segment in item.below]
    terms += [term for item in items for term in _symmetries(item, numbers)]
    neighbours = [pair for layer in layers for pair in pairwise(layer)]
    rows: list[tuple[dict[int, float], float]] = [
        ({numbers[id(left)]: 1.0, numbers[id(right)]: -1.0}, -_distance(left, right))
        for left, right in neighbours
    ]
    for number, (coefficients, constant, _) in enumerate(terms, start=len(items)):
        for sign in (1.0, -1.0):
            row = {column: sign * value for column, value in coefficients.items()}
            rows.append((row | {number: -1.0}, -sign * constant))
    lowest = [item.across / 2 for item in items] + [0.0] * len(terms)
    if not rows:
        return lowest
    entries = [
        (number, column, value) for number, (row, _) in enumerate(rows) for column, value in row.items()
    ]
    row_numbers, columns, values = zip(*entries, strict=True)
    matrix = coo_array((values, (row_numbers, columns)), shape=(len(rows), len(lowest)))
    costs = [_NARROW] * len(items) + [weight for _, _, weight in terms]
    limits = LinearConstraint(matrix.tocsr(), ub=[bound for _, bound in rows])
    result = milp(costs, constraints=limits, bounds=Bounds(lowest))
    if result.status != 0:
        raise RuntimeError(f"layout: {result.message}")
    return [round(float(x), 3) for x in result.x[: len(items)]]


_Term = tuple[dict[int, float], float, float]
"""Coefficients of the places, a constant, and the weight of the absolute value of their sum."""


def _length(segment: Segment, numbers: dict[int, int]) -> _Term:
    ends = {numbers[id(segment.upper)]: 1.0, numbers[id(segment.lower)]: -1.0}
    return ends, segment.leaves - segment.arrives, _weight(segment)


def _symmetries(item: Item, numbers: dict[int, int]) -> list[_Term]:
    """A fork or merge without a main link stands in the middle of its outermost links."""
    terms: list[_Term] = []
    for segments, upper in ((item.above, True), (item.below, False)):
        if len(segments) < 2 or _main(segments, upper):
            continue
        ordered = _ordered(segments, upper)
        coefficients = {numbers[id(item)]: 1.0}
        constant = 0.0
        for segment in (ordered[0], ordered[-1]):
            other = numbers[id(segment.upper if upper else segment.lower)]
            coefficients[other] = coefficients.get(other, 0.0) - 0.5
            constant -= 0.5 * (segment.leaves if upper else segment.arrives)
        terms.append((coefficients, constant, _SYMMETRY))
    return terms


def _distance(left: Item, right: Item) -> float:
    gap = GAP if left.is_box and right.is_box else PASSING_GAP
    return (left.across + right.across) / 2 + gap
