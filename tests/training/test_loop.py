"""The loop: what it learns, logs and keeps, how it stops, goes on, and refuses."""

from __future__ import annotations

import json
import os
import random
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from tests.training.toy import Toy, assert_same, content, network, toy_recipe, train
from uninas_bench.errors import InvalidFile, UserError
from uninas_bench.training.loop.checkpoint import checkpoints, load_latest
from uninas_bench.training.loop.distributed import Processes
from uninas_bench.training.loop.fit import TrainingDiverged, TrainingEvent
from uninas_bench.training.loop.optimiser import make_optimiser
from uninas_bench.training.loop.schedule import learning_rate, plan_of
from uninas_bench.training.loop.stepping import Stepper

# Python 3.12 and later warn of workers that are forked where other tests have left threads.
pytestmark = pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("undisturbed")
    train(folder)
    return folder


def log(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]


def steps_of(folder: Path) -> list[int]:
    return [int(path.stem.removeprefix("step-")) for path in checkpoints(folder / "checkpoints")]


def test_it_learns(undisturbed: Path) -> None:
    records = log(undisturbed)
    losses = [record["losses"]["cross_entropy"] for record in records if "losses" in record]
    assert len(losses) == 40
    assert np.mean(losses[-5:]) < 0.6 * np.mean(losses[:5])
    assert records[-1]["metrics"]["accuracy"] > 60


def test_a_rate_a_thousand_times_too_high_does_not_learn(tmp_path: Path) -> None:
    """Which shows that the test before can fail."""
    recipe = toy_recipe(schedule={"rate": 10.0})
    try:
        _, metrics = train(tmp_path, recipe)
    except TrainingDiverged:
        return
    assert metrics["accuracy"] < 40


def test_the_log_says_what_the_steps_were(undisturbed: Path) -> None:
    plan = plan_of(toy_recipe(), 83, 1)
    records = log(undisturbed)
    steps = [record for record in records if "losses" in record]
    assert [record["step"] for record in steps] == list(range(1, 41))
    for record in steps:
        assert record["rate"] == learning_rate(record["step"] - 1, plan)
        assert record["epoch"] == (record["step"] - 1) // 10
        assert record["loss"] == sum(record["losses"].values())
    evaluations = [record for record in records if "metrics" in record]
    assert [record["step"] for record in evaluations] == [10, 20, 30, 40]
    best = max(evaluations, key=lambda record: record["metrics"]["accuracy"])
    assert evaluations[-1]["best"] == {"step": best["step"], "value": best["metrics"]["accuracy"]}
    assert [record["step"] for record in records] == sorted(record["step"] for record in records)


def test_the_newest_checkpoints_stay_and_hold_the_run(undisturbed: Path) -> None:
    assert steps_of(undisturbed) == [35, 40]
    state = load_latest(undisturbed / "checkpoints")
    assert state is not None
    assert (state["step"], state["evaluated"], state["records"]) == (40, 40, 44)
    assert state["identity"] == {"seed": "3", "data": "toy", "recipe": "toy", "architecture": "conv"}


def test_a_finished_run_is_only_read(undisturbed: Path) -> None:
    before = (undisturbed / "log.jsonl").read_bytes()
    events: list[TrainingEvent] = []
    model, metrics = train(undisturbed, progress=events.append)
    assert metrics == log(undisturbed)[-1]["metrics"]
    assert [event.kind for event in events] == ["resumed"]
    assert (undisturbed / "log.jsonl").read_bytes() == before
    state = load_latest(undisturbed / "checkpoints")
    assert state is not None
    for name, value in model.state_dict().items():
        assert torch.equal(value, state["model"][name])


def seeded_draws(between: Callable[[], object]) -> tuple[float, float, float]:
    """What the three global generators give after a seed and something that happens."""
    random.seed(5)
    np.random.seed(5)  # noqa: NPY002
    torch.manual_seed(5)
    between()
    return random.random(), np.random.random(), float(torch.rand(()))  # noqa: NPY002


def test_nothing_global_is_left_changed(tmp_path: Path) -> None:
    handlers = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)]
    undrawn = seeded_draws(lambda: None)
    assert seeded_draws(lambda: train(tmp_path, toy_recipe(run={"steps": 3}))) == undrawn
    assert [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)] == handlers


