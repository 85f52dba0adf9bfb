from __future__ import annotations

import math

import numpy as np
import pytest

from uninas_bench import UserError
from uninas_bench_plugins._micro_probes.budget.spending import AdditiveCost, Cost, ProductCost, calibrate

D = np.array([64.0, 64, 256, 256, 1024, 1024])
E = np.array([1.0, 16, 1, 4, 4, 16])


@pytest.mark.parametrize(
    ("kind", "cost", "seconds"),
    [
        ("product", ProductCost(0.002, 0.004, 0.7), 0.7 + 0.004 * D + 0.002 * D * E),
        ("additive", AdditiveCost(0.004, 0.9, 0.2), 0.2 + 0.004 * D + 0.9 * E),
    ],
)
def test_timed_runs_give_their_model_back(kind: str, cost: Cost, seconds: np.ndarray) -> None:
    assert np.allclose(cost.seconds(D, E), seconds)
    for runs in (slice(None), [0, 1, 4]):
        found = calibrate(kind, D[runs], E[runs], seconds[runs])
        assert np.allclose(found.cost.seconds(D, E), seconds)
        assert found.error == pytest.approx(0, abs=1e-9)
    assert isinstance(found.cost, type(cost))


@pytest.mark.parametrize("cost", [ProductCost(0.002, 0.004, 0.7), AdditiveCost(0.004, 0.9, 0.2)])
def test_what_a_budget_pays_for_costs_the_budget(cost: Cost) -> None:
    assert float(cost.seconds(300, cost.epochs_within(10, 300))) == pytest.approx(10)
    assert float(cost.seconds(cost.data_within(10, 3), 3)) == pytest.approx(10)
    assert cost.epochs_within(0.1, 300) < 0
    assert cost.data_within(0.1, 3) < 0


def test_what_costs_nothing_has_no_end() -> None:
    assert AdditiveCost(0, 1).data_within(5, 2) == math.inf
    assert AdditiveCost(0, 1).data_within(1, 2) < 0
    assert AdditiveCost(1, 0).epochs_within(5, 2) == math.inf


def test_noise_does_not_make_costs_negative() -> None:
    noisy = calibrate("product", D, E, (0.002 * D * E) * np.array([1.0, 0.9, 1.2, 0.8, 1.1, 1]))
    assert min(noisy.cost.fixed, noisy.cost.per_datum, noisy.cost.per_example) >= 0
    assert 0.01 < noisy.error < 0.25


def test_the_wrong_model_shows_in_its_error() -> None:
    seconds = 0.7 + 0.004 * D + 0.002 * D * E
    assert calibrate("additive", D, E, seconds).error > 0.2


@pytest.mark.parametrize(
    ("runs", "message"),
    [([0, 1], "2 timed runs"), ([0, 0, 0, 1], "4 timed runs"), ([], "0 timed runs")],
)
def test_too_few_runs_are_refused(runs: list[int], message: str) -> None:
    with pytest.raises(UserError, match=f"^{message} do not tell"):
        calibrate("product", D[runs], E[runs], np.ones(len(runs)))


def test_a_run_without_duration_is_refused() -> None:
    with pytest.raises(UserError, match="took no time"):
        calibrate("product", D, E, np.zeros(6))
