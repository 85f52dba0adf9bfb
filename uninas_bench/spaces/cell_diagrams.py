"""Diagrams of NAS-Bench-201 and NATS-Bench: the cell as a graph, and the network around it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise

from uninas_bench.architecture import Costs
from uninas_bench.diagram import Diagram, Edge, Group, Kind, Node
from uninas_bench.errors import UserError
from uninas_bench.spaces.cell_costs import EDGES, OPERATIONS, Skeleton

_SHOWN = {
    "skip_connect": ("skip connect", Kind.STRUCTURE),
    "nor_conv_1x1": ("conv 1×1", Kind.CONVOLUTION),
    "nor_conv_3x3": ("conv 3×3", Kind.CONVOLUTION),
    "avg_pool_3x3": ("avg pool 3×3", Kind.POOLING),
}
"""The names of the papers' figures. A convolution stands for ReLU, convolution and batch norm."""
_NODES = ("in", "1", "2", "out")


def cell_diagram(title: str, operations: Sequence[str]) -> Diagram:
    """The cell: four tensors, each the sum of what operations make of earlier ones; ``none`` is dotted.

    Source: NAS-Bench-201, Fig. 1.

    Args:
        title: above the picture.
        operations: on the edges, in the order of `EDGES`.
    """
    nodes = [Node(f"tensor {i}", label, Kind.TENSOR, circle=True) for i, label in enumerate(_NODES)]
    edges: list[Edge] = []
    for (source, target), operation in zip(EDGES, operations, strict=True):
        ends = f"tensor {source}", f"tensor {target}"
        if operation not in _SHOWN:
            edges.append(Edge(*ends, dotted=True))
            continue
        label, kind = _SHOWN[operation]
        name = f"{operation} {source} to {target}"
        nodes.append(Node(name, label, kind))
        edges += [Edge(ends[0], name), Edge(name, ends[1])]
    note = f"dotted: {OPERATIONS[0]}" if OPERATIONS[0] in operations else ""
    return Diagram(title, tuple(nodes), tuple(edges), note=note)


def network_diagram(title: str, plan: Skeleton, costs: Costs | None, sizes: bool) -> Diagram:
    """The network: stem, three stages of cells with reduction blocks between, head; from left to right.

    Args:
        title: above the picture.
        plan: widths, cells per stage, resolution and classes.
        costs: named under the title, where they are known.
        sizes: whether resolutions and classes mean anything, so that they are named.
    """
    width = plan.widths[0]
    nodes = [
        Node("image", "image", Kind.TENSOR, _shape(3, plan.resolution, sizes)),
        Node("stem", "conv 3×3", Kind.CONVOLUTION, f"stem\n{_shape(width, plan.resolution, sizes)}"),
    ]
    groups: list[Group] = []
    chain = ["image", "stem"]
    resolution = plan.resolution
    for position, width in enumerate(plan.widths):
        if position % 2:
            resolution //= 2
            name = f"reduction {position // 2 + 1}"
            shape = _shape(width, resolution, sizes)
            nodes.append(Node(name, "residual", Kind.CONVOLUTION, f"stride 2\n{shape}"))
            chain.append(name)
        else:
            stage = f"stage {position // 2 + 1}"
            groups.append(Group(stage, stage, plan.cells))
            nodes.append(Node(f"{stage} cell", "cell", Kind.BLOCK, _shape(width, resolution, sizes), stage))
            chain.append(stage)
    classes = f"to {plan.classes} classes" if sizes else ""
    nodes += [
        Node("pool", "global avg", Kind.POOLING, f"batch norm, ReLU\n{_shape(width, 1, sizes)}"),
        Node("linear", "linear", Kind.CONVOLUTION, classes),
    ]
    chain += ["pool", "linear"]
    edges = tuple(Edge(source, target) for source, target in pairwise(chain))
    return Diagram(title, tuple(nodes), edges, tuple(groups), _note(costs), direction="right")


def draw_part(
    space: str, part: str | None, block: str | None, parts: Mapping[str, Callable[[], Diagram]]
) -> Diagram:
    """The diagram of a part by its name; the first of ``parts`` where none is given.

    Raises:
        UserError: no such part, or a block of a space whose parts have none.
    """
    if block is not None:
        raise UserError(f"{space}: no blocks to choose from, got --block {block}")
    if part is not None and part not in parts:
        raise UserError(f'{space}: no part "{part}"; known: {", ".join(parts)}')
    return parts[part or next(iter(parts))]()


def _shape(channels: int, resolution: int, sizes: bool) -> str:
    return f"{channels}×{resolution}×{resolution}" if sizes else f"{channels} channels"


def _note(costs: Costs | None) -> str:
    if costs is None:
        return ""
    return f"{costs.params:,} parameters · {costs.flops:,} multiply-accumulates"
