"""Algorithm 1: costs and bounds at every step against a recount, and the probabilities of its choices."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare

from tests.spaces.uninas.graphs import random_graph
from uninas_bench.architecture import Costs, Task
from uninas_bench.bounds import Bounds
from uninas_bench.errors import InvalidArchitecture, UserError
from uninas_bench.spaces.uninas.block import Block, Design
from uninas_bench.spaces.uninas.costs import Convention, design_costs, graph_cost, node_cost, overhead
from uninas_bench.spaces.uninas.encoding import read_design, write_block, write_design
from uninas_bench.spaces.uninas.graph import Graph
from uninas_bench.spaces.uninas.liveness import dead_nodes
from uninas_bench.spaces.uninas.macro import UninasScale, check_design, places
from uninas_bench.spaces.uninas.moves import KINDS, PAPER, TOOLKIT, addition
from uninas_bench.spaces.uninas.notation import read_graph
from uninas_bench.spaces.uninas.space import NAMED
from uninas_bench.spaces.uninas.structure import graph_of_chain
from uninas_bench.spaces.uninas.tensor_type import TensorType
from uninas_bench.spaces.uninas.walk import Semantics, Walk, WalkSettings
from uninas_bench.tasks import find_task

PAPER_SCALE = UninasScale()
IMAGENET = find_task("imagenet1k")
PAPER_BOUNDS = Bounds.read("22M..28M", "6G..20G")
SMALL_SCALE = UninasScale(widths=(32, 96, 64, 96), depths=(1, 2, 1, 1), stem=(8, 8))
SMALL_START = "E | R, T3 | [conv3 gelu / conv1], | T3".replace(",  |", " |").replace(", |", " |")
SMALL_TASK = Task("small", "small", 64, 10)
EVERY_KIND = [
    (semantics, convention) for semantics in ("paper", "toolkit") for convention in ("exact", "toolkit")
]


def coatnet(**options: object) -> Walk:
    design = read_design(NAMED["coatnet"], PAPER_SCALE.widths)
    return Walk(design, PAPER_SCALE, IMAGENET, **{"bounds": PAPER_BOUNDS, **options})  # type: ignore[arg-type]


def small(start: str | Design = SMALL_START, scale: UninasScale = SMALL_SCALE, **options: object) -> Walk:
    design = read_design(start, scale.widths) if isinstance(start, str) else start
    return Walk(design, scale, SMALL_TASK, **options)  # type: ignore[arg-type]


def flops_by_kind(design: Design, scale: UninasScale, task: Task, convention: Convention) -> list[int]:
    """Node by node over the graphs; none of the walk's own sums."""
    found: Counter[str] = Counter()
    for place in places(design, scale, task.resolution):
        for graph in place.block:
            types = graph.types(place.channels)
            for node in graph.nodes:
                inputs = tuple(types[source] for source in node.sources)
                found[node.operation.kind] += node_cost(node.operation, inputs, place.size, convention)[1]
    return [found[kind] for kind in KINDS]


def within(walk: Walk, bounds: Bounds, convention: Convention) -> bool:
    return bounds.allows(Costs(walk.params, walk.flops, convention))


# --- costs, bounds, texts --------------------------------------------------------------------------


