from __future__ import annotations

import random
import re

import networkx as nx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.spaces.uninas.graphs import random_graph
from uninas_bench.spaces.uninas.canonical import canonical_graph, isomorphism_hash
from uninas_bench.spaces.uninas.graph import Graph, Node
from uninas_bench.spaces.uninas.notation import read_graph, write_graph
from uninas_bench.spaces.uninas.templates import template

UNORDERED_IN, UNORDERED_OUT = {"add"}, {"copy"}


def shuffled(graph: Graph, seed: int) -> Graph:
    """The same function graph with the inputs of additions and the outputs of copies in another order."""
    rng = random.Random(seed)
    moved = {}
    for number, node in enumerate(graph.nodes, 1):
        ports = list(range(node.operation.outputs))
        if node.operation.kind in UNORDERED_OUT:
            rng.shuffle(ports)
        moved.update({(number, port): (number, to) for port, to in enumerate(ports)})
    moved[0, 0] = (0, 0)
    nodes = []
    for node in graph.nodes:
        sources = [moved[source] for source in node.sources]
        if node.operation.kind in UNORDERED_IN:
            rng.shuffle(sources)
        nodes.append(Node(node.operation, tuple(sources)))
    return Graph(tuple(nodes), moved[graph.output])


def as_networkx(graph: Graph) -> nx.DiGraph:
    """Nodes and, between them, edges that carry the order where there is one: for an exact comparison."""
    drawn = nx.DiGraph()
    drawn.add_node((0, 0), label="input")
    for number, node in enumerate(graph.nodes, 1):
        drawn.add_node(number, label=str(node.operation))
        for slot, (source, port) in enumerate(node.sources):
            ordered_out = source == 0 or graph.operation(source).kind not in UNORDERED_OUT
            edge = (number, slot, source)
            slot_label = "" if node.operation.kind in UNORDERED_IN else str(slot)
            drawn.add_node(edge, label=f"edge {port if ordered_out else ''} {slot_label}")
            drawn.add_edge(source or (0, 0), edge)
            drawn.add_edge(edge, number)
    drawn.add_node("output", label="output")
    drawn.add_edge(graph.output[0] or (0, 0), "output")
    return drawn


@given(st.integers(0, 10**9), st.integers(0, 10**9), st.integers(0, 40))
def test_order_without_meaning_does_not_matter(seed: int, other: int, nodes: int) -> None:
    graph = random_graph(seed, nodes=nodes)
    same = shuffled(graph, other)
    assert canonical_graph(same) == canonical_graph(graph)
    assert isomorphism_hash(same) == isomorphism_hash(graph)
    assert canonical_graph(canonical_graph(graph)) == canonical_graph(graph)


@given(st.integers(0, 10**9), st.integers(0, 8))
def test_one_form_means_one_graph(seed: int, nodes: int) -> None:
    """Against networkx's exact isomorphism: graphs that differ in one operation or not at all."""
    rng = random.Random(seed)
    graph = random_graph(seed, nodes=nodes)
    other = list(shuffled(graph, seed).nodes)
    if other and rng.random() < 0.7:
        place = rng.randrange(len(other))
        if other[place].operation.preserves_type:
            changed = read_graph("gelu").operation(1)
            other[place] = Node(changed, other[place].sources)
    second = Graph(tuple(other), shuffled(graph, seed).output)
    plain = [canonical_graph(g) for g in (graph, second)]
    isomorphic = nx.is_isomorphic(
        *(as_networkx(g) for g in plain), node_match=lambda a, b: a["label"] == b["label"]
    )
    assert isomorphic == (plain[0] == plain[1])


@pytest.mark.parametrize(
    ("first", "second", "equal"),
    [
        ("copy2 ; gelu ; conv1 add2", "copy2 ; conv1 ; gelu add2", True),
        ("copy2 ; gelu ; conv1 multiply", "copy2 ; conv1 ; gelu multiply", False),
        ("chunk2 ; gelu ; conv1 concat2", "chunk2 ; conv1 ; gelu concat2", False),
        ("gelu identity conv1", "gelu conv1", True),
        ("gelu@4", "gelu", True),
        ("copy2 ; copy2 ; gelu ; ; conv1 add3", "copy3 ; conv1 ; ; gelu add3", True),
        # one convolution used twice is not two convolutions
        ("conv1 copy2 ; ; add2", "copy2 ; conv1 ; conv1 add2", False),
        ("copy2 ; ; matmul1 gelu", "copy2 ;1.1 ; matmul1 gelu", True),
        ("-", "identity", True),
    ],
)
def test_what_is_the_same(first: str, second: str, equal: bool) -> None:
    assert (canonical_graph(read_graph(first)) == canonical_graph(read_graph(second))) == equal


@pytest.mark.parametrize("code", ["E", "R", "T3"])
def test_templates_are_their_own_form_but_for_charges(code: str) -> None:
    for graph in template(code):
        assert write_graph(canonical_graph(graph)) == re.sub(r"@\S+", "", write_graph(graph))
