"""Diagrams of MBConv: the network with its layers, and one layer."""

from __future__ import annotations

from itertools import pairwise

from uninas_bench.architecture import Costs, Task
from uninas_bench.diagram import Diagram, Edge, Group, Kind, Node, chosen_block
from uninas_bench.spaces.convolutions import Size, halved
from uninas_bench.spaces.mbconv.costs import place_price
from uninas_bench.spaces.mbconv.macro import MbconvScale, Place, places

_ANY_RESOLUTION = 224
"""Where no task is given, sizes are not shown, and any will do."""


def draw_part(
    title: str,
    digits: str,
    scale: MbconvScale,
    part: str | None,
    block: str | None,
    task: Task | None,
    costs: Costs | None,
) -> Diagram:
    """The network, or the layer of a number such as ``3.2``; 0.1 is the fixed first one.

    Raises:
        UserError: no such layer, or a layer where the network is asked for.
    """
    found = {
        place.title: place for place in places(digits, scale, task.resolution if task else _ANY_RESOLUTION)
    }
    chosen = chosen_block("mbconv", part, block, found)
    if chosen is None:
        return network_diagram(title, digits, scale, task, costs)
    return layer_diagram(f"{title}, layer {chosen}", found[chosen], task is not None)


def network_diagram(
    title: str, digits: str, scale: MbconvScale, task: Task | None, costs: Costs | None
) -> Diagram:
    """The network: a row for every block, with its layers.

    Args:
        title: above the picture.
        digits: one for each searched layer.
        scale: widths and depths.
        task: its resolution and classes, where they are to be named.
        costs: of the whole network, where they are known.
    """
    resolution = task.resolution if task else _ANY_RESOLUTION
    sizes = task is not None
    stem = _shape(scale.stem[0], halved((resolution, resolution)), sizes)
    nodes = [
        Node("image", "image", Kind.TENSOR, f"3×{resolution}×{resolution}" if task else ""),
        Node("stem", "conv 3×3", Kind.CONVOLUTION, f"stride 2\n{stem}"),
    ]
    groups: list[Group] = []
    chain = ["image", "stem"]
    rows: dict[str, list[str]] = {}
    for place in places(digits, scale, resolution):
        block = f"block {place.block}"
        if block not in rows:
            fixed = " (fixed)" if place.block in {0, len(scale.depths) + 1} else ""
            shape = _shape(place.channels, place.size, sizes)
            groups.append(Group(block, f"{block}{fixed}: {shape}", direction="right"))
            chain.append(block)
        rows.setdefault(block, []).append(f"layer {place.title}")
        label = f"MB{place.operation.expansion} {place.operation.kernel}×{place.operation.kernel}"
        detail = "stride 2" if place.stride == 2 else ""
        nodes.append(Node(f"layer {place.title}", label, Kind.CONVOLUTION, detail, block))
    nodes += [
        Node("final", "conv 1×1", Kind.CONVOLUTION, _shape(scale.head, place.size, sizes)),
        Node("pool", "global avg", Kind.POOLING),
        Node("linear", "linear", Kind.CONVOLUTION, f"to {task.classes} classes" if task else ""),
    ]
    chain += ["final", "pool", "linear"]
    edges = [*pairwise(chain), *(pair for row in rows.values() for pair in pairwise(row))]
    return Diagram(title, tuple(nodes), tuple(Edge(*edge) for edge in edges), tuple(groups), _note(costs))


def layer_diagram(title: str, place: Place, sizes: bool) -> Diagram:
    """One layer: the inverted residual, and its skip where it has one.

    Args:
        title: above the picture.
        place: the layer where it stands.
        sizes: whether resolutions are known, so that shapes and costs are named.
    """
    shape_in = _shape(place.channels_in, place.size_in, sizes)
    nodes = [Node("input", "input", Kind.TENSOR, shape_in)]
    chain = ["input"]

    def add(name: str, text: str, kind: Kind, detail: str = "") -> None:
        nodes.append(Node(name, text, kind, detail))
        chain.append(name)

    def normalised(number: int, *, activated: bool = True) -> None:
        add(f"norm {number}", "batch norm", Kind.NORMALISATION)
        if activated:
            add(f"act {number}", "SiLU", Kind.ACTIVATION)

    if place.operation.expansion > 1:
        add("expand", "conv 1×1", Kind.CONVOLUTION, _shape(place.expanded, place.size_in, sizes))
        normalised(1)
    kernel = place.operation.kernel
    stride = "stride 2\n" if place.stride == 2 else ""
    inner = _shape(place.expanded, place.size, sizes)
    add("depthwise", f"depthwise {kernel}×{kernel}", Kind.CONVOLUTION, stride + inner)
    normalised(2)
    add("excitation", "squeeze-excitation", Kind.ATTENTION, f"by {place.squeezed} channels")
    shape = _shape(place.channels, place.size, sizes)
    add("project", "conv 1×1", Kind.CONVOLUTION, shape)
    normalised(3, activated=False)
    skip = []
    if place.skips:
        nodes.append(Node("sum", "+", Kind.TENSOR, circle=True))
        chain.append("sum")
        skip.append(Edge("input", "sum"))
    add("output", "output", Kind.TENSOR, shape)
    price = place_price(place)
    note = _note(Costs(price.params, price.macs)) if sizes else ""
    edges = [*(Edge(*step) for step in pairwise(chain)), *skip]
    return Diagram(
        f"{title}: {str(place.operation).replace('x', '×')}", tuple(nodes), tuple(edges), note=note
    )


def _shape(channels: int, size: Size, sizes: bool) -> str:
    return f"{channels}×{size[0]}×{size[1]}" if sizes else f"{channels} channels"


def _note(costs: Costs | None) -> str:
    if costs is None:
        return ""
    return f"{costs.params:,} parameters · {costs.flops:,} multiply-accumulates"
