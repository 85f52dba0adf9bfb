"""Diagrams of UniNAS: one block with equal branches drawn once, and the network with its blocks."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

from uninas_bench.architecture import Costs, Task
from uninas_bench.diagram import Diagram, Edge, Group, Kind, Node, chosen_block
from uninas_bench.spaces.uninas.block import Block, Design
from uninas_bench.spaces.uninas.costs import design_parts
from uninas_bench.spaces.uninas.folding import Folding, fold
from uninas_bench.spaces.uninas.graph import INPUT, Graph, Port
from uninas_bench.spaces.uninas.macro import Place, UninasScale, halved, places
from uninas_bench.spaces.uninas.operations import COUNTED, Family, Operation
from uninas_bench.spaces.uninas.templates import code_of

_KINDS = {
    Family.CONVOLUTION: Kind.CONVOLUTION,
    Family.NORMALISATION: Kind.NORMALISATION,
    Family.ACTIVATION: Kind.ACTIVATION,
    Family.POOLING: Kind.POOLING,
    Family.ATTENTION: Kind.ATTENTION,
    Family.STRUCTURE: Kind.STRUCTURE,
    Family.REGULARISATION: Kind.OTHER,
}
_TAPS = {
    "conv1": "conv 1×1", "conv3": "conv 3×3", "conv_depth3": "depthwise 3×3", "conv_depth5": "depthwise 5×5",
    "max_pool": "max pool 3×3", "matmul1": "matmul 1", "matmul2": "matmul 2",
}  # fmt: skip
_ROLES = "qkv"
_ANY_RESOLUTION = 224
"""Where no task is given, sizes are not shown, and any that all networks have will do."""


def label(operation: Operation) -> str:
    """The name of an operation in a picture: ``conv_chunk3x12`` is ``conv chunk 3×12``."""
    name = _TAPS.get(operation.kind, operation.kind.replace("_", " "))
    number = f" {operation.factor}" if operation.kind in COUNTED else ""
    return f"{name}{number}" + (f"×{operation.heads}" if operation.heads > 1 else "")


def block_diagram(title: str, place: Place, sizes: bool, costs: Costs | None = None) -> Diagram:
    """One block: both subblocks, their norms and residual sums.

    Args:
        title: above the picture.
        place: the block where it stands.
        sizes: whether to name shapes: of the input, and wherever an operation changes them.
        costs: of the block, where they are known.
    """
    drawing = _BlockDrawing(place, sizes)
    drawing.draw()
    return Diagram(
        title, tuple(drawing.nodes), tuple(drawing.edges), tuple(drawing.groups), _costs_line(costs)
    )


class _BlockDrawing:
    """The nodes, edges and groups of a block, as they are added from input to output."""

    def __init__(self, place: Place, sizes: bool) -> None:
        self.place = place
        self.sizes = sizes
        self.nodes: list[Node] = []
        self.edges: list[Edge] = []
        self.groups: list[Group] = []

    def draw(self) -> None:
        """Add it all: y = S(x) + first(N1(x)), then y + second(N2(y))."""
        place = self.place
        shape = self._shape(place.channels_in, place.size_in)
        self.nodes.append(Node("input", "input", Kind.TENSOR, shape))
        last = "input"
        for number, graph in enumerate(place.block, 1):
            begins = number == 1
            norm = self._added(f"norm {number}", "layer norm", Kind.NORMALISATION, last)
            main = self._reduced(f"main {number}", norm) if begins else norm
            main = self._subblock(number, graph, main)
            shortcut = self._reduced("shortcut", last) if begins else last
            self.nodes.append(Node(f"sum {number}", "+", Kind.TENSOR, circle=True))
            self.edges += [Edge(main, f"sum {number}"), Edge(shortcut, f"sum {number}")]
            last = f"sum {number}"
        self.nodes.append(Node("output", "output", Kind.TENSOR, self._shape(place.channels, place.size)))
        self.edges.append(Edge(last, "output"))

    def _added(self, name: str, text: str, kind: Kind, source: str, detail: str = "") -> str:
        self.nodes.append(Node(name, text, kind, detail))
        self.edges.append(Edge(source, name))
        return name

    def _reduced(self, name: str, source: str) -> str:
        """What a stage's first block does to both of its paths."""
        place = self.place
        if place.reduces:
            shape = "" if place.projects else self._shape(place.channels, place.size)
            source = self._added(f"{name} pool", "avg pool 2×2", Kind.POOLING, source, shape)
        if place.projects:
            shape = self._shape(place.channels, place.size)
            source = self._added(f"{name} projection", "conv 1×1", Kind.CONVOLUTION, source, shape)
        return source

    def _subblock(self, number: int, graph: Graph, source: str) -> str:
        """Add the operations of a subblock; returns what its output comes from."""
        if not graph.nodes:
            return source
        frame = f"subblock {number}"
        self.groups.append(Group(frame, frame))
        folding = fold(graph)
        group_of = self._frames(folding, frame)
        types = graph.types(self.place.channels)
        for node, content in enumerate(graph.nodes, 1):
            if node in folding.left_out:
                continue
            into, out = types[content.sources[0]], types[node, 0]
            changed = self.sizes and into != out
            shape = "×".join(map(str, out.shape(*self.place.size))) if changed else ""
            operation = content.operation
            self.nodes.append(
                Node(f"{frame} {node}", label(operation), _KINDS[operation.family], shape, group_of[node])
            )
            for port in content.sources:
                if port[0] not in folding.left_out and port not in folding.ports_left_out:
                    name = source if port == INPUT else f"{frame} {port[0]}"
                    self.edges.append(Edge(name, f"{frame} {node}", self._port_label(graph, folding, port)))
        return f"{frame} {graph.output[0]}"

    def _frames(self, folding: Folding, frame: str) -> Mapping[int, str]:
        """Add the frames around equal branches; returns the innermost one of every node."""
        group_of: dict[int, str] = _Default(frame)
        for number, fold_ in enumerate(folding.folds):
            if fold_.nodes:
                name = f"{frame} branch {number}"
                self.groups.append(Group(name, repeat=fold_.count, parent=group_of[fold_.nodes[0]]))
                group_of.update(dict.fromkeys(fold_.nodes, name))
        return group_of

    def _port_label(self, graph: Graph, folding: Folding, port: Port) -> str:
        """Which output of a fork an arrow carries, where they differ; how many it stands for."""
        node, index = port
        if node == 0 or graph.operation(node).outputs == 1:
            return ""
        branch = next((b for b in folding.folds if b.fork == node and index in b.ports), None)
        times = f"× {branch.count}" if branch and not branch.nodes and branch.count > 1 else ""
        operation = graph.operation(node)
        if operation.kind != "conv_chunk" or operation.factor != len(_ROLES):
            return times
        head = f"{index // operation.factor + 1}" if branch and branch.mixed else ""
        return f"{_ROLES[index % operation.factor]}{head}{' ' if times else ''}{times}"

    def _shape(self, channels: int, size: tuple[int, int]) -> str:
        return f"{channels}×{size[0]}×{size[1]}" if self.sizes else ""


