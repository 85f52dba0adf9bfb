"""A supernet: the modules of all paths, and how one path is run layer by layer."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

from torch import Tensor, nn

from uninas_bench_plugins._bossnas.plan import Path, Plan

IMAGE_CHANNELS = 3


class Supernet(nn.Module, ABC):
    """The shared weights of a space's paths. Subclasses fill `bodies` and `necks`, one entry per block.

    Attributes:
        plan: the paths.
        features: numbers in which the neck of each block describes an image, whatever the path.
        bodies: the layers of each block.
        necks: what brings each block's outputs, of any width or scale, to as many features.
    """

    plan: Plan
    features: Sequence[int]
    bodies: nn.ModuleList
    necks: nn.ModuleList

    def layer(self, block: int, position: int, choice: int, x: Tensor, previous: int | None) -> Tensor:
        """Layer ``position`` of a block by ``choice``; by default its input tells it all else.

        Args:
            block: from 0.
            position: of the layer in its block, from 0.
            choice: of this layer.
            x: the output of the layer before, in whatever block; images at the very first.
            previous: the choice of that layer; None at the very first.
        """
        del previous
        layers = self.bodies[block]
        assert isinstance(layers, nn.ModuleList)
        out: Tensor = layers[position](x, choice)
        return out

    @abstractmethod
    def neck(self, block: int, choice: int, x: Tensor) -> Tensor:
        """(B, features of the block) of its output, whose last layer used ``choice``."""

    def run(self, block: int, path: Path, x: Tensor, previous: int | None) -> Tensor:
        """One path of a block; ``previous`` is the last choice of the block before."""
        for position, choice in enumerate(path):
            x = self.layer(block, position, choice, x, previous)
            previous = choice
        return x

    def enter(self, chain: Sequence[Path], images: Tensor) -> Tensor:
        """The input of the block after ``chain``."""
        previous = None
        for block, path in enumerate(chain):
            images = self.run(block, path, images, previous)
            previous = path[-1]
        return images


def last_choice(chain: Sequence[Path]) -> int | None:
    """The choice of the layer that feeds the block after ``chain``."""
    return chain[-1][-1] if chain else None
