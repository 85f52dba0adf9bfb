"""The nesting of a graph: chains of units, where a unit is what can be taken out and leaves a graph.

A *unit* is one operation that keeps its tensor's type, or several coupled ones that together do (Algorithm 1:
"nodes changing the dimension and/or having multiple outputs are added together with their coupled node"):
``conv_exp4`` with its ``conv_red4``, ``copy2`` with its ``add2``, an attention from its ``conv_chunk`` to its
``concat`` with all its matrix products. On every edge between coupled nodes lies a *chain* of further units.
Any graph has this form, also those that are not series-parallel: see `Skeleton`.

The data are plain and mutable: the walk works on them in place, at a few microseconds a move.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from heapq import heappop, heappush

from uninas_bench.spaces.uninas.graph import INPUT, Graph, Node, Port
from uninas_bench.spaces.uninas.operations import Operation
from uninas_bench.spaces.uninas.tensor_type import TensorType

Start = tuple[int, int]
"""Which output of which of a skeleton's nodes, both from 0."""


@dataclass(frozen=True, slots=True)
class Skeleton:
    """Coupled nodes without what lies between them.

    Attributes:
        nodes: in topological order, each with the slots that are its inputs. The first one's single input
            is the unit's own; the last one's single output too.
        starts: for each slot, the output that it begins at.
    """

    nodes: tuple[tuple[Operation, tuple[int, ...]], ...]
    starts: tuple[Start, ...] = ()


@dataclass(frozen=True, slots=True)
class UnitCost:
    """Parameters and FLOPs, these also by operation: pairs of its place in `moves.KINDS` and a number."""

    params: int = 0
    flops: int = 0
    flops_of: tuple[tuple[int, int], ...] = ()


class Chain:
    """Units one after the other on an edge; all of them take and give the same type."""

    __slots__ = ("type", "units")

    def __init__(self, type_: TensorType, units: list[Unit] | None = None) -> None:
        self.type = type_
        self.units = units if units is not None else []

    def chains(self) -> Iterator[Chain]:
        """This chain and all chains inside it."""
        yield self
        for unit in self.units:
            for slot in unit.slots:
                yield from slot.chains()


class Unit:
    """A skeleton with a chain in each of its slots.

    Attributes:
        numbers: of its nodes in the graph that it was read from.
        cost: of its own nodes, where somebody has priced them.
    """

    __slots__ = ("cost", "numbers", "skeleton", "slots")

    def __init__(
        self,
        skeleton: Skeleton,
        slots: list[Chain],
        numbers: tuple[int, ...] = (),
        cost: UnitCost = UnitCost(),
    ) -> None:
        self.skeleton = skeleton
        self.slots = slots
        self.numbers = numbers
        self.cost = cost


def structure(graph: Graph, channels: int) -> Chain:
    """The nesting of a graph.

    Where several readings are possible, as in ``conv_exp4 conv_red4 conv_exp4 conv_red4``, an opening node
    is coupled with the nearest one that restores its input's type: the paper's "minimal subgraph".

    Raises:
        GraphError: the graph is ill-typed.
    """
    return _Reader(graph, channels).whole()


def couples(graph: Graph, channels: int) -> tuple[tuple[int, ...], ...]:
    """The numbers of the nodes that belong together, for every unit of more than one node."""
    return tuple(
        unit.numbers
        for chain in structure(graph, channels).chains()
        for unit in chain.units
        if len(unit.numbers) > 1
    )


def graph_of_chain(chain: Chain) -> Graph:
    """The graph of a nesting; the inverse of `structure`."""
    nodes: list[Node] = []
    output = _emit(chain, INPUT, nodes)
    return Graph(tuple(nodes), output)


def _emit(chain: Chain, port: Port, nodes: list[Node]) -> Port:
    """Append the nodes of a chain that begins at ``port``; where it ends."""
    for unit in chain.units:
        numbers: list[int] = []
        for operation, slots in unit.skeleton.nodes:
            sources = []
            for slot in slots:
                node, output = unit.skeleton.starts[slot]
                sources.append(_emit(unit.slots[slot], (numbers[node], output), nodes))
            nodes.append(Node(operation, tuple(sources) if slots else (port,)))
            numbers.append(len(nodes))
        port = (numbers[-1], 0)
    return port