def test_the_state_of_the_generators_before_does_not_matter(tmp_path: Path, undisturbed: Path) -> None:
    torch.manual_seed(99)
    random.seed(99)
    train(tmp_path)
    assert_same(tmp_path, undisturbed)


@pytest.mark.slow
def test_the_number_of_workers_does_not_matter(tmp_path: Path, undisturbed: Path) -> None:
    train(tmp_path, loader_workers=2)
    assert_same(tmp_path, undisturbed)


def test_another_seed_matters(tmp_path: Path, undisturbed: Path) -> None:
    train(tmp_path, seed=4)
    assert content(tmp_path)[1] != content(undisturbed)[1]


def at(step: int, act: Callable[[], None], kind: str = "step") -> Callable[[TrainingEvent], None]:
    """Something to do behind a step or a checkpoint."""

    def progress(event: TrainingEvent) -> None:
        if (event.kind, event.step) == (kind, step):
            act()

    return progress


def kill(number: int) -> None:
    os.kill(os.getpid(), number)


@pytest.mark.parametrize("workers", [0, pytest.param(2, marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    ("number", "error", "step"), [(signal.SIGTERM, SystemExit, 12), (signal.SIGINT, KeyboardInterrupt, 34)]
)
def test_a_signal_ends_the_run_behind_a_checkpoint(
    tmp_path: Path,
    undisturbed: Path,
    number: signal.Signals,
    error: type[BaseException],
    step: int,
    workers: int,
) -> None:
    with pytest.raises(error) as end:
        train(tmp_path, progress=at(step, lambda: kill(number)), loader_workers=workers)
    if number == signal.SIGTERM:
        assert end.value.code == 143
    assert steps_of(tmp_path)[-1] == step + 1
    train(tmp_path)
    assert_same(tmp_path, undisturbed)


class Interrupting(Toy):
    """Gets a signal while it is evaluated."""

    def meter(self) -> Any:
        meter = super().meter()
        update = meter.update

        def interrupted(predictions: Tensor, targets: Tensor) -> None:
            update(predictions, targets)
            kill(signal.SIGTERM)

        meter.update = interrupted
        return meter


def test_a_signal_in_an_evaluation_leaves_it_for_the_next_time(tmp_path: Path, undisturbed: Path) -> None:
    with pytest.raises(SystemExit):
        train(tmp_path, objective=Interrupting())
    assert steps_of(tmp_path) == [7, 10]
    assert "metrics" not in log(tmp_path)[-1]
    train(tmp_path)
    assert_same(tmp_path, undisturbed)


def test_another_process_that_left_first_is_no_fault(tmp_path: Path) -> None:
    """It had the same signal, and the sum over the processes fails for want of it."""

    class Deserted(Toy):
        def meter(self) -> Any:
            kill(signal.SIGTERM)
            raise RuntimeError("Connection closed by peer")

    with pytest.raises(SystemExit) as end:
        train(tmp_path, objective=Deserted())
    assert end.value.code == 143


def test_a_second_interrupt_does_not_wait(tmp_path: Path) -> None:
    def read(index: int) -> None:
        kill(signal.SIGINT)
        kill(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        train(tmp_path, objective=Toy(read=read))
    assert steps_of(tmp_path) == []


def test_an_evaluation_that_fails_costs_no_step(tmp_path: Path, undisturbed: Path) -> None:
    class Failing(Toy):
        def meter(self) -> Any:
            raise ValueError("out of luck")

    with pytest.raises(ValueError, match="out of luck"):
        train(tmp_path, objective=Failing())
    assert steps_of(tmp_path)[-1] == 10
    train(tmp_path)
    assert_same(tmp_path, undisturbed)


def test_a_damaged_checkpoint_costs_only_its_steps(
    tmp_path: Path, undisturbed: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(SystemExit):
        train(tmp_path, progress=at(25, lambda: kill(signal.SIGTERM)))
    newest = checkpoints(tmp_path / "checkpoints")[-1]
    newest.write_bytes(newest.read_bytes()[:-1000])
    events: list[TrainingEvent] = []
    train(tmp_path, progress=events.append)
    assert (events[0].kind, events[0].step) == ("resumed", 21)
    assert newest.name in caplog.text
    assert_same(tmp_path, undisturbed)


def test_never_resumed_begins_anew(tmp_path: Path, undisturbed: Path) -> None:
    with pytest.raises(SystemExit):
        train(tmp_path, progress=at(35, lambda: kill(signal.SIGTERM)))
    with pytest.raises(SystemExit):
        train(tmp_path, resume="never", progress=at(4, lambda: kill(signal.SIGTERM)))
    assert steps_of(tmp_path) == [5]
    assert [record["step"] for record in log(tmp_path)] == [1, 2, 3, 4, 5]
    events: list[TrainingEvent] = []
    train(tmp_path, resume="never", progress=events.append)
    assert (events[0].kind, events[0].step) == ("step", 1)
    assert_same(tmp_path, undisturbed)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"identity": {"recipe": "other", "architecture": "conv"}}, "recipe was toy, is other"),
        ({"identity": {"recipe": "toy", "architecture": "other"}}, "architecture was conv, is other"),
        ({"seed": 5}, "seed was 3, is 5"),
    ],
)
def test_another_run_is_refused(undisturbed: Path, changes: dict[str, Any], told: str) -> None:
    before = (undisturbed / "log.jsonl").read_bytes()
    with pytest.raises(UserError, match=told):
        train(undisturbed, **changes)
    assert (undisturbed / "log.jsonl").read_bytes() == before