@pytest.mark.parametrize(("semantics", "convention"), EVERY_KIND)
def test_costs_are_a_full_recount_at_every_step(semantics: Semantics, convention: Convention) -> None:
    start = read_design(SMALL_START, SMALL_SCALE.widths)
    now = design_costs(start, SMALL_SCALE, SMALL_TASK, convention)
    bounds = Bounds(now.params // 2, 2 * now.params, now.flops // 2, 2 * now.flops)
    choice = WalkSettings(semantics=semantics, convention=convention, max_nodes=40)
    walk = small(start, bounds=bounds, settings=choice, seed=3)
    kinds = set()
    for step in range(600):
        made = walk.step()
        kinds.add(made.kind if made else None)
        design = walk.design()
        check_design(design, SMALL_SCALE, SMALL_TASK.resolution)
        costs = design_costs(design, SMALL_SCALE, SMALL_TASK, convention)
        assert (walk.params, walk.flops) == (costs.params, costs.flops), (step, made)
        assert walk.flops_of == flops_by_kind(design, SMALL_SCALE, SMALL_TASK, convention), (step, made)
        assert within(walk, bounds, convention)
        assert max(len(block.first) + len(block.second) for _, _, block in design.blocks()) <= 40
        text = write_design(design)
        assert read_design(text, SMALL_SCALE.widths) == design
    assert kinds >= {"add", "eliminate"}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("semantics", "convention", "steps"),
    [("paper", "exact", 10_000), *((*kind, 1000) for kind in EVERY_KIND[1:])],
)
def test_costs_are_a_full_recount_along_the_papers_walk(
    semantics: Semantics, convention: Convention, steps: int
) -> None:
    """The sum over the blocks, of which each is priced anew when it changes, and now and then all of them."""
    limit = 128 if semantics == "toolkit" else None
    choice = WalkSettings(semantics=semantics, convention=convention, max_nodes=limit)
    walk = coatnet(settings=choice, seed=1)
    outside = overhead(walk.design(), PAPER_SCALE, IMAGENET, convention).values()
    fixed = sum(params for params, _ in outside), sum(flops for _, flops in outside)

    def recount() -> list[tuple[int, int]]:
        return [
            priced(place.block, place.channels, place.size)
            for place in places(walk.design(), PAPER_SCALE, 224)
        ]

    def priced(block: Iterable[Graph], channels: int, size: tuple[int, int]) -> tuple[int, int]:
        halves = [graph_cost(graph, channels, size, convention) for graph in block]
        return halves[0][0] + halves[1][0], halves[0][1] + halves[1][1]

    costs = recount()
    where = [(place.channels, place.size) for place in places(walk.design(), PAPER_SCALE, 224)]
    for step in range(steps):
        made = walk.step()
        if semantics == "toolkit":  # moves without cost may come along, in other blocks
            costs = recount()
        elif made is not None:
            changed = walk._blocks[made.block]
            costs[made.block] = priced(map(graph_of_chain, changed.chains), *where[made.block])
        assert walk.params == fixed[0] + sum(params for params, _ in costs), step
        assert walk.flops == fixed[1] + sum(flops for _, flops in costs), step
        assert within(walk, PAPER_BOUNDS, convention), step
        if step % 250 == 0:
            design = walk.design()
            assert costs == recount()
            check_design(design, PAPER_SCALE, 224)
            assert read_design(write_design(design), PAPER_SCALE.widths) == design
            assert walk.flops_of == flops_by_kind(design, PAPER_SCALE, IMAGENET, convention)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**9), st.sampled_from(EVERY_KIND), st.booleans())
def test_a_walk_can_begin_anywhere(seed: int, kind: tuple[Semantics, Convention], live: bool) -> None:
    """Also at graphs that are not series-parallel, which no addition of the walk would make."""
    scale = UninasScale(widths=(16,) * 4, depths=(1,) * 4, stem=(4, 4))
    graphs = [random_graph(seed + number, nodes=12) for number in range(8)]
    design = Design(tuple((Block(graphs[2 * i], graphs[2 * i + 1]),) for i in range(4)))
    try:
        check_design(design, scale, 64)
    except InvalidArchitecture:  # a rel_pos_bias where no square is
        return
    semantics, convention = kind
    choice = WalkSettings(
        semantics=semantics, convention=convention, live=live, p_eliminate=0.6, max_nodes=64
    )
    walk = small(design, scale, settings=choice, seed=seed)
    for _ in range(40):
        walk.step()
    moved = walk.design()
    check_design(moved, scale, 64)
    costs = design_costs(moved, scale, SMALL_TASK, convention)
    assert (walk.params, walk.flops) == (costs.params, costs.flops)
    assert read_design(write_design(moved), scale.widths) == moved


def test_a_walk_is_its_seed() -> None:
    walks = [small(seed=seed) for seed in (5, 5, 6)]
    moves = [[walk.step() for _ in range(200)] for walk in walks]
    assert moves[0] == moves[1] != moves[2]
    assert walks[0].design() == walks[1].design() != walks[2].design()


