"""The search space `hytra`: paths through a fabric of convolutions and attentions at four resolutions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, cast

from uninas_bench.architecture import Architecture, Costs, Task
from uninas_bench.errors import InvalidArchitecture
from uninas_bench.spaces.digits import are_digits
from uninas_bench.spaces.hytra.costs import Convention, design_costs
from uninas_bench.spaces.hytra.encoding import (
    NAMED,
    read_groups,
    read_stages,
    write_digits,
    write_stages,
)
from uninas_bench.spaces.hytra.fabric import ATTENTIONS, Fabric
from uninas_bench.spaces.hytra.macro import HytraScale
from uninas_bench.spaces.indexed import IndexedSpace, shown
from uninas_bench.spaces.shares import share_name
from uninas_bench.tasks import find_task

if TYPE_CHECKING:
    import numpy as np
    from torch import nn

    from uninas_bench.diagram import Diagram

_T1_STRIDES = (1, 2, 2, 1)


class Hytra(IndexedSpace[HytraScale]):
    """Hybrids of convolutions and transformers with any positions of their halvings (BossNAS, section 4).

    Every legal path can be parsed, priced and built; ``scale.definition`` says which of them are enumerated,
    numbered, sampled and counted: by default the 1,703,991 that the authors search, whose first layer is at
    1/4 or 1/8 of the image's resolution. Indices follow the digits in ascending order.
    """

    name = "hytra"
    version = 1
    parts = ("fabric", "network", "block")
    tasks = tuple(map(find_task, ("imagenet1k", "cifar10", "cifar100", "imagenet16-120")))

    def __init__(self, scale: HytraScale | None = None) -> None:
        super().__init__(scale or HytraScale())
        self.size = self._fabric.size

    @property
    def _fabric(self) -> Fabric:
        return self.scale.fabric

    def digits(self, architecture: Architecture) -> str:
        """One digit for each layer.

        Raises:
            InvalidArchitecture: the architecture is not of this space at this scale.
        """
        digits = architecture.encoding.replace(" ", "")
        legal = architecture.space == self.name and Fabric(self.scale.blocks, "A").holds(digits)
        if not legal or write_digits(digits, self._fabric) != architecture.encoding:
            raise InvalidArchitecture(f'{self.name}: "{architecture}" is no architecture of this space')
        return digits

    def families(self, architecture: Architecture) -> Mapping[str, str]:
        """How many of the layers are attentions; see `uninas_bench.space.StratifiedSpace`."""
        digits = self.digits(architecture)
        return {"attention": share_name(sum(digit in ATTENTIONS for digit in digits), len(digits))}

    def encoding_at(self, index: int) -> str:
        """The encoding in that place of the ascending order."""
        return write_digits(self._fabric.unrank(index), self._fabric)

    def index(self, architecture: Architecture) -> int:
        """The place in the ascending order.

        Raises:
            InvalidArchitecture: the architecture is not of this space, or outside of the scale's definition.
        """
        digits = self.digits(architecture)
        if not self._fabric.holds(digits):
            raise InvalidArchitecture(
                f"{self.name}: {architecture.encoding} has no index by definition {self.scale.definition}"
            )
        return self._fabric.rank(digits)

    def enumerate(self) -> Iterator[Architecture]:
        """Every architecture of the definition, lazily, in ascending order of its digits."""
        return (Architecture(self.name, write_digits(digits, self._fabric)) for digits in self._fabric)

    def mutate(self, architecture: Architecture, rng: np.random.Generator) -> Architecture:
        """A legal neighbour that differs in one layer, uniform over all of them.

        Of an architecture outside of the scale's definition, neighbours within it come first; where it
        has none, any legal one will do.
        """
        digits = self.digits(architecture)
        anywhere = Fabric(self.scale.blocks, "A").neighbours(digits)
        neighbours = [other for other in anywhere if self._fabric.holds(other)] or anywhere
        return Architecture(
            self.name, write_digits(neighbours[int(rng.integers(len(neighbours)))], self._fabric)
        )

    def spellings(self, architecture: Architecture) -> Mapping[str, str]:
        """Every spelling that `parse` accepts: digits, stage lists, index, and the name where it has one."""
        digits = self.digits(architecture)
        found = {
            "string": architecture.encoding,
            "digits": digits,
            "stages": write_stages(digits),
        }
        if self._fabric.holds(digits):
            found["index"] = str(self._fabric.rank(digits))
        for name, encoding in NAMED.items():
            if encoding.replace(" ", "") == digits and (name != "bossnet-t1" or self._is_t1):
                found["name"] = name
        return found

    @property
    def _is_t1(self) -> bool:
        return self.scale.strides == _T1_STRIDES

    def parse(self, text: str) -> Architecture:
        """Read digits in groups or without, stage lists, an index, or a name of `NAMED`.

        Raises:
            InvalidArchitecture: with the position (from 1) of the fault and what is known there.
        """
        body, offset = self._stripped(text)
        fabric = self._fabric
        if body.lower() in NAMED:
            return self._by_name(body.lower())
        if body.startswith("["):
            return Architecture(self.name, write_digits(read_stages(self.name, body, offset, fabric), fabric))
        if are_digits(body, self._count):
            return Architecture(self.name, write_digits(read_groups(self.name, body, offset, fabric), fabric))
        by_index = self._by_index(body)
        if by_index is not None:
            return by_index
        raise InvalidArchitecture(
            f"{self.name}: cannot read {shown(body)}; expected digits such as 5433 3230 0010 0000, stage "
            f"lists such as [[1]*3,[1]*4,[1]*6,[0]*3], an index 0..{self._count - 1}, or one of "
            f"{', '.join(NAMED)}"
        )

    def _by_name(self, name: str) -> Architecture:
        if name == "bossnet-t1" and not self._is_t1:
            raise InvalidArchitecture(
                f"{self.name}: bossnet-t1 is bossnet-t0 at the scale strides=1:2:2:1,style=se; "
                f"the scale in force has strides={':'.join(map(str, self.scale.strides))}"
            )
        digits = read_groups(self.name, NAMED[name], 0, self._fabric)
        return Architecture(self.name, write_digits(digits, self._fabric))

    def canonical(self, architecture: Architecture) -> str:
        """The encoding itself: different paths are different functions."""
        self.digits(architecture)
        return architecture.encoding

    def costs(self, architecture: Architecture, task: Task, convention: Convention = "macs") -> Costs:
        """Parameters of the network, and its multiply-accumulates or those of ``table1``; see `costs`."""
        return design_costs(self.digits(architecture), self.scale, task, convention)

    def build(self, architecture: Architecture, task: Task) -> nn.Module:
        """The network: images (B, 3, H, W) -> logits (B, classes), for any height and width."""
        from uninas_bench.spaces.hytra.network import HytraNetwork

        return HytraNetwork(self.digits(architecture), self.scale, task.classes)

    def diagram(
        self,
        architecture: Architecture,
        part: str | None = None,
        block: str | None = None,
        task: Task | None = None,
    ) -> Diagram:
        """The fabric with the chosen path, the network, or a block; see `uninas_bench.diagram.Drawable`."""
        from uninas_bench.spaces.hytra.diagrams import draw_part

        title = f"{self.name} {self.spellings(architecture).get('name', architecture.encoding)}"
        costs = self.costs(architecture, task) if task else None
        return draw_part(title, self.digits(architecture), self.scale, part, block, task, costs)

    def blocks(self, network: nn.Module) -> Sequence[tuple[str, nn.Module]]:
        """The layers of the fabric: 16 at the paper's scale."""
        from uninas_bench.spaces.hytra.network import HytraNetwork

        return cast("HytraNetwork", network).blocks()