def test_other_data_are_refused(undisturbed: Path) -> None:
    objective = Toy()
    objective.fingerprint = "other"
    with pytest.raises(UserError, match="data was toy, is other"):
        train(undisturbed, objective=objective)


def test_another_number_of_processes_is_refused_or_goes_on_where_the_images_are(tmp_path: Path) -> None:
    """Steps of two processes have twice the images: 3.5 epochs of 5 steps are 3.5 of 10."""
    train(tmp_path, toy_recipe(run={"steps": 17}))
    path = checkpoints(tmp_path / "checkpoints")[-1]
    state = load_latest(tmp_path / "checkpoints")
    assert state is not None
    state |= {"processes": 2, "images_per_step": 16, "steps_per_epoch": 5}
    torch.save(state, path)
    with pytest.raises(UserError, match=r"made by 2 process\(es\), not 1"):
        train(tmp_path)
    events: list[TrainingEvent] = []
    train(tmp_path, allow_processes_change=True, progress=events.append)
    assert (events[0].kind, events[0].step) == ("resumed", 34)
    assert [event.step for event in events if event.kind == "step"] == list(range(35, 41))
    assert {"step": 34, "processes": 1} in log(tmp_path)


class Diverging(nn.Module):
    """A loss that is not finite from some step on."""

    def __init__(self, value: float) -> None:
        super().__init__()
        self.inner = network()
        self.value = value
        self.passes = 0

    def forward(self, images: Tensor, targets: Tensor | None = None) -> Any:
        losses = self.inner(images, targets)
        if self.training:
            self.passes += 1
            if self.passes >= 30:
                losses["cross_entropy"] = losses["cross_entropy"] * self.value
        return losses


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_loss_that_is_no_number_ends_the_run_at_its_step(tmp_path: Path, value: float) -> None:
    with pytest.raises(TrainingDiverged, match=r"^step 15 of 40: diverged at rate .*cross_entropy") as error:
        train(tmp_path, model=Diverging(value))
    assert "\n" not in str(error.value)
    assert steps_of(tmp_path) == [10, 14]
    state = load_latest(tmp_path / "checkpoints")
    assert state is not None
    assert all(value.isfinite().all() for value in state["model"].values())
    assert log(tmp_path)[-1]["step"] == 14


@pytest.mark.parametrize("workers", [0, pytest.param(2, marks=pytest.mark.slow)])
def test_a_sample_that_cannot_be_read_is_one_line(tmp_path: Path, workers: int) -> None:
    def read(index: int) -> None:
        if index == 7:
            raise InvalidFile("images/7.jpg: not a readable image")

    with pytest.raises(InvalidFile) as error:
        train(tmp_path, objective=Toy(read=read), loader_workers=workers)
    assert str(error.value) == "images/7.jpg: not a readable image"


