"""From axes to places in a picture: frames, dots, lines."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from uninas_bench.report.page.model import Frame, Tick
from uninas_bench.report.plots.scatter import Axis
from uninas_bench.report.plots.ticks import ticks


def frame(
    x: Axis,
    y: Axis,
    x_label: str,
    y_label: str,
    *,
    width: int,
    height: int,
    left: int = 46,
    about: tuple[int, int] = (4, 4),
) -> Frame:
    """The frame of a plot of that size."""
    right, top, bottom = width - 10, 10, height - 38
    across, up = right - left, bottom - top
    return Frame(
        width, height, left, right, top, bottom, x_label, y_label,
        tuple(Tick(round(left + x.place(value) * across, 1), text) for value, text in ticks(x, about[0])),
        tuple(Tick(round(bottom - y.place(value) * up, 1), text) for value, text in ticks(y, about[1])),
    )  # fmt: skip


class Places:
    """Places of values in a frame."""

    def __init__(self, frame: Frame, x: Axis, y: Axis) -> None:
        self.frame, self._x, self._y = frame, x, y

    def x(self, value: float) -> float:
        """From the left."""
        return self.frame.left + self._x.place(value) * (self.frame.right - self.frame.left)

    def y(self, value: float) -> float:
        """From the top."""
        return self.frame.bottom - self._y.place(value) * (self.frame.bottom - self.frame.top)


def dots(points: Iterable[tuple[float, float]]) -> str:
    """A path of lines without length: with round caps each is a dot, in nine bytes."""
    return "".join(f"M{round(x)} {round(y)}h0" for x, y in points)


def steps(points: Sequence[tuple[float, float]]) -> str:
    """A line that goes right, then up or down."""
    if not points:
        return ""
    first, *rest = points
    return f"M{first[0]:.1f} {first[1]:.1f}" + "".join(f"H{x:.1f}V{y:.1f}" for x, y in rest)
