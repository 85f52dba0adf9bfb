"""The blocks of MBConv: four operations in every layer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from uninas_bench_plugins._bossnas.plan import Chain
from uninas_bench_plugins._bossnas.product_plan import ProductPlan

if TYPE_CHECKING:
    from uninas_bench import Architecture

OPERATIONS = ((6, 3), (6, 5), (3, 3), (3, 5))
"""Expansion and kernel of every choice."""


class MbconvPlan(ProductPlan):
    """Choices are the digits of an encoding, blocks its groups: 16 paths of two layers, 256 of four.

    Args:
        depths: layers of the searched blocks.
    """

    def __init__(self, depths: Sequence[int] = (2, 4, 4, 4, 4)) -> None:
        super().__init__(depths, range(len(OPERATIONS)))

    def split(self, architecture: Architecture) -> Chain:
        """``11 0110`` as ((1, 1), (0, 1, 1, 0))."""
        return tuple(tuple(map(int, group)) for group in architecture.encoding.split())
