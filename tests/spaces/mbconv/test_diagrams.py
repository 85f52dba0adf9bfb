"""Pictures: the network's rows, a layer's parts."""

from __future__ import annotations

from itertools import pairwise

import pytest

from uninas_bench.diagram import Drawable
from uninas_bench.drawing import diagram_of
from uninas_bench.errors import UserError
from uninas_bench.spaces.mbconv.space import Mbconv
from uninas_bench.tasks import find_task

SPACE = Mbconv()
ARCHITECTURE = SPACE.parse("11 0110 0111 1100 0123")
IMAGENET = find_task("imagenet1k")


def test_the_network_has_a_row_for_every_block() -> None:
    assert isinstance(SPACE, Drawable)
    diagram = diagram_of(SPACE, ARCHITECTURE, task=IMAGENET)
    assert [group.label for group in diagram.groups] == [
        "block 0 (fixed): 16×112×112", "block 1: 24×56×56", "block 2: 40×28×28", "block 3: 80×14×14",
        "block 4: 112×14×14", "block 5: 192×7×7", "block 6 (fixed): 320×7×7",
    ]  # fmt: skip
    last = [node.label for node in diagram.nodes if node.group == "block 5"]
    assert last == ["MB6 3×3", "MB6 5×5", "MB3 3×3", "MB3 5×5"]
    assert [node.id for node in diagram.nodes if node.detail == "stride 2"] == [
        "layer 1.1", "layer 2.1", "layer 3.1", "layer 5.1",
    ]  # fmt: skip
    costs = SPACE.costs(ARCHITECTURE, IMAGENET)
    assert diagram.note == f"{costs.params:,} parameters · {costs.flops:,} multiply-accumulates"


def test_a_layer_shows_its_parts_and_its_skip() -> None:
    diagram = diagram_of(SPACE, ARCHITECTURE, block="5.2", task=IMAGENET)
    chain = ["input", "expand", "norm 1", "act 1", "depthwise", "norm 2", "act 2", "excitation", "project"]
    chain += ["norm 3", "sum", "output"]
    assert {(edge.source, edge.target) for edge in diagram.edges} == {*pairwise(chain), ("input", "sum")}
    first = diagram_of(SPACE, ARCHITECTURE, block="0.1")
    assert not {"expand", "sum"} & {node.id for node in first.nodes}


@pytest.mark.parametrize(
    ("part", "block", "message"),
    [
        ("block", None, "mbconv: no block is named; known: 0.1, 1.1, 1.2"),
        (None, "1.3", "mbconv: no block 1.3; known: 0.1"),
        ("network", "1.1", "mbconv: --block 1.1 belongs to --part block, not to the network"),
    ],
)
def test_what_cannot_be_drawn_is_said_in_one_line(part: str | None, block: str | None, message: str) -> None:
    with pytest.raises(UserError) as caught:
        diagram_of(SPACE, ARCHITECTURE, part, block)
    assert str(caught.value).startswith(message)
