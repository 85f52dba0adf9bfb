"""A context such as the harness gives, and supernets small enough for seconds."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

import uninas_bench as ub
from uninas_bench.data.digits import Digits
from uninas_bench.seeds import derive_seed
from uninas_bench.whole_files import write_whole
from uninas_bench_plugins._bossnas import checkpoint
from uninas_bench_plugins._bossnas.networks import Siamese
from uninas_bench_plugins._bossnas.settings import BossnasSettings
from uninas_bench_plugins._bossnas.size_plan import SizePlan
from uninas_bench_plugins._bossnas.size_supernet import SizeSupernet
from uninas_bench_plugins._bossnas.table import read_table
from uninas_bench_plugins._bossnas.training import fit

WIDTHS = (2, 3, 4)
SMALL = {
    "batch": 32,
    "images": 96,
    "validation": 24,
    "resolution": 8,
    "paths": 3,
    "epochs": 2,
    "features": 12,
    "hidden": 10,
    "out": 6,
}


def small(**changes) -> BossnasSettings:
    return BossnasSettings(**{**SMALL, **changes})


class ToyContext:
    """The harness's context in miniature, on scikit-learn's digits."""

    def __init__(self, folder: Path, seed: int = 0, pixels: int = 8) -> None:
        self.task = ub.space("nats_size").tasks[0]
        self.seed = seed
        self.pixels = pixels
        self.device = torch.device("cpu")
        self.folder = folder
        self.reports: list[tuple[int, int, str]] = []

    def images(self, split):
        return Digits().load(split, self.pixels)

    def generator(self, stream: str) -> torch.Generator:
        return torch.Generator().manual_seed(derive_seed(self.seed, stream))

    def write(self, name: str, data: bytes) -> None:
        write_whole(self.folder / name, data)

    def report(self, done: int, total: int, text: str) -> None:
        self.reports.append((done, total, text))


def supernet(partition=(2, 2, 1), widths=WIDTHS, cells=1, features=12, seed=0) -> SizeSupernet:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return SizeSupernet(SizePlan(partition, widths), cells, features)


def siamese(targets=()) -> Siamese:
    """Two sides apart from each other, so that it matters which one is asked."""
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(3)
        networks = Siamese(supernet(), hidden=10, out=6, targets=targets)
        for parameter in networks.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape))
    return networks.train()


class KilledError(Exception):
    pass


def weights(folder):
    return torch.load(folder / checkpoint.FILE, weights_only=True)["networks"]


def same(left, right):
    """Bit for bit, weights and ratings."""
    first, second = weights(left), weights(right)
    assert first.keys() == second.keys()
    different = [name for name in first if not torch.equal(first[name], second[name])]
    assert not different
    assert read_table(left).blocks == read_table(right).blocks
    assert read_table(left).chains == read_table(right).chains
    assert read_table(left).notes["training"] == read_table(right).notes["training"]


def interrupted(context, settings, at, make=supernet):
    """Fit, with a checkpoint at every update, until the ``at``-th one is written."""
    count = 0
    real = checkpoint.save

    def save(context, state):
        nonlocal count
        real(context, state)
        count += 1
        if count == at:
            raise KilledError

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(checkpoint, "save", save)
        fit(make, context, settings, seconds=0.0)
