"""The blocks of the size space of NATS-Bench: five layers, each with one of eight widths."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING

from uninas_bench_plugins._bossnas.plan import Chain, Path

if TYPE_CHECKING:
    import torch

    from uninas_bench import Architecture

WIDTHS = tuple(range(8, 65, 8))


class SizePlan:
    """Choices are output widths in channels.

    Args:
        partition: layers per block. The authors take (2, 2, 1) for CIFAR-10 and (2, 1, 2) for CIFAR-100.
        widths: those of every layer; the space's own by default.
    """

    def __init__(self, partition: Sequence[int] = (2, 2, 1), widths: Sequence[int] = WIDTHS) -> None:
        self.partition = tuple(partition)
        self.widths = tuple(widths)
        ends = list(itertools.accumulate(self.partition))
        self.spans = [range(end - size, end) for end, size in zip(ends, self.partition, strict=True)]

    @property
    def blocks(self) -> int:
        """How many blocks there are."""
        return len(self.partition)

    def kinds(self, block: int) -> Sequence[int]:
        """One kind: the width of a block's input is that of the best path before it (as the authors do)."""
        del block
        return (0,)

    def kind_after(self, block: int, path: Path) -> int:
        """The one kind."""
        del block, path
        return 0

    def paths(self, block: int, kind: int) -> Sequence[Path]:
        """All combinations of widths: 64 of two layers, 8 of one."""
        del kind
        return _combinations(self.widths, self.partition[block])

    def sample(self, block: int, kind: int, count: int, generator: torch.Generator) -> list[Path]:
        """Paths in which a layer uses each width once before it uses one again."""
        import torch

        del kind
        rounds = -(-count // len(self.widths))
        layers = [
            [
                self.widths[i]
                for _ in range(rounds)
                for i in torch.randperm(len(self.widths), generator=generator)
            ]
            for _ in self.spans[block]
        ]
        return list(zip(*layers, strict=True))[:count]

    def split(self, architecture: Architecture) -> Chain:
        """``16:8:24:8:64`` as ((16, 8), (24, 8), (64,))."""
        widths = [int(width) for width in architecture.encoding.split(":")]
        return tuple(tuple(widths[layer] for layer in span) for span in self.spans)


@cache
def _combinations(widths: tuple[int, ...], layers: int) -> tuple[Path, ...]:
    return tuple(itertools.product(widths, repeat=layers))
