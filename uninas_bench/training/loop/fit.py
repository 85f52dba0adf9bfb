"""The loop of all tasks: steps, evaluations, checkpoints and the log; what is learnt is the objective's."""

from __future__ import annotations

import logging
import math
import platform
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from torch import nn

from uninas_bench.errors import UserError
from uninas_bench.training.loop.checkpoint import (
    State,
    check_identity,
    checkpoints,
    load_latest,
    save_checkpoint,
)
from uninas_bench.training.loop.evaluation import evaluate
from uninas_bench.training.loop.interruption import Interruption, leave
from uninas_bench.training.loop.journal import Journal
from uninas_bench.training.loop.loading import batches
from uninas_bench.training.loop.optimiser import make_optimiser
from uninas_bench.training.loop.readings import Readings
from uninas_bench.training.loop.sampler import TrainingBatches
from uninas_bench.training.loop.schedule import (
    Plan,
    checkpoint_due,
    evaluation_due,
    learning_rate,
    plan_of,
)
from uninas_bench.training.loop.stepping import Stepper
from uninas_bench.version import __version__

if TYPE_CHECKING:
    from uninas_bench.training.loop.distributed import Processes
    from uninas_bench.training.objective import Objective
    from uninas_bench.training.recipes.recipe import Recipe

_log = logging.getLogger(__name__)

CHECKPOINTS = "checkpoints"


class TrainingDiverged(UserError):
    """A loss or a gradient is no longer a finite number; the checkpoints before it stay."""


@dataclass(frozen=True, kw_only=True)
class TrainingEvent:
    """What a run reports while it goes on, from its first process.

    Attributes:
        kind: ``resumed`` from a checkpoint; ``step``; ``evaluation``; ``checkpoint``.
        step: how many are done.
        steps: how many there will be.
        epoch: of the last step, from 0.
        epochs: of the recipe.
        loss: the sum that is minimised, over all processes; of steps only.
        rate: of steps only.
        images_per_second: of steps only.
        metrics: of evaluations only.
    """

    kind: Literal["resumed", "step", "evaluation", "checkpoint"]
    step: int
    steps: int
    epoch: int
    epochs: int
    loss: float = math.nan
    rate: float = math.nan
    images_per_second: float = math.nan
    metrics: Mapping[str, float] = field(default_factory=dict)


def fit(
    objective: Objective,
    model: nn.Module,
    recipe: Recipe,
    *,
    seed: int,
    processes: Processes,
    folder: Path,
    identity: Mapping[str, str],
    resume: Literal["auto", "never"] = "auto",
    loader_workers: int = 0,
    tensorboard: bool = False,
    progress: Callable[[TrainingEvent], None] | None = None,
    allow_processes_change: bool = False,
) -> Mapping[str, float]:
    """Train ``model`` in place as the recipe says, and keep ``checkpoints/`` and log in ``folder``.

    A run that is killed at any moment and started again gives the same weights and the same log to the bit,
    as far as the device computes the same twice: what is drawn follows from the seed and the number of the
    step or the sample. On a finished run nothing is trained: the model gets the weights, and the metrics are
    those on record. The global generators of torch are left as they were.

    Args:
        objective: what is learnt.
        model: its network, with every trainable parameter in use; moved to the processes' device.
        recipe: how.
        seed: of the order of images, their augmentation, and drop path; not of the initial weights.
        processes: all of which call this with the same arguments; the first one writes.
        folder: of this run alone, seen by all processes.
        identity: what makes the run this one, in short texts by name: recipe, architecture, ...; seed and
            data are added here. A checkpoint with another identity is refused.
        resume: ``auto`` goes on from the newest whole checkpoint; ``never`` removes checkpoints and log.
        loader_workers: processes that read samples, per process of the training; 0 reads in place.
        tensorboard: also write TensorBoard's files.
        progress: called in the first process.
        allow_processes_change: go on where another number of processes was; the part of the epoch that was
            done is rounded down to whole steps of the new size.

    Returns:
        The metrics of the evaluation after the last step, the headline first.

    Raises:
        UserError: the folder holds another run or cannot be written, there are too few images for a step, a
            sample cannot be read.
        TrainingDiverged: a loss or the gradients' norm is not finite.
        SystemExit: with code 143, after SIGTERM, once a checkpoint is written.
        KeyboardInterrupt: after Ctrl-C, likewise.
    """
    plan = plan_of(recipe, len(objective.training), processes.count)
    identity = {"seed": str(seed), "data": objective.fingerprint, **identity}
    if resume == "never" and processes.is_first:
        for path in checkpoints(folder / CHECKPOINTS):
            path.unlink()
    state = load_latest(folder / CHECKPOINTS) if resume == "auto" else None
    if len(set(processes.gather_objects(state["step"] if state else 0))) > 1:
        raise UserError(f"{folder}: not all processes see the same checkpoints; it has to be a shared folder")
    if state is not None:
        check_identity(
            folder, state, identity, processes.count, allow_processes_change=allow_processes_change
        )
    records, step = (state["records"], state["step"]) if state else (0, 0)
    opened: AbstractContextManager[Journal | None] = (
        Journal(folder, records, step, tensorboard=tensorboard) if processes.is_first else nullcontext()
    )
    device = processes.device
    with (
        torch.random.fork_rng([device] if device.type == "cuda" else []),
        Interruption(alone=processes.count == 1) as interruption,
        opened as journal,
    ):
        training = _Training(
            objective=objective,
            model=model,
            recipe=recipe,
            plan=plan,
            seed=seed,
            processes=processes,
            folder=folder,
            identity=identity,
            workers=loader_workers,
            journal=journal,
            progress=progress,
            interruption=interruption,
        )
        if state is not None:
            training.restore(state)
        return training.run()


