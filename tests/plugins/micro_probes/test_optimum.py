from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from scipy.optimize import minimize

from uninas_bench import UserError
from uninas_bench_plugins._micro_probes.budget.optimum import (
    Box,
    check_budget,
    lagrange_point,
    maximise,
    maximise_whole,
)
from uninas_bench_plugins._micro_probes.budget.spending import AdditiveCost, ProductCost
from uninas_bench_plugins._micro_probes.budget.surface import Surface, fit_surface

BOX = Box(64, 1024, 1, 16)
CENTRE, HALF = np.array([544.0, 8.5]), np.array([480.0, 7.5])


class Problem:
    """A quadratic in coordinates scaled to [-1, 1], and an additive cost and budget in the real ones.

    Every other one is concave. The budget lies between that of the least and 1.2 times that of the most.
    """

    def __init__(self, rng: np.random.Generator, concave: bool) -> None:
        self.linear = rng.normal(size=2)
        factor = rng.normal(size=(2, 2))
        self.half_hessian = -factor @ factor.T / 2 if concave else (factor + factor.T) / 2
        self.per_datum, self.per_epoch = rng.uniform(0.001, 0.05), rng.uniform(0.05, 3.0)
        least, most = self.seconds(BOX.data_min, BOX.epochs_min), self.seconds(BOX.data_max, BOX.epochs_max)
        self.budget = rng.uniform(least, 1.2 * most)

    def seconds(self, data: float, epochs: float) -> float:
        return self.per_datum * data + self.per_epoch * epochs

    def value(self, w: np.ndarray) -> float:
        return float(self.linear @ w + w @ self.half_hessian @ w)

    def slope(self, w: np.ndarray) -> np.ndarray:
        return self.linear + 2 * self.half_hessian @ w

    def surface(self) -> Surface:
        anchors = [(d, e) for d in (64.0, 256.0, 1024.0) for e in (1.0, 4.0, 16.0)]
        values = [self.value((np.array(anchor) - CENTRE) / HALF) for anchor in anchors]
        fit = fit_surface(*zip(*anchors, strict=True), values)
        assert fit.r2 > 1 - 1e-9
        return fit.surface

    def slsqp(self, rng: np.random.Generator, starts: int = 12) -> float:
        """The best value of a general solver from several starts, at points that it says are feasible."""
        prices = np.array([self.per_datum, self.per_epoch]) * HALF
        slack = self.budget - self.seconds(*CENTRE)
        budget = {"type": "ineq", "fun": lambda w: slack - prices @ w, "jac": lambda w: -prices}
        found = -np.inf
        for start in rng.uniform(-1, 1, size=(starts, 2)):
            result = minimize(
                lambda w: -self.value(w), start, jac=lambda w: -self.slope(w), method="SLSQP",
                bounds=[(-1, 1), (-1, 1)], constraints=[budget], options={"ftol": 1e-12, "maxiter": 200},
            )  # fmt: skip
            if result.success and slack - prices @ result.x >= -1e-7:
                found = max(found, -float(result.fun))
        return found


def compare(count: int, seed: int) -> tuple[Counter[str], float, int]:
    """Winners by kind, how far SLSQP was above, and how often it was stuck more than 1e-6 below."""
    rng = np.random.default_rng(seed)
    kinds: Counter[str] = Counter()
    worst, stuck = -np.inf, 0
    for number in range(count):
        problem = Problem(rng, concave=number % 2 == 0)
        cost = AdditiveCost(problem.per_datum, problem.per_epoch)
        optimum = maximise(problem.surface(), cost, problem.budget, BOX)
        assert cost.seconds(optimum.data, optimum.epochs) <= problem.budget * (1 + 1e-8)
        at = (np.array([optimum.data, optimum.epochs]) - CENTRE) / HALF
        assert problem.value(at) == pytest.approx(optimum.value, abs=1e-8)
        kinds[optimum.kind] += 1
        other = problem.slsqp(rng)
        worst = max(worst, other - optimum.value)
        stuck += other < optimum.value - 1e-6
    return kinds, worst, stuck


def test_no_worse_than_a_general_solver_from_twelve_starts() -> None:
    kinds, worst, stuck = compare(150, seed=0)
    assert worst < 1e-6
    assert stuck <= 5
    assert set(kinds) == {"interior", "budget", "data edge", "epochs edge", "corner", "budget and edge"}


@pytest.mark.slow
def test_no_worse_than_a_general_solver_on_many_problems() -> None:
    _, worst, stuck = compare(4000, seed=1)
    assert worst < 1e-6
    assert stuck <= 40


def random_surface(rng: np.random.Generator, log: bool = False) -> Surface:
    scale = [1, 1, 1, 0.5, 0.5, 0.5] if log else [1, 1e-3, 0.1, 1e-6, 1e-2, 1e-4]
    return Surface(tuple(map(float, rng.normal(size=6) * scale)), log)


