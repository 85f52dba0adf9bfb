"""Plan an evaluation: score pilots at anchors, learn what data and epochs bring and cost, and choose.

As in TF-NAS (CVPR 2026), with these choices of ours: one choice for all candidates of a search, so that
their scores compare; three by three anchors, under two seeds; pilots ranked by their accuracies, or, without,
by their scores at the largest anchor.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from uninas_bench import Architecture, SearchSpace, UserError
from uninas_bench_plugins._micro_probes.budget.choosing import Anchor, Chosen, Response, choose, respond
from uninas_bench_plugins._micro_probes.budget.durations import duration_text
from uninas_bench_plugins._micro_probes.budget.optimum import Box
from uninas_bench_plugins._micro_probes.budget.quality import against_accuracies, against_largest
from uninas_bench_plugins._micro_probes.budget.spending import Kind, calibrate

if TYPE_CHECKING:
    import pandas as pd

    from uninas_bench import GroundTruth
    from uninas_bench_plugins._micro_probes.budget.bench import Bench, Measured

LEAST_PILOTS = 3
FEW_PILOTS = 24
"""Below that, tau says little."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanSettings:
    """What a plan depends on besides the bench.

    Attributes:
        pilots: architectures that are scored at every anchor.
        repeats: seeds per anchor.
        box: extent of the anchors.
        cost: ``product``, as it is measured, or ``additive``, the paper's; the latter needs the setting
            ``steps_per_epoch`` of the proxy.
        log: fit the surface in logarithms of data and epochs.
        seed: of the pilots, and the first one that they are scored under.
    """

    pilots: int = FEW_PILOTS
    repeats: int = 2
    box: Box = field(default_factory=lambda: Box(64, 1024, 1, 16))
    cost: Kind = "product"
    log: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        for name, least in (("pilots", LEAST_PILOTS), ("repeats", 1)):
            if getattr(self, name) < least:
                raise UserError(f"{name}={getattr(self, name)}: expected at least {least}")


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetPlan:
    """A plan, and all that it rests on.

    Attributes:
        space: name; ``scale`` its scale, ``task`` the task's name.
        proxy: that was planned for, ``settings`` its settings; data and epochs among them mean nothing.
        pilots: encodings.
        reference: what pilots were ranked by, in words.
        seed: of the pilots and the first of the scores.
        response: what was learned.
        chosen: for the budget.
    """

    space: str
    scale: str
    task: str
    proxy: str
    settings: str
    pilots: tuple[str, ...]
    reference: str
    seed: int
    response: Response
    chosen: Chosen


@dataclass(frozen=True, slots=True)
class CandidatePlan:
    """Data and epochs of one architecture alone."""

    architecture: str
    response: Response
    chosen: Chosen


def plan(
    bench: Bench, budget: float, settings: PlanSettings | None = None, truth: GroundTruth | None = None
) -> BudgetPlan:
    """Plan for one search space and a budget per architecture.

    Args:
        bench: how pilots are scored.
        budget: seconds.
        settings: default those of `PlanSettings`.
        truth: accuracies, from whose architectures the pilots are drawn; None ranks them by their scores at
            the largest anchor.

    Raises:
        UserError: a setting that cannot be, or the budget pays for nothing.
        KeyboardInterrupt: with a sentence; every finished score is stored.
    """
    settings = settings or PlanSettings()
    _check_cost(bench, settings)
    pilots = draw_pilots(bench.space, settings.pilots, settings.seed, truth)
    measured = measure_anchors(bench, pilots, settings, budget)
    if truth is None:
        responses = against_largest(bench, measured)
        reference = f"scores at data {settings.box.data_max:g} and epochs {settings.box.epochs_max:g}"
    else:
        responses = against_accuracies(bench, measured, truth.accuracies())
        reference = f"accuracies of {truth.info.name}"
    anchors = [
        Anchor(entry.data, entry.epochs, entry.seed, tau, float(entry.seconds.mean()))
        for entry, tau in zip(measured, responses, strict=True)
    ]
    response = respond(anchors, cost=settings.cost, batch=bench.batch, log=settings.log, extent=settings.box)
    return BudgetPlan(
        space=bench.space.name,
        scale=str(bench.space.scale),
        task=bench.task,
        proxy=bench.proxy.name,
        settings=str(bench.proxy.settings),
        pilots=tuple(pilot.encoding for pilot in pilots),
        reference=reference,
        seed=settings.seed,
        response=response,
        chosen=choose(response, budget),
    )


def plan_each(
    bench: Bench, budget: float, settings: PlanSettings | None = None, truth: GroundTruth | None = None
) -> list[CandidatePlan]:
    """Plan for each pilot alone: the paper to the letter, which solves "for each candidate".

    The response is the architecture's own sum of scores, standardised over the anchors, and its cost is its
    own. Scores of architectures that were trained on different data for different epochs do not compare
    well: what differs may be the training. And the anchors cost more than any one evaluation saves.

    Raises:
        UserError, KeyboardInterrupt: as `plan`.
    """
    settings = settings or PlanSettings()
    _check_cost(bench, settings)
    pilots = draw_pilots(bench.space, settings.pilots, settings.seed, truth)
    measured = measure_anchors(bench, pilots, settings, budget)
    return [_plan_one(bench, budget, settings, measured, pilot.encoding) for pilot in pilots]


