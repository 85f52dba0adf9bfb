"""What is known of a run when its last step is done: the fields of its `Result`."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from uninas_bench.tasks import find_task
from uninas_bench.training.estimate import backbone_macs
from uninas_bench.training.loop.loading import moved
from uninas_bench.training.loop.schedule import plan_of
from uninas_bench.training.networks.backbone import backbone_of
from uninas_bench.training.networks.building import Made, built_resolution
from uninas_bench.training.recipes.reading import recipe_sentence, recipe_sha
from uninas_bench.training.throughput import images_per_second

if TYPE_CHECKING:
    from uninas_bench.training.loop.distributed import Processes
    from uninas_bench.training.networks.trainee import Trainee
    from uninas_bench.training.objective import Objective
    from uninas_bench.training.recipes.recipe import Recipe


def what_was_trained(
    trainee: Trainee, recipe: Recipe, objective: Objective, seed: int, processes: Processes
) -> dict[str, Any]:
    """The fields of a `Result` that say what was trained on what."""
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


def its_costs(trainee: Trainee, recipe: Recipe, made: Made, classes: int) -> dict[str, Any]:
    """The fields that say what it costs: as the space counts where it does, and as torch counts."""
    resolution = built_resolution(recipe)
    with torch.device("meta"):
        backbone = backbone_of(trainee, resolution=resolution, classes=classes, drop_path=0.0)
    priced = trainee.costs(resolution, classes)
    return {
        "params": priced.params if priced else sum(p.numel() for p in backbone.parameters()),
        "flops": priced.flops if priced else None,
        "flops_resolution": resolution,
        "convention": priced.convention if priced else "",
        "macs": backbone_macs(backbone, recipe.data.resolution, classify=recipe.kind == "classification"),
        "network_params": sum(p.numel() for p in made.model.parameters()),
    }


def its_speed(made: Made, recipe: Recipe, objective: Objective, processes: Processes) -> dict[str, Any]:
    """The fields that say how fast the finished network is, on the first test images."""
    count = min(recipe.run.evaluation_batch, len(objective.test))
    images, _ = objective.collate([objective.test[index] for index in range(count)])
    speed = images_per_second(made.model, moved(images, processes.device), count, processes.device)
    return {"images_per_second": speed, "timed_batch": count, "device": str(processes.device)}


def seconds_spent(folder: Path) -> float:
    """What the run's steps and evaluations took, as its log's twin has it."""
    lines = (folder / "times.jsonl").read_text("utf-8").splitlines()
    return math.fsum(json.loads(line)["seconds"] for line in lines)
