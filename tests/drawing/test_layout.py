"""What any picture must keep: nothing overlaps, arrows go with the flow and touch what they join."""

from __future__ import annotations

import itertools
from itertools import pairwise

import pytest

from tests.drawing.samples import CELLS, SIZE, diagram, everything, of_spaces
from uninas_bench.diagram import Diagram
from uninas_bench.drawing.layout import Box, Layout, TextSizes, lay_out
from uninas_bench.drawing.sizes import natural_layout

SLACK = 0.6
"""Points that pieces of one arrow, or an arrow and a box, may be apart."""
TEXTS = TextSizes(edge=lambda text: 6.0, repeat=lambda count: 20.0, group=lambda text: 40.0)


@pytest.fixture(scope="module", params=range(len(everything())), ids=lambda n: everything()[n].title)
def drawn(request: pytest.FixtureRequest) -> tuple[Diagram, Layout]:
    found = everything()[request.param]
    return found, natural_layout(found)


def plain(nodes: str, edges: str) -> Layout:
    found = diagram(nodes, edges)
    return lay_out(found, {node.id: SIZE for node in found.nodes}, TEXTS)


def test_everything_is_placed_on_the_page(drawn: tuple[Diagram, Layout]) -> None:
    diagram, layout = drawn
    assert set(layout.boxes) == {node.id for node in diagram.nodes}
    assert set(layout.frames) == {group.id for group in diagram.groups}
    assert [route.edge for route in layout.routes] == list(diagram.edges)
    for box in (*layout.boxes.values(), *layout.frames.values()):
        assert min(box.x, box.y) >= -SLACK
        assert box.right <= layout.width + SLACK
        assert box.bottom <= layout.height + SLACK
    for x, y in (point for route in layout.routes for point in route.points):
        assert -SLACK <= x <= layout.width + SLACK
        assert -SLACK <= y <= layout.height + SLACK


def test_no_two_boxes_overlap(drawn: tuple[Diagram, Layout]) -> None:
    _, layout = drawn
    for (a, first), (b, second) in itertools.combinations(layout.boxes.items(), 2):
        assert not first.overlaps(second), (a, b)


def test_frames_hold_what_is_theirs_and_nothing_else(drawn: tuple[Diagram, Layout]) -> None:
    diagram, layout = drawn
    for name, box in {**layout.boxes, **layout.frames}.items():
        around = set(diagram.ancestors(name))
        for group, frame in layout.frames.items():
            if group in around:
                assert frame.x < box.x < box.right < frame.right
                assert frame.y < box.y < box.bottom < frame.bottom
            elif group != name and name not in set(diagram.ancestors(group)):
                assert not frame.overlaps(box), (name, group)


def test_arrows_join_their_ends_and_go_with_the_flow(drawn: tuple[Diagram, Layout]) -> None:
    diagram, layout = drawn
    places = {**layout.boxes, **layout.frames}
    for route in layout.routes:
        along = 0 if diagram.direction_of(diagram.meeting(route.edge)[0]) == "right" else 1
        assert on_border(places[route.edge.source], route.points[0]), route
        assert on_border(places[route.edge.target], route.points[-1]), route
        assert route.points[-1][along] > route.points[0][along]
        for before, after in pairwise(route.points):
            assert after[along] >= before[along] - SLACK, route
            assert min(abs(after[0] - before[0]), abs(after[1] - before[1])) < SLACK, route


def test_arrows_cross_no_box(drawn: tuple[Diagram, Layout]) -> None:
    diagram, layout = drawn
    groups = {group.id for group in diagram.groups}
    for route in layout.routes:
        ends = {route.edge.source, route.edge.target}
        for before, after in pairwise(route.points):
            line = Box(
                min(before[0], after[0]), min(before[1], after[1]),
                abs(after[0] - before[0]), abs(after[1] - before[1]),
            )  # fmt: skip
            for name, box in layout.boxes.items():
                inside_end = groups & ends & set(diagram.ancestors(name))
                if name not in ends and not inside_end:
                    assert not shrunk(box).overlaps(line), (route.edge, name)


