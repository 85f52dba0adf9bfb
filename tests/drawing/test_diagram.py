"""Diagrams that make no sense are refused when they are made."""

from __future__ import annotations

import pytest

from tests.drawing.samples import arrows, boxes
from uninas_bench.diagram import Diagram, Drawable, Edge, Group, Node


@pytest.mark.parametrize(
    ("nodes", "edges", "groups", "words"),
    [
        (boxes("a a"), (), (), "id 'a' is given twice"),
        (boxes("a"), (), (Group("a"),), "id 'a' is given twice"),
        (boxes("a", "g"), (), (), "no group 'g'"),
        ((), (), (Group("g", parent="h"),), "no group 'h'"),
        (boxes("a"), arrows("a>b"), (), "no node or group 'b'"),
        (boxes("a b c"), arrows("a>b b>c c>a"), (), "cycle: "),
        (boxes("a"), arrows("a>a"), (), "into itself"),
        (boxes("a", "g"), arrows("g>a"), (Group("g"),), "into itself"),
        (boxes("a b", "g") + boxes("c"), arrows("a>c c>b"), (Group("g"),), "cycle: "),
        (boxes("a") + boxes("b", "g"), arrows("a>b"), (Group("g", direction="right"),), "which turns"),
    ],
)
def test_what_is_refused(
    nodes: tuple[Node, ...], edges: tuple[Edge, ...], groups: tuple[Group, ...], words: str
) -> None:
    with pytest.raises(ValueError, match=words):
        Diagram("", nodes, edges, groups)


def test_where_an_edge_is_drawn() -> None:
    groups = (Group("g"), Group("h", parent="g"), Group("k"))
    nodes = boxes("a b", "h") + boxes("c", "g") + boxes("d", "k") + boxes("e")
    diagram = Diagram("", nodes, (), groups)
    expected = {
        "a>b": ("h", "a", "b"),
        "a>c": ("g", "h", "c"),
        "a>d": (None, "g", "k"),
        "d>e": (None, "k", "e"),
        "h>c": ("g", "h", "c"),
        "g>d": (None, "g", "k"),
    }
    assert {text: diagram.meeting(arrows(text)[0]) for text in expected} == expected


def test_the_spaces_can_be_drawn() -> None:
    import uninas_bench as ub

    for name in ("nasbench201", "nats_size", "uninas"):
        assert isinstance(ub.space(name), Drawable)
