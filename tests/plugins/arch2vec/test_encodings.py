"""Graphs of architectures: nothing is lost on the way there and back, and edges are what the spaces mean."""

from __future__ import annotations

import itertools
import re

import numpy as np
import pytest

import uninas_bench as ub
from uninas_bench_plugins._arch2vec.blocks import BlockEncoding
from uninas_bench_plugins._arch2vec.encodings import known_encoding, learned_encoding
from uninas_bench_plugins._arch2vec.graphs import PADDING, RULES

COLUMNS = ["input", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3", "skip_connect", "none", "output"]
SMALL = {"depths": "1:1:1:1", "widths": "32:64:96:128"}


def encoding_and_sample(name, count=60, nodes=96, **scale):
    space = ub.space(name)
    space = space.scaled(**scale) if scale else space
    architectures = space.sample(count, np.random.default_rng(0))
    return learned_encoding(space, architectures, nodes), architectures


def edges_of(graphs, graph=0):
    return set(zip(*np.nonzero(graphs.adjacency[graph]), strict=True))


def test_every_cell_of_nasbench201_comes_back():
    space = ub.space("nasbench201")
    encoding = known_encoding(space, (), 0)
    assert list(encoding.names) == COLUMNS
    architectures = list(space.enumerate())
    graphs = encoding.encode_all(architectures)
    assert graphs.operations.shape == (15625, 8)
    assert len(np.unique(graphs.operations, axis=0)) == 15625
    for architecture, operations, adjacency in zip(
        architectures, graphs.operations, graphs.adjacency, strict=True
    ):
        names = ["input", *re.findall(r"\|(\w+)~", architecture.encoding.replace("|", "||")), "output"]
        assert [COLUMNS[number] for number in operations] == names
        assert encoding.decode(operations[None], adjacency[None], "strict") == architecture


def test_edges_of_a_cell_follow_from_its_string():
    """The operation on i -> j takes what is summed in i: everything on an edge into i, or the input."""
    space = ub.space("nasbench201")
    architecture = space.parse("7")
    places = [
        (int(source), target)
        for target, group in enumerate(architecture.encoding.split("+"), 1)
        for source in re.findall(r"~(\d)", group)
    ]
    expected = {(0, number) for number, (source, _) in enumerate(places, 1) if source == 0}
    expected |= {(number, 7) for number, (_, target) in enumerate(places, 1) if target == 3}
    expected |= {
        (first, second)
        for (first, (_, target)), (second, (source, _)) in itertools.product(enumerate(places, 1), repeat=2)
        if target == source
    }
    graphs = known_encoding(space, (), 0).encode(architecture)
    assert edges_of(graphs) == expected


@pytest.mark.parametrize(
    ("changes", "edge", "valid"),
    [
        ({}, None, {"arch2vec", "operations", "strict"}),
        ({}, (0, 3), {"arch2vec", "operations"}),
        ({}, (6, 7), {"arch2vec", "operations"}),
        ({1: "input"}, None, {"arch2vec"}),
        ({1: "output"}, (1, 2), {"arch2vec"}),
        ({2: "output"}, None, set()),
        ({6: "input"}, None, set()),
        ({0: "none"}, None, set()),
        ({7: "skip_connect"}, None, set()),
    ],
)
def test_the_three_rules_on_graphs_made_by_hand(changes, edge, valid):
    space = ub.space("nasbench201")
    encoding = known_encoding(space, (), 0)
    graphs = encoding.encode(space.parse("11"))
    for node, name in changes.items():
        graphs.operations[0, node] = COLUMNS.index(name)
    if edge is not None:
        graphs.adjacency[0][edge] ^= True
    found = {rule for rule in RULES if encoding.valid(graphs.operations, graphs.adjacency, rule)}
    assert found == valid
    decoded = {rule for rule in RULES if encoding.decode(graphs.operations, graphs.adjacency, rule)}
    assert decoded == (valid if 1 not in changes else set())


@pytest.mark.parametrize(
    ("name", "scale"),
    [
        ("nats_size", {}),
        ("hytra", {}),
        ("hytra", {"blocks": "2:3:1:2", "definition": "D"}),
        ("mbconv", {}),
        ("mbconv", {"depths": "1:2:1:1:2"}),
        ("uninas", {}),
        ("uninas", SMALL),
    ],
)
def test_samples_come_back(name, scale):
    encoding, architectures = encoding_and_sample(
        name, count=30 if name == "uninas" else 300, nodes=192, **scale
    )
    seen = set()
    for architecture in architectures:
        graphs = encoding.encode(architecture)
        assert graphs.operations.shape == (encoding.graphs, encoding.nodes)
        assert not np.tril(graphs.adjacency).any()
        for rule in RULES:
            assert encoding.decode(graphs.operations, graphs.adjacency, rule) == architecture
        seen.add(graphs.operations.tobytes())
    assert len(seen) == len(set(architectures))


def test_chains_are_chains():
    space = ub.space("nats_size")
    encoding = known_encoding(space, (), 0)
    graphs = encoding.encode(space.parse("8:16:24:32:64"))
    names = [encoding.names[number] for number in graphs.operations[0]]
    assert names == ["input", "8", "16", "24", "32", "64", "output"]
    assert edges_of(graphs) == {(i, i + 1) for i in range(6)}
    graphs.adjacency[0, 2, 4] = True
    assert encoding.valid(graphs.operations, graphs.adjacency, "operations")
    assert not encoding.valid(graphs.operations, graphs.adjacency, "strict")


def test_a_path_is_valid_where_the_fabric_holds_it():
    """One halving a layer at most, no way back, and the first layer in one of the first two stages."""
    space = ub.space("hytra").scaled(blocks=(2, 1, 1, 1))
    encoding = known_encoding(space, (), 0)
    stage = {"5": 0, "4": 1, "2": 2, "3": 2, "0": 3, "1": 3}
    count = 0
    for path in itertools.product("012345", repeat=5):
        operations = np.array([[encoding.names.index(name) for name in ("input", *path, "output")]])
        stages = [stage[digit] for digit in path]
        legal = stages[0] < 2 and all(b - a in {0, 1} for a, b in itertools.pairwise(stages))
        assert (encoding.read(operations) is not None) == legal
        count += legal
    assert count == space.size


@pytest.mark.parametrize(
    ("first", "words", "edges"),
    [
        ("-", ["input", "sum", "zero", "output"], {(0, 1), (1, 2), (2, 3), (1, 3)}),
        (
            "conv1 copy2 ; ; gelu multiply",
            ["input", "conv1", "copy2", ";", ";", "gelu", "multiply", "sum", "zero", "output"],
            {(0, 1), (1, 2), (2, 3), (2, 4), (4, 5), (3, 6), (5, 6), (6, 7), (0, 7)}
            | {(7, 8), (8, 9), (7, 9)},
        ),
        (
            "conv_chunk3x4 4*( ; ; matmul1 ; matmul2 ) concat4",
            [
                "input",
                "conv_chunk3x4",
                "4*(",
                ";",
                ";",
                "matmul1",
                ";",
                "matmul2",
                ")",
                "concat4",
                "sum",
                "zero",
                "output",
            ],
            {(0, 1), (1, 2), (2, 3), (2, 4), (3, 5), (4, 5), (2, 6), (5, 7), (6, 7), (7, 8), (8, 9)}
            | {(9, 10), (0, 10), (10, 11), (11, 12), (10, 12)},
        ),
        (
            # After the two equal branches, the third is of the same branching.
            "copy3 2*( ; conv_exp4 batch_norm gelu conv_red4 ) ; add3",
            [
                "input",
                "copy3",
                "2*(",
                ";",
                "conv_exp4",
                "batch_norm",
                "gelu",
                "conv_red4",
                ")",
                ";",
                "add3",
                "sum",
                "zero",
                "output",
            ],
            {(0, 1), (1, 2), (2, 3), (3, 4), (4, 5), (5, 6), (6, 7), (7, 8), (1, 9), (8, 10), (9, 10)}
            | {(10, 11), (0, 11), (11, 12), (12, 13), (11, 13)},
        ),
    ],
)
def test_blocks_drawn_by_hand(first, words, edges):
    space = ub.space("uninas").scaled(**SMALL)
    architecture = space.parse(f"R | R | R | [{first} / zero]")
    encoding = learned_encoding(space, [architecture], 40)
    graphs = encoding.encode(architecture)
    there = graphs.operations[3] != PADDING
    assert [encoding.names[number] for number in graphs.operations[3][there]] == words
    assert edges_of(graphs, 3) == edges


def test_edges_between_operations_are_the_graphs_own():
    encoding, architectures = encoding_and_sample("uninas", **SMALL)
    space, compared = ub.space("uninas").scaled(**SMALL), 0
    for architecture in architectures:
        graphs = encoding.encode(architecture)
        blocks = space.design(architecture).blocks()
        for number, (_, _, block) in enumerate(blocks):
            names = [encoding.names[n] for n in graphs.operations[number] if n != PADDING]
            if any(name.endswith("*(") for name in names):
                continue
            compared += 1
            expected = set()
            entry = 0
            for graph, end in zip(block, ("sum", "output"), strict=True):
                last = names.index(end)
                nodes = [entry, *(i for i in range(entry + 1, last) if names[i] != ";")]
                expected |= {
                    (nodes[source], nodes[k])
                    for k, node in enumerate(graph.nodes, 1)
                    for source, _ in node.sources
                }
                expected |= {(entry, last), (nodes[graph.output[0]], last)}
                entry = last
            found = edges_of(graphs, number)
            for fetched in [i for i, name in enumerate(names) if name == ";"]:
                (source,) = [a for a, b in found if b == fetched]
                (target,) = [b for a, b in found if a == fetched]
                found = {e for e in found if fetched not in e} | {(source, target)}
            assert found == expected
    assert compared > 100


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("R | R | R | [copy2 ; copy2 ; ;1.1 add2 ; add2 / zero]", "block 4.1 has .*;1.1"),
        ("R | [dropout / zero] | R | R", 'block 2.1 has "dropout"'),
        ("E | R | R | R", "block 1.1 has more than the 12 nodes"),
        ("{8:8:8:8} R | R | R | R", "widths"),
    ],
)
def test_what_has_no_place(text, reason):
    space = ub.space("uninas").scaled(**SMALL)
    known = [space.parse("R | R | R | [copy2 ; ; add2 / zero]"), space.parse("E | E | E | E")]
    words = learned_encoding(space, known, 40).names[3:]
    encoding = BlockEncoding(space, words, 12)
    with pytest.raises(ub.NotApplicable, match=reason):
        encoding.encode(space.parse(text))


