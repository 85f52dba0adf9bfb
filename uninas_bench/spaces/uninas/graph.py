"""A subblock: an immutable, linear, typed directed acyclic graph of elementary operations.

*Linear*: every output of every node is used exactly once; a tensor that goes two ways passes through a
``copy2``, as in the paper's Table I. So every node leads to the output, and one input and one output is all
that a graph leaves open.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import isqrt

from uninas_bench.errors import InvalidArchitecture
from uninas_bench.spaces.uninas.operations import Operation, TypeFault, infer, read_operation
from uninas_bench.spaces.uninas.tensor_type import TOKENS, TensorType

Port = tuple[int, int]
"""A node's number and which of its outputs; node 0 is the input of the graph, node k is ``nodes[k - 1]``."""
INPUT: Port = (0, 0)


class GraphError(InvalidArchitecture):
    """A graph that is none of this space; the message names the node and what is wrong there."""


@dataclass(frozen=True, slots=True)
class Node:
    """An operation and where its inputs come from, in order."""

    operation: Operation
    sources: tuple[Port, ...]


@dataclass(frozen=True)
class Graph:
    """Nodes in normal order, and the port that is the graph's output.

    Two equal graphs have equal nodes: the normal order is the post-order of a depth-first walk from the
    output along the inputs, which the numbering that a user chose does not change.

    Raises:
        GraphError: a cycle, an output used twice or never, a wrong number of inputs.
    """

    nodes: tuple[Node, ...]
    output: Port = INPUT

    def __post_init__(self) -> None:
        _check(self.nodes, self.output)
        order = _post_order(self.nodes, self.output)
        if len(order) < len(self.nodes):
            stray = next(k for k in range(1, len(self.nodes) + 1) if k not in order)
            raise GraphError(f"{_title(stray, self.nodes)} lies on a cycle: a block is acyclic")
        if any(old != new for old, new in order.items()):
            moved = {0: 0, **order}
            ordered = sorted(order, key=order.__getitem__)
            nodes = tuple(
                Node(
                    self.nodes[k - 1].operation,
                    tuple((moved[node], port) for node, port in self.nodes[k - 1].sources),
                )
                for k in ordered
            )
            object.__setattr__(self, "nodes", nodes)
            object.__setattr__(self, "output", (moved[self.output[0]], self.output[1]))

    def __len__(self) -> int:
        return len(self.nodes)

    def __hash__(self) -> int:
        return self._hash

    def __getstate__(self) -> dict[str, object]:
        # Not the hash: another process hashes texts differently.
        return {"nodes": self.nodes, "output": self.output}

    @cached_property
    def _hash(self) -> int:
        return hash((self.nodes, self.output))

    def operation(self, number: int) -> Operation:
        """The operation of node ``number``, from 1."""
        return self.nodes[number - 1].operation

    def title(self, number: int) -> str:
        """``node 7 (chunk2)``."""
        return _title(number, self.nodes)

    def consumers(self) -> dict[Port, tuple[int, int]]:
        """Where each port goes: the node that uses it and as which of its inputs; 0 is the graph's output."""
        uses = {
            source: (number, slot)
            for number, node in enumerate(self.nodes, 1)
            for slot, source in enumerate(node.sources)
        }
        uses[self.output] = (0, 0)
        return uses

    def types(self, channels: int, size: tuple[int, int] | None = None) -> dict[Port, TensorType]:
        """The type at every port, the input included.

        Args:
            channels: of the block.
            size: height and width of the block, where they are known: for the messages, and for
                `rel_pos_bias`, whose tables exist for maps between tokens and for square sizes alone.

        Raises:
            GraphError: an operation cannot take its inputs, or the shape is not kept.
        """
        types = {INPUT: TensorType(channels)}
        for number, node in enumerate(self.nodes, 1):
            try:
                outputs = infer(node.operation, tuple(types[source] for source in node.sources))
            except TypeFault as fault:
                got = " and ".join(t.shown(size) for t in fault.inputs)
                raise GraphError(f"{self.title(number)} {fault.what}, got {got}") from None
            if size is not None and node.operation.kind == "rel_pos_bias":
                self._check_squares(number, types[node.sources[0]], size)
            for port, output in enumerate(outputs):
                types[number, port] = output
        last = types[self.output]
        if last != types[INPUT]:
            raise GraphError(
                f"{self.title(self.output[0])} ends the block with {last.shown(size)}, "
                f"expected its input's {types[INPUT].shown(size)}"
            )
        return types

    def _check_squares(self, number: int, type_: TensorType, size: tuple[int, int]) -> None:
        _, height, width = type_.shape(*size)
        squares = isqrt(height) ** 2 == height and isqrt(width) ** 2 == width
        if not type_.path.endswith(TOKENS) and not squares:
            raise GraphError(
                f"{self.title(number)} needs a map between tokens, or height and width that are squares "
                f"of integers, got {type_.shown(size)}"
            )


