"""One graph for all that are the same but for order: the isomorphism class of a block.

Left out: ``identity`` and the toolkit's charges. Merged: a copy of a copy. Unordered: the inputs of an
addition and the outputs of a copy. Everything else has an order that means something: a concatenation's
inputs are its channels, a product's first operand is the query. Not merged are equations between operations
(two additions in a row, a chunk that is concatenated at once, whatever leads into a zero): such graphs
compute the same and count as different.
"""

from __future__ import annotations

from functools import lru_cache
from hashlib import blake2b

from uninas_bench.spaces.uninas.block import Block, Design
from uninas_bench.spaces.uninas.encoding import write_block
from uninas_bench.spaces.uninas.graph import INPUT, Graph, Node, Port
from uninas_bench.spaces.uninas.operations import Operation

_UNORDERED_INPUTS = frozenset({"add"})
_UNORDERED_OUTPUTS = frozenset({"copy"})


def canonical_design(design: Design) -> Design:
    """The network with every graph in its canonical form."""
    return Design(tuple(tuple(map(_canonical_block, blocks)) for blocks in design.stages), design.widths)


def isomorphism_hash(graph: Graph) -> str:
    """16 hexadecimal digits; the same for isomorphic graphs."""
    block = Block(canonical_graph(graph), Graph(()))
    return blake2b(write_block(block).encode(), digest_size=8).hexdigest()


@lru_cache(maxsize=8192)
def _canonical_block(block: Block) -> Block:
    return Block(canonical_graph(block.first), canonical_graph(block.second))


@lru_cache(maxsize=8192)
def canonical_graph(graph: Graph) -> Graph:
    """The same graph for all graphs that differ in what the module leaves out, merges or does not order.

    Nodes get colours from their operations and, again and again, from their neighbours' colours on both
    sides (Weisfeiler and Leman's refinement); what has no order is then sorted by colour. Nodes that keep the
    same colour are interchangeable in all but contrived graphs; for those, two isomorphic graphs could end up
    with different forms, never two different graphs with the same.
    """
    graph = _merged(graph)
    if not any(node.operation.kind in _UNORDERED_INPUTS | _UNORDERED_OUTPUTS for node in graph.nodes):
        return graph
    colours = _colours(graph)
    consumers = graph.consumers()
    nodes: list[Node] = []
    moved: dict[Port, Port] = {}
    for number, node in enumerate(graph.nodes, 1):
        sources = list(node.sources)
        if node.operation.kind in _UNORDERED_INPUTS:
            sources.sort(key=lambda source: (colours[source[0]], _port_rank(graph, source)))
        nodes.append(Node(node.operation, tuple(sources)))
        ports = list(range(node.operation.outputs))
        if node.operation.kind in _UNORDERED_OUTPUTS:
            ports.sort(key=lambda port: (colours[consumers[number, port][0]], consumers[number, port][1]))
        moved.update({(number, port): (number, rank) for rank, port in enumerate(ports)})
    moved[INPUT] = INPUT
    ordered = tuple(Node(node.operation, tuple(moved[source] for source in node.sources)) for node in nodes)
    return _copies_in_order(Graph(ordered, moved[graph.output]))


def _copies_in_order(graph: Graph) -> Graph:
    """Number the outputs of every copy in the order in which a text fetches them."""
    met: dict[int, list[int]] = {}
    done: set[int] = set()
    waiting: list[tuple[Port, bool]] = [(graph.output, False)]
    while waiting:
        port, entered = waiting.pop()
        if entered or port[0] in done:
            met.setdefault(port[0], []).append(port[1])
            continue
        done.add(port[0])
        waiting.append((port, True))
        sources = graph.nodes[port[0] - 1].sources if port[0] else ()
        waiting.extend((source, False) for source in reversed(sources))

    def renumbered(port: Port) -> Port:
        node, index = port
        if node and graph.operation(node).kind in _UNORDERED_OUTPUTS:
            return node, met[node].index(index)
        return port

    nodes = tuple(Node(node.operation, tuple(map(renumbered, node.sources))) for node in graph.nodes)
    return Graph(nodes, renumbered(graph.output))


def _port_rank(graph: Graph, port: Port) -> int:
    return 0 if port[0] and graph.operation(port[0]).kind in _UNORDERED_OUTPUTS else port[1]


def _colours(graph: Graph) -> list[str]:
    """A colour for the output (0) and every node; refined until the number of colours stays."""
    consumers = graph.consumers()
    colours = ["output", *(str(node.operation) for node in graph.nodes)]
    classes = 0
    while len(set(colours)) > classes:
        classes = len(set(colours))
        refined = [colours[0]]
        for number, node in enumerate(graph.nodes, 1):
            above = [
                (colours[source[0]] if source[0] else "input", str(_port_rank(graph, source)))
                for source in node.sources
            ]
            below = []
            for port in range(node.operation.outputs):
                user, slot = consumers[number, port]
                unordered = user and graph.operation(user).kind in _UNORDERED_INPUTS
                below.append((colours[user], "-" if unordered else str(slot)))
            if node.operation.kind in _UNORDERED_INPUTS:
                above.sort()
            if node.operation.kind in _UNORDERED_OUTPUTS:
                below.sort()
            text = repr((colours[number], above, below))
            refined.append(blake2b(text.encode(), digest_size=12).hexdigest())
        colours = refined
    return colours


def _merged(graph: Graph) -> Graph:
    """Without identities and charges, and with copies of copies made one copy."""
    resolved: dict[Port, Port] = {INPUT: INPUT}
    nodes: dict[int, tuple[Operation, list[Port]]] = {}
    outputs: dict[int, int] = {}
    for number, node in enumerate(graph.nodes, 1):
        sources = [resolved[source] for source in node.sources]
        kind, source = node.operation.kind, sources[0]
        if kind == "identity":
            resolved[number, 0] = source
        elif kind == "copy" and source[0] and nodes[source[0]][0].kind == "copy":
            outer = source[0]
            resolved[number, 0] = source
            for port in range(1, node.operation.factor):
                resolved[number, port] = (outer, outputs[outer])
                outputs[outer] += 1
        else:
            nodes[number] = (node.operation.uncharged(), sources)
            outputs[number] = node.operation.outputs
            for port in range(node.operation.outputs):
                resolved[number, port] = (number, port)
    if len(nodes) == len(graph) and all(n.operation.charge == 1 for n in graph.nodes):
        return graph
    place = {0: 0} | {number: index for index, number in enumerate(nodes, 1)}
    kept = tuple(
        Node(
            Operation(operation.kind, outputs[number]) if operation.kind == "copy" else operation,
            tuple((place[source], port) for source, port in sources),
        )
        for number, (operation, sources) in nodes.items()
    )
    last, port = resolved[graph.output]
    return Graph(kept, (place[last], port))
