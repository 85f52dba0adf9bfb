"""Labels beside points that touch neither points nor each other."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

Box = tuple[float, float, float, float]
"""Left, top, right, bottom; y grows downwards."""


@dataclass(frozen=True, slots=True)
class Label:
    """A text in a plot: its ``anchor`` (start, middle, end) stands at ``x``, its base line at ``y``."""

    x: float
    y: float
    text: str
    anchor: str


def labels(
    points: Sequence[tuple[float, float, str]],
    inside: Box,
    taken: Iterable[Box] = (),
    *,
    letter: float = 6.4,
    line: float = 12.0,
    reach: float = 8.0,
) -> list[Label | None]:
    """A label beside each point, or None where every place is taken.

    Points that come first choose first.

    Args:
        points: places and texts.
        inside: where labels may stand.
        taken: by lines and other texts.
        letter: width of a letter.
        line: height of a line.
        reach: from a point to its label.
    """
    half = reach / 2
    boxes: list[Box] = [*taken, *((x - half, y - half, x + half, y + half) for x, y, _ in points)]
    found: list[Label | None] = []
    for x, y, text in points:
        wide = len(text) * letter
        chosen = None
        for dx, dy, anchor in _around(reach, line):
            left = x + dx - {"start": 0.0, "end": wide, "middle": wide / 2}[anchor]
            box = (left, y + dy - line * 0.8, left + wide, y + dy + line * 0.25)
            fits = box[0] >= inside[0] and box[2] <= inside[2] and box[1] >= inside[1] and box[3] <= inside[3]
            if fits and not any(_touch(box, other) for other in boxes):
                chosen = Label(round(x + dx, 1), round(y + dy, 1), text, anchor)
                boxes.append(box)
                break
        found.append(chosen)
    return found


def _around(reach: float, line: float) -> list[tuple[float, float, str]]:
    """Offsets of a label's anchor from its point, the best first."""
    near = reach / math.sqrt(2)
    found = [
        (reach, line * 0.35, "start"), (-reach, line * 0.35, "end"), (0.0, -reach, "middle"),
        (0.0, reach + line * 0.75, "middle"), (near, -near, "start"), (near, near + line * 0.7, "start"),
        (-near, -near, "end"), (-near, near + line * 0.7, "end"),
    ]  # fmt: skip
    return found + [(dx * 2.2, dy * 2.2, anchor) for dx, dy, anchor in found[2:]]


def _touch(a: Box, b: Box) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]
