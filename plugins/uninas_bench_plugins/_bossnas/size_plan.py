"""The blocks of the size space of NATS-Bench: five layers, each with one of eight widths."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING

from uninas_bench_plugins._bossnas.plan import Chain
from uninas_bench_plugins._bossnas.product_plan import ProductPlan

if TYPE_CHECKING:
    from uninas_bench import Architecture

WIDTHS = tuple(range(8, 65, 8))


class SizePlan(ProductPlan):
    """Choices are output widths in channels: 64 paths of two layers, 8 of one.

    The width of a block's input is that of the best path before it, whatever the architecture (as the
    authors do), so there is one kind.

    Args:
        partition: layers per block. The authors take (2, 2, 1) for CIFAR-10 and (2, 1, 2) for CIFAR-100.
        widths: those of every layer; the space's own by default.
    """

    def __init__(self, partition: Sequence[int] = (2, 2, 1), widths: Sequence[int] = WIDTHS) -> None:
        super().__init__(partition, widths)
        ends = list(itertools.accumulate(self.partition))
        self.spans = [range(end - size, end) for end, size in zip(ends, self.partition, strict=True)]

    def split(self, architecture: Architecture) -> Chain:
        """``16:8:24:8:64`` as ((16, 8), (24, 8), (64,))."""
        widths = [int(width) for width in architecture.encoding.split(":")]
        return tuple(tuple(widths[layer] for layer in span) for span in self.spans)
