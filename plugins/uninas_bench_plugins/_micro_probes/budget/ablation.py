"""Is it worth planning both? Data and epochs, data alone and epochs alone, at the same cost.

The paper's ablation compares the accuracies of what a search finds; here the rankings themselves are
compared, by tau with accuracies, on architectures that no pilot was among. What the other variable is held at
when one is planned alone, the paper does not say: here at the least of the anchors, so that all of the budget
goes into one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

import uninas_bench as ub
from uninas_bench import UserError
from uninas_bench_plugins._micro_probes.budget.choosing import Response
from uninas_bench_plugins._micro_probes.budget.planning import BudgetPlan, draw_pilots

if TYPE_CHECKING:
    from uninas_bench import GroundTruth
    from uninas_bench_plugins._micro_probes.budget.bench import Bench

BOTH, DATA, EPOCHS = "data and epochs", "data alone", "epochs alone"
LEVEL = 0.95


@dataclass(frozen=True, slots=True)
class Arm:
    """One way to spend a budget.

    Attributes:
        name: `BOTH`, `DATA` or `EPOCHS`.
        data: D.
        epochs: E.
        expected: seconds per architecture by the plan's cost model.
        seconds: that were measured, the mean.
        tau: with the accuracies, the mean over seeds; ``low`` and ``high`` its 95% interval.
        worse: tau of `BOTH` minus that of this arm; ``worse_low`` and ``worse_high`` its paired interval.
    """

    name: str
    data: int
    epochs: int
    expected: float
    seconds: float
    tau: float
    low: float
    high: float
    worse: float
    worse_low: float
    worse_high: float


@dataclass(frozen=True, slots=True)
class Ablation:
    """The three arms on the same architectures under the same seeds."""

    arms: tuple[Arm, ...]
    architectures: int
    seeds: int


def spending_of(response: Response, data: int, epochs: int) -> list[tuple[str, int, int]]:
    """The three arms: the given choice, and what its expected cost pays for of one variable alone.

    Raises:
        UserError: the choice costs less than a batch with the fewest epochs.
    """
    cost, box, batch = response.calibration.cost, response.box, response.batch
    budget = float(cost.seconds(data, epochs)) * (1 + 1e-9)
    most_data = int(cost.data_within(budget, box.epochs_min) // batch * batch)
    most_epochs = int(cost.epochs_within(budget, box.data_min))
    if most_data < 1 or most_epochs < 1:
        raise UserError(f"data {data} and epochs {epochs} leave nothing to compare: give a larger budget")
    return [
        (BOTH, data, epochs),
        (DATA, most_data, round(box.epochs_min)),
        (EPOCHS, round(box.data_min), most_epochs),
    ]


def ablate(
    bench: Bench,
    plan: BudgetPlan,
    truth: GroundTruth,
    *,
    architectures: int = 60,
    seeds: int = 2,
    resamples: int = 1000,
) -> Ablation:
    """Rank architectures by the three arms.

    The intervals are of resampled architectures, the same ones for all arms and seeds.

    Args:
        bench: how they are scored, as for the plan.
        plan: whose pilots are left out.
        truth: accuracies.
        architectures: how many are drawn; fewer where the table has no more.
        seeds: that each is scored under, from the plan's on.
        resamples: of the bootstrap.

    Raises:
        UserError: the table is of something else.
        KeyboardInterrupt: with a sentence; every finished score is stored.
    """  # fmt: skip
    points = draw_pilots(bench.space, architectures, plan.seed, truth, skip=plan.pilots)
    spent = spending_of(plan.response, plan.chosen.data, plan.chosen.epochs)
    columns, seconds = [], []
    for name, data, epochs in spent:
        found = [
            bench.measure(points, data, epochs, seed, f"{name} (data {data:,}, epochs {epochs}, seed {seed})")
            for seed in range(plan.seed, plan.seed + seeds)
        ]
        columns += [bench.scores(entry).to_numpy() for entry in found]
        seconds.append(float(np.mean([entry.seconds.mean() for entry in found])))
    accuracies = truth.accuracies().loc[[point.encoding for point in points]].to_numpy()
    ranked = ub.correlation.rank_correlations(
        columns, accuracies, method="bootstrap", resamples=resamples, level=LEVEL, seed=plan.seed
    )
    taus = ranked.tau.reshape(len(spent), seeds).mean(axis=1)
    draws = ranked.tau_draws.reshape(len(spent), seeds, resamples).mean(axis=1)
    cost = plan.response.calibration.cost
    arms = tuple(
        Arm(
            name, data, epochs, float(cost.seconds(data, epochs)), seconds[row],
            float(taus[row]), *_interval(draws[row]),
            float(taus[0] - taus[row]), *_interval(draws[0] - draws[row]),
        )
        for row, (name, data, epochs) in enumerate(spent)
    )  # fmt: skip
    return Ablation(arms, len(points), seeds)


def _interval(draws: Sequence[float] | np.ndarray) -> tuple[float, float]:
    low, high = np.nanquantile(draws, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)
