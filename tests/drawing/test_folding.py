"""Equal branches are drawn once with their number, and only those."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

import uninas_bench as ub
from uninas_bench.diagram import Diagram
from uninas_bench.drawing import diagram_of
from uninas_bench.spaces.uninas.diagrams import label
from uninas_bench.spaces.uninas.folding import fold
from uninas_bench.spaces.uninas.graph import Graph, graph_of
from uninas_bench.spaces.uninas.notation import read_graph, write_graph

HEAD = "; ; matmul1 rel_pos_bias softmax ; matmul2"
BARE = "; ; matmul1 softmax ; matmul2"
CONV = "; ; matmul1 rel_pos_bias softmax ; matmul2 conv1"


def attention(*heads: str) -> Graph:
    return read_graph(f"conv_chunk3x{len(heads)} {' '.join(heads)} concat{len(heads)} conv1")


def counts(graph: Graph) -> list[int]:
    return [found.count for found in fold(graph).folds]


def drawn(graph: Graph) -> Diagram:
    """The diagram of a block whose first subblock is this graph."""
    space = ub.space("uninas", widths="96:96:96:96", depths="1:1:1:1")
    text = f"[{write_graph(graph)} / -]"
    return diagram_of(space, space.parse(f"{text} | R | R | R"), block="1.1")


def labels(diagram: Diagram) -> Counter[str]:
    return Counter(node.label for node in diagram.nodes)


def test_equal_heads_are_one() -> None:
    graph = attention(*[HEAD] * 12)
    assert counts(graph) == [12]
    picture = drawn(graph)
    assert labels(picture)["softmax"] == 1
    assert [group.repeat for group in picture.groups if group.parent] == [12]
    assert [edge.label for edge in picture.edges if edge.label] == ["q", "k", "v"]


@pytest.mark.parametrize("order", [[HEAD] * 10 + [BARE, CONV], [BARE] + [HEAD] * 5 + [CONV] + [HEAD] * 5])
def test_two_heads_of_twelve_differ(order: list[str]) -> None:
    assert sorted(counts(attention(*order))) == [1, 1, 10]
    picture = drawn(attention(*order))
    assert sorted(group.repeat for group in picture.groups if group.parent) == [1, 1, 10]
    assert labels(picture)["softmax"] == 3


def test_the_mark_of_the_toolkits_charge_is_no_difference() -> None:
    assert counts(read_graph("chunk2 ; gelu@4 ; gelu concat2")) == [2]


def test_swapped_queries_and_keys_are_another_head() -> None:
    nodes: dict[str, tuple[str, list[str]]] = {"c": ("conv_chunk3x2", ["input"])}
    for head, (first, second) in enumerate([(0, 1), (4, 3)]):
        nodes[f"m{head}"] = ("matmul1", [f"c.{first}", f"c.{second}"])
        nodes[f"o{head}"] = ("matmul2", [f"m{head}", f"c.{3 * head + 2}"])
    nodes["z"] = ("concat2", ["o0", "o1"])
    assert counts(graph_of(nodes, "z")) == []


def test_heads_that_share_keys_crosswise_are_not_taken_for_plain_ones() -> None:
    """Head 1 attends to the keys of head 2 and the other way round: the picture says whose keys they are."""
    nodes: dict[str, tuple[str, list[str]]] = {"c": ("conv_chunk3x4", ["input"])}
    for head, key in enumerate([1, 0, 2, 3]):
        nodes[f"m{head}"] = ("matmul1", [f"c.{3 * head}", f"c.{3 * key + 1}"])
        nodes[f"o{head}"] = ("matmul2", [f"m{head}", f"c.{3 * head + 2}"])
    nodes["z"] = ("concat4", [f"o{head}" for head in range(4)])
    graph = graph_of(nodes, "z")
    assert sorted(counts(graph)) == [1, 1, 2]
    found = {edge.label for edge in drawn(graph).edges if edge.label}
    assert found == {"q1", "k2", "v1", "q2", "k1", "v2", "q", "k", "v"}


def test_forks_in_folded_branches_fold_too() -> None:
    inner = "chunk2 ; gelu ; gelu concat2"
    graph = read_graph(f"chunk3 ; {inner} ; {inner} ; {inner} concat3")
    assert counts(graph) == [3, 2]
    parents = {group.id: group.parent for group in drawn(graph).groups}
    assert max(depth(parents, name) for name in parents) == 2


def depth(parents: dict[str, str | None], name: str) -> int:
    parent = parents[name]
    return 0 if parent is None else 1 + depth(parents, parent)


def test_connections_without_operations_fold_to_one_arrow() -> None:
    graph = read_graph("chunk4 ; ; ; ; gelu concat4")
    assert sorted(counts(graph)) == [1, 3]
    assert [edge.label for edge in drawn(graph).edges if edge.label] == ["× 3"]


def test_branches_that_differ_stay_as_they_are() -> None:
    assert counts(read_graph("copy2 ; gelu ; conv1 add2")) == []
    assert counts(read_graph("copy2 ; ; gelu multiply")) == []
    assert counts(Graph(())) == []


def test_nothing_is_lost() -> None:
    """Every operation of a block is drawn, or stands for as many as its frames say."""
    space = ub.space("uninas")
    blocks = 0
    for architecture in space.sample(6, np.random.default_rng(5)):
        design = space.design(architecture)  # type: ignore[attr-defined]
        for stage, place, block in design.blocks():
            picture = diagram_of(space, architecture, block=f"{stage + 1}.{place + 1}")
            repeat = {group.id: group.repeat for group in picture.groups}
            seen: Counter[str] = Counter()
            for node in picture.nodes:
                times = 1
                for group in picture.ancestors(node.id):
                    times *= repeat[group]
                if list(picture.ancestors(node.id)):
                    seen[node.label] += times
            assert seen == Counter(label(n.operation) for graph in block for n in graph.nodes)
            blocks += 1
    assert blocks == 72