class _Default(dict[int, str]):
    """Nodes that are in no frame of their own stand in the subblock's."""

    def __init__(self, frame: str) -> None:
        super().__init__()
        self.frame = frame

    def __missing__(self, node: int) -> str:
        return self.frame


def network_diagram(
    title: str, design: Design, scale: UninasScale, task: Task | None, costs: Costs | None
) -> Diagram:
    """The network: a row for every stage, with a small picture of each of its blocks.

    A template has its short name, any other block a number that equal blocks share.

    Args:
        title: above the picture.
        design: the blocks.
        scale: widths and stem.
        task: its resolution and classes, where they are to be named.
        costs: of the whole network, where they are known.
    """
    resolution = task.resolution if task else _ANY_RESOLUTION
    names = block_names(design)
    parts = design_parts(design, scale, task, "exact") if task else {}
    size = halved((resolution, resolution))
    nodes = [
        Node("image", "image", Kind.TENSOR, f"3×{resolution}×{resolution}" if task else ""),
        Node("stem", "stem", Kind.CONVOLUTION, _stem(scale, size if task else None)),
    ]
    groups: list[Group] = []
    chain = ["image", "stem"]
    rows: dict[str, list[str]] = {}
    for place in places(design, scale, resolution):
        stage = f"stage {place.stage + 1}"
        if stage not in rows:
            size = place.size
            shape = f"{place.channels}×{size[0]}×{size[1]}" if task else f"{place.channels} channels"
            groups.append(Group(stage, f"{stage}: {shape}", direction="right"))
            chain.append(stage)
        name = place.title
        rows.setdefault(stage, []).append(name)
        detail = _costs_line(_block_costs(parts, place), short=True) if parts else ""
        small = block_diagram("", place, sizes=False)
        number = name.removeprefix("block ")
        nodes.append(
            Node(name, f"{number}  {names[place.block]}", Kind.BLOCK, detail, stage, thumbnail=small)
        )
    head = f"to {task.classes} classes" if task else ""
    nodes += [
        Node("norm", "layer norm", Kind.NORMALISATION),
        Node("pool", "global avg", Kind.POOLING),
        Node("linear", "linear", Kind.CONVOLUTION, head),
    ]
    chain += ["norm", "pool", "linear"]
    steps = [*pairwise(chain), *(pair for row in rows.values() for pair in pairwise(row))]
    note = _costs_line(costs) + (f" ({task}, {costs.convention})" if task and costs else "")
    return Diagram(title, tuple(nodes), tuple(Edge(*step) for step in steps), tuple(groups), note)


