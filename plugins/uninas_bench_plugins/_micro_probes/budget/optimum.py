"""The best data and epochs within a budget: the maximum of a quadratic surface under a cost and within a box.

The note on TF-NAS (CVPR 2026) has a closed form for the point on the budget line where the Lagrangian is
stationary. As printed its terms have different units; the one here is derived from the same problem. It is
one candidate of several: the maximum may lie below the budget, or on an edge of the box. All of them are
enumerated, so the answer is exact whatever the signs of the coefficients. Where the budget is no line in the
surface's coordinates, the way along it is searched numerically.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

from uninas_bench import UserError
from uninas_bench_plugins._micro_probes.budget.spending import AdditiveCost, Cost
from uninas_bench_plugins._micro_probes.budget.surface import Surface

Kind = Literal["interior", "budget", "data edge", "epochs edge", "corner", "budget and edge"]

SLACK = 1e-9
"""Relative: a point on the budget line may exceed the budget by rounding."""
SCAN = 2001
"""Points along a curved budget line, between which a golden section goes on."""
MOST_POINTS = 20_000_000
"""Of a grid of whole numbers that is searched at once."""


@dataclass(frozen=True, slots=True)
class Box:
    """What data and epochs may be: the extent of the anchors, beyond which the surface says nothing."""

    data_min: float
    data_max: float
    epochs_min: float
    epochs_max: float

    def __post_init__(self) -> None:
        for name, low, high in (
            ("data", self.data_min, self.data_max),
            ("epochs", self.epochs_min, self.epochs_max),
        ):
            if not 1 <= low <= high < math.inf:
                raise UserError(f"{name} {low:g}..{high:g}: expected a range from at least 1 upwards")


@dataclass(frozen=True, slots=True)
class Optimum:
    """Where the surface is largest.

    Attributes:
        data: D*.
        epochs: E*.
        value: of the surface there.
        kind: what makes it the largest: an ``interior`` optimum leaves a part of the budget unspent.
    """

    data: float
    epochs: float
    value: float
    kind: Kind


@dataclass(frozen=True, slots=True)
class Choice:
    """The best that can be run: data in whole batches, whole epochs, and the surface's value there."""

    data: int
    epochs: int
    value: float


def lagrange_point(surface: Surface, cost: AdditiveCost, budget: float) -> tuple[float, float] | None:
    """The stationary point of the surface on the budget line, if it is a maximum there.

    With T the budget less what is fixed, d = per_datum and e = per_epoch:

        Delta = 2 (b3 e^2 - b5 d e + b4 d^2)
        D* = [(2 b4 d - b5 e) T + b2 d e - b1 e^2] / Delta
        E* = [(2 b3 e - b5 d) T + b1 d e - b2 d^2] / Delta

    Along the line the second derivative by D is Delta / e^2, so that it is a maximum iff Delta < 0.
    """
    _, b1, b2, b3, b4, b5 = surface.coefficients
    d, e, left = cost.per_datum, cost.per_epoch, budget - cost.fixed
    delta = 2 * (b3 * e * e - b5 * d * e + b4 * d * d)
    if not delta < 0:
        return None
    data = ((2 * b4 * d - b5 * e) * left + b2 * d * e - b1 * e * e) / delta
    epochs = ((2 * b3 * e - b5 * d) * left + b1 * d * e - b2 * d * d) / delta
    return data, epochs


def maximise(surface: Surface, cost: Cost, budget: float, box: Box) -> Optimum:
    """The largest value of the surface in the box among what the budget pays for.

    Args:
        surface: of any signs.
        cost: in seconds.
        budget: seconds.
        box: bounds of data and epochs.

    Raises:
        UserError: the budget does not pay for the least of the box; the message has the smallest that does.
    """
    check_budget(cost, budget, box)
    found = [
        Optimum(data, epochs, float(surface(data, epochs)), kind)
        for kind, data, epochs in _candidates(surface, cost, budget, box)
        if _inside(data, epochs, box) and float(cost.seconds(data, epochs)) <= budget * (1 + SLACK)
    ]
    return max(found, key=lambda optimum: optimum.value)