def test_too_few_images_are_refused_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="7 training images do not fill one step of 8"):
        train(tmp_path / "run", objective=Toy(7))
    assert not (tmp_path / "run").exists()


def batches(count: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Batches of four digits."""
    toy = Toy(augment=False)
    for start in range(0, 4 * count, 4):
        yield toy.collate([toy.training[index] for index in range(start, start + 4)])


def stepped(clip: float) -> tuple[nn.Module, Tensor]:
    """One step at a rate that leaves the weights, and what it measured."""
    recipe = toy_recipe(optimiser={"clip": clip}, schedule={"rate": 1e-30, "warm_up_epochs": 0})
    model = network()
    stepper = Stepper(
        model, make_optimiser(model, recipe), recipe, plan_of(recipe, 83, 1), seed=0, processes=Processes()
    )
    return model, stepper.step(0, batches(2))


def norm_of(model: nn.Module) -> float:
    gradients = [value.grad.double().square().sum() for value in model.parameters() if value.grad is not None]
    return float(torch.stack(gradients).sum().sqrt())


def test_gradients_are_clipped_by_their_common_norm() -> None:
    free, measured = stepped(clip=0.0)
    whole = norm_of(free)
    assert whole > 1.2
    assert float(measured[-1]) == pytest.approx(whole, rel=1e-5)
    clipped, measured = stepped(clip=1.0)
    assert float(measured[-1]) == pytest.approx(whole, rel=1e-5)
    assert 0.999 < norm_of(clipped) <= 1.0
    for ours, theirs in zip(clipped.parameters(), free.parameters(), strict=True):
        assert ours.grad is not None
        assert theirs.grad is not None
        torch.testing.assert_close(ours.grad, theirs.grad / whole, rtol=1e-4, atol=1e-7)


def test_accumulated_passes_are_one_batch(tmp_path: Path) -> None:
    """Without batch norm and chance, 2 x 4 images give the gradients of 8."""
    models = []
    for batch, passes in ((4, 2), (8, 1)):
        recipe = toy_recipe(run={"batch": batch, "accumulate": passes, "evaluate_every": 0})
        model, _ = train(
            tmp_path / str(batch), recipe, objective=Toy(augment=False), model=network(0.0, norm=False)
        )
        models.append(model)
    for ours, theirs in zip(models[0].parameters(), models[1].parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-5)


@pytest.mark.parametrize("run", [{"precision": "bfloat16"}, {"channels_last": True}])
def test_precision_and_memory_format_change_no_more_than_rounding(
    tmp_path: Path, undisturbed: Path, run: dict[str, Any]
) -> None:
    model, _ = train(tmp_path, toy_recipe(run={**run, "steps": 5, "evaluate_every": 0}))
    ours = [record["loss"] for record in log(tmp_path) if "loss" in record]
    theirs = [record["loss"] for record in log(undisturbed) if "loss" in record][:5]
    assert ours == pytest.approx(theirs, rel=0.05)
    if "precision" in run:
        assert ours != theirs
    else:
        assert model.stem.weight.is_contiguous(memory_format=torch.channels_last)
    assert all(value.dtype == torch.float32 for value in model.parameters())


def test_frozen_parameters_stay_and_the_rest_learns(tmp_path: Path) -> None:
    model = network()
    model.block.requires_grad_(False)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    train(tmp_path, toy_recipe(run={"steps": 3}), model=model)
    for name, value in model.named_parameters():
        assert torch.equal(value, before[name]) == name.startswith("block")


def test_progress_is_told(tmp_path: Path) -> None:
    events: list[TrainingEvent] = []
    train(tmp_path, toy_recipe(run={"steps": 8, "evaluate_every": 0}), progress=events.append)
    assert [(event.kind, event.step) for event in events if event.kind != "step"] == [
        ("checkpoint", 7), ("checkpoint", 8), ("checkpoint", 8), ("evaluation", 8),
    ]  # fmt: skip
    steps = [event for event in events if event.kind == "step"]
    assert [event.step for event in steps] == list(range(1, 9))
    assert all(event.steps == 8 and event.epochs == 4 and event.epoch == 0 for event in events)
    assert all(event.images_per_second > 0 and event.loss > 0 for event in steps)
    assert set(events[-1].metrics) == {"accuracy", "sure", "seen"}