def block_names(design: Design) -> dict[Block, str]:
    """A short name for every distinct block: the template's, or #1, #2, ... in the order of appearance."""
    names: dict[Block, str] = {}
    numbered = 0
    for _, _, block in design.blocks():
        if block in names:
            continue
        code = code_of(block)
        if code is None:
            numbered += 1
        names[block] = code or f"#{numbered}"
    return names


def draw_part(
    title: str,
    design: Design,
    scale: UninasScale,
    part: str | None,
    block: str | None,
    task: Task | None,
    costs: Costs | None,
) -> Diagram:
    """The network, or the block of a number such as ``3.2``.

    Raises:
        UserError: no such block, or a block where the network is asked for.
    """
    found = {
        place.title.removeprefix("block "): place
        for place in places(design, scale, task.resolution if task else _ANY_RESOLUTION)
    }
    chosen = chosen_block("uninas", part, block, found)
    if chosen is None:
        return network_diagram(title, design, scale, task, costs)
    place = found[chosen]
    parts = design_parts(design, scale, task, "exact") if task else {}
    own = _block_costs(parts, place) if parts else None
    return block_diagram(
        f"{title}, {place.title}: {block_names(design)[place.block]}", place, task is not None, own
    )


def _block_costs(parts: Mapping[str, tuple[int, int]], place: Place) -> Costs:
    prefix = f"block{place.stage}_{place.place}_"
    mine = [pair for name, pair in parts.items() if name.startswith(prefix)]
    return Costs(sum(params for params, _ in mine), sum(flops for _, flops in mine), "exact")


def _costs_line(costs: Costs | None, short: bool = False) -> str:
    if costs is None:
        return ""
    params, flops = _rounded(costs.params), _rounded(costs.flops)
    return f"{params} par.\n{flops} FLOPs" if short else f"{params} parameters · {flops} FLOPs"


def _rounded(number: int) -> str:
    """Three digits and a letter: 26.9M."""
    for letter, size in (("G", 10**9), ("M", 10**6), ("k", 10**3)):
        if number >= size:
            return f"{number / size:.3g}{letter}"
    return str(number)


def _stem(scale: UninasScale, size: tuple[int, int] | None) -> str:
    first, last = scale.stem
    shape = f"\n{last}×{size[0]}×{size[1]}" if size else ""
    return f"conv 3×3 to {first}, stride 2; conv 3×3 to {last}{shape}"
