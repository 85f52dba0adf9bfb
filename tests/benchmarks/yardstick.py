"""Multiples of the bare pass: a proxy and the plain forward pass of its network, timed in turns."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import torch

from uninas_bench.architecture import Task
from uninas_bench.data.source import ImageSet
from uninas_bench.proxy import Proxy
from uninas_bench.space import SearchSpace
from uninas_bench.subject import CellSubject


@dataclass(frozen=True)
class Cost:
    """Fastest seconds of a proxy's evaluation and of the bare pass, over the same rounds."""

    proxy: float
    bare: float

    @property
    def passes(self) -> float:
        return self.proxy / self.bare


def multiple(
    space: SearchSpace, encoding: str, task: Task, proxy: Proxy, images: ImageSet, *, rounds: int = 5
) -> Cost:
    """The cost of ``proxy`` as the engine pays it, network and initialisation included.

    The bare pass is the plain one: contiguous float32, train mode, no gradients, the network at hand.
    Other work on the machine slows both; taking turns and the fastest of each leaves the least of it.
    """
    architecture = space.parse(encoding)
    subject = CellSubject(
        space, architecture, task, proxy.settings, cell_seed=1, run_seed=0, images=images
    )  # fmt: skip
    network, inputs = subject.network(), subject.batch()[0]

    def bare() -> None:
        with torch.no_grad():
            network(inputs)

    calls: list[Callable[[], object]] = [bare, lambda: proxy.evaluate(subject)]
    best = [float("inf")] * len(calls)
    for _ in range(rounds):
        for position, call in enumerate(calls):
            start = time.perf_counter()
            call()
            best[position] = min(best[position], time.perf_counter() - start)
    return Cost(proxy=best[1], bare=best[0])
