"""Blocks whose layers choose freely: every combination of choices is a path."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING

from uninas_bench_plugins._bossnas.plan import FIRST, Path

if TYPE_CHECKING:
    import torch


class ProductPlan:
    """A subclass says how an architecture is split.

    Args:
        partition: layers per block.
        choices: of every layer.
    """

    def __init__(self, partition: Sequence[int], choices: Sequence[int]) -> None:
        self.partition = tuple(partition)
        self.choices = tuple(choices)

    @property
    def blocks(self) -> int:
        """How many blocks there are."""
        return len(self.partition)

    def kind_after(self, block: int, path: Path) -> int:
        """The one kind: after any path a block has the same choices."""
        del block, path
        return FIRST

    def paths(self, block: int, kind: int) -> Sequence[Path]:
        """All combinations of choices, in lexicographic order of their places."""
        del kind
        return _combinations(self.choices, self.partition[block])

    def sample(self, block: int, kind: int, count: int, generator: torch.Generator) -> list[Path]:
        """Paths in which a layer uses each choice once before it uses one again."""
        import torch

        del kind
        rounds = -(-count // len(self.choices))
        layers = [
            [
                self.choices[i]
                for _ in range(rounds)
                for i in torch.randperm(len(self.choices), generator=generator)
            ]
            for _ in range(self.partition[block])
        ]
        return list(zip(*layers, strict=True))[:count]


@cache
def _combinations(choices: tuple[int, ...], layers: int) -> tuple[Path, ...]:
    return tuple(itertools.product(choices, repeat=layers))