def on_border(box: Box, point: tuple[float, float]) -> bool:
    x, y = point
    beside = min(abs(x - box.x), abs(x - box.right)) < SLACK and box.y - SLACK <= y <= box.bottom + SLACK
    over = min(abs(y - box.y), abs(y - box.bottom)) < SLACK and box.x - SLACK <= x <= box.right + SLACK
    return beside or over


def shrunk(box: Box) -> Box:
    return Box(box.x + SLACK, box.y + SLACK, box.width - 2 * SLACK, box.height - 2 * SLACK)


def test_a_chain_is_straight() -> None:
    layout = plain("a b c d", "a>b b>c c>d")
    assert len({box.centre[0] for box in layout.boxes.values()}) == 1
    assert all(len(route.points) == 2 for route in layout.routes)


def test_a_skip_leaves_the_chain_straight() -> None:
    layout = plain("a b c d", "a>b b>c c>d a>d")
    assert len({box.centre[0] for box in layout.boxes.values()}) == 1


def test_a_fork_stands_in_the_middle_of_its_branches() -> None:
    layout = plain("a b c d", "a>b a>c b>d c>d")
    left, right = layout.boxes["b"].centre[0], layout.boxes["c"].centre[0]
    assert layout.boxes["a"].centre[0] == pytest.approx((left + right) / 2, abs=0.1)
    assert layout.boxes["d"].centre[0] == pytest.approx((left + right) / 2, abs=0.1)
    assert left < right, "branches stand in the order of their edges"


def test_arrows_of_a_planar_graph_do_not_cross() -> None:
    """Every cell of NAS-Bench-201 is planar: four nodes, each joined to each, can be drawn so."""
    for cell in of_spaces()[:CELLS]:
        routes = natural_layout(cell).routes
        for first, second in itertools.combinations(routes, 2):
            if {first.edge.source, first.edge.target} & {second.edge.source, second.edge.target}:
                continue
            assert not any(
                crossing(*one, *other) for one in pairwise(first.points) for other in pairwise(second.points)
            ), (cell.title, first.edge, second.edge)


Point = tuple[float, float]


def crossing(a: Point, b: Point, c: Point, d: Point) -> bool:
    def side(p: Point, q: Point, r: Point) -> float:
        return (q[0] - p[0]) * (r[1] - p[1]) - (q[1] - p[1]) * (r[0] - p[0])

    return side(a, b, c) * side(a, b, d) < 0 and side(c, d, a) * side(c, d, b) < 0


def test_a_known_crossing_is_seen() -> None:
    assert crossing((0, 0), (2, 2), (0, 2), (2, 0))
    assert not crossing((0, 0), (2, 0), (0, 1), (2, 1))


def test_a_diagram_to_the_right_is_the_transposed_one() -> None:
    down = diagram("a b c d", "a>b a>c b>d c>d")
    right = Diagram("", down.nodes, down.edges, direction="right")
    tall = lay_out(down, {node.id: (40.0, 40.0) for node in down.nodes}, TEXTS)
    wide = lay_out(right, {node.id: (40.0, 40.0) for node in down.nodes}, TEXTS)
    assert {name: box.centre for name, box in wide.boxes.items()} == {
        name: box.centre[::-1] for name, box in tall.boxes.items()
    }


def test_a_diagram_of_nothing_and_of_one_box() -> None:
    assert plain("", "").boxes == {}
    assert plain("a", "").boxes == {"a": Box(0.0, 0.0, *SIZE)}


def test_large_diagrams_take_seconds() -> None:
    """A fork of 24 chains of 12: nothing of the layout may grow with the square of a square."""
    names = [f"{branch}_{step}" for branch in range(24) for step in range(12)]
    steps = [f"{b}_{s}>{b}_{s + 1}" for b in range(24) for s in range(11)]
    steps += [f"in>{b}_0" for b in range(24)] + [f"{b}_11>out" for b in range(24)]
    assert len(plain(" ".join(["in", *names, "out"]), " ".join(steps)).boxes) == 290
