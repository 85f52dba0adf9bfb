"""One training from a recipe and an architecture to a result, in a folder of its own.

The folder has ``run.json`` (all that the run is made of), checkpoints, ``log.jsonl`` and, once the run is
over, ``weights.safetensors``, ``result.json`` and ``README.md``, the model card. A run that is over is not
repeated: its result is read.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from uninas_bench.errors import UserError
from uninas_bench.provenance import provenance
from uninas_bench.training.card import write_card
from uninas_bench.training.export import read_weights, write_weights
from uninas_bench.training.loop.fit import TrainingEvent, fit
from uninas_bench.training.networks.building import check_fits, made_network
from uninas_bench.training.outcome import its_costs, its_speed, seconds_spent, what_was_trained
from uninas_bench.training.recipes.reading import canonical_json, recipe_sha
from uninas_bench.training.results import RESULT, Result, read_result, write_result
from uninas_bench.training.tasks.catalogue import objective_of
from uninas_bench.whole_files import write_whole

if TYPE_CHECKING:
    from uninas_bench.host import Host
    from uninas_bench.training.loop.distributed import Processes
    from uninas_bench.training.networks.trainee import Trainee
    from uninas_bench.training.recipes.recipe import Recipe

MANIFEST = "run.json"
_PATIENCE = 7.0
"""Seconds to wait for a folder's lock: a process that was killed leaves it to those that read its images."""
Progress = Callable[[TrainingEvent], None]


class RunBusy(UserError):
    """Another process is at this run."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What a run is made with and does not depend on, beside the recipe and the seed.

    Attributes:
        data: where data sets are.
        loader_workers: processes that read samples; 0 reads in the process that trains.
        smoke: whether the recipe is a smoke form of itself.
        resume: ``auto`` goes on from the last checkpoint; ``never`` begins anew.
        allow_processes_change: go on although the number of processes is another; the samples of a step then
            spread otherwise, so that the result is not bit for bit that of an uninterrupted run.
        tensorboard: write events for TensorBoard, too.
    """

    data: Mapping[str, str | Path] = field(default_factory=dict)
    loader_workers: int = 0
    smoke: bool = False
    resume: Literal["auto", "never"] = "auto"
    allow_processes_change: bool = False
    tensorboard: bool = False


def run_folder(output: Path, trainee: Trainee, recipe: Recipe, seed: int) -> Path:
    """Where the run of a trainee under a recipe and a seed is kept."""
    return output / trainee.key / recipe.name / f"seed-{seed}"


def train_one(
    trainee: Trainee,
    recipe: Recipe,
    *,
    seed: int,
    folder: Path,
    processes: Processes,
    settings: Settings,
    host: Host,
    pretrained: Path | None = None,
    progress: Progress | None = None,
) -> Result:
    """Train, evaluate, export; or go on where an earlier process stopped.

    Args:
        trainee: the architecture, with all that it takes to build its network.
        recipe: the protocol.
        seed: fixes initial weights, order, augmentation, dropout.
        folder: of this run alone; see `run_folder`.
        processes: this one among those that train together.
        settings: where data are and how to go on.
        host: names the plugins in the provenance.
        pretrained: weights to begin with: ``weights.safetensors`` of another run, or its folder.
        progress: called by the first process.

    Raises:
        RunBusy: another process is at this run.
        UserError: data, weights or memory are not what the recipe needs, a checkpoint is of another run, or
            the training diverged.
    """
    with _only_one(folder, processes):
        if settings.resume == "auto" and (folder / RESULT).is_file():
            return _same(read_result(folder / RESULT), trainee, recipe, seed, pretrained, folder)
        objective = objective_of(recipe, settings.data, host.data)
        classes = objective.classes
        check_fits(trainee, recipe, classes, processes.device)
        made = made_network(trainee, recipe, classes, seed, pretrained, processes)
        identity = {
            "recipe": recipe_sha(recipe),
            "architecture": str(trainee),
            "data": objective.fingerprint,
            "seed": str(seed),
            "pretrained": made.pretrained,
        }
        if processes.is_first:
            _write_manifest(folder, recipe, identity, made.notes)
        metrics = fit(
            objective,
            made.model,
            recipe,
            seed=seed,
            processes=processes,
            folder=folder,
            identity=identity,
            resume=settings.resume,
            loader_workers=settings.loader_workers,
            tensorboard=settings.tensorboard,
            progress=progress if processes.is_first else None,
            allow_processes_change=settings.allow_processes_change,
        )
        if processes.is_first:
            weights_sha = write_weights(made.model, trainee, recipe, classes, folder)
            result = Result(
                **what_was_trained(trainee, recipe, objective, seed, processes),
                **its_costs(trainee, recipe, made, classes),
                **its_speed(made, recipe, objective, processes),
                metric=objective.metric,
                metrics=dict(metrics),
                pretrained=made.pretrained,
                smoke=settings.smoke,
                seconds=seconds_spent(folder),
                weights_sha=weights_sha,
                notes=made.notes,
                provenance=provenance(
                    host, command=None, device=str(processes.device), workers=processes.count
                ),
            )
            write_result(result, folder)
            write_card(result, recipe, folder)
        processes.barrier()
        return read_result(folder / RESULT)


@contextmanager
def _only_one(folder: Path, processes: Processes) -> Iterator[None]:
    """Hold the folder's lock, in the first of the processes; it is free again when that process dies."""
    from filelock import FileLock, Timeout

    lock = FileLock(folder / ".lock")
    fault = ""
    if processes.is_first:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            lock.acquire(timeout=_PATIENCE)
        except Timeout:
            fault = "busy"
        except OSError as error:
            fault = f"{folder}: cannot be made: {error.strerror or error}"
    # The others must hear of it, or they would wait for the first one for ever.
    fault = next(iter(filter(None, processes.gather_objects(fault))), "")
    if fault == "busy":
        raise RunBusy(f"{folder}: another process is at this run")
    if fault:
        raise UserError(fault)
    try:
        yield
    finally:
        lock.release()


def _same(
    result: Result, trainee: Trainee, recipe: Recipe, seed: int, pretrained: Path | None, folder: Path
) -> Result:
    """The result of an earlier process, if it is of this very run.

    Raises:
        UserError: the folder has the result of another recipe, architecture or seed, or from other weights.
    """
    expected = {
        "recipe": (recipe_sha(recipe), result.recipe_sha),
        "architecture": (trainee.architecture, result.architecture),
        "scale": (trainee.scale, result.scale),
        "seed": (seed, result.seed),
        "start": (read_weights(pretrained)[1] if pretrained else "", result.pretrained),
    }
    for name, (wanted, found) in expected.items():
        if wanted != found:
            raise UserError(
                f"{folder}: has the result of another {name} ({str(found)[:12]}, not {str(wanted)[:12]}); "
                "choose another --output, or --resume never to replace it"
            )
    return result


def _write_manifest(
    folder: Path, recipe: Recipe, identity: Mapping[str, str], notes: tuple[str, ...]
) -> None:
    """``run.json``: what the run is, before its first step."""
    from uninas_bench.training.data.augmentation import effective_magnitude

    content: dict[str, Any] = {
        "format": "uninas-bench run",
        "identity": dict(identity),
        "notes": list(notes),
        "assumed": list(recipe.assumed),
        "recipe": json.loads(canonical_json(recipe)),
    }
    policy = getattr(recipe.augmentation, "policy", "")
    if policy:
        content["effective_magnitude"] = effective_magnitude(policy)
    write_whole(folder / MANIFEST, (json.dumps(content, indent=1) + "\n").encode())