def draw_pilots(
    space: SearchSpace, count: int, seed: int, truth: GroundTruth | None, skip: Sequence[str] = ()
) -> list[Architecture]:
    """Architectures drawn uniformly from the table, or, without one, from the space.

    Of a table, more pilots are the same ones and some others, so that what was scored is not lost.

    Args:
        space: that they are of.
        count: how many; in a smaller space or table, all.
        seed: of the draw.
        truth: the table.
        skip: encodings that are not drawn.

    Raises:
        UserError: the table is of another space or scale, or nothing is left to draw.
    """
    rng = np.random.default_rng([seed, len(skip)])
    if truth is not None:
        here, there = (space.name, str(space.scale)), (truth.info.space, truth.info.scale)
        if here != there:
            raise UserError(
                f"ground truth {truth.info.name} is of {there[0]} [{there[1]}], not of {here[0]} [{here[1]}]"
            )
        left = [encoding for encoding in truth.accuracies().index if encoding not in set(skip)]
        found = [Architecture(space.name, left[place]) for place in rng.permutation(len(left))[:count]]
    else:
        wanted = count + len(skip)
        drawn = space.sample(wanted if space.size is None else min(wanted, space.size), rng)
        distinct = {point.encoding: point for point in drawn if point.encoding not in set(skip)}
        found = list(distinct.values())[:count]
    if len(found) < min(count, LEAST_PILOTS):
        raise UserError(f"{space.name}: {len(found)} architectures are left to draw; expected {LEAST_PILOTS}")
    return found


def anchor_grid(box: Box, batch: int) -> list[tuple[int, int]]:
    """Three amounts of data by three numbers of epochs, the cheapest first.

    Both go from end to end of the box with their geometric mean between, in whole batches and epochs.

    Raises:
        UserError: the box is too narrow for three.
    """
    data = _three("data", box.data_min, box.data_max, batch)
    epochs = _three("epochs", box.epochs_min, box.epochs_max, 1)
    return sorted(((d, e) for d in data for e in epochs), key=lambda place: (place[0] * place[1], place))


def measure_anchors(
    bench: Bench, pilots: Sequence[Architecture], settings: PlanSettings, budget: float
) -> list[Measured]:
    """Score the pilots at every anchor under every seed, the cheapest first.

    Raises:
        UserError: the cheapest costs more than the budget, so that the others need not be measured.
    """
    grid = anchor_grid(settings.box, bench.batch)
    seeds = range(settings.seed, settings.seed + settings.repeats)
    places = [(data, epochs, seed) for data, epochs in grid for seed in seeds]
    measured: list[Measured] = []
    for number, (data, epochs, seed) in enumerate(places, start=1):
        left = _seconds_left(measured, places, settings.cost) * len(pilots) / bench.workers
        text = f"anchor {number}/{len(places)} (data {data:,}, epochs {epochs}, seed {seed})"
        text += f", about {duration_text(left)} for all that are left" if left else ""
        found = bench.measure(pilots, data, epochs, seed, text)
        # Half of the pilots say it, not the first one, which also pays for what is loaded once.
        least = float(found.seconds.median())
        if not measured and least > budget:
            raise UserError(
                f"budget {budget:.4g} s: the least, data {data} and epochs {epochs}, took {least:.4g} s; "
                f"expected at least {least:.4g} s, or a smaller lower bound of either"
            )
        measured.append(found)
    return measured


def _seconds_left(measured: Sequence[Measured], places: Sequence[tuple[int, int, int]], kind: Kind) -> float:
    """Of one architecture at the places that are not measured yet; 0 where it is not known."""
    seconds = [float(entry.seconds.mean()) for entry in measured]
    try:
        cost = calibrate(
            kind, [entry.data for entry in measured], [entry.epochs for entry in measured], seconds
        ).cost
    except UserError:
        return 0.0
    return sum(float(cost.seconds(data, epochs)) for data, epochs, _ in places[len(measured) :])


def _plan_one(
    bench: Bench, budget: float, settings: PlanSettings, measured: Sequence[Measured], encoding: str
) -> CandidatePlan:
    import pandas as pd

    scores = bench.proxy.aggregate(
        pd.DataFrame([entry.components.loc[encoding] for entry in measured]).reset_index(drop=True)
    )
    anchors = [
        Anchor(
            entry.data, entry.epochs, entry.seed, _finite(scores, place), float(entry.seconds.loc[encoding])
        )
        for place, entry in enumerate(measured)
    ]
    response = respond(anchors, cost=settings.cost, batch=bench.batch, log=settings.log, extent=settings.box)
    return CandidatePlan(encoding, response, choose(response, budget))


def _finite(scores: pd.Series[float], place: int) -> float | None:
    value = float(scores.iloc[place])
    return value if np.isfinite(value) else None


def _three(name: str, low: float, high: float, multiple: int) -> tuple[int, int, int]:
    middle = round((low * high) ** 0.5 / multiple) * multiple
    found = (round(low), middle, round(high))
    if not found[0] < found[1] < found[2]:
        raise UserError(f"{name} {low:g}..{high:g}: too narrow for three anchors in steps of {multiple}")
    return found


def _check_cost(bench: Bench, settings: PlanSettings) -> None:
    steps = getattr(bench.proxy.settings, "steps_per_epoch", 0)
    if settings.cost == "additive" and not steps:
        raise UserError(
            "cost=additive: holds where an epoch has a fixed number of steps; give --set "
            f"{bench.proxy.name}.steps_per_epoch=8, or take cost=product"
        )
