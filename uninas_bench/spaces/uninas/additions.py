"""Every network that one addition of Algorithm 1 makes of a network."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from uninas_bench.spaces.uninas.block import Block, Design
from uninas_bench.spaces.uninas.macro import UninasScale, places
from uninas_bench.spaces.uninas.moves import PAPER, addition
from uninas_bench.spaces.uninas.structure import Chain, graph_of_chain, structure


def additions(design: Design, scale: UninasScale, resolution: int = 224) -> Iterator[Design]:
    """All of them, block by block, in the order of the edges and of `moves.PAPER`."""
    for place in places(design, scale, resolution):
        for number, graph in enumerate(place.block):
            chain = structure(graph, place.channels)
            for _ in _inserted(chain, place.size):
                halves = [place.block.first, place.block.second]
                halves[number] = graph_of_chain(chain)
                yield _with_block(design, place.stage, place.place, Block(*halves))


def _inserted(whole: Chain, size: tuple[int, int]) -> Iterator[None]:
    """Put each addition in, let the caller look, take it out again."""
    for chain in list(whole.chains()):
        for position in range(len(chain.units) + 1):
            for name in PAPER:
                found = addition(name, chain.type, size, "exact", toolkit=False, anywhere=True)
                if found is not None:
                    chain.units.insert(position, found.unit())
                    yield
                    del chain.units[position]


def _with_block(design: Design, stage: int, place: int, block: Block) -> Design:
    blocks = list(design.stages[stage])
    blocks[place] = block
    stages = list(design.stages)
    stages[stage] = tuple(blocks)
    return replace(design, stages=tuple(stages))
