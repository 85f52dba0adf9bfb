"""Parameters and FLOPs of a UniNAS network, in closed form: no torch, no network.

Two conventions, both with FLOPs of one image.

``exact``: the parameters of the network that is built, and FLOPs = 2 x multiply-accumulates for convolutions,
linear maps and matrix products, plus the paper's Table I for everything else. Table I's misprints are
corrected: conv_red has (C/f)(C+1) parameters, rel_pos_bias (2h-1)(2w-1); multiply gates with a sigmoid and
so costs 4CHW; up_sample costs CHW; concat, chunk, copy, identity and zero nothing. What Table I leaves open
follows the same rules: addK costs (K-1)CHW of its output, matmul1 and matmul2 2C(HW)^2 of the tensors that
have channels, rel_pos_bias CHW of its map; the network's own norms cost 2CHW, its GELU 3CHW, its average
pools and the residual additions CHW. Bias additions are never counted, nor is dropout of the head.

``toolkit``: what the authors' package reports, to the last digit: convolutions and linear maps alone outside
the subblocks, Table I inside, matrix products at 32 channels whatever they have, addK as add2, up_sample
free, rel_pos_bias at HW, expand-and-reduce at a factor of 4 whatever it has, and every ``Operation.charge``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from math import isqrt
from typing import Literal

from uninas_bench.architecture import Costs, Task
from uninas_bench.spaces.uninas.block import Design
from uninas_bench.spaces.uninas.graph import Graph
from uninas_bench.spaces.uninas.macro import Place, UninasScale, halved, places
from uninas_bench.spaces.uninas.operations import Operation
from uninas_bench.spaces.uninas.structure import couples
from uninas_bench.spaces.uninas.tensor_type import TOKENS, TensorType, spatial_size

Convention = Literal["exact", "toolkit"]
Pair = tuple[int, int]
"""Parameters and FLOPs."""
Size = tuple[int, int]


def _convolution(channels: int, to: int, area: int, taps: int = 1) -> Pair:
    """A convolution with a bias, whose additions are not counted."""
    return to * (taps * channels + 1), 2 * taps * channels * to * area


_TABLE: dict[str, Callable[[int, int, int, int], Pair]] = {
    "softmax": lambda c, h, w, _: (0, c * h * (3 * w - 1)),
    "dropout": lambda c, h, w, _: (0, c * h * w),
    "max_pool": lambda c, h, w, _: (0, 9 * c * h * w),
    "mask": lambda c, h, w, _: (0, c * h * w),
    "sigmoid": lambda c, h, w, _: (0, 3 * c * h * w),
    "gelu": lambda c, h, w, _: (0, 3 * c * h * w),
    "conv1": lambda c, h, w, _: _convolution(c, c, h * w),
    "conv3": lambda c, h, w, _: _convolution(c, c, h * w, 9),
    "conv_depth3": lambda c, h, w, _: (9 * c, 18 * c * h * w),
    "conv_depth5": lambda c, h, w, _: (25 * c, 50 * c * h * w),
    "batch_norm": lambda c, h, w, _: (2 * c, 2 * c * h * w),
    "layer_norm": lambda c, h, w, _: (2 * c, 2 * c * h * w),
    "rel_pos_bias": lambda c, h, w, _: (0, c * h * w),  # its table depends on more than its shape
    "chunk": lambda *_: (0, 0),
    "copy": lambda *_: (0, 0),
    "concat": lambda *_: (0, 0),
    "identity": lambda *_: (0, 0),
    "zero": lambda *_: (0, 0),
    "add": lambda c, h, w, k: (0, (k - 1) * c * h * w),
    "multiply": lambda c, h, w, _: (0, 4 * c * h * w),
    "conv_chunk": lambda c, h, w, k: _convolution(c, k * c, h * w),
    "conv_exp": lambda c, h, w, k: _convolution(c, k * c, h * w),
    "conv_red": lambda c, h, w, k: _convolution(c, c // k, h * w),
    "matmul1": lambda c, h, w, _: (0, 2 * c * (h * w) ** 2),
    "matmul2": lambda c, h, w, _: (0, 2 * c * (h * w) ** 2),
    "global_avg": lambda c, h, w, _: (0, c * h * w),
    "up_sample": lambda c, h, w, _: (0, c * h * w),
}
"""Table I: parameters and FLOPs of a kind for a first input (C, H, W) and the number in its name."""
_PRODUCTS = {
    "conv1", "conv3", "conv_depth3", "conv_depth5", "conv_exp", "conv_red", "conv_chunk",
    "matmul1", "matmul2",
}  # fmt: skip
"""Kinds that a counter of convolutions and matrix products sees."""
_TOOLKIT_HEAD = 32
"""Channels at which the toolkit prices every matrix product."""
_TOOLKIT_FACTOR = 4
"""The factor at which the toolkit prices every expand-and-reduce."""


@lru_cache(maxsize=1 << 16)
def node_cost(
    operation: Operation, inputs: tuple[TensorType, ...], size: Size, convention: Convention
) -> Pair:
    """Parameters and FLOPs of one node.

    Args:
        operation: what it does; it must be able to take ``inputs`` (`operations.infer`).
        inputs: the types of its inputs, in order.
        size: height and width of the block.
        convention: see the module.
    """
    # The second input of matmul2 is the one with channels; elsewhere all inputs are alike, or there is one.
    first = inputs[-1] if operation.kind == "matmul2" else inputs[0]
    if convention == "toolkit":
        return _toolkit_cost(operation, first, size)
    return _exact_cost(operation, first, size)


@lru_cache(maxsize=8192)
def graph_cost(graph: Graph, channels: int, size: Size, convention: Convention) -> Pair:
    """Parameters and FLOPs of a subblock.

    Raises:
        GraphError: the graph does not exist at these channels.
    """
    types = graph.types(channels)
    odd = _misjudged(graph, channels) if convention == "toolkit" else {}
    params = flops = 0
    for number, node in enumerate(graph.nodes, 1):
        own = node_cost(node.operation, tuple(types[source] for source in node.sources), size, convention)
        params += own[0]
        flops += own[1] * _TOOLKIT_FACTOR // odd[number] if number in odd else own[1]
    return params, flops


def coupled_flops(operations: Sequence[Operation], flops: int, convention: Convention) -> int:
    """What coupled nodes cost together, given what each costs alone: more or less in the toolkit's eyes."""
    odd = convention == "toolkit" and _is_expand_and_reduce(operations)
    return flops * _TOOLKIT_FACTOR // operations[0].factor if odd else flops


