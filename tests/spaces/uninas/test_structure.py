from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.spaces.uninas.graphs import random_graph
from uninas_bench.spaces.uninas.graph import Graph, GraphError
from uninas_bench.spaces.uninas.notation import read_graph, write_graph
from uninas_bench.spaces.uninas.structure import Chain, couples, graph_of_chain, structure
from uninas_bench.spaces.uninas.templates import template


@given(st.integers(0, 10**9), st.integers(0, 60))
def test_a_nesting_is_its_graph(seed: int, nodes: int) -> None:
    graph = random_graph(seed, nodes=nodes)
    chain = structure(graph, 16)
    assert graph_of_chain(chain) == graph
    numbers = [number for c in chain.chains() for unit in c.units for number in unit.numbers]
    assert sorted(numbers) == list(range(1, len(graph) + 1)), "a node is in no unit, or in two"


@settings(max_examples=40)
@given(st.integers(0, 10**9))
def test_any_unit_can_be_taken_out(seed: int) -> None:
    """What is left is a well-typed graph without just that unit's nodes."""
    graph = random_graph(seed, nodes=25)
    chain = structure(graph, 16)
    targets = [(c, unit) for c in chain.chains() for unit in c.units]
    for c, unit in targets:
        inside = [n for slot in unit.slots for inner in slot.chains() for u in inner.units for n in u.numbers]
        position = c.units.index(unit)
        del c.units[position]
        rest = graph_of_chain(chain)
        rest.types(16)
        assert len(rest) == len(graph) - len(unit.numbers) - len(inside)
        c.units.insert(position, unit)


@settings(max_examples=20)
@given(st.integers(0, 10**9))
def test_units_are_minimal(seed: int) -> None:
    """No smaller set around a node can be taken out: checked against all intervals of edges, by hand."""
    graph = random_graph(seed, nodes=9)
    regions = _regions(graph)
    for chain in structure(graph, 16).chains():
        for unit in chain.units:
            inside = {
                n for slot in unit.slots for inner in slot.chains() for u in inner.units for n in u.numbers
            }
            whole = frozenset({*unit.numbers, *inside})
            assert whole in regions
            smaller = [r for r in regions if r < whole and unit.numbers[0] in r]
            assert not smaller, (write_graph(graph), whole, smaller)


def _regions(graph: Graph) -> set[frozenset[int]]:
    """Every set of nodes with one edge in and one out, of the same type: brute force over pairs of edges."""
    types = graph.types(16)
    consumers = {port: user for port, (user, _) in graph.consumers().items()}
    found = set()
    for entry, exit_ in itertools.permutations(types, 2):
        if types[entry] != types[exit_] or consumers[entry] == 0:
            continue
        region: set[int] = set()
        waiting = [consumers[entry]]
        closed = True
        while waiting:
            node = waiting.pop()
            if node == 0:
                closed = False
            elif node not in region:
                region.add(node)
                outputs = range(graph.operation(node).outputs)
                waiting += [consumers[node, port] for port in outputs if (node, port) != exit_]
        if (
            closed
            and exit_[0] in region
            and all(
                source == entry or source[0] in region
                for n in region
                for source in graph.nodes[n - 1].sources
            )
            and exit_ not in {source for n in region for source in graph.nodes[n - 1].sources}
        ):
            found.add(frozenset(region))
    return found


def test_coupled_nodes_of_the_templates() -> None:
    efficient = template("E").first
    assert {tuple(str(efficient.operation(n)) for n in group) for group in couples(efficient, 96)} == {
        ("conv_exp4", "conv_red4"),
        ("copy2", "multiply"),
        ("global_avg", "up_sample"),
        ("conv_red4", "conv_exp4"),
    }
    attention = template("T3").first
    (group,) = couples(attention, 96)
    assert [attention.operation(n).kind for n in group] == [
        "conv_chunk",
        *["matmul1", "matmul2"] * 3,
        "concat",
    ]


@pytest.mark.parametrize(
    ("text", "groups"),
    [
        ("conv_exp4 conv_red4 conv_exp4 conv_red4", {(1, 2), (3, 4)}),
        ("conv_exp2 gelu conv_exp2 conv_red4", {(1, 3, 4)}),
        ("copy2 ; ; copy2 ; ; add2 add2", {(1, 4), (2, 3)}),
        ("global_avg copy2 ; gelu ; add2 up_sample", {(1, 5), (2, 4)}),
        # a bridge is not series-parallel: all of it belongs together
        ("copy2 ; conv1 copy2 ; ; ;1.1 add2 multiply", {(1, 3, 4, 5)}),
    ],
)
def test_the_nearest_node_that_restores_the_type_is_coupled(text: str, groups: set[tuple[int, ...]]) -> None:
    assert set(couples(read_graph(text), 16)) == groups


def test_an_ill_typed_graph_has_no_nesting() -> None:
    with pytest.raises(GraphError):
        structure(read_graph("conv_exp4"), 16)


def test_an_empty_graph_is_an_empty_chain() -> None:
    chain = structure(Graph(()), 16)
    assert isinstance(chain, Chain)
    assert not chain.units
    assert graph_of_chain(chain) == Graph(())
