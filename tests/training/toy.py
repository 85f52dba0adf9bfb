"""The smallest objective: digits of 8x8 pixels and a conv net with drop path; and a run that tests kill."""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import random
import socket
import tomllib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from uninas_bench.data.digits import Digits
from uninas_bench.training import recipes
from uninas_bench.training.loop.checkpoint import load_latest
from uninas_bench.training.loop.distributed import Processes, processes_from_environment
from uninas_bench.training.loop.fit import fit
from uninas_bench.training.recipes.recipe import Recipe

ROOT = Path(__file__).parents[2]
TOML = Path(recipes.__file__).parent


def published(name: str, /, **changes: Mapping[str, Any]) -> Recipe:
    """A recipe of the package with some fields of some sections changed."""
    content = tomllib.loads((TOML / f"{name}.toml").read_text())
    for section, fields in changes.items():
        content[section] |= fields
    return Recipe.model_validate_json(json.dumps(content))


def toy_recipe(**changes: Mapping[str, Any]) -> Recipe:
    """Four epochs of ten steps of 2 x 4 images, checkpoints every seven steps."""
    merged: dict[str, dict[str, Any]] = {
        "schedule": {"epochs": 4, "warm_up_epochs": 1, "rate": 1e-2, "rate_batch": 8},
        "run": {
            "batch": 4,
            "accumulate": 2,
            "checkpoint_every": 7,
            "evaluation_batch": 8,
            "channels_last": False,
        },
    }
    for section, fields in changes.items():
        merged.setdefault(section, {}).update(fields)
    return published("classification", **merged)


class Samples:
    """Digits; with noise from all three global generators where ``augment``."""

    def __init__(
        self, count: int, *, augment: bool, read: Callable[[int], None] = lambda index: None
    ) -> None:
        images = Digits().load("train" if augment else "test", 8)
        self.images, self.labels = images.batch(slice(0, count))
        self.augment = augment
        self.read = read

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        self.read(index)
        image = self.images[index]
        if self.augment:
            shift = random.random() + float(np.random.random()) + float(torch.rand(()))  # noqa: NPY002
            image = image + 0.1 * shift + 0.1 * torch.randn(image.shape)
        return image, int(self.labels[index])


def collate(samples: Sequence[tuple[Tensor, int]]) -> tuple[Tensor, Tensor]:
    return torch.stack([image for image, _ in samples]), torch.tensor([label for _, label in samples])


class Meter:
    """Accuracy, images seen, and a number in which every weight and statistic of the network shows."""

    def __init__(self) -> None:
        self.counts = torch.zeros(3, dtype=torch.float64)

    def update(self, predictions: Tensor, targets: Tensor) -> None:
        right = (predictions.argmax(1) == targets).sum()
        sure = predictions.double().softmax(1).amax(1).sum()
        self.counts += torch.stack([right.double(), sure, torch.tensor(1.0).double() * len(targets)])

    def result(self, processes: Processes) -> Mapping[str, float]:
        right, sure, seen = processes.sum(self.counts).tolist()
        return {"accuracy": 100 * right / seen, "sure": sure / seen, "seen": seen}


class ToyNetwork(nn.Module):
    """Convolutions with batch norm and a residual that is dropped by chance."""

    def __init__(self, drop_path: float = 0.2, *, norm: bool = True) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, padding=1)
        self.norm = nn.BatchNorm2d(8) if norm else nn.Identity()
        self.block = nn.Conv2d(8, 8, 3, padding=1)
        self.table = nn.Parameter(torch.zeros(8, 8))
        self.head = nn.Linear(8 * 16, 10)
        self.drop_path = drop_path

    def no_weight_decay(self) -> set[str]:
        return {"table"}

    def forward(self, images: Tensor, targets: Tensor | None = None) -> Any:
        maps = self.norm(self.stem(images)).relu()
        branch = self.block(maps) + self.table
        if self.training:
            keep = torch.rand(len(images), 1, 1, 1, device=images.device) >= self.drop_path
            branch = branch * keep / (1 - self.drop_path)
        logits = self.head(functional.avg_pool2d(maps + branch, 2).flatten(1))
        if targets is None:
            return logits
        return {
            "cross_entropy": functional.cross_entropy(logits, targets),
            "size": 1e-3 * logits.square().mean(),
        }


