"""Steps and learning rates: Table III by hand, and timm's schedulers as the second opinion."""

from __future__ import annotations

import math

import pytest
from timm.scheduler import CosineLRScheduler, PolyLRScheduler
from torch import nn, optim

from tests.training.toy import published, toy_recipe
from uninas_bench.errors import UserError
from uninas_bench.training.loop.schedule import checkpoint_due, evaluation_due, learning_rate, plan_of

PROCESSES = (1, 4, 8)
# Per GPU of 48, 4 and 4 images, as Table III prints them: warm-up rate, rate, minimal rate, epochs.
TABLE = {
    "classification": (1e-7, 1e-4, 1e-6, 150, 48),
    "detection": (1e-7, 2.5e-5, 2.5e-6, 12, 4),
    "segmentation": (1e-7, 1.5e-5, 0.0, 125, 4),
}
STEPS = 20


def plan(name: str, processes: int):
    """With 20 steps per epoch, and some images left over."""
    batch = TABLE[name][4]
    return plan_of(published(name), images=STEPS * batch * processes + batch // 2, processes=processes)


@pytest.mark.parametrize("processes", PROCESSES)
@pytest.mark.parametrize("name", TABLE)
def test_the_tables_rates_times_the_processes(name: str, processes: int) -> None:
    warm_up, rate, minimal, epochs, batch = TABLE[name]
    it = plan(name, processes)
    assert (it.steps_per_epoch, it.steps, it.warm_up_steps) == (STEPS, epochs * STEPS, 5 * STEPS)
    assert it.images_per_step == processes * batch
    first, peak = 0, 5 * STEPS
    assert learning_rate(first, it) == pytest.approx(processes * warm_up, rel=1e-15)
    assert learning_rate(peak, it) == pytest.approx(processes * rate, rel=1e-15)
    step = (rate - warm_up) / peak
    assert learning_rate(peak - 1, it) == pytest.approx(processes * (rate - step), rel=1e-13)
    # The last step is one short of the minimum, except where a milestone is long past.
    left = {
        "classification": 0.5 * (1 - math.cos(math.pi / (145 * STEPS))),
        "detection": 0.0,
        "segmentation": 1 / (120 * STEPS),
    }[name]
    last = learning_rate(it.steps - 1, it)
    assert last == pytest.approx(processes * (minimal + (rate - minimal) * left), rel=1e-9)


@pytest.mark.parametrize("processes", PROCESSES)
@pytest.mark.parametrize("name", TABLE)
def test_rates_are_in_proportion_to_the_processes_to_the_bit(name: str, processes: int) -> None:
    one, more = plan(name, 1), plan(name, processes)
    for step in range(one.steps):
        assert learning_rate(step, more) == processes * learning_rate(step, one)


def test_batches_processes_and_accumulation_count_alike() -> None:
    plans = [
        plan_of(published("classification", run={"batch": batch, "accumulate": passes}), 1000, processes)
        for batch, passes, processes in ((48, 2, 4), (96, 1, 4), (48, 4, 2), (384, 1, 1))
    ]
    assert len(set(plans)) == 1
    assert plans[0].rate == 8e-4


def timm_rates(
    scheduler: CosineLRScheduler | PolyLRScheduler, optimiser: optim.SGD, steps: int
) -> list[float]:
    rates = []
    for step in range(steps):
        scheduler.step_update(step)
        rates.append(optimiser.param_groups[0]["lr"])
    return rates


@pytest.mark.parametrize("name", ["classification", "segmentation"])
def test_timm_makes_the_same_rates(name: str) -> None:
    """Its epochs do not include the warm-up's when that is a prefix: 145 + 5."""
    it = plan(name, 4)
    warm_up, rate, minimal, epochs, _ = TABLE[name]
    optimiser = optim.SGD(nn.Linear(1, 1).parameters(), lr=4 * rate)
    common = {
        "t_initial": (epochs - 5) * STEPS,
        "lr_min": 4 * minimal,
        "warmup_t": 5 * STEPS,
        "warmup_lr_init": 4 * warm_up,
        "warmup_prefix": True,
        "t_in_epochs": False,
    }
    scheduler = (
        CosineLRScheduler(optimiser, **common)
        if name == "classification"
        else PolyLRScheduler(optimiser, power=1.0, cycle_decay=1.0, **common)
    )
    theirs = timm_rates(scheduler, optimiser, it.steps)
    ours = [learning_rate(step, it) for step in range(it.steps)]
    assert max(abs(a - b) for a, b in zip(ours, theirs, strict=True)) < 1e-15


def test_detection_falls_once_and_never_below_its_minimum() -> None:
    it = plan("detection", 1)
    rates = [learning_rate(step, it) for step in range(it.steps)]
    assert rates[5 * STEPS : 8 * STEPS] == [2.5e-5] * 3 * STEPS
    assert rates[8 * STEPS :] == pytest.approx([2.5e-6] * 4 * STEPS, rel=1e-15)
    assert min(rates[5 * STEPS :]) >= 2.5e-6


def test_unclamped_milestones_multiply() -> None:
    it = plan_of(published("detection", schedule={"clamped": False}), 40, 1)
    assert learning_rate(11 * 10, it) == pytest.approx(2.5e-7, rel=1e-14)


def test_no_warm_up_begins_at_the_rate() -> None:
    it = plan_of(published("classification", schedule={"warm_up_epochs": 0}), 480, 1)
    assert learning_rate(0, it) == 1e-4


def test_rates_rise_then_fall_and_stay_within_bounds() -> None:
    for name, (warm_up, rate, minimal, _, _) in TABLE.items():
        it = plan(name, 1)
        rates = [learning_rate(step, it) for step in range(it.steps)]
        assert min(rates) >= min(warm_up, minimal)
        assert max(rates) == rate
        assert rates[: 5 * STEPS] == sorted(rates[: 5 * STEPS])
        assert rates[5 * STEPS :] == sorted(rates[5 * STEPS :], reverse=True)


def test_a_limit_of_steps_ends_the_run_and_not_the_schedule() -> None:
    whole, cut = (plan_of(published("classification", run={"steps": steps}), 480, 1) for steps in (0, 70))
    assert (whole.steps, cut.steps) == (1500, 70)
    assert all(learning_rate(step, cut) == learning_rate(step, whole) for step in range(70))


def test_too_few_images_name_both_numbers() -> None:
    with pytest.raises(UserError, match=r"^30 training images do not fill one step of 96: 2 .*run.batch=48"):
        plan_of(published("classification"), 30, 2)


def test_when_evaluations_and_checkpoints_are_due() -> None:
    recipe = toy_recipe(run={"evaluate_every": 3, "checkpoint_every": 7})
    it = plan_of(recipe, 83, 1)
    assert (it.steps_per_epoch, it.steps) == (10, 40)
    steps = range(1, it.steps + 1)
    assert [step for step in steps if evaluation_due(step, it, recipe)] == [30, 40]
    assert [step for step in steps if checkpoint_due(step, it, recipe)] == [7, 14, 21, 28, 30, 35, 40]
    recipe = toy_recipe(run={"evaluate_every": 0, "checkpoint_every": 0, "steps": 25})
    it = plan_of(recipe, 83, 1)
    assert [step for step in range(1, 26) if evaluation_due(step, it, recipe)] == [25]
    assert [step for step in range(1, 26) if checkpoint_due(step, it, recipe)] == [10, 20, 25]