def test_a_step_that_fails_changes_nothing() -> None:
    """No addition has room and every elimination costs more than there is to spare."""
    scale = UninasScale(widths=(32,) * 4, depths=(1,) * 4, stem=(8, 8))
    start = "[conv3 conv_exp4 gelu conv_red4 / conv1] | R | [conv3 / conv1] | [conv3 / conv1]"
    costs = design_costs(read_design(start, scale.widths), scale, SMALL_TASK)
    bounds = Bounds(costs.params, costs.params, costs.flops, costs.flops)
    for semantics in ("paper", "toolkit"):
        choice = WalkSettings(semantics=semantics, max_nodes=1)  # type: ignore[arg-type]
        walk = small(start.replace(" R ", " [conv3 / conv3] "), scale, settings=choice)
        before = write_design(walk.design()), walk.params, walk.flops, list(walk.flops_of)
        walk.bounds = Bounds(walk.params, walk.params, walk.flops, walk.flops)
        assert bounds.allows(costs)
        assert [walk.step() for _ in range(50)] == [None] * 50
        assert (write_design(walk.design()), walk.params, walk.flops, walk.flops_of) == before


# --- the paper's probabilities ---------------------------------------------------------------------

LEVEL = 1e-3
FLAT = UninasScale(widths=(32,) * 4, depths=(2, 3, 5, 2), stem=(8, 8))
BLOCKS = 12


def uniformly(block: str, scale: UninasScale = FLAT) -> str:
    return " | ".join(", ".join([block] * depth) for depth in scale.depths)


def fits(counts: Iterable[int], weights: Sequence[float]) -> bool:
    """Whether a chi-square test finds nothing against these proportions."""
    observed = list(counts)
    expected = [sum(observed) * weight / sum(weights) for weight in weights]
    assert min(expected) > 5
    return bool(chisquare(observed, expected).pvalue > LEVEL)


def test_the_chi_square_test_would_find_a_stage_drawn_first() -> None:
    weights = [1 / 8] * 2 + [1 / 12] * 3 + [1 / 20] * 5 + [1 / 8] * 2
    assert not fits([round(2400 * weight) for weight in weights], [1.0] * BLOCKS)


@pytest.mark.parametrize(
    ("semantics", "weights"),
    [
        ("paper", [1.0] * 12),
        ("toolkit", [1 / 8] * 2 + [1 / 12] * 3 + [1 / 20] * 5 + [1 / 8] * 2),
    ],
)
def test_every_block_has_its_probability(semantics: Semantics, weights: list[float]) -> None:
    """Paper: uniform over the graphs. Toolkit: a stage, then one of its blocks (specification 3.1)."""
    counts: Counter[int] = Counter()
    for seed in range(1500):
        choice = WalkSettings(p_eliminate=1.0, semantics=semantics, n_try=1)
        made = small(uniformly("[gelu / gelu]"), FLAT, settings=choice, seed=seed).step()
        assert made is not None
        counts[made.block] += 1
    assert fits([counts[number] for number in range(BLOCKS)], weights)


ONE = UninasScale(widths=(32,) * 4, depths=(1,) * 4, stem=(8, 8))
BRANCHED = "conv3 copy2 ; gelu ; add2"


