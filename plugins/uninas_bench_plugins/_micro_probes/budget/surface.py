"""The response surface: how good a ranking becomes with more data and more epochs, as a quadratic of both.

S(D, E) = b0 + b1 D + b2 E + b3 D^2 + b4 E^2 + b5 D E, fitted to anchors by least squares (TF-NAS, CVPR 2026).
Scaling before the fit, what is said of its quality, and when it is not believed are choices of ours.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from uninas_bench import UserError

Floats = npt.NDArray[np.float64]

TERMS = 6
LEAST_R2 = 0.5
"""Below it the quadratic is not what the anchors show, and the best of them is taken."""


@dataclass(frozen=True, slots=True)
class Surface:
    """A quadratic of data and epochs.

    Attributes:
        coefficients: b0 to b5, in units of the response per datum and per epoch.
        log: whether the quadratic is one of log2 D and log2 E.
    """

    coefficients: tuple[float, float, float, float, float, float]
    log: bool = False

    def __call__(self, data: npt.ArrayLike, epochs: npt.ArrayLike) -> Floats:
        """The response, of the shape that both broadcast to."""
        x, y = coordinates(data, self.log), coordinates(epochs, self.log)
        b0, b1, b2, b3, b4, b5 = self.coefficients
        found: Floats = b0 + b1 * x + b2 * y + b3 * x * x + b4 * y * y + b5 * x * y
        return found

    @property
    def determinant(self) -> float:
        """Of the matrix of second derivatives: below 0 the stationary point is a saddle."""
        _, _, _, b3, b4, b5 = self.coefficients
        return 4 * b3 * b4 - b5 * b5

    @property
    def concave(self) -> bool:
        """Whether it has a maximum: if not, the best point lies on the edge of what is allowed."""
        return self.coefficients[3] < 0 and self.determinant > 0

    @property
    def stationary(self) -> tuple[float, float] | None:
        """Data and epochs where both derivatives are 0; None for a surface without such a point."""
        _, b1, b2, b3, b4, b5 = self.coefficients
        if self.determinant == 0:
            return None
        x = (b2 * b5 - 2 * b1 * b4) / self.determinant
        y = (b1 * b5 - 2 * b2 * b3) / self.determinant
        return _from_coordinate(x, self.log), _from_coordinate(y, self.log)

    def best_epochs(self, data: float) -> float | None:
        """Where the response is stationary in the epochs at these data; None where it is linear in them."""
        _, _, b2, _, b4, b5 = self.coefficients
        x = float(coordinates(data, self.log))
        return None if b4 == 0 else _from_coordinate(-(b2 + b5 * x) / (2 * b4), self.log)

    def best_data(self, epochs: float) -> float | None:
        """Where the response is stationary in the data at these epochs; None where it is linear in them."""
        _, b1, _, b3, _, b5 = self.coefficients
        y = float(coordinates(epochs, self.log))
        return None if b3 == 0 else _from_coordinate(-(b1 + b5 * y) / (2 * b3), self.log)


@dataclass(frozen=True, slots=True)
class Fit:
    """A surface, and how well it tells what was measured.

    Attributes:
        surface: by least squares.
        residuals: measured minus fitted, in the order of the measurements.
        r2: share of the variance that is told; None where the response is constant.
        left_out_error: root mean square error at anchors that were left out of the fit, one at a time; None
            where the others do not determine a surface.
        left_out_r2: 1 minus the sum of those squared errors by that of the mean of the others.
        best_error: root mean square error at anchors that are taken to be as good as the best of the others.
        condition: number of the scaled least squares problem; ``raw_condition`` without scaling.
    """

    surface: Surface
    residuals: tuple[float, ...]
    r2: float | None
    left_out_error: float | None
    left_out_r2: float | None
    best_error: float
    condition: float
    raw_condition: float

    @property
    def distrust(self) -> str:
        """Why the surface should not be believed; empty where nothing speaks against it."""
        if self.r2 is None:
            return "the response is the same at all anchors"
        if self.r2 < LEAST_R2:
            return f"the surface explains {self.r2:.2f} of the variance, less than {LEAST_R2}"
        if self.left_out_error is not None and self.left_out_error > self.best_error:
            return "the surface foretells an anchor that is left out worse than the best of the others does"
        return ""


def fit_surface(
    data: Sequence[float], epochs: Sequence[float], response: Sequence[float], *, log: bool = False
) -> Fit:
    """Fit the surface to n measurements; an anchor may be measured several times.

    Data and epochs are moved and scaled to [-1, 1] for the solution, and the coefficients turned back, which
    is exact: the raw problem loses half of the digits.

    Args:
        data: D of each measurement.
        epochs: E of each.
        response: what was measured there, finite.
        log: fit in log2 D and log2 E, in which what saturates is closer to a quadratic.

    Raises:
        UserError: fewer than six anchors, or all on one conic: they do not determine six coefficients.
    """
    x, y = coordinates(data, log), coordinates(epochs, log)
    z = np.asarray(response, dtype=np.float64)
    anchors = np.stack([x, y], axis=1)
    distinct, place = np.unique(anchors, axis=0, return_inverse=True)
    (u, centre_x, half_x), (v, centre_y, half_y) = _scaled(x), _scaled(y)
    design = _design(u, v)
    if len(distinct) < TERMS or np.linalg.matrix_rank(design) < TERMS:
        raise UserError(
            f"{len(distinct)} anchors do not determine a quadratic surface: expected at least six that do "
            "not lie on one conic, such as three amounts of data by three numbers of epochs"
        )
    solution = _least_squares(design, z)
    residuals = z - design @ solution
    place = place.reshape(-1)
    error, left_out_r2 = _left_out(design, z, place)
    return Fit(
        Surface(_unscaled(solution, centre_x, half_x, centre_y, half_y), log),
        tuple(map(float, residuals)),
        _share(float(residuals @ residuals), float(((z - z.mean()) ** 2).sum())),
        error,
        left_out_r2,
        _best_error(z, place),
        float(np.linalg.cond(design)),
        float(np.linalg.cond(_design(x, y))),
    )


def coordinates(values: npt.ArrayLike, log: bool) -> Floats:
    """What the quadratic is one of: the values, or their binary logarithms."""
    found = np.asarray(values, dtype=np.float64)
    return np.log2(found) if log else found


def _from_coordinate(value: float, log: bool) -> float:
    # Far outside of every box an exponential only has to be large.
    return 2.0 ** min(value, 1000.0) if log else value


def _design(x: Floats, y: Floats) -> Floats:
    return np.stack([np.ones_like(x), x, y, x * x, y * y, x * y], axis=1)


def _least_squares(design: Floats, z: Floats) -> Floats:
    return np.linalg.lstsq(design, z, rcond=None)[0].astype(np.float64)


def _scaled(values: Floats) -> tuple[Floats, float, float]:
    low, high = float(values.min()), float(values.max())
    centre, half = (low + high) / 2, (high - low) / 2 or 1.0
    return (values - centre) / half, centre, half


def _unscaled(
    scaled: Floats, cx: float, hx: float, cy: float, hy: float
) -> tuple[float, float, float, float, float, float]:
    """The coefficients in x = cx + hx u and y = cy + hy v of a quadratic in u and v."""
    a0, a1, a2, a3, a4, a5 = map(float, scaled)
    b1, b2, b3, b4, b5 = a1 / hx, a2 / hy, a3 / hx**2, a4 / hy**2, a5 / (hx * hy)
    return (
        a0 - b1 * cx - b2 * cy + b3 * cx**2 + b4 * cy**2 + b5 * cx * cy,
        b1 - 2 * b3 * cx - b5 * cy,
        b2 - 2 * b4 * cy - b5 * cx,
        b3,
        b4,
        b5,
    )


def _left_out(design: Floats, z: Floats, anchor: npt.NDArray[np.intp]) -> tuple[float | None, float | None]:
    """Error and R2 at anchors that are left out with all of their measurements; None where that cannot be."""
    errors, by_mean = [], []
    for number in np.unique(anchor):
        kept = anchor != number
        if np.linalg.matrix_rank(design[kept]) < TERMS:
            return None, None
        solution = _least_squares(design[kept], z[kept])
        errors.append(z[~kept] - design[~kept] @ solution)
        by_mean.append(z[~kept] - z[kept].mean())
    squares, others = (float((np.concatenate(found) ** 2).sum()) for found in (errors, by_mean))
    return math.sqrt(squares / len(z)), _share(squares, others)


def _best_error(z: Floats, anchor: npt.NDArray[np.intp]) -> float:
    """What `Fit.best_error` says; which anchor is the best is told by the mean of its measurements."""
    means = np.bincount(anchor, z) / np.bincount(anchor)
    best, second = np.sort(means)[[-1, -2]]
    foretold = np.where(means[anchor] == best, second, best)
    return float(np.sqrt(((z - foretold) ** 2).mean()))


def _share(unexplained: float, total: float) -> float | None:
    return 1 - unexplained / total if total > 0 else None