def maximise_whole(surface: Surface, cost: Cost, budget: float, box: Box, batch: int) -> Choice:
    """The best with whole epochs and data in whole batches, by looking at all of them.

    Args:
        surface: of any signs.
        cost: in seconds.
        budget: seconds.
        box: bounds; where no multiple of the batch is within, the least data are taken.
        batch: examples per batch.

    Raises:
        UserError: as `maximise`, or for a box that holds too many points.
    """
    first = math.ceil(box.data_min / batch) * batch
    data = np.arange(first, box.data_max + 1, batch) if first <= box.data_max else np.array([box.data_min])
    epochs = np.arange(math.ceil(box.epochs_min), math.floor(box.epochs_max) + 1)
    if len(data) * len(epochs) > MOST_POINTS:
        raise UserError(f"{len(data):,} amounts of data by {len(epochs):,} numbers of epochs: narrow the box")
    if not len(epochs):
        raise UserError(f"epochs {box.epochs_min:g}..{box.epochs_max:g}: expected a whole number between")
    check_budget(cost, budget, Box(float(data[0]), float(data[-1]), float(epochs[0]), float(epochs[-1])))
    grid, counts = np.meshgrid(data, epochs, indexing="ij")
    values = np.where(cost.seconds(grid, counts) <= budget * (1 + SLACK), surface(grid, counts), -np.inf)
    row, column = np.unravel_index(int(values.argmax()), values.shape)
    return Choice(int(data[row]), int(epochs[column]), float(values[row, column]))


def check_budget(cost: Cost, budget: float, box: Box) -> None:
    """Refuse a budget that pays for nothing.

    Raises:
        UserError: so it is, with the smallest that pays for something.
    """
    least = float(cost.seconds(box.data_min, box.epochs_min))
    if budget * (1 + SLACK) < least:
        raise UserError(
            f"budget {budget:.4g} s: the least, data {box.data_min:g} and epochs {box.epochs_min:g}, takes "
            f"{least:.4g} s; expected at least {least:.4g} s, or a smaller lower bound of either"
        )


def _candidates(surface: Surface, cost: Cost, budget: float, box: Box) -> Iterator[tuple[Kind, float, float]]:
    """All points one of which is the maximum; some are outside of the box or the budget."""
    if surface.stationary is not None:
        yield "interior", *surface.stationary
    for data in (box.data_min, box.data_max):
        epochs = surface.best_epochs(data)
        if epochs is not None:
            yield "data edge", data, epochs
        yield "budget and edge", data, cost.epochs_within(budget, data)
        for epochs in (box.epochs_min, box.epochs_max):
            yield "corner", data, epochs
    for epochs in (box.epochs_min, box.epochs_max):
        best = surface.best_data(epochs)
        if best is not None:
            yield "epochs edge", best, epochs
        yield "budget and edge", cost.data_within(budget, epochs), epochs
    if isinstance(cost, AdditiveCost) and not surface.log:
        point = lagrange_point(surface, cost, budget)
        if point is not None:
            yield "budget", *point
    else:
        for data in _along_budget(surface, cost, budget, box):
            yield "budget", data, cost.epochs_within(budget, data)


def _along_budget(surface: Surface, cost: Cost, budget: float, box: Box) -> Iterator[float]:
    """The data of the local maxima along the part of the budget line that is within the box."""
    from scipy.optimize import minimize_scalar

    low = max(box.data_min, cost.data_within(budget, box.epochs_max))
    high = min(box.data_max, cost.data_within(budget, box.epochs_min))
    if not low < high:
        return

    def value(data: float) -> float:
        return float(surface(data, cost.epochs_within(budget, data)))

    grid = np.geomspace(low, high, SCAN)
    values = np.array([value(float(data)) for data in grid])
    peaks = np.flatnonzero((values[1:-1] >= values[:-2]) & (values[1:-1] >= values[2:])) + 1
    for peak in peaks:
        found = minimize_scalar(
            lambda data: -value(data), bounds=(grid[peak - 1], grid[peak + 1]), method="bounded",
            options={"xatol": 1e-9 * high},
        )  # fmt: skip
        yield float(found.x)


def _inside(data: float, epochs: float, box: Box) -> bool:
    loose = 1 + SLACK
    return (
        box.data_min <= data * loose
        and data <= box.data_max * loose
        and box.epochs_min <= epochs * loose
        and epochs <= box.epochs_max * loose
    )