def design_costs(design: Design, scale: UninasScale, task: Task, convention: Convention = "exact") -> Costs:
    """Parameters and FLOPs of a whole network.

    Raises:
        GraphError: a subblock does not exist at its channels.
    """
    parts = design_parts(design, scale, task, convention).values()
    return Costs(sum(params for params, _ in parts), sum(flops for _, flops in parts), convention)


def design_parts(
    design: Design, scale: UninasScale, task: Task, convention: Convention
) -> dict[str, tuple[int, int]]:
    """Parameters and FLOPs of every part, under the names that the toolkit gives them, in its order.

    ``stem``, ``norm``, ``head``, and for stage s and block b, both from 0, ``block{s}_{b}_`` with
    ``shortcut``, ``norm1``, ``subblock1``, ``norm2``, ``subblock2``. The residual addition after a subblock
    is booked at ``shortcut`` and ``norm2``.
    """
    parts = overhead(design, scale, task, convention)
    for place in places(design, scale, task.resolution):
        for number, graph in enumerate(place.block, 1):
            parts[f"{_prefix(place)}subblock{number}"] = graph_cost(
                graph, place.channels, place.size, convention
            )
    return parts


def overhead(
    design: Design, scale: UninasScale, task: Task, convention: Convention
) -> dict[str, tuple[int, int]]:
    """`design_parts` with nothing in the subblocks; it depends on the design's widths and depths alone."""
    rest = convention == "exact"
    return {
        name: (params, products + others * rest)
        for name, (params, products, others) in _surroundings(design, scale, task).items()
    }