@pytest.mark.parametrize(
    "words",
    [
        ["sum", "zero", "output"],
        ["input", "zero", "output"],
        ["input", "zero", "sum", "zero"],
        ["input", "sum", "sum", "output"],
        ["input", "output", "sum", "zero"],
        ["output", "input", "sum", "zero"],
        ["input", "input", "sum", "output"],
        ["input", "add2", "sum", "output"],
        ["input", "copy2", ";", "sum", "output"],
        ["input", "conv_exp4", "sum", "output"],
    ],
)
def test_words_that_are_no_block(words):
    space = ub.space("uninas").scaled(**SMALL)
    text = "[copy2 ; ; add2 / zero]"
    architecture = space.parse(f"{text} | {text} | {text} | [conv_exp4 conv_red4 / zero]")
    encoding = learned_encoding(space, [architecture], 40)
    graphs = encoding.encode(architecture)
    operations = graphs.operations.copy()
    assert encoding.read(operations) == architecture
    names = [*words, *["output"] * (encoding.nodes - len(words))]
    if words[-1] != "output":
        names = [*words, *["zero"] * (encoding.nodes - len(words))]
    operations[1] = [encoding.names.index(name) for name in names]
    assert encoding.read(operations) is None


def test_what_stands_behind_the_output_does_not_matter():
    encoding, (architecture, *_) = encoding_and_sample("uninas", count=5, **SMALL)
    graphs = encoding.encode(architecture)
    behind = graphs.operations == PADDING
    assert behind.any()
    graphs.operations[behind] = encoding.names.index("sum")
    graphs.adjacency[behind] = True
    # Sums behind the output belong to no block.
    assert encoding.decode(graphs.operations, np.triu(graphs.adjacency, 1), "strict") == architecture


def test_spaces_without_graphs_say_so():
    class Other:
        name = "other"

    with pytest.raises(ub.NotApplicable, match=r"no graphs of other .* hytra, mbconv, nasbench201"):
        known_encoding(Other(), (), 0)
