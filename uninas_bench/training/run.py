"""One training from a recipe and an architecture to a result, in a folder of its own.

The folder has ``run.json`` (all that the run is made of), checkpoints, ``log.jsonl`` and, once the run is
over, ``weights.safetensors``, ``result.json`` and ``README.md``, the model card. A run that is over is not
repeated: its result is read.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import nn

from uninas_bench.errors import UserError
from uninas_bench.provenance import provenance
from uninas_bench.seeds import derive_seed
from uninas_bench.tasks import find_task
from uninas_bench.training.backbone import Backbone, backbone_of, freeze_unused, load_pretrained
from uninas_bench.training.card import write_card
from uninas_bench.training.estimate import backbone_macs, check_memory, footprint
from uninas_bench.training.export import read_weights, write_weights
from uninas_bench.training.loading import moved
from uninas_bench.training.loop import TrainingEvent, fit
from uninas_bench.training.reading import canonical_json, recipe_sentence, recipe_sha
from uninas_bench.training.results import RESULT, Result, read_result, write_result
from uninas_bench.training.schedule import plan_of
from uninas_bench.training.tasks.catalogue import network_of, objective_of
from uninas_bench.training.throughput import images_per_second
from uninas_bench.whole_files import write_whole

if TYPE_CHECKING:
    from uninas_bench.host import Host
    from uninas_bench.training.distributed import Processes
    from uninas_bench.training.objective import Objective
    from uninas_bench.training.recipe import Recipe
    from uninas_bench.training.trainee import Trainee

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
            return _same(read_result(folder / RESULT), trainee, recipe, seed, folder)
        objective = objective_of(recipe, settings.data, host.data)
        made = _network(trainee, recipe, objective, seed, pretrained, processes)
        _check_memory(trainee, recipe, objective, processes)
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
            weights_sha = write_weights(made.model, trainee, recipe, objective.classes, folder)
            result = Result(
                **_what(trainee, recipe, objective, seed, processes),
                **_costs(trainee, recipe, objective, made),
                **_speed(made, recipe, objective, processes),
                metric=objective.metric,
                metrics=dict(metrics),
                pretrained=made.pretrained,
                smoke=settings.smoke,
                seconds=_seconds(folder),
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


@dataclass(frozen=True, slots=True)
class _Made:
    model: nn.Module
    backbone: Backbone
    pretrained: str
    notes: tuple[str, ...]


def built_resolution(recipe: Recipe) -> int:
    """The resolution that position tables are made for.

    The images' own where they are square and nothing comes before, or where tables are resized when weights
    are loaded; else that of the classification that comes before.
    """
    height, width = recipe.data.resolution
    square = height == width
    earlier = recipe.backbone.pretrained_resolution
    if square and (not earlier or recipe.backbone.position_tables == "resized"):
        return height
    return earlier or min(height, width)


def untrained(trainee: Trainee, recipe: Recipe, classes: int, seed: int) -> tuple[nn.Module, Backbone]:
    """A fresh network with the head of its task, whose weights follow from the seed alone."""
    with torch.random.fork_rng():
        torch.manual_seed(derive_seed("weights", str(trainee), recipe.kind, seed))
        backbone = backbone_of(
            trainee,
            resolution=built_resolution(recipe),
            classes=classes,
            drop_path=recipe.backbone.drop_path,
        )
        return network_of(recipe, backbone, classes), backbone


def _network(
    trainee: Trainee,
    recipe: Recipe,
    objective: Objective,
    seed: int,
    pretrained: Path | None,
    processes: Processes,
) -> _Made:
    from timm.layers import freeze_batch_norm_2d  # type: ignore[attr-defined]

    model, backbone = untrained(trainee, recipe, objective.classes, seed)
    notes = []
    following = backbone.set_drop_path(recipe.backbone.drop_path)
    if recipe.backbone.drop_path and not following:
        notes.append("drop path: the network has no residual that could be dropped")
    origin = ""
    if pretrained is not None:
        weights, origin = read_weights(pretrained)
        resized = load_pretrained(backbone, weights, recipe.backbone.position_tables == "resized")
        if resized:
            notes.append(f"{len(resized)} position tables resized for {built_resolution(recipe)} pixels")
    elif recipe.backbone.pretrained_resolution:
        notes.append("trained from scratch: the recipe starts from a pretrained classifier")
    frozen = freeze_unused(model)
    if frozen:
        notes.append(f"without effect on the output, and frozen: {', '.join(frozen)}")
    if recipe.backbone.batch_norm == "frozen":
        freeze_batch_norm_2d(backbone)  # type: ignore[no-untyped-call]
    elif recipe.backbone.batch_norm == "synchronised" and processes.count > 1:
        if processes.device.type == "cuda":
            model = nn.SyncBatchNorm.convert_sync_batchnorm(model)  # type: ignore[no-untyped-call]
        else:
            notes.append("batch norms are synchronised on GPUs only; here each process had its own")
    return _Made(model.to(processes.device), backbone, origin, tuple(notes))


def _check_memory(trainee: Trainee, recipe: Recipe, objective: Objective, processes: Processes) -> None:
    """Refuse before the first step what would end in an out-of-memory error, or in swapping."""
    available = device_memory(processes.device)
    if available is None:
        return
    half = recipe.run.precision == "bfloat16" or (
        recipe.run.precision == "auto" and processes.device.type == "cuda"
    )
    with torch.device("meta"):
        model, backbone = untrained(trainee, recipe, objective.classes, 0)
    found = footprint(model, backbone, recipe)
    check_memory(found, recipe, available, half=half, where=str(processes.device))


def device_memory(device: torch.device) -> int | None:
    """Bytes of a GPU, or of this machine for a CPU; None where the system does not tell."""
    import os

    if device.type == "cuda":
        return int(torch.cuda.get_device_properties(device).total_memory)
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError, AttributeError):
        return None


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


def _same(result: Result, trainee: Trainee, recipe: Recipe, seed: int, folder: Path) -> Result:
    """The result of an earlier process, if it is of this very run.

    Raises:
        UserError: the folder has the result of another recipe, architecture or seed.
    """
    expected = {
        "recipe": (recipe_sha(recipe), result.recipe_sha),
        "architecture": (trainee.architecture, result.architecture),
        "scale": (trainee.scale, result.scale),
        "seed": (seed, result.seed),
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


def _what(
    trainee: Trainee, recipe: Recipe, objective: Objective, seed: int, processes: Processes
) -> dict[str, Any]:
    """What was trained on what."""
    plan = plan_of(recipe, len(objective.training), processes.count)
    return {
        "space": trainee.space,
        "scale": trainee.scale,
        "architecture": trainee.architecture,
        "recipe": recipe.name,
        "recipe_version": recipe.version,
        "recipe_sha": recipe_sha(recipe),
        "kind": recipe.kind,
        "protocol": recipe_sentence(recipe),
        "task": _task(recipe),
        "resolution": recipe.data.resolution,
        "classes": objective.classes,
        "seed": seed,
        "steps": plan.steps,
        "images_per_step": plan.images_per_step,
        "training_images": len(objective.training),
        "test_images": len(objective.test),
        "data": objective.fingerprint,
    }


def _task(recipe: Recipe) -> str:
    """The data set's name as a task: with its resolution, where that is not the catalogue's."""
    dataset, side = recipe.data.dataset, recipe.data.resolution[0]
    return dataset if find_task(dataset).resolution == side else f"{dataset}@{side}"


def _costs(trainee: Trainee, recipe: Recipe, objective: Objective, made: _Made) -> dict[str, Any]:
    """Parameters and FLOPs as the space counts them where it does, and what torch counts."""
    resolution = built_resolution(recipe)
    with torch.device("meta"):
        backbone = backbone_of(trainee, resolution=resolution, classes=objective.classes, drop_path=0.0)
    priced = trainee.costs(resolution, objective.classes)
    return {
        "params": priced.params if priced else sum(p.numel() for p in backbone.parameters()),
        "flops": priced.flops if priced else None,
        "flops_resolution": resolution,
        "convention": priced.convention if priced else "",
        "macs": backbone_macs(backbone, recipe.data.resolution, classify=recipe.kind == "classification"),
        "network_params": sum(p.numel() for p in made.model.parameters()),
    }


def _speed(made: _Made, recipe: Recipe, objective: Objective, processes: Processes) -> dict[str, Any]:
    """Images per second of the finished network, on the first test images."""
    count = min(recipe.run.evaluation_batch, len(objective.test))
    images, _ = objective.collate([objective.test[index] for index in range(count)])
    speed = images_per_second(made.model, moved(images, processes.device), count, processes.device)
    return {"images_per_second": speed, "timed_batch": count, "device": str(processes.device)}


def _seconds(folder: Path) -> float:
    """What the run's steps and evaluations took, as its log's twin has it."""
    lines = (folder / "times.jsonl").read_text("utf-8").splitlines()
    return math.fsum(json.loads(line)["seconds"] for line in lines)
