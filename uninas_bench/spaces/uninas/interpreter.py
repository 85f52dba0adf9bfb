"""A graph evaluated node by node: the plain meaning of a block, against which the compiled one is tested."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce

import torch
from torch import Tensor, nn

from uninas_bench.spaces.uninas.graph import INPUT, Graph, Port
from uninas_bench.spaces.uninas.modules import FUNCTIONS, per_pixel, up_sample
from uninas_bench.spaces.uninas.operations import Operation
from uninas_bench.spaces.uninas.tensor_type import TOKENS, TensorType, spatial_size


def interpret(
    graph: Graph, types: Mapping[Port, TensorType], modules: Mapping[int, nn.Module], x: Tensor
) -> Tensor:
    """The output of a graph.

    Args:
        graph: of the subblock.
        types: of every port, as `Graph.types` gives them.
        modules: by number, of the nodes that are modules.
        x: (B, C, H, W).
    """
    height, width = x.shape[-2:]
    values: dict[Port, Tensor] = {INPUT: x}
    for number, node in enumerate(graph.nodes, 1):
        call = _Call(
            node.operation,
            tuple(values.pop(source) for source in node.sources),  # each is used once
            types[node.sources[0]].path,
            (height, width),
            modules.get(number),
        )
        outputs = _RULES.get(node.operation.kind, _module)(call)
        values.update({(number, port): output for port, output in enumerate(outputs)})
    return values[graph.output]


@dataclass(frozen=True, slots=True)
class _Call:
    """What the evaluation of a node may look at; ``path`` is its first input's, ``size`` the block's."""

    operation: Operation
    inputs: tuple[Tensor, ...]
    path: str
    size: tuple[int, int]
    module: nn.Module | None

    @property
    def before(self) -> tuple[int, int]:
        """Height and width before the last step of the path."""
        return spatial_size(self.path[:-1], *self.size)


def _module(call: _Call) -> Sequence[Tensor]:
    if call.module is None:
        return (FUNCTIONS[call.operation.kind](*call.inputs),)
    if call.operation.kind == "rel_pos_bias" and call.path.endswith(TOKENS):
        return (call.module(*call.inputs, *call.before),)
    return (call.module(*call.inputs),)


def _conv_chunk(call: _Call) -> Sequence[Tensor]:
    assert call.module is not None
    whole: Tensor = call.module(*call.inputs)
    return whole.chunk(call.operation.outputs, 1)


def _layer_norm(call: _Call) -> Sequence[Tensor]:
    assert call.module is not None
    return (per_pixel(call.module, *call.inputs),)


_RULES: dict[str, Callable[[_Call], Sequence[Tensor]]] = {
    "identity": lambda call: call.inputs,
    "copy": lambda call: call.inputs * call.operation.factor,
    "chunk": lambda call: call.inputs[0].chunk(call.operation.factor, 1),
    "concat": lambda call: (torch.cat(call.inputs, 1),),
    "add": lambda call: (reduce(operator.add, call.inputs),),
    "up_sample": lambda call: (up_sample(call.inputs[0], *call.before),),
    "layer_norm": _layer_norm,
    "conv_chunk": _conv_chunk,
}
"""Operations that are more than a call of their module or function."""
