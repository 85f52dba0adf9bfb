"""A graph as straight-line code: traced once per distinct block, shared by all blocks that are equal.

What the code does that the interpreter does not:

- Heads of a `conv_chunk` that are nothing but attention are evaluated together (`heads_of`).
- A gate that was pooled and up-sampled is applied as it is, one number per channel.

Everything else runs in the interpreter's order, also what only leads to a `zero`: the network costs what its
graph says, random numbers are drawn for the same nodes, and batch norms see the same tensors.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache, partial, reduce
from typing import Any

import torch
from torch import Tensor, fx, nn

from uninas_bench.spaces.uninas import modules as m
from uninas_bench.spaces.uninas.graph import INPUT, Graph, Node, Port
from uninas_bench.spaces.uninas.tensor_type import POOLED, TOKENS

Code = Callable[[nn.Module, Tensor], Tensor]
"""Forward pass of a module that has the graph's modules under their `module_name`s."""


@dataclass(frozen=True, slots=True)
class Program:
    """The code of a graph, and the names of the modules that it calls."""

    code: Code
    called: frozenset[str]


@dataclass(frozen=True, slots=True)
class Head:
    """A head that is exactly queries, keys, [bias, softmax | softmax | nothing], values.

    Attributes:
        number: which of the `conv_chunk`'s heads.
        nodes: all of it; the last is the matmul2.
        bias: the node of its relative position bias.
        normalised: whether it has a softmax.
    """

    number: int
    nodes: tuple[int, ...]
    bias: int | None
    normalised: bool


def module_name(graph: Graph, number: int) -> str:
    """Under which name a subblock holds the module of a node: ``conv_exp4_1``."""
    return f"{graph.operation(number).uncharged()}_{number}"


@lru_cache(maxsize=2048)
def program(graph: Graph, channels: int) -> Program:
    """The code of a graph in a block of so many channels."""
    code = straight_line(graph, channels)
    called = frozenset(str(node.target) for node in code.nodes if node.op == "call_module")
    tables = {str(node.target).partition(".")[0] for node in code.nodes if node.op == "get_attr"}
    standins: dict[str, Any] = dict.fromkeys(called, nn.Identity())
    standins |= {f"{name}.table": torch.empty(0) for name in tables}
    return Program(type(fx.GraphModule(standins, code)).forward, called)


def straight_line(graph: Graph, channels: int) -> fx.Graph:
    """The trace of a graph; with a subblock of it as root it makes a `torch.fx.GraphModule`."""
    return _Writer(graph, channels).write()


def heads_of(graph: Graph, number: int, users: Mapping[Port, tuple[int, int]]) -> list[Head]:
    """The heads of a node that are attention and nothing else; none if the node is no `conv_chunk3xH`.

    Args:
        graph: of the subblock.
        number: of the node.
        users: `Graph.consumers`.
    """
    operation = graph.operation(number)
    if operation.kind != "conv_chunk" or operation.factor != 3:
        return []
    found = (_head(graph, number, head, users) for head in range(operation.heads))
    return [head for head in found if head is not None]


def _head(graph: Graph, number: int, head: int, users: Mapping[Port, tuple[int, int]]) -> Head | None:
    queries, keys, values = ((number, 3 * head + part) for part in range(3))

    def is_next(port: Port, kind: str) -> bool:
        user, slot = users[port]
        return user > 0 and slot == 0 and graph.operation(user).kind == kind

    if not is_next(queries, "matmul1"):
        return None
    nodes = [users[queries][0]]
    if users[keys] != (nodes[0], 1):
        return None
    optional = []
    for kind in ("rel_pos_bias", "softmax"):
        if is_next((nodes[-1], 0), kind):
            nodes.append(users[nodes[-1], 0][0])
            optional.append(kind)
    if not is_next((nodes[-1], 0), "matmul2") or optional == ["rel_pos_bias"]:
        return None
    nodes.append(users[nodes[-1], 0][0])
    if users[values] != (nodes[-1], 1):
        return None
    return Head(head, tuple(nodes), nodes[1] if len(nodes) == 4 else None, bool(optional))


