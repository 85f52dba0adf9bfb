"""From candidates to results: every architecture, every seed, under a recipe and those that build on it.

Runs are independent and each has its folder with a lock, so the same command started twice, on one machine or
on several that share the folder, shares the work; and started again it goes on where it was stopped.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from uninas_bench.errors import InvalidArchitecture, UserError
from uninas_bench.search.candidates import read_candidates

if TYPE_CHECKING:
    from uninas_bench.host import Host
    from uninas_bench.training.loop.distributed import Processes
    from uninas_bench.training.loop.fit import TrainingEvent
    from uninas_bench.training.networks.trainee import Trainee
    from uninas_bench.training.recipes.recipe import Recipe
    from uninas_bench.training.results import Result
    from uninas_bench.training.run import Settings

_PATIENCE = 5.0
"""Seconds before runs that others are at are looked at again."""


@dataclass(frozen=True, slots=True)
class Job:
    """A trainee and a seed, with their number among all of the hand-over, from 1."""

    number: int
    trainee: Trainee
    seed: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a job came to: the results of the chain as far as it went, and why it went no further."""

    job: Job
    results: tuple[Result, ...]
    failure: str = ""


Progress = Callable[[Job, "Recipe", "TrainingEvent"], None]


def candidate_trainees(path: Path, top: int, host: Host) -> list[Trainee]:
    """The best ``top`` architectures of a file of candidates, at the scale that they were searched at.

    Raises:
        InvalidFile: the file cannot be read, or has fewer candidates.
        UserError: its space is not installed.
    """
    from uninas_bench.training.networks.trainee import trainee_of

    found = read_candidates(path)
    if len(found.candidates) < top:
        raise UserError(f"{path}: has {len(found.candidates)} candidates, --top {top} asks for more")
    space = host.space(found.space)
    pairs = (part.partition("=") for part in found.scale.split(",") if part)
    space = space.scaled(**{name: value for name, _, value in pairs})
    return [trainee_of(space, architecture) for architecture in found.architectures[:top]]


def jobs_of(trainees: Sequence[Trainee], seeds: Sequence[int]) -> list[Job]:
    """All pairs, seed after seed: after the first seed every architecture has a result."""
    pairs = [(trainee, seed) for seed in seeds for trainee in trainees]
    return [Job(number, trainee, seed) for number, (trainee, seed) in enumerate(pairs, 1)]


def train_all(
    jobs: Sequence[Job],
    chain: Sequence[Recipe],
    *,
    output: Path,
    processes: Processes,
    settings: Settings,
    host: Host,
    pretrained: Path | None = None,
    progress: Progress | None = None,
    finished: Callable[[Job, Result], None] | None = None,
) -> list[Outcome]:
    """Run the jobs one after another; a training that fails for reasons of its own stops no other.

    Such reasons are a loss that is not finite, a network that cannot be, a device that is too small.

    Args:
        jobs: see `jobs_of`.
        chain: the first recipe, and those that go on from the weights that it left, each from the same.
        output: folder of all runs.
        processes: this one among those that train together.
        settings: where data are and how to go on.
        host: names the plugins in the provenance.
        pretrained: what the first recipe begins with.
        progress: called by the first process as a run goes on.
        finished: called when a run of the chain is over, also when it was over before.

    Raises:
        UserError: something that every job would meet: missing data, a checkpoint of another recipe.
    """
    outcomes: dict[int, Outcome] = {}
    waiting = list(jobs)
    while waiting:
        busy = []
        for job in waiting:
            outcome = _chain(job, chain, output, processes, settings, host, pretrained, progress, finished)
            if outcome is None:
                busy.append(job)
            else:
                outcomes[job.number] = outcome
        if len(busy) == len(waiting):
            time.sleep(_PATIENCE)
        waiting = busy
    return [outcomes[job.number] for job in jobs]


def _chain(
    job: Job,
    chain: Sequence[Recipe],
    output: Path,
    processes: Processes,
    settings: Settings,
    host: Host,
    pretrained: Path | None,
    progress: Progress | None,
    finished: Callable[[Job, Result], None] | None,
) -> Outcome | None:
    """One job through all recipes; None where another process is at it."""
    from torch import OutOfMemoryError

    from uninas_bench.training.loop.fit import TrainingDiverged
    from uninas_bench.training.run import RunBusy, run_folder, train_one

    results: list[Result] = []
    weights = pretrained
    for recipe in chain:
        folder = run_folder(output, job.trainee, recipe, job.seed)

        def report(event: TrainingEvent, recipe: Recipe = recipe) -> None:
            if progress is not None:
                progress(job, recipe, event)

        try:
            result = train_one(
                job.trainee, recipe, seed=job.seed, folder=folder, processes=processes, settings=settings,
                host=host, pretrained=weights, progress=report,
            )  # fmt: skip
        except RunBusy:
            return None
        except (TrainingDiverged, InvalidArchitecture) as error:
            return Outcome(job, tuple(results), f"{recipe.name}: {error}")
        except OutOfMemoryError as error:
            advice = (
                f"--set run.batch={max(1, recipe.run.batch // 2)} and more accumulation keep the protocol"
            )
            reason = str(error).partition(". ")[0]
            return Outcome(job, tuple(results), f"{recipe.name}: {reason}; {advice}")
        results.append(result)
        if recipe is chain[0]:
            weights = folder
        if finished is not None and processes.is_first:
            finished(job, result)
    return Outcome(job, tuple(results))