class _Reader:
    """Finds the nesting of one graph.

    Two edges lie on one chain exactly if every path from input to output uses both or neither. To see this,
    a flow of 1 is sent through the graph and split at random where a node has several outputs: the same
    edges carry the same flow (numbers of 64 bits; the chance that others do too is nil).
    """

    def __init__(self, graph: Graph, channels: int) -> None:
        self.graph = graph
        self.types = graph.types(channels)
        self.consumer = {port: user for port, (user, _) in graph.consumers().items()}
        self.flow: dict[Port, int] = {INPUT: 1 << 63}
        self.edges: dict[int, list[Port]] = {1 << 63: [INPUT]}
        self._send()

    def _send(self) -> None:
        split = random.Random(0).getrandbits  # noqa: S311  (a hash, no secret)
        for number, node in enumerate(self.graph.nodes, 1):
            left = sum(self.flow[source] for source in node.sources)
            for port in range(node.operation.outputs):
                last = port == node.operation.outputs - 1
                amount = left if last else split(64)
                left -= amount
                self.flow[number, port] = amount
                self.edges.setdefault(amount, []).append((number, port))

    def whole(self) -> Chain:
        """The chain from input to output."""
        edges = self.edges[self.flow[INPUT]]
        return Chain(self.types[INPUT], self._units(edges, 0, len(edges) - 1))

    def _units(self, edges: list[Port], low: int, high: int) -> list[Unit]:
        """The units between two edges of a chain that have the same type."""
        units = []
        while low < high:
            end = self._closing(edges, low, high)
            assert end is not None  # the last edge has the type of the first
            units.append(self._unit(edges, low, end))
            low = end
        return units

    def _closing(self, edges: list[Port], low: int, high: int) -> int | None:
        """The nearest edge after ``low`` with the type of that one."""
        wanted = self.types[edges[low]]
        return next((i for i in range(low + 1, high + 1) if self.types[edges[i]] == wanted), None)

    def _unit(self, edges: list[Port], low: int, high: int) -> Unit:
        draft = _Draft()
        start = self._step(draft, edges, low, None)
        if low + 1 < high:
            slot = self._stretch(draft, edges, low + 1, high - 1, start)
            self._step(draft, edges, high - 1, slot)
        return draft.unit()

    def _stretch(self, draft: _Draft, edges: list[Port], low: int, high: int, start: Start) -> int:
        """Put what lies between two edges into a unit that has begun; the slot that it ends with.

        Whole units go into slots; a step that changes the type for good becomes a node of the unit.
        """
        slot, low = self._slot(draft, edges, low, high, start)
        while low < high:
            start = self._step(draft, edges, low, slot)
            slot, low = self._slot(draft, edges, low + 1, high, start)
        return slot

    def _slot(self, draft: _Draft, edges: list[Port], low: int, high: int, start: Start) -> tuple[int, int]:
        """A slot with as many whole units as follow; its number, and the edge it ends at."""
        end = low
        while end < high and (closing := self._closing(edges, end, high)) is not None:
            end = closing
        chain = Chain(self.types[edges[low]], self._units(edges, low, end))
        return draft.add_slot(start, chain), end

    def _step(self, draft: _Draft, edges: list[Port], index: int, slot: int | None) -> Start:
        """The nodes between an edge and the next one of its chain, as nodes of the unit."""
        target = edges[index + 1]
        number = self.consumer[edges[index]]
        last = draft.add_node(number, self.graph.operation(number), () if slot is None else (slot,))
        if (number, 0) == target:
            return last, 0
        # A branching: its outputs begin chains, and where all chains into a node have ended, that is next.
        inputs: dict[int, dict[int, int]] = {}
        ready: list[tuple[int, int]] = []

        def branch(node: int, place: int) -> None:
            for port in range(self.graph.operation(node).outputs):
                inner = self.edges[self.flow[node, port]]
                slot = self._stretch(draft, inner, 0, len(inner) - 1, (place, port))
                user = self.consumer[inner[-1]]
                arrived = inputs.setdefault(user, {})
                arrived[self.graph.nodes[user - 1].sources.index(inner[-1])] = slot
                if len(arrived) == self.graph.operation(user).inputs:
                    heappush(ready, (user, 0))

        branch(number, last)
        while True:
            user, _ = heappop(ready)
            arrived = inputs.pop(user)
            place = draft.add_node(
                user, self.graph.operation(user), tuple(arrived[i] for i in range(len(arrived)))
            )
            if (user, 0) == target:
                return place, 0
            branch(user, place)


class _Draft:
    """A unit under construction."""

    def __init__(self) -> None:
        self.nodes: list[tuple[Operation, tuple[int, ...]]] = []
        self.starts: list[Start] = []
        self.slots: list[Chain] = []
        self.numbers: list[int] = []

    def add_node(self, number: int, operation: Operation, slots: tuple[int, ...]) -> int:
        self.nodes.append((operation, slots))
        self.numbers.append(number)
        return len(self.nodes) - 1

    def add_slot(self, start: Start, chain: Chain) -> int:
        self.starts.append(start)
        self.slots.append(chain)
        return len(self.starts) - 1

    def unit(self) -> Unit:
        return Unit(Skeleton(tuple(self.nodes), tuple(self.starts)), self.slots, tuple(self.numbers))
