from __future__ import annotations

import math

import numpy as np
import pytest

from uninas_bench import UserError
from uninas_bench_plugins._micro_probes.budget.surface import Surface, fit_surface

GRID = [(d, e) for d in (64.0, 256.0, 1024.0) for e in (1.0, 4.0, 16.0)]
DATA, EPOCHS = map(list, zip(*GRID, strict=True))


@pytest.mark.parametrize("log", [False, True])
def test_a_quadratic_is_found_again(log: bool) -> None:
    known = (0.3, 2e-4, 0.01, -1e-7, -4e-4, 3e-6)
    x, y = (np.log2(DATA), np.log2(EPOCHS)) if log else (np.array(DATA), np.array(EPOCHS))
    values = known[0] + known[1] * x + known[2] * y + known[3] * x**2 + known[4] * y**2 + known[5] * x * y
    fit = fit_surface(DATA, EPOCHS, values, log=log)
    assert np.allclose(fit.surface.coefficients, known, rtol=1e-6, atol=1e-12)
    assert np.allclose(fit.surface(DATA, EPOCHS), values, atol=1e-12)
    assert fit.r2 == pytest.approx(1)
    assert fit.left_out_r2 == pytest.approx(1)
    assert not fit.distrust
    assert fit.surface.concave == (not log or known[3] * known[4] * 4 > known[5] ** 2)


def test_scaling_makes_the_problem_a_million_times_better() -> None:
    fit = fit_surface(DATA, EPOCHS, np.arange(9.0))
    assert fit.condition < 10
    assert fit.raw_condition > 1e5


def test_noise_is_left_over_as_least_squares_leaves_it() -> None:
    """Residuals are orthogonal to all six terms, and their squares are those of numpy's own solution."""
    values = np.random.default_rng(0).normal(size=9)
    fit = fit_surface(DATA, EPOCHS, values)
    d, e = np.array(DATA), np.array(EPOCHS)
    terms = np.stack([np.ones(9), d, e, d * d, e * e, d * e])
    terms /= np.linalg.norm(terms, axis=1, keepdims=True)
    assert np.allclose(terms @ fit.residuals, 0, atol=1e-9)
    _, squares, *_ = np.linalg.lstsq(terms.T, values, rcond=None)
    assert fit.r2 == pytest.approx(1 - squares[0] / ((values - values.mean()) ** 2).sum())


def test_an_anchor_is_left_out_with_all_of_its_measurements() -> None:
    """By the hat matrix, which knows nothing of refitting: e_i / (1 - h_ii) for blocks of two."""
    rng = np.random.default_rng(1)
    data, epochs, values = DATA * 2, EPOCHS * 2, rng.normal(size=18)
    d, e = np.log2(data), np.log2(epochs)
    design = np.stack([np.ones(18), d, e, d * d, e * e, d * e], axis=1)
    hat = design @ np.linalg.solve(design.T @ design, design.T)
    left = values - hat @ values
    errors = []
    for anchor in range(9):
        rows = [anchor, anchor + 9]
        errors += list(np.linalg.solve(np.eye(2) - hat[np.ix_(rows, rows)], left[rows]))
    fit = fit_surface(data, epochs, values, log=True)
    assert fit.left_out_error == pytest.approx(math.sqrt(np.mean(np.square(errors))))


def test_six_anchors_leave_nothing_to_foretell() -> None:
    six = [GRID[place] for place in (0, 1, 2, 3, 4, 6)]
    fit = fit_surface(*zip(*six, strict=True), np.arange(6.0))
    assert fit.left_out_error is None
    assert not fit.distrust


@pytest.mark.parametrize(
    ("anchors", "count"),
    [
        (GRID[:5], 5),
        ([(64 * 2**k, 16 / 2**k) for k in range(5)] * 2, 5),
        # Seven on the hyperbola D E = 1024: a conic.
        ([(64.0 * 2 ** (k / 2), 16 / 2 ** (k / 2)) for k in range(7)], 7),
        # Six on two lines: a conic, too.
        ([(d, e) for d in (64.0, 256.0, 1024.0) for e in (1.0, 16.0)], 6),
    ],
)
def test_anchors_that_determine_no_surface_are_refused(
    anchors: list[tuple[float, float]], count: int
) -> None:
    with pytest.raises(UserError, match=rf"^{count} anchors do not determine"):
        fit_surface(*zip(*anchors, strict=True), np.arange(len(anchors), dtype=float))


def test_what_is_no_quadratic_is_not_believed() -> None:
    noise = np.random.default_rng(2).normal(size=9)
    rest = fit_surface(DATA, EPOCHS, fit_surface(DATA, EPOCHS, noise).residuals)
    assert rest.r2 == pytest.approx(0)
    assert "less than 0.5" in rest.distrust
    assert "the same at all anchors" in fit_surface(DATA, EPOCHS, [0.5] * 9).distrust


def test_a_surface_that_loses_to_the_best_anchor_is_not_believed() -> None:
    """All anchors are equally good, but for a hole in the middle, which no quadratic has."""
    hole = fit_surface(DATA, EPOCHS, [1.0] * 4 + [0.0] + [1.0] * 4)
    assert hole.r2 is not None
    assert hole.r2 > 0.5
    # Each anchor is foretold to be 1, as the best of the others: off by 1 in one of nine.
    assert hole.best_error == pytest.approx(1 / 3)
    assert "left out worse than the best of the others" in hole.distrust
    slope = fit_surface(DATA, EPOCHS, list(np.log2(DATA) + 0.1 * np.log2(EPOCHS)))
    # The best is foretold to be the second best: the gap of 0.2 between the two at the most data.
    off = list(10.4 - np.log2(DATA) - 0.1 * np.log2(EPOCHS))
    off[-1] = 0.2
    assert slope.best_error == pytest.approx(math.sqrt(np.mean(np.square(off))))
    assert not slope.distrust


def test_stationary_points_are_where_the_slopes_are_zero() -> None:
    surface = Surface((1, 0.02, 0.3, -1e-5, -0.02, 2e-4))
    data, epochs = surface.stationary or (0, 0)
    step = 1e-3
    for dx, dy in ((step, 0), (0, step)):
        slope = surface(data + dx, epochs + dy) - surface(data - dx, epochs - dy)
        assert slope / (2 * step) == pytest.approx(0, abs=1e-9)
    assert surface.concave
    assert surface.best_epochs(data) == pytest.approx(epochs)
    assert surface.best_data(epochs) == pytest.approx(data)
    assert Surface((0, 1, 1, 0, 0, 0)).stationary is None
    assert Surface((0, 1, 1, 0, 0, 0)).best_epochs(64) is None
    assert not Surface((0, 0, 0, -1, -1, 3)).concave
