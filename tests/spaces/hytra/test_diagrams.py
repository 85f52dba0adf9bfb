"""Pictures: the fabric's places and path, the network's rows, a block's parts."""

from __future__ import annotations

from itertools import pairwise

import pytest

from uninas_bench.diagram import Drawable
from uninas_bench.drawing import diagram_of
from uninas_bench.drawing.sizes import natural_layout
from uninas_bench.errors import UserError
from uninas_bench.spaces.hytra.space import Hytra
from uninas_bench.tasks import find_task

SPACE = Hytra()
T0 = SPACE.parse("bossnet-t0")
IMAGENET = find_task("imagenet1k")


def test_the_fabric_shows_every_place_and_the_chosen_path() -> None:
    assert isinstance(SPACE, Drawable)
    diagram = diagram_of(SPACE, T0)
    chosen = [edge for edge in diagram.edges if not edge.dotted]
    assert len(chosen) == 17
    assert [a.target for a in chosen if a.source == "stem"] == ["layer 0 stage 0"]
    stages = [int(edge.target[-1]) for edge in chosen if edge.target != "head"]
    assert sorted(stages) == [0, 1, 2, 2, 2, 2, 2, *[3] * 9]
    places = {node.id for node in diagram.nodes} - {"stem", "head"}
    # The first layer has two stages, the second three, all later ones four.
    assert len(places) == 2 + 3 + 14 * 4
    # Every pair of places one layer apart that a path can join, besides stem and head.
    assert len(diagram.edges) == 2 + 4 + (4 + 2) + 13 * 7 + 4
    assert [node.label for node in diagram.nodes if node.label][1:-1] == [
        "ResAtt" if digit in "20" else "ResConv" for digit in "5433323000100000"
    ]


def test_definitions_have_other_places_and_a_path_outside_is_shown() -> None:
    def places(definition: str, name: str = "bossnet-t0") -> int:
        space = SPACE.scaled(definition=definition)
        return len(diagram_of(space, space.parse(name)).nodes) - 2

    assert places("A") == 64
    assert places("C") == 61 - 3 - 2 - 1
    assert places("D") == (2 + 3 + 4 + 4) + 4 * 3 + 8 * 2
    assert places("B", "vit-t/32") == 61 + 2  # the last stage in the first two layers


def test_rows_of_the_fabric_are_straight() -> None:
    diagram = diagram_of(SPACE, T0)
    layout = natural_layout(diagram)
    for stage in range(4):
        row = [layout.boxes[f"layer {layer} stage {stage}"] for layer in range(max(0, stage - 1), 16)]
        assert len({round(box.centre[1], 3) for box in row}) == 1


def test_the_network_has_a_row_for_every_stage() -> None:
    diagram = diagram_of(SPACE, SPACE.parse("random-t"), "network", task=IMAGENET)
    assert [group.label for group in diagram.groups] == [
        "stage 1: 256×56×56",
        "stage 2: 512×28×28",
        "stage 3: 1024×14×14",
        "stage 4: 2048×7×7",
    ]
    assert sum(node.label in {"ResConv", "ResAtt"} for node in diagram.nodes) == 16
    assert [node.detail for node in diagram.nodes if node.detail.startswith("no layers")] == [
        "no layers",
        "no layers, stride 2",
    ]
    assert "34,903,336 parameters" in diagram.note


def test_a_block_shows_its_residual_and_shortcut() -> None:
    excited = SPACE.scaled(style="se")
    diagram = diagram_of(excited, T0, block="3.1", task=IMAGENET)
    labels = {node.id: node.label for node in diagram.nodes}
    chain = [
        "reduce",
        "position",
        "norm 1",
        "act 1",
        "mix",
        "norm 2",
        "act 2",
        "expand",
        "norm 3",
        "excitation",
        "sum",
    ]
    edges = {(edge.source, edge.target) for edge in diagram.edges}
    assert set(pairwise(["input", *chain, "act", "output"])) < edges
    assert {("input", "pool"), ("pool", "projection"), ("norm projection", "sum")} < edges
    assert labels["act 1"] == "SiLU"
    assert labels["mix"] == "conv 3×3"
    plain = diagram_of(SPACE, T0, block="4.5")
    assert {node.label for node in plain.nodes} >= {"attention", "ReLU"}
    assert ("input", "sum") in {(edge.source, edge.target) for edge in plain.edges}


@pytest.mark.parametrize(
    ("part", "block", "message"),
    [
        ("block", None, "hytra: no block is named; known: 1.1, 2.1, 3.1"),
        (None, "1.2", "hytra: no block 1.2; known: 1.1"),
        ("network", "1.1", "hytra: --block 1.1 belongs to --part block, not to the network"),
        ("cell", None, 'hytra: no part "cell"; known: fabric, network, block'),
    ],
)
def test_what_cannot_be_drawn_is_said_in_one_line(part: str | None, block: str | None, message: str) -> None:
    with pytest.raises(UserError) as caught:
        diagram_of(SPACE, T0, part, block)
    assert str(caught.value).startswith(message)
