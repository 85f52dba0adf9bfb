"""How large the numbers in a block get at initialisation, and the node at which they leave float32.

A product of tensors without a norm or a softmax squares the scale of its inputs: attention as the walk adds
it, ``conv_chunk3 ; ; matmul1 ; matmul2``, is cubic, and four in a row raise a scale to the 81st power. Such a
network gives NaN at its first forward pass, so it is refused before it is built.

The scale of a tensor is estimated by its root mean square. Convolutions have the variance that they are drawn
with; what `matmul2` sums over the positions is taken for equal, as deep features nearly are. The estimate is
good to a few powers of ten, and seldom too low: of 1,000 networks up to 1,250 steps away from a template,
those that gave NaN had estimates of 2^100, and all up to 2^85 ran.
"""

from __future__ import annotations

from collections.abc import Callable
from math import log2, log10

from uninas_bench.spaces.uninas.graph import INPUT, Graph, GraphError, Port
from uninas_bench.spaces.uninas.operations import Operation
from uninas_bench.spaces.uninas.tensor_type import TensorType

LIMIT = 64.0
"""Log2 of the largest scale that is let through: float32 ends at 2^128, and norms take squares."""


def check_magnitudes(graph: Graph, channels: int, size: tuple[int, int]) -> None:
    """Whether a subblock stays within float32, from an input of scale 1.

    Raises:
        GraphError: naming the first node that does not, and the scale there.
    """
    types = graph.types(channels, size)
    scales: dict[Port, float] = {INPUT: 0.0}
    stochastic: set[Port] = set()  # maps whose rows sum to 1
    for number, node in enumerate(graph.nodes, 1):
        sources = node.sources
        inputs = [scales[source] for source in sources]
        scale = _scale(
            node.operation, [types[source] for source in sources], size, inputs, sources[0] in stochastic
        )
        if scale > LIMIT:
            raise GraphError(
                f"{graph.title(number)} would give numbers of about 1e{scale * log10(2):.0f} in "
                f"{types[number, 0].shown(size)}: products without a norm or a softmax between them"
            )
        for port in range(node.operation.outputs):
            scales[number, port] = scale
        if node.operation.kind == "softmax":
            stochastic.add((number, 0))


def _scale(
    operation: Operation,
    types: list[TensorType],
    size: tuple[int, int],
    inputs: list[float],
    stochastic: bool,
) -> float:
    """Log2 of the root mean square of an operation's outputs."""
    first = inputs[0]
    match operation.kind:
        case "batch_norm" | "layer_norm":
            return 0.0
        case "softmax" | "sigmoid":
            return min(first, 0.0)
        case "matmul1":
            return first + inputs[1]
        case "matmul2":
            _, height, width = types[1].shape(*size)
            first = inputs[1] + (0.0 if stochastic else first + log2(height * width))
        case "add":
            first = max(inputs) + log2(len(inputs))
        case "concat":
            first = max(inputs)
    gain = _GAIN.get(operation.kind)
    return first if gain is None else first + gain(operation, types[0].channels)


_GAIN: dict[str, Callable[[Operation, int], float]] = {
    "conv1": lambda _, __: 0.5,
    "conv3": lambda _, __: 0.5,
    "conv_depth3": lambda _, channels: (1 - log2(channels)) / 2,
    "conv_depth5": lambda _, channels: (1 - log2(channels)) / 2,
    "conv_exp": lambda operation, _: (1 - log2(operation.factor)) / 2,
    "conv_red": lambda operation, _: (1 + log2(operation.factor)) / 2,
    "conv_chunk": lambda operation, _: (1 - log2(1 + operation.factor)) / 2,
    "dropout": lambda _, __: 0.5,
    "max_pool": lambda _, __: 0.75,
    "gelu": lambda _, __: -0.5,
}
"""Log2 of what an operation does to the scale, from the variances that `modules` draws weights with."""
