"""The size space of NATS-Bench: one fixed cell, 32,768 choices of five widths.

Source: Dong et al., "NATS-Bench", TPAMI 2021, section 3.2; the cell is the best one of NAS-Bench-201
on CIFAR-100.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from uninas_bench.architecture import Architecture, Costs, Task
from uninas_bench.errors import InvalidArchitecture
from uninas_bench.space import Scale
from uninas_bench.spaces.cell_costs import Skeleton, skeleton, skeleton_costs
from uninas_bench.spaces.finite import FiniteSpace, Order
from uninas_bench.spaces.indexed import shown
from uninas_bench.tasks import find_task

if TYPE_CHECKING:
    from torch import nn

    from uninas_bench.diagram import Diagram

WIDTHS = tuple(str(width) for width in range(8, 65, 8))
CELL = ("nor_conv_3x3", "nor_conv_3x3", "nor_conv_3x3", "skip_connect", "nor_conv_3x3", "nor_conv_3x3")
"""Edges 0->1, 0->2, 1->2, 0->3, 1->3, 2->3; the skip is a projection where a cell changes its width."""
_PLACES = ("stage 1", "reduction 1", "stage 2", "reduction 2", "stage 3")


@dataclass(frozen=True, slots=True, kw_only=True)
class SizeScale(Scale):
    """``cells`` in each of the three stages."""

    cells: int = 1


@lru_cache(maxsize=1)
def _order() -> Order:
    return Order.of(itertools.product(WIDTHS, repeat=len(_PLACES)), ":".join)


class NatsSize(FiniteSpace[SizeScale]):
    """32,768 architectures in the official index order (the last width runs fastest).

    An encoding such as ``8:16:24:32:64`` gives the output channels of stage 1 (the stem included),
    reduction 1, stage 2, reduction 2 and stage 3, each one of 8, 16, ..., 64.
    """

    name = "nats_size"
    version = 1
    size = len(WIDTHS) ** len(_PLACES)
    options = (WIDTHS,) * len(_PLACES)
    parts = ("network", "cell")
    tasks = tuple(map(find_task, ("cifar10", "cifar10-valid", "cifar100", "imagenet16-120")))

    def __init__(self, scale: SizeScale | None = None) -> None:
        super().__init__(scale or SizeScale())

    def order(self) -> Order:
        """The official index order."""
        return _order()

    def assemble(self, choices: Sequence[str]) -> Architecture:
        """The architecture of five widths."""
        return Architecture(self.name, ":".join(choices))

    def widths(self, architecture: Architecture) -> tuple[int, ...]:
        """The five widths.

        Raises:
            InvalidArchitecture: the architecture is not of this space.
        """
        return tuple(map(int, self.choices(architecture)))

    def spellings(self, architecture: Architecture) -> Mapping[str, str]:
        """Every spelling that `parse` accepts: string, index, tuple of widths."""
        return {
            "string": architecture.encoding,
            "index": str(self.index(architecture)),
            "widths": str(self.widths(architecture)),
        }

    def parse(self, text: str) -> Architecture:
        """Read ``8:16:24:32:64``, an index, or a tuple ``(8, 16, 24, 32, 64)``; the prefix is optional.

        Raises:
            InvalidArchitecture: with the position (from 1) of the fault and what is known there.
        """
        body, offset = self._stripped(text)
        by_index = self._by_index(body)
        if by_index is not None:
            return by_index
        if ":" not in body and "," not in body:
            raise InvalidArchitecture(
                f"{self.name}: cannot read {shown(text)}; expected five widths such as 8:16:24:32:64 "
                f"or an index 0..{self.size - 1}"
            )
        items = self._items(body.replace(":", ","), offset, len(_PLACES), "widths")
        for place, (width, position) in zip(_PLACES, items, strict=True):
            if width not in WIDTHS:
                raise InvalidArchitecture(
                    f"{self.name}: unknown width {shown(width)} at position {position} ({place}); "
                    f"known: {', '.join(WIDTHS)}"
                )
        return self.assemble([width for width, _ in items])

    def canonical(self, architecture: Architecture) -> str:
        """The encoding itself: different widths are different functions."""
        return ":".join(self.choices(architecture))

    def costs(self, architecture: Architecture, task: Task) -> Costs:
        """Parameters and FLOPs (multiply-accumulates), equal to the official table at its scale."""
        return skeleton_costs(self._skeleton(architecture, task), CELL)

    def build(self, architecture: Architecture, task: Task) -> nn.Module:
        """The benchmark's network: images (B, 3, R, R) -> logits (B, classes)."""
        from uninas_bench.spaces.cell_network import CellNetwork

        return CellNetwork(self._skeleton(architecture, task), CELL)

    def diagram(
        self,
        architecture: Architecture,
        part: str | None = None,
        block: str | None = None,
        task: Task | None = None,
    ) -> Diagram:
        """The network with its widths, or the cell that all share; see `uninas_bench.diagram.Drawable`."""
        from uninas_bench.spaces.cell_diagrams import cell_diagram, draw_part, network_diagram

        title = f"{self.name} {architecture.encoding}"
        plan = self._skeleton(architecture, task or self.tasks[0])
        costs = self.costs(architecture, task) if task else None
        parts = {
            "network": lambda: network_diagram(title, plan, costs, sizes=task is not None),
            "cell": lambda: cell_diagram(f"{self.name}: the cell of every network", CELL),
        }
        return draw_part(self.name, part, block, parts)

    def blocks(self, network: nn.Module) -> Sequence[tuple[str, nn.Module]]:
        """The cells and reduction blocks: 5 at the benchmark's scale."""
        from uninas_bench.spaces.cell_network import cell_blocks

        return cell_blocks(network)

    def _skeleton(self, architecture: Architecture, task: Task) -> Skeleton:
        return skeleton(self.widths(architecture), self.scale.cells, task)
