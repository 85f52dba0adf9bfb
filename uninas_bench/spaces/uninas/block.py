"""A block and a network of blocks, as values: what an architecture of UniNAS is, without its scale."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from uninas_bench.spaces.uninas.graph import Graph


@dataclass(frozen=True, slots=True)
class Block:
    """Two subblocks: y = S(x) + first(N1(x)), then y + second(N2(y)).

    S and N1 change resolution and channels at the beginning of a stage; see `network`.
    """

    first: Graph
    second: Graph

    def __iter__(self) -> Iterator[Graph]:
        return iter((self.first, self.second))


@dataclass(frozen=True, slots=True)
class Design:
    """What an encoding says: the blocks of every stage, and widths where they differ from the scale's."""

    stages: tuple[tuple[Block, ...], ...]
    widths: tuple[int, ...] | None = None

    def blocks(self) -> Iterator[tuple[int, int, Block]]:
        """Every block with the number of its stage and its own in the stage, from 0."""
        for stage, blocks in enumerate(self.stages):
            for place, block in enumerate(blocks):
                yield stage, place, block
