"""The NAS-Bench-201 space, which is also the topology space of NATS-Bench: 15,625 cells.

Source: Dong and Yang, "NAS-Bench-201", ICLR 2020; a cell has four nodes and one of five operations on
each of its six edges.
"""

from __future__ import annotations

import itertools
import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from uninas_bench.architecture import Architecture, Costs, Task
from uninas_bench.errors import InvalidArchitecture
from uninas_bench.space import Scale
from uninas_bench.spaces.cell_costs import EDGES, KERNELS, OPERATIONS, Skeleton, skeleton, skeleton_costs
from uninas_bench.spaces.finite import FiniteSpace, Order
from uninas_bench.spaces.indexed import shown
from uninas_bench.tasks import find_task

if TYPE_CHECKING:
    from torch import nn

    from uninas_bench.diagram import Diagram

_NASLIB_CODES = ("skip_connect", "none", "nor_conv_3x3", "nor_conv_1x1", "avg_pool_3x3")
_NASLIB_SLOTS = (0, 1, 3, 2, 4, 5)
"""Position in a NASLib tuple of each edge in string order: NASLib goes through the sources first."""
_SHUFFLE_SEED = 88
_NAME = re.compile(r"[^\s|+~]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class CellScale(Scale):
    """``channels`` of the first stage (doubled twice) and ``cells`` in each of the three stages."""

    channels: int = 16
    cells: int = 5


def _encode(operations: Sequence[str]) -> str:
    first, *rest = operations
    second, third = rest[:2], rest[2:]
    nodes = ([first], second, third)
    return "+".join("".join(f"|{name}~{i}" for i, name in enumerate(node)) + "|" for node in nodes)


def _shuffled(count: int, seed: int) -> list[int]:
    """0..count-1 in the order of CPython's ``random.shuffle`` under ``seed``.

    Written out because only the generator's stream is guaranteed between Python versions, not what
    ``shuffle`` makes of it.
    """
    bits = random.Random(seed).getrandbits  # noqa: S311  (an order to reproduce, no secret)
    order = list(range(count))
    for last in range(count - 1, 0, -1):
        width = (last + 1).bit_length()
        while (other := bits(width)) > last:
            pass
        order[last], order[other] = order[other], order[last]
    return order


@lru_cache(maxsize=1)
def _order() -> Order:
    """The official order.

    The authors listed all cells, edge by edge with the operations in the order of `OPERATIONS`, and
    shuffled that list with the seed 88 (``generate_meta_info`` in AutoDL-Projects).
    """
    cells = list(itertools.product(OPERATIONS, repeat=len(EDGES)))
    return Order.of((cells[i] for i in _shuffled(len(cells), _SHUFFLE_SEED)), _encode)


@lru_cache(maxsize=4096)
def _costs(kernels: tuple[str, ...], scale: CellScale, task: Task) -> Costs:
    """Costs by the cell's convolutions alone: where they stand and all else in the cell is free."""
    padded = (*kernels, *["none"] * (len(EDGES) - len(kernels)))
    return skeleton_costs(_skeleton(scale, task), padded)


def _skeleton(scale: CellScale, task: Task) -> Skeleton:
    c = scale.channels
    return skeleton((c, 2 * c, 2 * c, 4 * c, 4 * c), scale.cells, task)


class NasBench201(FiniteSpace[CellScale]):
    """15,625 cells in the official index order; encoding as in the benchmark.

    Example of an encoding:
    ``|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|+|skip_connect~0|nor_conv_3x3~1|nor_conv_1x1~2|``,
    where ``op~i`` in the j-th group is the operation on the edge i -> j.
    """

    name = "nasbench201"
    version = 1
    size = len(OPERATIONS) ** len(EDGES)
    options = (OPERATIONS,) * len(EDGES)
    parts = ("cell", "network")
    tasks = tuple(map(find_task, ("cifar10", "cifar10-valid", "cifar100", "imagenet16-120")))

    def __init__(self, scale: CellScale | None = None) -> None:
        super().__init__(scale or CellScale())

    def order(self) -> Order:
        """The official index order."""
        return _order()

    def assemble(self, choices: Sequence[str]) -> Architecture:
        """The architecture of six operations in the order of the string."""
        return Architecture(self.name, _encode(choices))

    def spellings(self, architecture: Architecture) -> Mapping[str, str]:
        """Every spelling that `parse` accepts: string, index, operations, NASLib tuple."""
        operations = self.choices(architecture)
        naslib = [0] * len(EDGES)
        for slot, name in zip(_NASLIB_SLOTS, operations, strict=True):
            naslib[slot] = _NASLIB_CODES.index(name)
        return {
            "string": architecture.encoding,
            "index": str(self.index(architecture)),
            "operations": f"({', '.join(operations)})",
            "naslib": str(tuple(naslib)),
        }

    def parse(self, text: str) -> Architecture:
        """Read ``|op~0|+|op~0|op~1|+|op~0|op~1|op~2|``, an index, six operations, or a NASLib tuple.

        The prefix ``nasbench201:`` is optional. A NASLib tuple has the codes 0 skip_connect, 1 none,
        2 nor_conv_3x3, 3 nor_conv_1x1, 4 avg_pool_3x3 on the edges 0->1, 0->2, 0->3, 1->2, 1->3, 2->3.

        Raises:
            InvalidArchitecture: with the position (from 1) of the fault and what is known there.
        """
        body, offset = self._stripped(text)
        if body.startswith("|"):
            return self._parse_string(body, offset)
        by_index = self._by_index(body)
        if by_index is not None:
            return by_index
        if "," not in body:
            raise InvalidArchitecture(
                f"{self.name}: cannot read {shown(text)}; expected |op~0|+|op~0|op~1|+|op~0|op~1|op~2|, "
                f"an index 0..{self.size - 1}, six operations or a NASLib tuple"
            )
        items = self._items(body, offset, len(EDGES), "operations")
        if all(item.isdecimal() for item, _ in items):
            return self._parse_naslib(items)
        for edge, (name, position) in zip(EDGES, items, strict=True):
            self._check(name, position, edge)
        return self.assemble([name for name, _ in items])

    def _check(self, name: str, position: int, edge: tuple[int, int]) -> None:
        if name not in OPERATIONS:
            raise InvalidArchitecture(
                f"{self.name}: unknown operation {shown(name)} at position {position} "
                f"(edge {edge[0]}->{edge[1]}); known: {', '.join(OPERATIONS)}"
            )

    def _parse_naslib(self, items: Sequence[tuple[str, int]]) -> Architecture:
        for code, position in items:
            if code not in map(str, range(len(_NASLIB_CODES))):
                known = ", ".join(f"{i} {name}" for i, name in enumerate(_NASLIB_CODES))
                raise InvalidArchitecture(
                    f"{self.name}: unknown NASLib code {shown(code)} at position {position}; known: {known}"
                )
        return self.assemble([_NASLIB_CODES[int(items[slot][0])] for slot in _NASLIB_SLOTS])

    def _parse_string(self, body: str, offset: int) -> Architecture:
        cursor = 0
        names = []

        def expect(literal: str) -> int:
            if not body.startswith(literal, cursor):
                found = shown(body[cursor : cursor + 8]) if cursor < len(body) else "the end of the text"
                raise InvalidArchitecture(
                    f'{self.name}: expected "{literal}" at position {offset + cursor + 1}, got {found}'
                )
            return cursor + len(literal)

        for source, target in EDGES:
            if source == 0:
                cursor = expect("|" if target == 1 else "+|")
            match = _NAME.match(body, cursor)
            name = match.group() if match else ""
            self._check(name, offset + cursor + 1, (source, target))
            cursor += len(name)
            cursor = expect(f"~{source}|")
            names.append(name)
        if cursor != len(body):
            raise InvalidArchitecture(
                f"{self.name}: unexpected {shown(body[cursor:])} at position {offset + cursor + 1}; "
                "the string ends after the edge 2->3"
            )
        return self.assemble(names)

    def canonical(self, architecture: Architecture) -> str:
        """The authors' isomorphism class; over the whole space there are 6,466.

        The construction of the NAS-Bench-201 code (``to_unique_str`` with ``consider_zero``): a node is
        the sorted sum of its inputs, ``none`` is zero, ``skip_connect`` is its source, and any other
        operation wraps its source.

        One class means one function at initialisation, where batch norm maps zeros to zeros; after
        training, a convolution of zeros may add its batch norm's bias. Parameters may differ within a
        class, as those of nodes that lead nowhere do. Two classes may still be one function: a sum of
        zeros is not taken for zero, and sums that a skip carries on are not merged and sorted again.
        With both there are 4,930. The paper's classes are kept: published subsets are made of them.
        """
        nodes = ["0"]
        operations = iter(self.choices(architecture))
        for target in range(1, 4):
            terms = []
            for source in range(target):
                name, value = next(operations), nodes[source]
                if name == "none" or value == "#":
                    terms.append("#")
                elif name == "skip_connect":
                    terms.append(value)
                else:
                    terms.append(f"({value})@{name}")
            nodes.append("+".join(sorted(terms)))
        return nodes[-1]

    def is_reachable(self, architecture: Architecture) -> bool:
        """Whether every operation but ``none`` is on a way from input to output.

        It is for 9,445 cells, those that NAS-Bench-Suite-Zero and VKDNW keep; the cell of six ``none`` is
        among them.
        """
        edges = [edge for edge, name in zip(EDGES, self.choices(architecture), strict=True) if name != "none"]
        from_input, to_output = {0}, {3}
        for source, target in sorted(edges, key=lambda edge: edge[1]):
            if source in from_input:
                from_input.add(target)
        for source, target in sorted(edges, reverse=True):
            if target in to_output:
                to_output.add(source)
        return all(source in from_input and target in to_output for source, target in edges)

    def costs(self, architecture: Architecture, task: Task) -> Costs:
        """Parameters and FLOPs (multiply-accumulates), equal to the official table at its scale."""
        kernels = tuple(sorted(name for name in self.choices(architecture) if name in KERNELS))
        return _costs(kernels, self.scale, task)

    def build(self, architecture: Architecture, task: Task) -> nn.Module:
        """The benchmark's network: images (B, 3, R, R) -> logits (B, classes)."""
        from uninas_bench.spaces.cell_network import CellNetwork

        return CellNetwork(_skeleton(self.scale, task), self.choices(architecture))

    def diagram(
        self,
        architecture: Architecture,
        part: str | None = None,
        block: str | None = None,
        task: Task | None = None,
    ) -> Diagram:
        """The cell, or the network around it; see `uninas_bench.diagram.Drawable`."""
        from uninas_bench.spaces.cell_diagrams import cell_diagram, draw_part, network_diagram

        operations = self.choices(architecture)
        title = f"{self.name} {self.index(architecture)}"
        plan = _skeleton(self.scale, task or self.tasks[0])
        costs = self.costs(architecture, task) if task else None
        parts = {
            "cell": lambda: cell_diagram(title, operations),
            "network": lambda: network_diagram(title, plan, costs, sizes=task is not None),
        }
        return draw_part(self.name, part, block, parts)

    def blocks(self, network: nn.Module) -> Sequence[tuple[str, nn.Module]]:
        """The cells and reduction blocks: 17 at the benchmark's scale."""
        from uninas_bench.spaces.cell_network import cell_blocks

        return cell_blocks(network)
