"""The search space `mbconv`: one of four inverted residuals in each of 18 layers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import reduce
from typing import TYPE_CHECKING, cast

from uninas_bench.architecture import Architecture, Costs, Task
from uninas_bench.errors import InvalidArchitecture
from uninas_bench.spaces.digits import are_digits, in_groups, read_digits
from uninas_bench.spaces.indexed import IndexedSpace, shown
from uninas_bench.spaces.mbconv.costs import design_costs
from uninas_bench.spaces.mbconv.macro import OPERATIONS, MbconvScale
from uninas_bench.tasks import find_task

if TYPE_CHECKING:
    import numpy as np
    from torch import nn

    from uninas_bench.diagram import Diagram

_BASE = len(OPERATIONS)
_DIGITS = "0123"


class Mbconv(IndexedSpace[MbconvScale]):
    """4^18 networks like EfficientNet-B0, with encodings such as ``11 0110 0111 1100 0110``.

    One digit for each layer of the five searched blocks: 0 MB6_3x3, 1 MB6_5x5, 2 MB3_3x3, 3 MB3_5x5.
    The index is the number that the digits are in base 4.
    """

    name = "mbconv"
    version = 1
    parts = ("network", "block")
    tasks = tuple(map(find_task, ("imagenet1k", "cifar10", "cifar100", "imagenet16-120")))

    def __init__(self, scale: MbconvScale | None = None) -> None:
        super().__init__(scale or MbconvScale())
        self.size = _BASE**self._layers

    @property
    def _layers(self) -> int:
        return sum(self.scale.depths)

    def digits(self, architecture: Architecture) -> str:
        """One digit for each searched layer.

        Raises:
            InvalidArchitecture: the architecture is not of this space at this scale.
        """
        digits = architecture.encoding.replace(" ", "")
        legal = len(digits) == self._layers and set(digits) <= set(_DIGITS)
        if architecture.space != self.name or not legal or self._of(digits) != architecture:
            raise InvalidArchitecture(f'{self.name}: "{architecture}" is no architecture of this space')
        return digits

    def _of(self, digits: str) -> Architecture:
        return Architecture(self.name, in_groups(digits, self.scale.depths))

    def encoding_at(self, index: int) -> str:
        """The encoding of a number."""
        digits = (str(index // _BASE**place % _BASE) for place in reversed(range(self._layers)))
        return self._of("".join(digits)).encoding

    def index(self, architecture: Architecture) -> int:
        """The number that the digits are.

        Raises:
            InvalidArchitecture: the architecture is not of this space.
        """
        return reduce(lambda number, digit: number * _BASE + int(digit), self.digits(architecture), 0)

    def mutate(self, architecture: Architecture, rng: np.random.Generator) -> Architecture:
        """A neighbour that differs in one layer, uniform over all of them."""
        digits = self.digits(architecture)
        layer = int(rng.integers(len(digits)))
        others = [digit for digit in _DIGITS if digit != digits[layer]]
        chosen = others[int(rng.integers(len(others)))]
        return self._of(digits[:layer] + chosen + digits[layer + 1 :])

    def spellings(self, architecture: Architecture) -> Mapping[str, str]:
        """Every spelling that `parse` accepts: digits in groups, digits alone, numbers, index."""
        return {
            "string": architecture.encoding,
            "digits": self.digits(architecture),
            "numbers": str(tuple(map(int, architecture.encoding.split()))),
            "index": str(self.index(architecture)),
        }

    def parse(self, text: str) -> Architecture:
        """Read digits in groups or without, numbers such as ``(1, 3100, 20, 11, 301)``, or an index.

        The numbers are the groups of the blocks without their leading zeros, as tables have them.

        Raises:
            InvalidArchitecture: with the position (from 1) of the fault and what is known there.
        """
        body, offset = self._stripped(text)
        if "," in body:
            body = self._padded(body)
        if are_digits(body, self._count):
            digits, _ = read_digits(self.name, body, offset, self._layers, _DIGITS)
            return self._of(digits)
        by_index = self._by_index(body)
        if by_index is not None:
            return by_index
        raise InvalidArchitecture(
            f"{self.name}: cannot read {shown(body)}; expected {self._layers} digits such as "
            f"{in_groups('1' * self._layers, self.scale.depths)}, or an index 0..{self._count - 1}"
        )

    def _padded(self, body: str) -> str:
        """The groups of digits that numbers stand for."""
        numbers = [number.strip() for number in body.strip("()[] ").split(",")]
        depths = self.scale.depths
        if len(numbers) != len(depths):
            raise InvalidArchitecture(f"{self.name}: expected {len(depths)} numbers, got {len(numbers)}")
        return " ".join(number.zfill(depth) for number, depth in zip(numbers, depths, strict=True))

    def canonical(self, architecture: Architecture) -> str:
        """The encoding itself: different layers are different functions."""
        self.digits(architecture)
        return architecture.encoding

    def costs(self, architecture: Architecture, task: Task) -> Costs:
        """Parameters, and multiply-accumulates of convolutions and head."""
        return design_costs(self.digits(architecture), self.scale, task)

    def build(self, architecture: Architecture, task: Task) -> nn.Module:
        """The network: images (B, 3, H, W) -> logits (B, classes), for any height and width."""
        from uninas_bench.spaces.mbconv.network import MbconvNetwork

        return MbconvNetwork(self.digits(architecture), self.scale, task.classes)

    def diagram(
        self,
        architecture: Architecture,
        part: str | None = None,
        block: str | None = None,
        task: Task | None = None,
    ) -> Diagram:
        """The network, or one of its layers; see `uninas_bench.diagram.Drawable`."""
        from uninas_bench.spaces.mbconv.diagrams import draw_part

        title = f"{self.name} {architecture.encoding}"
        costs = self.costs(architecture, task) if task else None
        return draw_part(title, self.digits(architecture), self.scale, part, block, task, costs)

    def blocks(self, network: nn.Module) -> Sequence[tuple[str, nn.Module]]:
        """The layers, the two fixed ones too: 20 at the paper's scale."""
        from uninas_bench.spaces.mbconv.network import MbconvNetwork

        return cast("MbconvNetwork", network).blocks()
