"""What a short training costs in seconds, by data and epochs: two models, calibrated by timing."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from uninas_bench import UserError

Floats = npt.NDArray[np.float64]
Kind = Literal["product", "additive"]
LEAST_RUNS = 3


@runtime_checkable
class Cost(Protocol):
    """Seconds of one architecture on all probes; never less with more data or more epochs."""

    def seconds(self, data: npt.ArrayLike, epochs: npt.ArrayLike) -> Floats:
        """Of that much data and so many epochs, of the shape that both broadcast to."""
        ...

    def epochs_within(self, budget: float, data: float) -> float:
        """The most epochs that so many seconds pay for; below 0 where even none are."""
        ...

    def data_within(self, budget: float, epochs: float) -> float:
        """The most data, as `epochs_within`."""
        ...


@dataclass(frozen=True, slots=True)
class AdditiveCost:
    """D t_d + E t_e, the model in the note on TF-NAS (CVPR 2026), and a constant.

    It holds where an epoch has a fixed number of steps: then data only have to be made.

    Attributes:
        per_datum: t_d, seconds.
        per_epoch: t_e, seconds.
        fixed: seconds of what depends on neither: building, evaluation.
    """

    per_datum: float
    per_epoch: float
    fixed: float = 0.0

    def seconds(self, data: npt.ArrayLike, epochs: npt.ArrayLike) -> Floats:
        """See `Cost`."""
        return self.fixed + self.per_datum * _array(data) + self.per_epoch * _array(epochs)

    def __str__(self) -> str:
        return f"{self.fixed:.3g} s + data x {self.per_datum:.3g} s + epochs x {self.per_epoch:.3g} s"

    def epochs_within(self, budget: float, data: float) -> float:
        """See `Cost`."""
        return _ratio(budget - self.fixed - self.per_datum * data, self.per_epoch)

    def data_within(self, budget: float, epochs: float) -> float:
        """See `Cost`."""
        return _ratio(budget - self.fixed - self.per_epoch * epochs, self.per_datum)


@dataclass(frozen=True, slots=True)
class ProductCost:
    """c0 + D g + D E tau: what a training costs whose every epoch sees all data once.

    Attributes:
        per_example: tau, seconds of training on one example.
        per_datum: g, seconds of making a datum.
        fixed: c0, seconds of what depends on neither.
    """

    per_example: float
    per_datum: float = 0.0
    fixed: float = 0.0

    def seconds(self, data: npt.ArrayLike, epochs: npt.ArrayLike) -> Floats:
        """See `Cost`."""
        amount = _array(data)
        return self.fixed + amount * (self.per_datum + self.per_example * _array(epochs))

    def __str__(self) -> str:
        return (
            f"{self.fixed:.3g} s + data x {self.per_datum:.3g} s + data x epochs x {self.per_example:.3g} s"
        )

    def epochs_within(self, budget: float, data: float) -> float:
        """See `Cost`."""
        return _ratio(budget - self.fixed - self.per_datum * data, self.per_example * data)

    def data_within(self, budget: float, epochs: float) -> float:
        """See `Cost`."""
        return _ratio(budget - self.fixed, self.per_datum + self.per_example * epochs)


@dataclass(frozen=True, slots=True)
class Calibration:
    """A cost model that was fitted to timed runs.

    Attributes:
        cost: the model.
        error: mean absolute error relative to what was measured.
        runs: how many were timed.
    """

    cost: AdditiveCost | ProductCost
    error: float
    runs: int


def calibrate(
    kind: Kind, data: Sequence[float], epochs: Sequence[float], seconds: Sequence[float]
) -> Calibration:
    """Fit a cost model to timed runs, by least squares of the relative errors without negative costs.

    Relative, because runs of seconds and of minutes should count alike.

    Args:
        kind: ``product`` or ``additive``.
        data: D of each run.
        epochs: E of each.
        seconds: that it took, above 0.

    Raises:
        UserError: fewer than three runs, runs that do not tell the parts of the cost apart, or a run
            that took no time.
    """
    from scipy.optimize import nnls

    amount, count, measured = _array(data), _array(epochs), _array(seconds)
    if not (measured > 0).all():
        raise UserError("a timed run took no time: nothing can be said of what it costs")
    last = count if kind == "additive" else amount * count
    design = np.stack([np.ones_like(amount), amount, last], axis=1) / measured[:, None]
    if len(measured) < LEAST_RUNS or np.linalg.matrix_rank(design / design.max(axis=0)) < LEAST_RUNS:
        raise UserError(
            f"{len(measured)} timed runs do not tell what data and epochs cost: expected at least three, "
            "with different amounts of data and different numbers of epochs"
        )
    scale = np.linalg.norm(design, axis=0)
    solution, _ = nnls(design / scale, np.ones_like(measured))
    fixed, per_datum, rest = map(float, solution / scale)
    cost = AdditiveCost(per_datum, rest, fixed) if kind == "additive" else ProductCost(rest, per_datum, fixed)
    error = float(np.mean(np.abs(cost.seconds(amount, count) - measured) / measured))
    return Calibration(cost, error, len(measured))


def _array(values: npt.ArrayLike) -> Floats:
    return np.asarray(values, dtype=np.float64)


def _ratio(left: float, price: float) -> float:
    if left < 0:
        return -1.0
    return left / price if price > 0 else math.inf
