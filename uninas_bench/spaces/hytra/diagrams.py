"""Diagrams of HyTra: the fabric with the chosen path, the network with its blocks, and one block."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import accumulate, pairwise
from operator import mul

from uninas_bench.architecture import Costs, Task
from uninas_bench.diagram import Diagram, Edge, Group, Kind, Node, chosen_block
from uninas_bench.spaces.hytra.costs import place_price
from uninas_bench.spaces.hytra.fabric import ATTENTIONS, LAST, STAGE_OF, Fabric
from uninas_bench.spaces.hytra.macro import HytraScale, Place, places, stem_size

_ANY_RESOLUTION = 224
"""Where no task is given, sizes are not shown, and any will do."""
_TEXTS = {
    "convolution": ("ResConv", Kind.CONVOLUTION),
    "attention": ("ResAtt", Kind.ATTENTION),
    "empty": ("conv 3×3", Kind.CONVOLUTION),
}


def draw_part(
    title: str,
    digits: str,
    scale: HytraScale,
    part: str | None,
    block: str | None,
    task: Task | None,
    costs: Costs | None,
) -> Diagram:
    """The fabric, the network, or the block of a number such as ``3.2``.

    Raises:
        UserError: no such block, or a block where another part is asked for.
    """
    standing = places(digits, scale, task.resolution if task else _ANY_RESOLUTION)
    found = {place.title: place for place in standing if place.kind != "empty"}
    chosen = chosen_block("hytra", part, block, found)
    if chosen is not None:
        return block_diagram(f"{title}, block {chosen}", found[chosen], scale, task is not None)
    if part == "network":
        return network_diagram(title, digits, scale, task, costs)
    return fabric_diagram(title, digits, scale, _note(costs))


def fabric_diagram(title: str, digits: str, scale: HytraScale, note: str = "") -> Diagram:
    """Every place that a path can pass, a column for each layer; dotted is what this one leaves aside.

    Source: BossNAS, Fig. 3.

    Args:
        title: above the picture.
        digits: the chosen path.
        scale: its definition says which places there are, besides those of the path.
        note: under the title.
    """
    path = [STAGE_OF[digit] for digit in digits]
    parts = [4 * factor for factor in accumulate(scale.strides, mul)]
    steps = set(_steps(scale.fabric)) | {(layer, *step) for layer, step in enumerate(pairwise(path), 1)}
    reached = {place for layer, before, stage in steps for place in ((layer - 1, before), (layer, stage))}
    nodes = [Node("stem", "stem", Kind.CONVOLUTION)]
    edges = []
    for layer, stage in sorted(reached):
        name = f"layer {layer} stage {stage}"
        if path[layer] == stage:
            kind = "attention" if digits[layer] in ATTENTIONS else "convolution"
            nodes.append(Node(name, *_TEXTS[kind], f"1/{parts[stage]}"))
        else:
            nodes.append(Node(name, "", Kind.TENSOR, circle=True))
        if layer == 0:
            edges.append(Edge("stem", name, dotted=path[0] != stage))
    for layer, before, stage in sorted(steps):
        chosen = (path[layer - 1], path[layer]) == (before, stage)
        ends = f"layer {layer - 1} stage {before}", f"layer {layer} stage {stage}"
        edges.append(Edge(*ends, dotted=not chosen, straight=before == stage))
    nodes.append(Node("head", "head", Kind.CONVOLUTION))
    last = len(digits) - 1
    edges += [
        Edge(f"layer {layer} stage {stage}", "head", dotted=path[layer] != stage)
        for layer, stage in sorted(reached)
        if layer == last
    ]
    return Diagram(title, tuple(nodes), tuple(edges), note=note, direction="right")


def _steps(fabric: Fabric) -> Iterator[tuple[int, int, int]]:
    """Every step that a path can take: the layer that it leads to, the stages before and behind it."""
    alive = {LAST} if fabric.definition == "C" else set(range(LAST + 1))
    starts = set(fabric.stages(0, None))
    forward = [starts]
    for layer in range(1, fabric.layers):
        forward.append({stage for before in forward[-1] for stage in fabric.stages(layer, before)})
    for layer in range(fabric.layers - 1, 0, -1):
        found = [
            (layer, before, stage)
            for before in forward[layer - 1]
            for stage in fabric.stages(layer, before)
            if stage in alive
        ]
        alive = {before for _, before, _ in found}
        yield from found


def network_diagram(
    title: str, digits: str, scale: HytraScale, task: Task | None, costs: Costs | None
) -> Diagram:
    """The network: a row for every stage, with its blocks.

    Args:
        title: above the picture.
        digits: one for each layer.
        scale: widths, strides and stem.
        task: its resolution and classes, where they are to be named.
        costs: of the whole network, where they are known.
    """
    resolution = task.resolution if task else _ANY_RESOLUTION
    stem = _shape(scale.stem, stem_size(resolution), task is not None)
    nodes = [
        Node("image", "image", Kind.TENSOR, f"3×{resolution}×{resolution}" if task else ""),
        Node("stem", "conv 7×7", Kind.CONVOLUTION, f"stride 2\nmax pool 3×3\n{stem}"),
    ]
    groups: list[Group] = []
    chain = ["image", "stem"]
    rows: dict[str, list[str]] = {}
    for place in places(digits, scale, resolution):
        stage = f"stage {place.stage + 1}"
        if stage not in rows:
            shape = _shape(place.channels, place.size, task is not None)
            groups.append(Group(stage, f"{stage}: {shape}", direction="right"))
            chain.append(stage)
        rows.setdefault(stage, []).append(f"block {place.title}")
        label, kind = _TEXTS[place.kind]
        detail = "stride 2" if place.stride == 2 else ""
        if place.kind == "empty":
            detail = "no layers" + (f", {detail}" if detail else "")
        nodes.append(Node(f"block {place.title}", label, kind, detail, stage))
    nodes += [
        Node("pool", "global avg", Kind.POOLING),
        Node("linear", "linear", Kind.CONVOLUTION, f"to {task.classes} classes" if task else ""),
    ]
    chain += ["pool", "linear"]
    edges = [*pairwise(chain), *(pair for row in rows.values() for pair in pairwise(row))]
    return Diagram(title, tuple(nodes), tuple(Edge(*edge) for edge in edges), tuple(groups), _note(costs))


def block_diagram(title: str, place: Place, scale: HytraScale, sizes: bool) -> Diagram:
    """One block: residual and shortcut.

    Args:
        title: above the picture.
        place: the block where it stands.
        scale: its style.
        sizes: whether resolutions are known, so that shapes and costs are named.
    """
    act = "SiLU" if scale.style == "se" else "ReLU"
    nodes = [Node("input", "input", Kind.TENSOR, _shape(place.channels_in, place.size_in, sizes))]
    edges: list[Edge] = []

    def add(name: str, text: str, kind: Kind, source: str, detail: str = "") -> str:
        nodes.append(Node(name, text, kind, detail))
        edges.append(Edge(source, name))
        return name

    def normalised(name: str, source: str, *, activated: bool = True) -> str:
        norm = add(f"norm {name}", "batch norm", Kind.NORMALISATION, source)
        return add(f"act {name}", act, Kind.ACTIVATION, norm) if activated else norm

    inner = _shape(place.planes, place.size, sizes)
    last = add("reduce", "conv 1×1", Kind.CONVOLUTION, "input", _shape(place.planes, place.size_in, sizes))
    stride = f", stride {place.stride}" if place.stride > 1 else ""
    last = add("position", "depthwise 3×3", Kind.CONVOLUTION, last, f"position encoding{stride}\n{inner}")
    last = normalised("1", last)
    if place.kind == "attention":
        last = add("mix", "attention", Kind.ATTENTION, last, f"{place.heads} heads")
    else:
        last = add("mix", "conv 3×3", Kind.CONVOLUTION, last)
    last = normalised("2", last)
    outer = _shape(place.channels, place.size, sizes)
    last = add("expand", "conv 1×1", Kind.CONVOLUTION, last, outer)
    last = normalised("3", last, activated=False)
    if scale.style == "se" and place.kind == "convolution":
        last = add("excitation", "squeeze-excitation", Kind.ATTENTION, last)
    shortcut = "input"
    if place.stride == 2:
        shortcut = add("pool", "avg pool 2×2", Kind.POOLING, shortcut)
    if place.projects:
        shortcut = add("projection", "conv 1×1", Kind.CONVOLUTION, shortcut, outer)
        shortcut = normalised("projection", shortcut, activated=False)
    nodes.append(Node("sum", "+", Kind.TENSOR, circle=True))
    edges += [Edge(last, "sum"), Edge(shortcut, "sum")]
    last = add("act", act, Kind.ACTIVATION, "sum")
    add("output", "output", Kind.TENSOR, last, outer)
    price = place_price(place, scale.style)
    note = _note(Costs(price.params, price.macs)) if sizes else ""
    return Diagram(f"{title}: {_TEXTS[place.kind][0]}", tuple(nodes), tuple(edges), note=note)


def _shape(channels: int, size: tuple[int, int], sizes: bool) -> str:
    return f"{channels}×{size[0]}×{size[1]}" if sizes else f"{channels} channels"


def _note(costs: Costs | None) -> str:
    if costs is None:
        return ""
    return f"{costs.params:,} parameters · {costs.flops:,} multiply-accumulates"