def test_additions_come_after_a_uniform_node_on_a_uniform_output(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nodes of both subblocks and the two inputs; where the node has two outputs, one of the two."""
    monkeypatch.setattr("uninas_bench.spaces.uninas.walk.PAPER", ("sigmoid",))
    counts: Counter[tuple[int, int, int]] = Counter()
    for seed in range(2400):
        choice = WalkSettings(p_eliminate=0.0, n_try=1)
        walk = small(f"[{BRANCHED} / -] | [- / -] | [- / -] | [- / -]", ONE, settings=choice, seed=seed)
        made = walk.step()
        assert made is not None
        if made.block == 0:
            for half, graph in enumerate(walk.design().stages[0][0]):
                sources = [node.sources[0] for node in graph.nodes if str(node.operation) == "sigmoid"]
                counts.update((half, *_origin(graph, source)) for source in sources)
    nodes = [(0, 0, 0), (0, 1, 0), (0, 3, 0), (0, 4, 0), (1, 0, 0)]
    outputs = [(0, 2, 0), (0, 2, 1)]
    assert set(counts) == {*nodes, *outputs}
    assert fits([*(counts[node] for node in nodes), counts[outputs[0]] + counts[outputs[1]]], [1] * 6)
    assert fits([counts[output] for output in outputs], [1, 1])


def _origin(graph: Graph, source: tuple[int, int]) -> tuple[int, int]:
    """The number that a port's node has without the sigmoid that was added: of conv3, copy2, gelu, add2."""
    names = ["input", "conv3", "copy2", "gelu", "add2"]
    node, port = source
    return (names.index(str(graph.operation(node))) if node else 0), port


def test_operations_are_uniform() -> None:
    """At 16 x 16 and 32 channels all of Table I's are legal but chunk3."""
    counts: Counter[str] = Counter()
    for seed in range(4000):
        choice = WalkSettings(p_eliminate=0.0, n_try=1)
        made = small("[- / -] | [- / -] | [- / -] | [- / -]", ONE, settings=choice, seed=seed).step()
        if made is not None and made.block == 0:
            counts[made.operation] += 1
    assert set(counts) == set(PAPER) - {"chunk3"}
    assert fits(counts.values(), [1] * 20)


NESTED = "conv3 copy2 ; gelu ; add2 conv_exp4 gelu conv_red4"
WITHOUT = {
    "copy2 ; gelu ; add2 conv_exp4 gelu conv_red4": 1,
    "conv3 copy2 ; ; add2 conv_exp4 gelu conv_red4": 1,
    "conv3 conv_exp4 gelu conv_red4": 2,
    "conv3 copy2 ; gelu ; add2": 2,
    "conv3 copy2 ; gelu ; add2 conv_exp4 conv_red4": 1,
}
"""All that one elimination can leave of `NESTED`, and of how many nodes the part that goes is made."""


@pytest.mark.parametrize("coupled", ["once", "each"])
def test_an_elimination_takes_a_node_with_what_is_coupled_to_it(coupled: str) -> None:
    counts: Counter[str] = Counter()
    for seed in range(1200):
        choice = WalkSettings(p_eliminate=1.0, n_try=1, coupled=coupled)  # type: ignore[arg-type]
        walk = small(f"[{NESTED} / -] | [- / -] | [- / -] | [- / -]", ONE, settings=choice, seed=seed)
        if walk.step() is not None:
            block = walk.design().stages[0][0]
            assert not len(block.second)
            counts[write_block(block).removeprefix("[").removesuffix(" / -]")] += 1
    assert set(counts) == set(WITHOUT)
    weights = [1.0 if coupled == "once" else float(n) for n in WITHOUT.values()]
    assert fits([counts[text] for text in WITHOUT], weights)


def test_an_attention_goes_as_a_whole() -> None:
    walk = small("[- / -] | T3 | [- / -] | [- / -]", UninasScale(widths=(32, 96, 32, 32), depths=(1,) * 4),
                 settings=WalkSettings(p_eliminate=1.0))  # fmt: skip
    left = set()
    while (made := walk.step()) is not None:
        left.add(write_block(walk.design().stages[1][0]).split(" / ")[0])
        assert made.block == 1
    assert any("matmul1 matmul2" in text.replace("; ", "") or "matmul" in text for text in left)
    for text in left:
        kinds = Counter(token.rstrip("0123456789x") for token in text.strip("[]").split())
        assert bool(kinds["conv_chunk"]) == bool(kinds["concat"]), "half an attention was left"


# --- the toolkit's quirks --------------------------------------------------------------------------


def test_toolkit_adds_uniformly_among_what_fits() -> None:
    """Twenty candidates; chunk2 costs nothing, so it is no success, and 32 channels have no attention."""
    counts: Counter[str] = Counter()
    for seed in range(4000):
        choice = WalkSettings(semantics="toolkit", p_eliminate=0.0, n_try=1)
        made = small("[- / -] | [- / -] | [- / -] | [- / -]", ONE, settings=choice, seed=seed).step()
        if made is not None and made.block == 0:
            counts[made.operation] += 1
    assert set(counts) == set(TOOLKIT) - {"chunk2", "attention"}
    assert fits(counts.values(), [1] * 18)


def test_toolkit_keeps_moves_without_cost_only_where_a_later_attempt_succeeds() -> None:
    """Nothing but chunk2 has room, so a step succeeds by an elimination or not at all (specification 3.6)."""
    start = "[conv3 / conv3] | [conv3 / conv3] | [conv3 / conv3] | [conv3 / conv3]"
    costs = design_costs(read_design(start, ONE.widths), ONE, SMALL_TASK)
    kept: Counter[tuple[bool, bool]] = Counter()
    for seed in range(300):
        choice = WalkSettings(semantics="toolkit", p_eliminate=0.2)
        walk = small(start, ONE, settings=choice, seed=seed,
                     bounds=Bounds(None, costs.params, None, costs.flops))  # fmt: skip
        made = walk.step()
        text = write_design(walk.design())
        kept[made is not None, "chunk2" in text] += 1
        if made is None:
            assert text == write_design(read_design(start, ONE.widths))
        else:
            assert made.kind == "eliminate"
            assert "conv3" in made.operation
    assert set(kept) == {(False, False), (True, False), (True, True)}


def test_toolkit_tries_five_times_and_the_paper_as_often_as_asked() -> None:
    assert WalkSettings(semantics="toolkit").attempts == 5
    assert WalkSettings(n_try=7).attempts == 7
    assert WalkSettings(semantics="toolkit").node_limit == float("inf")
    with pytest.raises(UserError, match="expected a probability"):
        WalkSettings(p_eliminate=1.5)
    with pytest.raises(UserError, match="expected at least 1 attempt"):
        WalkSettings(n_try=0)


# --- the options -----------------------------------------------------------------------------------


def dead(design: Design, scale: UninasScale, resolution: int) -> list[tuple[int, ...]]:
    found = [dead_nodes(g, p.channels, p.size) for p in places(design, scale, resolution) for g in p.block]
    return [numbers for numbers in found if numbers]


def test_a_live_walk_has_no_dead_work_and_another_one_has() -> None:
    counts = {}
    for live in (True, False):
        walk = coatnet(settings=WalkSettings(live=live), seed=2)
        counts[live] = 0
        for step in range(1500):
            walk.step()
            if step % 50 == 0 or step == 1499:
                counts[live] += len(dead(walk.design(), PAPER_SCALE, 224))
    assert counts[True] == 0
    assert counts[False] > 0


def test_bias_of_a_live_anywhere_walk_is_legal_at_other_resolutions() -> None:
    walk = coatnet(settings=WalkSettings(anywhere=True), seed=4)
    for step in range(3000):
        walk.step()
        if step % 300 == 0:
            for resolution in (32, 64, 97, 224):
                check_design(walk.design(), PAPER_SCALE, resolution)


@pytest.mark.slow
def test_attention_does_not_die_out() -> None:
    """Coupled nodes that count once are what keeps it: along 500,000 steps, 99 % of networks have some."""
    heads = KINDS.index("matmul1")
    walk = coatnet(seed=0)
    without = 0
    for step in range(60_000):
        walk.step()
        without += step >= 30_000 and walk.flops_of[heads] == 0
    assert without < 0.05 * 30_000


def test_a_network_that_is_none_is_refused() -> None:
    with pytest.raises(InvalidArchitecture, match="blocks in the stages"):
        Walk(Design((), None), PAPER_SCALE, IMAGENET)
    assert len(read_graph("-")) == 0


def test_no_attention_is_added_whose_map_needs_gigabytes() -> None:
    whole, inside = TensorType(96), TensorType(1, "t")
    assert addition("attention", whole, (56, 56), "exact", toolkit=False, anywhere=False) is not None
    assert addition("attention", whole, (112, 112), "exact", toolkit=False, anywhere=False) is None
    assert addition("attention", inside, (14, 14), "exact", toolkit=False, anywhere=False) is None
    assert addition("attention", inside, (7, 7), "exact", toolkit=False, anywhere=False) is not None
