"""The blocks of HyTra: paths through its fabric, from every stage at which a block can be entered.

Source: BossNAS (ICCV 2021), section 4.2. The authors rate a block for one incoming stage alone, that of the
best path so far; then only the architectures that go on from there have a rating. Here the kind of a block's
input is the stage of the layer before it, so that all architectures have one.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Literal

from uninas_bench_plugins._bossnas.plan import FIRST, Chain, Path

if TYPE_CHECKING:
    import torch

    from uninas_bench import Architecture
    from uninas_bench.spaces.hytra.fabric import Fabric

STAGE_OF = {5: 0, 4: 1, 3: 2, 2: 2, 1: 3, 0: 3}
"""The stage of every choice: 1/4, 1/8, 1/16 and 1/32 of the image's resolution."""
ATTENTIONS = (2, 0)
"""The choices that are ResAtt."""


Way = Literal["stem", "stay", "down"]
"""How a layer is entered: as the network's first, from its own stage, or from the stage before."""


def way_into(choice: int, before: int | None) -> Way:
    """How a choice is entered from stage ``before``; None in front of the first layer."""
    if before is None:
        return "stem"
    return "stay" if before == STAGE_OF[choice] else "down"


class HytraReading:
    """Choices are the digits of an encoding, blocks its groups."""

    def split(self, architecture: Architecture) -> Chain:
        """``54 31`` as ((5, 4), (3, 1))."""
        return tuple(tuple(map(int, group)) for group in architecture.encoding.split())

    def kind_after(self, block: int, path: Path) -> int:
        """The stage of the last layer."""
        del block
        return STAGE_OF[path[-1]]


class HytraPlan(HytraReading):
    """The paths that a definition of the space allows, those alone that go on to its last layer.

    Args:
        fabric: of the space's scale.
    """

    def __init__(self, fabric: Fabric) -> None:
        self.fabric = fabric
        ends = list(itertools.accumulate(fabric.blocks))
        self.spans = [range(end - size, end) for end, size in zip(ends, fabric.blocks, strict=True)]

    @property
    def blocks(self) -> int:
        """How many blocks there are."""
        return len(self.spans)

    def paths(self, block: int, kind: int) -> tuple[Path, ...]:
        """Every path from stage ``kind``: 51, 99, 80 and 16 of four layers from stages 0 to 3."""
        return self._paths[block][kind]

    def kinds(self, block: int) -> tuple[int, ...]:
        """The stages from which a block is entered."""
        return tuple(self._paths[block])

    def sample(self, block: int, kind: int, count: int, generator: torch.Generator) -> list[Path]:
        """Distinct paths, uniform; all of them in random order where there are fewer than ``count``."""
        import torch

        paths = self.paths(block, kind)
        return [paths[i] for i in torch.randperm(len(paths), generator=generator)[:count]]

    def ways(self, block: int, position: int) -> dict[int, set[Way]]:
        """Every choice that a layer has, and how it can be entered."""
        found: dict[int, set[Way]] = {}
        for kind, paths in self._paths[block].items():
            for path in paths:
                before = STAGE_OF[path[position - 1]] if position else kind if block else None
                found.setdefault(path[position], set()).add(way_into(path[position], before))
        return dict(sorted(found.items()))

    def exits(self, block: int) -> list[int]:
        """The stages in which paths of a block end."""
        return sorted({STAGE_OF[path[-1]] for paths in self._paths[block].values() for path in paths})

    @cached_property
    def _paths(self) -> list[dict[int, tuple[Path, ...]]]:
        found: list[dict[int, tuple[Path, ...]]] = []
        kinds = [FIRST]
        for span in self.spans:
            block = {
                kind: tuple(_continuations(self.fabric, span.start, span.stop, kind if found else None))
                for kind in kinds
            }
            found.append({kind: paths for kind, paths in block.items() if paths})
            kinds = sorted({STAGE_OF[path[-1]] for paths in found[-1].values() for path in paths})
        return found


def _continuations(fabric: Fabric, layer: int, stop: int, before: int | None) -> Iterator[Path]:
    """The choices of the layers up to ``stop``, ascending."""
    if layer == stop:
        if _ends(fabric, layer, before):
            yield ()
        return
    for digit in map(int, fabric.digits(layer, before)):
        for rest in _continuations(fabric, layer + 1, stop, STAGE_OF[digit]):
            yield (digit, *rest)


@lru_cache(maxsize=4096)
def _ends(fabric: Fabric, layer: int, before: int | None) -> bool:
    """Whether any choice of the layers from this one on is legal: some definitions have dead ends."""
    if layer == sum(fabric.blocks):
        return True
    return any(_ends(fabric, layer + 1, STAGE_OF[int(digit)]) for digit in fabric.digits(layer, before))
