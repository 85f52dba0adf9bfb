"""Progress of trainings: a bar per run on a terminal, a line now and then elsewhere; and what is done."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from uninas_bench.cli.progress import EVERY, Bars

if TYPE_CHECKING:
    from rich.console import Console

    from uninas_bench.training.hand_over import Job
    from uninas_bench.training.loop.fit import TrainingEvent
    from uninas_bench.training.recipes.recipe import Recipe
    from uninas_bench.training.results import Result

_LONGEST = 28


class TrainingProgress:
    """Receives what happens in the runs.

    Args:
        console: for what has finished.
        aside: for how it goes.
        jobs: how many there are.
    """

    def __init__(self, console: Console, aside: Console, jobs: int) -> None:
        self.console = console
        self.aside = aside
        self._jobs = jobs
        self._bars = Bars(aside)
        self._spoke = time.monotonic()
        self._found = ""

    def update(self, job: Job, recipe: Recipe, event: TrainingEvent) -> None:
        """A run went on."""
        title = f"{_title(job, self._jobs)} · {recipe.name}"
        if event.kind == "resumed":
            self.aside.print(f"{title}: goes on after step {event.step:,}", soft_wrap=True, markup=False)
        if event.kind == "evaluation":
            self._found = ", ".join(f"{name} {value:.4g}" for name, value in list(event.metrics.items())[:2])
        if event.kind != "step":
            return
        speed = f"{event.images_per_second:.3g} img/s"
        remark = f"epoch {event.epoch + 1}/{event.epochs} · loss {event.loss:.4g} · {speed}"
        if self._found and event.epoch:
            remark += f" · {self._found}"
        if self.aside.is_terminal:
            self._bars.show(title, event.step, event.steps, remark)
        elif time.monotonic() - self._spoke >= EVERY or event.step == event.steps:
            self._spoke = time.monotonic()
            line = f"{title}: step {event.step:,} of {event.steps:,} · {remark}"
            self.aside.print(line, soft_wrap=True, markup=False)

    def finished(self, job: Job, result: Result) -> None:
        """A run is over, now or before."""
        self._found = ""
        self.console.print(
            f"{_title(job, self._jobs)} · {result.recipe}: {result.metric} {result.headline:.2f} "
            f"({result.seconds:,.0f} s)",
            soft_wrap=True, markup=False,
        )  # fmt: skip

    def close(self) -> None:
        """Leave the bars as they stand."""
        self._bars.close()


@contextmanager
def training_progress(console: Console, aside: Console, jobs: int) -> Iterator[TrainingProgress]:
    """A `TrainingProgress` that leaves the terminal tidy, whatever happens."""
    progress = TrainingProgress(console, aside, jobs)
    try:
        yield progress
    finally:
        progress.close()


def _title(job: Job, jobs: int) -> str:
    name = str(job.trainee)
    short = name if len(name) <= _LONGEST else f"{name[: _LONGEST - 1]}…"
    return f"{job.number}/{jobs} {short} seed {job.seed}"