def product_flops(design: Design, scale: UninasScale, task: Task) -> int:
    """The share of convolutions, linear maps and matrix products in the exact FLOPs.

    It is what torch.utils.flop_counter.FlopCounterMode counts of the built network.
    """
    total = sum(products for _, products, _ in _surroundings(design, scale, task).values())
    for place in places(design, scale, task.resolution):
        for graph in place.block:
            types = graph.types(place.channels)
            total += sum(
                node_cost(node.operation, tuple(types[s] for s in node.sources), place.size, "exact")[1]
                for node in graph.nodes
                if node.operation.kind in _PRODUCTS
            )
    return total


def _exact_cost(operation: Operation, first: TensorType, size: Size) -> Pair:
    params, flops = _TABLE[operation.kind](first.channels, *spatial_size(first.path, *size), operation.factor)
    if operation.kind == "rel_pos_bias":
        params = _bias_table(first, size)
    elif operation.kind == "up_sample":  # the work is where the output is
        height, width = spatial_size(first.path[:-1], *size)
        flops = first.channels * height * width
    return params, flops


def _toolkit_cost(operation: Operation, first: TensorType, size: Size) -> Pair:
    params, flops = _exact_cost(operation, first, size)
    height, width = spatial_size(first.path, *size)
    match operation.kind:
        case "matmul1" | "matmul2":
            flops = 2 * _TOOLKIT_HEAD * (height * width) ** 2
        case "rel_pos_bias":
            flops = height * width
        case "add":
            flops = first.channels * height * width
        case "up_sample":
            flops = 0
    return params, flops if operation.charge == 1 else int(flops * operation.charge)


def _bias_table(first: TensorType, size: Size) -> int:
    """Entries of the table of relative positions: of the grid of tokens, or of one of sqrt(H) x sqrt(W)."""
    if first.path.endswith(TOKENS):
        height, width = spatial_size(first.path[:-1], *size)
    else:
        height, width = map(isqrt, spatial_size(first.path, *size))
    return (2 * height - 1) * (2 * width - 1)


def _misjudged(graph: Graph, channels: int) -> dict[int, int]:
    """Factors of the nodes of every expand-and-reduce that has another than 4, by the nodes' numbers.

    The nodes alone do not tell: a conv_red that a conv_exp follows is priced as it is.
    """
    if not any(
        node.operation.kind == "conv_exp" and node.operation.factor != _TOOLKIT_FACTOR for node in graph.nodes
    ):
        return {}
    return {
        number: graph.operation(number).factor
        for first, *rest in couples(graph, channels)
        for number in (first, *rest)
        if _is_expand_and_reduce([graph.operation(n) for n in (first, *rest)])
    }


def _is_expand_and_reduce(operations: Sequence[Operation]) -> bool:
    return [operation.kind for operation in operations] == ["conv_exp", "conv_red"]


def _surroundings(design: Design, scale: UninasScale, task: Task) -> dict[str, tuple[int, int, int]]:
    """Parameters, FLOPs of products, and all other FLOPs of what surrounds the subblocks, part by part."""
    middle, width = scale.stem
    height, breadth = halved((task.resolution, task.resolution))
    area = height * breadth
    stem = (27 * middle + 2 * middle + 9 * middle * width, 2 * area * (27 * middle + 9 * middle * width))
    parts = {"stem": (*stem, 5 * middle * area), "norm": (0, 0, 0), "head": (0, 0, 0)}
    channels, last = width, area
    for place in places(design, scale, task.resolution):
        before, after = place.channels_in, place.channels
        area_in, area = (a * b for a, b in (place.size_in, place.size))
        pooled = before * area_in * place.reduces
        projection = _convolution(before, after, area) if place.projects else (0, 0)
        prefix = _prefix(place)
        parts[f"{prefix}shortcut"] = (*projection, pooled + after * area)
        parts[f"{prefix}norm1"] = (
            2 * before + projection[0],
            projection[1],
            2 * before * area_in + pooled,
        )
        parts[f"{prefix}subblock1"] = (0, 0, 0)
        parts[f"{prefix}norm2"] = (2 * after, 0, 3 * after * area)
        parts[f"{prefix}subblock2"] = (0, 0, 0)
        channels, last = after, area
    parts["norm"] = (2 * channels, 0, 2 * channels * last)
    parts["head"] = (*_convolution(channels, task.classes, 1), channels * last)
    return parts


def _prefix(place: Place) -> str:
    return f"block{place.stage}_{place.place}_"
