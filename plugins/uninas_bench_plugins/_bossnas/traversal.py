"""Run all paths of a block, a common beginning of several paths once, and count the passes."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial

import torch
from torch import Tensor, nn

from uninas_bench_plugins._bossnas.networks import Side
from uninas_bench_plugins._bossnas.plan import Chain, Path
from uninas_bench_plugins._bossnas.supernet import last_choice


@dataclass
class Passes:
    """Layers run forward on a batch.

    Attributes:
        run: those that were.
        without_prefixes: had every path run all of its layers.
        without_caches: had every path moreover run all blocks before its own.
    """

    run: int = 0
    without_prefixes: int = 0
    without_caches: int = 0

    def add(self, other: Passes) -> None:
        """Count another traversal as well."""
        for name, count in asdict(other).items():
            setattr(self, name, getattr(self, name) + count)


@dataclass(frozen=True)
class Batch:
    """Tensors at one place of a network: of the images, and of those that its norms are calibrated by."""

    images: Tensor
    calibration: Tensor | None = None


class Runner:
    """Runs parts of a network on batches, its norms with the batch's statistics or with calibrated ones.

    Calibration goes along: each part first meets the calibration images, with whose statistics its norms then
    treat the images. The norms are changed by that; see `untouched`.
    """

    def __init__(self, network: nn.Module) -> None:
        self.norms = _norms(network)
        self.learns: bool | None = None
        for norm in self.norms:
            norm.momentum = 1.0

    @torch.no_grad()
    def __call__(self, part: Callable[[Tensor], Tensor], batch: Batch) -> Batch:
        """What ``part`` of the network makes of a batch."""
        self._train(True)
        if batch.calibration is None:
            return Batch(part(batch.images))
        calibration = part(batch.calibration)
        self._train(False)
        return Batch(part(batch.images), calibration)

    def _train(self, mode: bool) -> None:
        # The norms alone, and not again and again: a supernet has thousands of modules.
        if mode is not self.learns:
            self.learns = mode
            for norm in self.norms:
                norm.training = mode


@contextmanager
def untouched(network: nn.Module) -> Iterator[None]:
    """Whatever runners do to a network's norms, afterwards they are as they were."""
    norms = _norms(network)
    modes = [(norm.training, norm.momentum) for norm in norms]
    buffers = [(buffer, buffer.clone()) for buffer in network.buffers()]
    try:
        yield
    finally:
        for norm, (training, momentum) in zip(norms, modes, strict=True):
            norm.training, norm.momentum = training, momentum
        for buffer, before in buffers:
            buffer.copy_(before)


def _norms(network: nn.Module) -> list[nn.modules.batchnorm._BatchNorm]:
    return [module for module in network.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]


def traverse(
    runner: Runner,
    side: Side,
    block: int,
    paths: Sequence[Path],
    chain: Chain,
    entered: Batch,
    passes: Passes,
) -> Iterator[tuple[Path, Batch]]:
    """Every path with its features (B, features), in lexicographic order.

    Args:
        runner: of ``side``.
        side: the network.
        block: whose paths are run.
        paths: of the block.
        chain: the paths that made ``entered``.
        entered: the block's input.
        passes: is counted up.
    """
    supernet = side.supernet
    before = sum(map(len, chain))
    trail: Path = ()
    outputs: list[Batch] = []
    for path in sorted(paths):
        shared = _common(trail, path)
        del outputs[shared:]
        for position in range(shared, len(path)):
            previous = path[position - 1] if position else last_choice(chain)
            layer = partial(supernet.layer, block, position, path[position], previous=previous)
            outputs.append(runner(layer, outputs[-1] if outputs else entered))
        passes.add(Passes(len(path) - shared, len(path), len(path) + before))
        trail = path
        yield path, runner(partial(supernet.neck, block, path[-1]), outputs[-1])


def _common(left: Path, right: Path) -> int:
    """How many choices two paths begin with in common."""
    pairs = itertools.takewhile(lambda pair: pair[0] == pair[1], zip(left, right, strict=False))
    return sum(1 for _ in pairs)