def graph_of(nodes: Mapping[str, tuple[str, Sequence[str]]], output: str) -> Graph:
    """A graph written down node by node, under names of one's own.

    Args:
        nodes: name -> operation and the names of its inputs; ``input`` is the graph's, ``a.1`` is the second
            output of ``a``, ``a`` the first.
        output: the name of what the graph returns.

    Example:
        >>> gate = graph_of({"c": ("copy2", ["input"]), "m": ("multiply", ["c.0", "c.1"])}, "m")
        >>> len(gate)
        2

    Raises:
        GraphError: see `Graph`; or an unknown name.
        InvalidArchitecture: an unknown operation.
    """
    numbers = {"input": 0} | {name: number for number, name in enumerate(nodes, 1)}

    def port(text: str, user: str) -> Port:
        name, _, index = text.partition(".")
        if name not in numbers or not (index.isdecimal() or index == ""):
            raise GraphError(f'{user}: no node "{text}"; known: {", ".join(numbers)}')
        return numbers[name], int(index or 0)

    built = tuple(
        Node(read_operation(operation), tuple(port(source, name) for source in sources))
        for name, (operation, sources) in nodes.items()
    )
    return Graph(built, port(output, "output"))


def _title(number: int, nodes: Sequence[Node]) -> str:
    return f"node {number} ({nodes[number - 1].operation})" if number else "the input"


def _check(nodes: Sequence[Node], output: Port) -> None:
    """Every port exists and is used exactly once."""
    users: dict[Port, int] = {}

    def use(port: Port, user: int) -> None:
        node, index = port
        outputs = 1 if node == 0 else nodes[node - 1].operation.outputs if 1 <= node <= len(nodes) else 0
        if not 0 <= index < outputs:
            where = _title(user, nodes) if user else "the output"
            raise GraphError(f"{where} takes output {index} of node {node}, which does not exist")
        if port in users:
            again, before = (_title(u, nodes) if u else "the output" for u in (user, users[port]))
            raise GraphError(
                f"{_title(node, nodes)} is used twice, by {before} and {again}; "
                "put a copy2 between, or make it one output"
            )
        users[port] = user

    for number, node in enumerate(nodes, 1):
        if len(node.sources) != node.operation.inputs:
            raise GraphError(
                f"{_title(number, nodes)} has {len(node.sources)} inputs, expected {node.operation.inputs}"
            )
        for source in node.sources:
            use(source, number)
    use(output, 0)
    for number in range(len(nodes) + 1):
        for index in range(nodes[number - 1].operation.outputs if number else 1):
            if (number, index) not in users:
                which = f"output {index} of " if number and nodes[number - 1].operation.outputs > 1 else ""
                raise GraphError(
                    f"{which}{_title(number, nodes)} is used by nothing: a block has one output, so every "
                    "branch must end in it"
                )


def _post_order(nodes: Sequence[Node], output: Port) -> dict[int, int]:
    """New number of every node that the output depends on without going round a cycle."""
    order: dict[int, int] = {}
    open_: list[tuple[int, Iterator[Port]]] = []
    on_path: set[int] = set()

    def visit(number: int) -> None:
        if number and number not in order:
            if number in on_path:
                raise GraphError(f"{_title(number, nodes)} lies on a cycle: a block is acyclic")
            on_path.add(number)
            open_.append((number, iter(nodes[number - 1].sources)))

    visit(output[0])
    while open_:
        number, sources = open_[-1]
        source = next(sources, None)
        if source is None:
            open_.pop()
            on_path.discard(number)
            order[number] = len(order) + 1
        else:
            visit(source[0])
    return order