def test_the_closed_form_solves_the_conditions_of_lagrange() -> None:
    """The gradient is a multiple of the prices, and the budget is spent: three linear equations."""
    rng = np.random.default_rng(2)
    solved = 0
    for _ in range(200):
        surface, cost, budget = (
            random_surface(rng),
            AdditiveCost(*rng.uniform(0.01, 1, 3)),
            rng.uniform(5, 60),
        )
        _, b1, b2, b3, b4, b5 = surface.coefficients
        d, e = cost.per_datum, cost.per_epoch
        matrix = np.array([[2 * b3, b5, -d], [b5, 2 * b4, -e], [d, e, 0]])
        data, epochs, _ = np.linalg.solve(matrix, [-b1, -b2, budget - cost.fixed])
        point = lagrange_point(surface, cost, budget)
        # Along the line (e, -d) the surface bends by this: a maximum iff it is negative.
        if 2 * b3 * e * e - 2 * b5 * d * e + 2 * b4 * d * d < 0:
            solved += 1
            assert point is not None
            assert np.allclose(point, (data, epochs), rtol=1e-6)
            assert cost.seconds(*point) == pytest.approx(budget)
        else:
            assert point is None
    assert 40 < solved < 160


def test_the_closed_form_does_not_depend_on_the_unit_of_data() -> None:
    """Counted in tens, D* is a tenth, and E* as it was."""
    surface = Surface((0.2, 3e-3, 0.2, -2e-6, -1e-2, 1e-5))
    b0, b1, b2, b3, b4, b5 = surface.coefficients
    tens = Surface((b0, 10 * b1, b2, 100 * b3, b4, 10 * b5))
    data, epochs = lagrange_point(surface, AdditiveCost(0.02, 1.5), 20) or (0, 0)
    fewer, same = lagrange_point(tens, AdditiveCost(0.2, 1.5), 20) or (0, 0)
    assert (fewer, same) == (pytest.approx(data / 10), pytest.approx(epochs))


def test_a_budget_beyond_the_maximum_is_not_spent() -> None:
    """-(D - 300)^2 - (E - 5)^2, scaled: the best is there, whatever more could be paid for."""
    surface = Surface((-(300**2) / 1e4 - 25, 600 / 1e4, 10, -1 / 1e4, -1, 0))
    found = maximise(surface, AdditiveCost(0.01, 0.1), 1000, BOX)
    assert (found.data, found.epochs) == (pytest.approx(300), pytest.approx(5))
    assert (found.value, found.kind) == (pytest.approx(0, abs=1e-9), "interior")


@pytest.mark.parametrize("log", [False, True])
def test_a_curved_budget_line_is_as_good_as_a_dense_grid(log: bool) -> None:
    rng = np.random.default_rng(3)
    data, epochs = np.meshgrid(np.geomspace(64, 1024, 700), np.geomspace(1, 16, 700))
    for _ in range(40):
        surface = random_surface(rng, log)
        cost = ProductCost(rng.uniform(0.001, 0.01), rng.uniform(0, 0.01), rng.uniform(0, 1))
        budget = rng.uniform(float(cost.seconds(64, 1)), 1.2 * float(cost.seconds(1024, 16)))
        found = maximise(surface, cost, budget, BOX)
        assert float(cost.seconds(found.data, found.epochs)) <= budget * (1 + 1e-8)
        allowed = surface(data, epochs)[cost.seconds(data, epochs) <= budget]
        spread = np.ptp(surface(data, epochs))
        assert found.value >= allowed.max() - 1e-9 * spread
        assert found.value <= allowed.max() + 0.02 * spread


def test_logarithms_bend_the_budget_line_of_additive_costs_too() -> None:
    """log2 D + log2 E under 0.01 D + 0.5 E = 10 is largest where both parts take half."""
    found = maximise(Surface((0, 1, 1, 0, 0, 0), log=True), AdditiveCost(0.01, 0.5), 10, BOX)
    assert (found.data, found.epochs) == (pytest.approx(500, rel=1e-4), pytest.approx(10, rel=1e-4))
    assert found.kind == "budget"


def test_whole_numbers_are_the_best_of_all() -> None:
    rng = np.random.default_rng(4)
    for _ in range(20):
        surface, cost = random_surface(rng), ProductCost(*rng.uniform(0.001, 0.01, 2))
        budget = rng.uniform(float(cost.seconds(64, 1)), float(cost.seconds(1024, 16)))
        found = maximise_whole(surface, cost, budget, BOX, 32)
        best = max(
            float(surface(data, epochs))
            for data in range(64, 1025)
            for epochs in range(1, 17)
            if data % 32 == 0 and cost.seconds(data, epochs) <= budget
        )
        assert found.value == best == float(surface(found.data, found.epochs))
        assert found.data % 32 == 0
        assert found.value <= maximise(surface, cost, budget, BOX).value + 1e-9


def test_a_budget_that_pays_for_nothing_is_told_the_least() -> None:
    cost = AdditiveCost(0.02, 1.5, 0.5)
    with pytest.raises(UserError, match=r"^budget 3 s: .* data 64 and epochs 1.*at least 3\.28 s") as refused:
        maximise(Surface((0, 1, 1, 0, 0, 0)), cost, 3, BOX)
    assert "\n" not in str(refused.value)
    check_budget(cost, 3.28, BOX)
    assert maximise(Surface((0, 1, 1, 0, 0, 0)), cost, 3.28, BOX).data == pytest.approx(64)


def test_a_box_that_holds_nothing_is_refused() -> None:
    with pytest.raises(UserError, match=r"^data 64\.\.32: expected a range"):
        Box(64, 32, 1, 16)
    with pytest.raises(UserError, match="narrow the box"):
        maximise_whole(Surface((0,) * 6), AdditiveCost(0, 0), 1, Box(1, 1e7, 1, 1000), 32)
