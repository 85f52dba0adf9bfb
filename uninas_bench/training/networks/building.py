"""The network of a run, as its first step finds it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import nn

from uninas_bench.seeds import derive_seed
from uninas_bench.training.estimate import check_memory, footprint
from uninas_bench.training.export import read_weights
from uninas_bench.training.networks.backbone import Backbone, backbone_of, freeze_unused, load_pretrained
from uninas_bench.training.tasks.catalogue import network_of

if TYPE_CHECKING:
    from uninas_bench.training.loop.distributed import Processes
    from uninas_bench.training.networks.trainee import Trainee
    from uninas_bench.training.recipes.recipe import Recipe


@dataclass(frozen=True, slots=True)
class Made:
    """A network with its head, as the first step finds it.

    Attributes:
        model: on the device.
        backbone: inside it.
        pretrained: recipe and checksum of the weights that it begins with; empty for random ones.
        notes: what was done to it that one should know.
    """

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


def made_network(
    trainee: Trainee, recipe: Recipe, classes: int, seed: int, pretrained: Path | None, processes: Processes
) -> Made:
    """The network of a run: built, given pretrained weights, its batch norms as the recipe has them.

    Parameters without effect on the output are frozen: several processes would wait for their gradients.

    Raises:
        UserError: the network cannot be, or the weights are of another one.
    """
    from timm.layers import freeze_batch_norm_2d  # type: ignore[attr-defined]

    model, backbone = untrained(trainee, recipe, classes, seed)
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
    return Made(model.to(processes.device), backbone, origin, tuple(notes))


def check_fits(trainee: Trainee, recipe: Recipe, classes: int, device: torch.device) -> None:
    """Refuse before the first step what would end in an out-of-memory error, or in swapping.

    Raises:
        UserError: the device cannot hold what a batch needs.
    """
    available = device_memory(device)
    if available is None:
        return
    half = recipe.run.precision == "bfloat16" or (recipe.run.precision == "auto" and device.type == "cuda")
    with torch.device("meta"):
        model, backbone = untrained(trainee, recipe, classes, 0)
    found = footprint(model, backbone, recipe)
    check_memory(found, recipe, available, half=half, where=str(device))


def device_memory(device: torch.device) -> int | None:
    """Bytes of a GPU, or of this machine for a CPU; None where the system does not tell."""
    if device.type == "cuda":
        return int(torch.cuda.get_device_properties(device).total_memory)
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError, AttributeError):
        return None
