"""Which images a process sees in which order: a function of seed and step, so that any step can be first."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from uninas_bench.seeds import derive_seed

Key = tuple[int, int]


@dataclass(frozen=True, kw_only=True)
class TrainingBatches:
    """The batches of one process, from one step to another, as lists of (epoch, index of the image).

    Every epoch has a permutation of its own. A step takes the next images of it, which are as many for every
    number of processes that share them: each process takes one of equal consecutive parts, each accumulated
    pass a consecutive part of that. Two processes of 24 images thus see in every step what one of 48 sees.

    Attributes:
        images: of the training split.
        seed: of the run.
        steps_per_epoch: whole steps; the images after the last are left out, others in every epoch.
        batch: images per forward pass.
        accumulate: passes per step.
        rank: of this process.
        processes: that share a step.
        first_step: from which on; no image of the steps before is read.
        last_step: the first that is not made.
    """

    images: int
    seed: int
    steps_per_epoch: int
    batch: int
    accumulate: int
    rank: int
    processes: int
    first_step: int
    last_step: int

    def __len__(self) -> int:
        return max(0, self.last_step - self.first_step) * self.accumulate

    def __iter__(self) -> Iterator[list[Key]]:
        share = self.batch * self.accumulate
        epoch, order = -1, np.empty(0, dtype=np.int64)
        for step in range(self.first_step, self.last_step):
            if step // self.steps_per_epoch != epoch:
                epoch = step // self.steps_per_epoch
                generator = np.random.default_rng(derive_seed(self.seed, "order", epoch))
                order = generator.permutation(self.images)
            start = (step % self.steps_per_epoch * self.processes + self.rank) * share
            for first in range(start, start + share, self.batch):
                yield [(epoch, index) for index in order[first : first + self.batch].tolist()]


def evaluation_batches(images: int, batch: int, rank: int, processes: int) -> list[list[Key]]:
    """Every image once over all processes, none twice: the last batch of a process may be smaller.

    The keys are those of epoch 0, so that a split which draws anything gives the same in every evaluation.
    """
    mine = range(rank, images, processes)
    return [[(0, index) for index in mine[first : first + batch]] for first in range(0, len(mine), batch)]