@dataclass(kw_only=True)
class _Training:
    """A run in progress: what `fit` was given, and how far it is."""

    objective: Objective
    model: nn.Module
    recipe: Recipe
    plan: Plan
    seed: int
    processes: Processes
    folder: Path
    identity: Mapping[str, str]
    workers: int
    journal: Journal | None
    progress: Callable[[TrainingEvent], None] | None
    interruption: Interruption
    step: int = 0
    evaluated: int = -1
    metrics: dict[str, float] = field(default_factory=dict)
    best: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.model.to(self.processes.device)
        if self.recipe.run.channels_last:
            self.model.to(memory_format=torch.channels_last)
        self.optimiser = make_optimiser(self.model, self.recipe)
        self.readings = Readings(self.processes, self.interruption)

    def restore(self, state: State) -> None:
        """Take up where a checkpoint was written."""
        self.model.load_state_dict(state["model"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.metrics, self.best = state["metrics"], state["best"]
        epoch, within = divmod(state["step"], state["steps_per_epoch"])
        images = within * state["images_per_step"]
        self.step = epoch * self.plan.steps_per_epoch + images // self.plan.images_per_step
        self.step = min(self.step, self.plan.steps)
        self.evaluated = self.step if state["evaluated"] == state["step"] else -1
        if state["processes"] != self.processes.count:
            self._note({"step": self.step, "processes": self.processes.count})
        if state["versions"] != _versions():
            _log.warning("%s: was trained with %s, now %s", self.folder, state["versions"], _versions())
        self._report("resumed")

    def run(self) -> Mapping[str, float]:
        """Make the steps that are left, and the evaluation of the step that was restored if it has none."""
        if self.step and evaluation_due(self.step, self.plan, self.recipe) and self.evaluated != self.step:
            self._evaluate()
        if self.step == self.plan.steps:
            return self.metrics
        stepper = Stepper(
            self.model, self.optimiser, self.recipe, self.plan, seed=self.seed, processes=self.processes
        )
        run = self.recipe.run
        keys = TrainingBatches(
            images=len(self.objective.training),
            seed=self.seed,
            steps_per_epoch=self.plan.steps_per_epoch,
            batch=run.batch,
            accumulate=run.accumulate,
            rank=self.processes.rank,
            processes=self.processes.count,
            first_step=self.step,
            last_step=self.plan.steps,
        )
        with batches(
            self.objective,
            self.objective.training,
            keys,
            seed=self.seed,
            workers=self.workers,
            device=self.processes.device,
            channels_last=run.channels_last,
        ) as loaded:
            while self.step < self.plan.steps:
                self.readings.add(stepper.step(self.step, loaded))
                self.step += 1
                save = checkpoint_due(self.step, self.plan, self.recipe)
                stop = self._read(stepper.losses) if save or self.readings.due else 0
                if save or stop:
                    self._save()
                leave(stop)
                if evaluation_due(self.step, self.plan, self.recipe):
                    self._evaluate()
        return self.metrics

    def _read(self, names: tuple[str, ...]) -> int:
        """Log what the last steps measured; the signal to stop at, or 0."""
        reading = self.readings.read()
        first = self.step - len(reading.rows)
        for index, (*losses, norm) in enumerate(reading.rows):
            self._record(first + index, dict(zip(names, losses, strict=True)), norm, reading.seconds)
        return reading.signal

    def _record(self, number: int, losses: dict[str, float], norm: float, seconds: float) -> None:
        """Log step ``number``, counted from 0."""
        loss, rate = sum(losses.values()), learning_rate(number, self.plan)
        if not (math.isfinite(loss) and math.isfinite(norm)):
            told = ", ".join(f"{name} {value:g}" for name, value in losses.items())
            raise TrainingDiverged(
                f"step {number + 1} of {self.plan.steps}: diverged at rate {rate:g}: {told}, gradient norm "
                f"{norm:g}; checkpoints from before are in {self.folder / CHECKPOINTS}; lower schedule.rate"
            )
        done = {"step": number + 1, "epoch": number // self.plan.steps_per_epoch}
        self._note({**done, "rate": rate, "loss": loss, "losses": losses, "norm": norm}, seconds)
        self._report(
            "step",
            step=number + 1,
            loss=loss,
            rate=rate,
            images_per_second=self.plan.images_per_step / seconds,
        )

    def _evaluate(self) -> None:
        """Evaluate, and write the checkpoint that says so."""
        try:
            self.metrics = evaluate(
                self.objective,
                self.model,
                self.recipe,
                seed=self.seed,
                processes=self.processes,
                workers=self.workers,
                # A checkpoint of this very step precedes: there is nothing to save and nobody to wait for.
                between=lambda: leave(self.interruption.received),
            )
        except RuntimeError:
            # Another process had the signal first, and is no longer there to add up metrics with.
            leave(self.interruption.received)
            raise
        self.evaluated = self.step
        value = self.metrics[self.objective.metric]
        if not self.best or value > self.best["value"]:
            self.best = {"step": self.step, "value": value}
        record = {"step": self.step, "epoch": self._epoch, "metrics": self.metrics, "best": self.best}
        self._note(record, self.readings.lap())
        self._save()
        self._report("evaluation", metrics=self.metrics)

    def _save(self) -> None:
        if self.journal is not None:
            self.journal.keep()
            save_checkpoint(
                self.folder / CHECKPOINTS, self._state(self.journal.records), self.recipe.run.keep
            )
            self._report("checkpoint")
        # None may end, and have the others ended, before it is written.
        self.processes.barrier()

    def _state(self, records: int) -> State:
        return State(
            model=self.model.state_dict(),
            optimiser=self.optimiser.state_dict(),
            step=self.step,
            steps_per_epoch=self.plan.steps_per_epoch,
            images_per_step=self.plan.images_per_step,
            records=records,
            evaluated=self.evaluated,
            metrics=self.metrics,
            best=self.best,
            identity=dict(self.identity),
            processes=self.processes.count,
            versions=_versions(),
        )

    @property
    def _epoch(self) -> int:
        """Of the last step that was made."""
        return max(0, self.step - 1) // self.plan.steps_per_epoch

    def _note(self, record: Mapping[str, Any], seconds: float = 0.0) -> None:
        if self.journal is not None:
            self.journal.write(record, seconds)

    def _report(self, kind: Literal["resumed", "step", "evaluation", "checkpoint"], **values: Any) -> None:
        if self.progress is not None and self.processes.is_first:
            place = {
                "step": self.step,
                "steps": self.plan.steps,
                "epoch": self._epoch,
                "epochs": self.plan.epochs,
            }
            self.progress(TrainingEvent(kind=kind, **{**place, **values}))


def _versions() -> dict[str, str]:
    return {
        "python": platform.python_version(),
        "torch": str(torch.__version__),
        "numpy": np.__version__,
        "uninas-bench": __version__,
    }