class _Writer:
    """Writes the code of one graph."""

    def __init__(self, graph: Graph, channels: int) -> None:
        self.graph = graph
        self.types = graph.types(channels)
        self.users = graph.consumers()
        self.code = fx.Graph()
        self.input = self.code.placeholder("x")
        self.values: dict[Port, fx.Node] = {INPUT: self.input}
        self.done: set[int] = set()
        kinds = {node.operation.kind for node in graph.nodes}
        if kinds & {"up_sample", "rel_pos_bias"}:
            self.size = (self._method("size", self.input, 2), self._method("size", self.input, 3))
        self.sizes: dict[str, tuple[Any, Any]] = {}

    def write(self) -> fx.Graph:
        for number, node in enumerate(self.graph.nodes, 1):
            if number not in self.done:
                self._write(number, node)
        self.code.output(self.values[self.graph.output])
        return self.code

    def _write(self, number: int, node: Node) -> None:
        operation = node.operation
        inputs = [self.values[source] for source in node.sources]
        if operation.kind == "conv_chunk":
            self._conv_chunk(number, inputs[0])
        elif operation.kind == "chunk":
            self._pieces(number, inputs[0], range(operation.factor), operation.factor)
        else:
            out = self._single(number, node, inputs)
            self.values |= {(number, port): out for port in range(operation.outputs)}  # copies are the same

    def _single(self, number: int, node: Node, inputs: list[fx.Node]) -> fx.Node:
        """The one value of an operation without pieces."""
        kind, path = node.operation.kind, self.types[node.sources[0]].path
        if kind in {"identity", "copy"}:
            return inputs[0]
        if kind == "concat":
            return self._call(torch.cat, inputs, 1)
        if kind == "add":
            return reduce(partial(self._call, operator.add), inputs)
        if kind == "multiply":
            return self._call(m.gate, inputs[0], self._pooled(node.sources[1]) or inputs[1])
        if kind == "layer_norm":
            return self._call(m.channels_first, self._module(number, self._call(m.channels_last, *inputs)))
        return self._plain(number, kind, path, inputs)

    def _plain(self, number: int, kind: str, path: str, inputs: list[fx.Node]) -> fx.Node:
        """A call of a function or of a module, with the size that it may need."""
        if kind in m.FUNCTIONS:
            return self._call(m.FUNCTIONS[kind], *inputs)
        if kind == "up_sample":
            return self._call(m.up_sample, *inputs, *self._size(path[:-1]))
        if kind == "rel_pos_bias" and path.endswith(TOKENS):
            inputs = [*inputs, *self._size(path[:-1])]
        return self._module(number, *inputs)

    def _pooled(self, source: Port) -> fx.Node | None:
        """What an up-sampled gate was before: its sigmoid is the same number at every place."""
        if source[0] == 0 or self.graph.operation(source[0]).kind != "up_sample":
            return None
        return self.values[self.graph.nodes[source[0] - 1].sources[0]]

    def _conv_chunk(self, number: int, first: fx.Node) -> None:
        operation = self.graph.operation(number)
        pieces = self._module(number, first)
        heads = [
            head
            for head in heads_of(self.graph, number, self.users)
            if head.normalised or operation.heads > 1
        ]
        for kind in dict.fromkeys((head.bias is not None, head.normalised) for head in heads):
            group = [head for head in heads if (head.bias is not None, head.normalised) == kind]
            self._attention(number, pieces, group)
        alone = set(range(operation.heads)) - {head.number for head in heads}
        ports = [port for port in range(operation.outputs) if port // operation.factor in alone]
        if ports:
            self._pieces(number, pieces, ports, operation.outputs)

    def _attention(self, number: int, pieces: fx.Node, group: list[Head]) -> None:
        """Heads of one kind together, and their outputs as one tensor if a concat wants just that."""
        heads = self.graph.operation(number).heads
        bias = None
        if group[0].bias is not None:
            tables = [
                self.code.get_attr(f"{module_name(self.graph, head.bias)}.table")
                for head in group
                if head.bias is not None
            ]
            size = self._size(self.types[number, 0].path)
            bias = self._call(m.relative_bias, self._call(torch.stack, tables), *size)
        chosen = None if len(group) == heads else tuple(head.number for head in group)
        out = self._call(m.attend, pieces, heads, chosen, bias, group[0].normalised)
        self.done.update(node for head in group for node in head.nodes)
        ends = [(head.nodes[-1], 0) for head in group]
        user = self.users[ends[0]][0]
        joined = bool(user) and self.graph.nodes[user - 1]
        if len(ends) == 1:
            self.values[ends[0]] = out
        elif joined and joined.operation.kind == "concat" and list(joined.sources) == ends:
            self.values[user, 0] = out
            self.done.add(user)
        else:
            parts = self._method("chunk", out, len(ends), 1)
            for position, end in enumerate(ends):
                self.values[end] = self._call(operator.getitem, parts, position)

    def _pieces(self, number: int, whole: fx.Node, ports: Any, count: int) -> None:
        parts = self._method("chunk", whole, count, 1)
        for port in ports:
            self.values[number, port] = self._call(operator.getitem, parts, port)

    def _size(self, path: str) -> tuple[Any, Any]:
        """Height and width along a path, as code."""
        if path not in self.sizes:
            if not path:
                self.sizes[path] = self.size
            elif path.endswith(POOLED):
                self.sizes[path] = (1, 1)
            else:
                height, width = self._size(path[:-1])
                tokens = 1 if isinstance(height, int) else self._call(operator.mul, height, width)
                self.sizes[path] = (tokens, tokens)
        return self.sizes[path]

    def _call(self, function: Callable[..., Any], *args: Any) -> fx.Node:
        return self.code.call_function(function, args)

    def _method(self, name: str, *args: Any) -> fx.Node:
        return self.code.call_method(name, args)

    def _module(self, number: int, *args: Any) -> fx.Node:
        return self.code.call_module(module_name(self.graph, number), args)
