from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.spaces.uninas.graphs import random_graph
from uninas_bench.errors import InvalidArchitecture
from uninas_bench.spaces.uninas.encoding import read_design, write_design
from uninas_bench.spaces.uninas.graph import graph_of
from uninas_bench.spaces.uninas.notation import read_graph, write_graph
from uninas_bench.spaces.uninas.templates import template

WIDTHS = (96, 192, 384, 768)


@given(st.integers(0, 10**9), st.integers(0, 60))
def test_every_graph_is_its_text_and_back(seed: int, nodes: int) -> None:
    graph = random_graph(seed, nodes=nodes)
    text = write_graph(graph)
    assert read_graph(text) == graph
    assert write_graph(read_graph(f"  {text}  ")) == text


def test_branches_are_written_in_the_order_of_their_outputs() -> None:
    """The words of the notation's own description."""
    graph = graph_of(
        {
            "fork": ("copy3", ["input"]),
            "x": ("conv1", ["fork.2"]),
            "y": ("gelu", ["fork.0"]),
            "map": ("matmul1", ["x", "y"]),
            "end": ("matmul2", ["map", "fork.1"]),
        },
        "end",
    )
    assert write_graph(graph) == "copy3 ;1.2 conv1 ; gelu matmul1 ; matmul2"


def test_equal_heads_are_written_once() -> None:
    text = write_graph(template("T24").first)
    assert text == "conv_chunk3x24 24*( ; ; matmul1 rel_pos_bias softmax ; matmul2 ) concat24 conv1"
    assert len(read_graph(text)) == 1 + 24 * 4 + 2


def test_a_repetition_ends_with_a_whole_branch() -> None:
    head, other = "; ; matmul1 softmax ; matmul2", "; ; matmul1 ; matmul2"
    written_out = " ".join(["conv_chunk3x6", head, head, head, other, head, head, "concat6"])
    folded = write_graph(read_graph(written_out))
    assert folded == f"conv_chunk3x6 3*( {head} ) {other} 2*( {head} ) concat6"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("gelu conv7", 'no operation "conv7"; did you mean "conv3"?'),
        ("gelu conv7", "at position 6"),
        ("copy2 ; gelu", "output 1 of node 1 (copy2) is used by nothing"),
        ("copy2 ; ;", "the graph has 2 outputs"),
        ("add2", "node 1 (add2) at position 1 needs 2 inputs, 1 are there"),
        ("gelu ; conv1", '";" at position 6: no branching has an unused output'),
        ("copy2 ;1.5 ; add2", "node 1 has no unused output 5"),
        ("3*( gelu", "the repetition at position 1 is not closed"),
        ("gelu )", '")" at position 6 closes nothing'),
        ("0*( gelu )", "empty or too long"),
        ("9999*( 9999*( gelu ) )", "empty or too long"),
        ("gelu * conv1", 'unexpected "*" at position 6'),
        ("- gelu", 'no operation "-"'),
    ],
)
def test_malformed_texts_are_refused_where_they_are_wrong(text: str, message: str) -> None:
    with pytest.raises(InvalidArchitecture) as caught:
        read_graph(text)
    assert message in str(caught.value)


@given(st.text("|,[]/ET12*-; {}:()g.@", max_size=60))
def test_no_text_breaks_the_reader(text: str) -> None:
    try:
        design = read_design(text, WIDTHS)
    except InvalidArchitecture as error:
        message = str(error)
    else:
        message = ""
        assert read_design(write_design(design), WIDTHS) == design
    assert "\n" not in message
    assert len(message) < 500


@pytest.mark.parametrize(
    "text",
    [
        "E E | E R R | T*5 | E R",
        "E,E|E,R,R|T12,T12,T12,T12,T12|E,R",
        "  E, E | E, R*2 | T12*5 | E R ",
        "{96:192:384:768} E E | E R R | T T T T T | E R",
    ],
)
def test_short_spellings_of_one_network(text: str) -> None:
    assert write_design(read_design(text, WIDTHS)) == "E, E | E, R, R | T12, T12, T12, T12, T12 | E, R"


def test_templates_are_recognised_and_nothing_else_is() -> None:
    full = "[conv3 batch_norm gelu conv3 batch_norm gelu / zero]"
    assert write_design(read_design(f"{full} | {full} | E | T1", WIDTHS)) == "R | R | E | T1"
    other = "[conv3 batch_norm gelu conv3 batch_norm gelu / -]"
    assert write_design(read_design(f"{other} | R | E | T1", WIDTHS)).startswith(other)


def test_widths_of_its_own_are_part_of_a_network() -> None:
    own = read_design("{64:128:384:512} R | R | T | T", WIDTHS)
    assert own.widths == (64, 128, 384, 512)
    assert write_design(own) == "{64:128:384:512} R | R | T12 | T16"
