"""Dead branches: nodes whose work cannot reach the output, or does not depend on the input.

Every node of a linear graph leads to the output, but not everything gets there: ``zero`` lets nothing
through, a ``softmax`` over a single position is 1 whatever it is given, a ``layer_norm`` of one channel its
bias, and the mean of what a softmax has normalised along the width is 1 / W. Work that ends in such constants
is dead weight: it costs, and no training can make it matter.
"""

from __future__ import annotations

from enum import IntEnum

from uninas_bench.spaces.uninas.costs import Convention, node_cost
from uninas_bench.spaces.uninas.graph import INPUT, Graph, Port
from uninas_bench.spaces.uninas.operations import Operation
from uninas_bench.spaces.uninas.tensor_type import TensorType


class _Value(IntEnum):
    """What is known of a tensor at initialisation and after, for any input."""

    ZERO = 0
    CONSTANT = 1
    """The same for every input."""
    BALANCED = 2
    """Depends on the input, but its sum along the width does not."""
    FREE = 3


_KEEPS_BALANCE = frozenset(
    {"identity", "copy", "chunk", "concat", "add", "conv1", "conv_exp", "conv_red", "conv_chunk",
     "batch_norm", "rel_pos_bias"}
)  # fmt: skip
"""Linear along the width, the same at every position of it."""
_KEEPS_ZERO = frozenset(
    {"identity", "copy", "chunk", "concat", "add", "max_pool", "mask", "dropout", "global_avg", "up_sample"}
)
_PRODUCTS = frozenset({"matmul1", "matmul2"})


def dead_nodes(graph: Graph, channels: int, size: tuple[int, int]) -> tuple[int, ...]:
    """The numbers of the nodes without influence; ``zero`` itself, which costs nothing, is not listed."""
    types = graph.types(channels)
    values: dict[Port, _Value] = {INPUT: _Value.FREE}
    for number, node in enumerate(graph.nodes, 1):
        value = _value(
            node.operation, types[node.sources[0]], size, [values[source] for source in node.sources]
        )
        for port in range(node.operation.outputs):
            values[number, port] = value
    heard = {graph.output}
    for number in range(len(graph), 0, -1):
        node = graph.nodes[number - 1]
        reaches = any((number, port) in heard for port in range(node.operation.outputs))
        if reaches and values[number, 0] > _Value.CONSTANT:
            heard.update(node.sources)
    return tuple(
        number
        for number, node in enumerate(graph.nodes, 1)
        if node.operation.kind != "zero"
        and (
            values[number, 0] <= _Value.CONSTANT
            or not any((number, port) in heard for port in range(node.operation.outputs))
        )
    )


def dead_flops(graph: Graph, channels: int, size: tuple[int, int], convention: Convention) -> int:
    """What the dead nodes of a graph cost."""
    types = graph.types(channels)
    return sum(
        node_cost(node.operation, tuple(types[source] for source in node.sources), size, convention)[1]
        for node in (graph.nodes[number - 1] for number in dead_nodes(graph, channels, size))
    )


def _value(operation: Operation, type_: TensorType, size: tuple[int, int], inputs: list[_Value]) -> _Value:
    """What is known of an operation's outputs, given its (first) input's type."""
    kind, most = operation.kind, max(inputs)
    _, _, width = type_.shape(*size)
    multiplied = kind in _PRODUCTS or kind == "multiply"
    # The gate of a multiplication is a sigmoid, never 0.
    factors = inputs[:1] if kind == "multiply" else inputs
    if kind == "zero" or (multiplied and min(factors) == _Value.ZERO):
        return _Value.ZERO
    if most == _Value.ZERO and kind in _KEEPS_ZERO:
        return _Value.ZERO
    if (
        most <= _Value.CONSTANT
        or (kind == "layer_norm" and type_.channels == 1)
        or (kind == "softmax" and width == 1)
        or (kind == "global_avg" and most == _Value.BALANCED)
    ):
        return _Value.CONSTANT
    if kind == "softmax" or (kind in _KEEPS_BALANCE and most == _Value.BALANCED):
        return _Value.BALANCED
    return _Value.FREE