class Toy:
    """An ``Objective``."""

    metric = "accuracy"
    classes = 10
    fingerprint = "toy"

    def __init__(
        self, images: int = 83, *, augment: bool = True, read: Callable[[int], None] = lambda index: None
    ) -> None:
        self.training = Samples(images, augment=True, read=read)
        self.training.augment = augment
        self.test = Samples(45, augment=False)

    @property
    def collate(self) -> Callable[[Sequence[tuple[Tensor, Any]]], tuple[Any, Any]]:
        return collate

    def meter(self) -> Meter:
        return Meter()


def network(drop_path: float = 0.2, *, norm: bool = True) -> ToyNetwork:
    with torch.random.fork_rng([]):
        torch.manual_seed(1)
        return ToyNetwork(drop_path, norm=norm)


def train(
    folder: Path, recipe: Recipe | None = None, **changes: Any
) -> tuple[nn.Module, Mapping[str, float]]:
    """A run in ``folder``: the trained network and its metrics."""
    settings: dict[str, Any] = {
        "objective": Toy(), "model": network(), "recipe": recipe or toy_recipe(), "seed": 3, "folder": folder,
        "processes": Processes(), "identity": {"recipe": "toy", "architecture": "conv"},
    }  # fmt: skip
    settings |= changes
    return settings["model"], fit(**settings)


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def run(folder: Path, *arguments: str, processes: int = 1) -> list[int | None]:
    """A run of so many processes of its own, to the end of all: their exit codes.

    They are forked from a server that has imported what they need and computed nothing.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.training.toy", "torch._dynamo", "sklearn.datasets"])
    port = free_port()
    started = []
    for rank in range(processes):
        environment = {}
        if processes > 1:
            environment = {"WORLD_SIZE": str(processes), "RANK": str(rank), "LOCAL_RANK": str(rank)}
            environment |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
        command = [str(folder), "--processes", str(processes), *arguments]
        started.append(context.Process(target=_main, args=(command, environment)))
        started[-1].start()
    for process in started:
        process.join(timeout=120)
    return [process.exitcode for process in started]


def content(folder: Path) -> tuple[dict[str, Any], bytes]:
    """What two equal runs have in common: the last checkpoint, flat, and the log."""
    state = load_latest(folder / "checkpoints")
    assert state is not None
    flat: dict[str, Any] = {}

    def flatten(value: Any, name: str) -> None:
        if isinstance(value, dict | list):
            for key, part in value.items() if isinstance(value, dict) else enumerate(value):
                flatten(part, f"{name}/{key}")
        else:
            flat[name] = value

    flatten(dict(state), "")
    return flat, (folder / "log.jsonl").read_bytes()


def assert_same(folder: Path, other: Path) -> None:
    """Equal to the bit: weights, statistics, the optimiser's state, metrics, and the log."""
    (ours, log), (theirs, other_log) = content(folder), content(other)
    assert ours.keys() == theirs.keys()
    for name, value in ours.items():
        same = torch.equal(value, theirs[name]) if isinstance(value, Tensor) else value == theirs[name]
        assert same, name
    assert log == other_log


def _main(arguments: list[str], environment: dict[str, str]) -> None:
    os.environ.update(environment)
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--workers", type=int, default=0)
    parser.add_argument("--processes", type=int, default=1, help="that share the recipe's 8 images")
    parser.add_argument("--plain", action="store_true", help="no batch norm, drop path or augmentation")
    parser.add_argument("--signal", type=int, default=0, help="that the process of --rank sends to itself")
    parser.add_argument("--rank", type=int, default=0)
    parser.add_argument("--at", type=int, default=0, help="in the forward pass of this number")
    given = parser.parse_args(arguments)
    torch.set_num_threads(1)
    # A loader's workers are forked in a run that was started by itself.
    multiprocessing.set_start_method("fork", force=True)
    model = network(0.0, norm=False) if given.plain else network()
    passes = 0

    def count(module: nn.Module, _: Any) -> None:
        nonlocal passes
        passes += module.training
        if given.signal and passes == given.at and int(os.environ.get("RANK", "0")) == given.rank:
            os.kill(os.getpid(), given.signal)

    model.register_forward_pre_hook(count)
    with processes_from_environment("cpu") as processes:
        train(
            given.folder, toy_recipe(run={"batch": 4 // given.processes}), model=model, processes=processes,
            objective=Toy(augment=not given.plain), loader_workers=given.workers,
        )  # fmt: skip
