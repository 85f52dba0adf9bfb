"""Plans: what is drawn, measured, fitted and chosen, and that nothing is measured twice."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.plugins.micro_probes.world import (
    SPACE,
    Pupil,
    at_scale,
    quick_bench,
    real_bench,
    seconds_of,
)
from tests.toy import architectures, table
from uninas_bench import Architecture, Proxy, UserError
from uninas_bench_plugins._micro_probes.budget.ablation import BOTH, DATA, EPOCHS, ablate, spending_of
from uninas_bench_plugins._micro_probes.budget.bench import Bench, Measured
from uninas_bench_plugins._micro_probes.budget.choosing import Anchor, choose, respond
from uninas_bench_plugins._micro_probes.budget.optimum import Box
from uninas_bench_plugins._micro_probes.budget.plan_figure import save_plan_figure
from uninas_bench_plugins._micro_probes.budget.plan_file import read_plan, write_plan
from uninas_bench_plugins._micro_probes.budget.plan_text import plan_lines
from uninas_bench_plugins._micro_probes.budget.planning import (
    BudgetPlan,
    PlanSettings,
    anchor_grid,
    draw_pilots,
    plan,
    plan_each,
)
from uninas_bench_plugins._micro_probes.budget.quality import against_accuracies, against_largest

BOX = Box(64, 1024, 1, 16)
TRUTH = table(architectures(200))


@pytest.fixture(scope="module")
def made() -> BudgetPlan:
    return plan(quick_bench(), 3.0, PlanSettings(pilots=60), TRUTH)


def anchors_of(response: object, **changes: float) -> list[Anchor]:
    """The grid with responses of a function, and exact seconds."""
    assert callable(response)
    return [
        Anchor(data, epochs, 0, response(data, epochs), seconds_of(data, epochs))
        for data, epochs in anchor_grid(BOX, 32)
    ]


def test_anchors_go_from_end_to_end_the_cheapest_first() -> None:
    grid = anchor_grid(BOX, 32)
    assert {data for data, _ in grid} == {64, 256, 1024}
    assert {epochs for _, epochs in grid} == {1, 4, 16}
    assert len(grid) == 9
    costs = [data * epochs for data, epochs in grid]
    assert costs == sorted(costs)
    assert {data for data, _ in anchor_grid(Box(32, 256, 1, 8), 32)} == {32, 96, 256}
    with pytest.raises(UserError, match=r"^epochs 2\.\.3: too narrow"):
        anchor_grid(Box(64, 1024, 2, 3), 32)


def test_a_plan_spends_its_budget_on_what_ranks_best(made: BudgetPlan) -> None:
    """In this world the product counts: the noise fades with data times epochs, and so does the money."""
    chosen = made.chosen
    assert chosen.seconds == pytest.approx(seconds_of(chosen.data, chosen.epochs), rel=1e-6)
    assert 2.0 < chosen.seconds <= 3.0
    assert chosen.data % 32 == 0
    assert made.response.calibration.error < 1e-9
    taus = {(a.data, a.epochs): a.response for a in made.response.anchors if a.seed == 0}
    assert taus[64, 1] < taus[256, 4] < taus[1024, 16]
    assert len(made.response.anchors) == 18
    assert made.reference == "accuracies of toy"


def test_more_money_ranks_better_and_is_never_overspent(made: BudgetPlan) -> None:
    responses = []
    for budget in (0.8, 1.5, 3, 6, 12, 40):
        chosen = choose(made.response, budget)
        assert seconds_of(chosen.data, chosen.epochs) <= budget * (1 + 1e-6)
        responses.append(chosen.response)
    assert responses == sorted(responses)
    with pytest.raises(UserError, match=r"budget 0\.5 s.*at least 0\.692 s"):
        choose(made.response, 0.5)


def test_a_surface_is_followed_between_the_anchors() -> None:
    found = respond(
        anchors_of(lambda d, e: 0.6 - ((d - 600) / 1000) ** 2 - ((e - 6) / 20) ** 2), cost="product", batch=32
    )
    chosen = choose(found, 100.0)
    assert (chosen.data, chosen.epochs) == (608, 6)
    assert chosen.optimum.kind == "interior"
    assert chosen.optimum.data == pytest.approx(600, rel=1e-6)
    assert not chosen.distrust
    assert not chosen.remarks


def test_without_a_surface_the_best_anchor_in_reach_is_taken() -> None:
    def response(data: int, epochs: int) -> float:
        return 1.0 if (data, epochs) != (256, 4) else 0.0

    anchors = anchors_of(response)
    anchors[0] = Anchor(64, 1, 0, 1.5, anchors[0].seconds)
    found = respond(anchors, cost="product", batch=32)
    chosen = choose(found, 3.0)
    assert chosen.distrust
    assert (chosen.data, chosen.epochs, chosen.response) == (64, 1, 1.5)


def test_a_saddle_and_missing_anchors_are_remarked() -> None:
    anchors = anchors_of(lambda d, e: d * e / 20000 + 0.1)
    anchors.append(Anchor(64, 1, 1, None, 0.7))
    chosen = choose(respond(anchors, cost="product", batch=32), 10.0)
    assert any("no maximum of its own" in remark for remark in chosen.remarks)
    assert any("1 of 10 anchors have no response" in remark for remark in chosen.remarks)
    additive = choose(respond(anchors, cost="additive", batch=32), 10.0)
    assert any("additive cost is off" in remark for remark in additive.remarks)
    with pytest.raises(UserError, match="no anchor ranked anything"):
        respond([Anchor(64, 1, 0, None, 1.0)], cost="product", batch=32)


def frame(values: dict[str, list[float]]) -> pd.DataFrame:
    return pd.DataFrame(values, index=pd.Index(list("abcd"), name="architecture"))


class Plain(Pupil):
    def aggregate(self, components: pd.DataFrame) -> pd.Series[float]:
        return components["good"]


def measured(data: int, seed: int, *good: float) -> Measured:
    return Measured(data, 1, seed, frame({"good": list(good)}), pd.Series(1.0, index=list("abcd")))


def test_tau_with_accuracies_counts_what_failed_as_last() -> None:
    bench = Bench(space=SPACE, task="cifar10", proxy=Plain())
    truth = pd.Series([3.0, 1.0, 2.0, 4.0, 9.0], index=list("cabde"))
    entries = [
        measured(64, 0, 1, 2, 3, 4),
        measured(64, 0, np.nan, 2, 3, 4),
        measured(64, 0, 1, 2, np.nan, 4),
    ]
    assert against_accuracies(bench, entries, truth) == pytest.approx([1, 1, 2 / 6])
    assert against_accuracies(bench, [measured(64, 0, 1, 1, 1, 1)], truth) == [None]


def test_without_accuracies_no_seed_is_its_own_yardstick() -> None:
    bench = Bench(space=SPACE, task="cifar10", proxy=Plain())
    zero = [measured(64, 0, 1, 2, 4, 3), measured(256, 0, 1, 2, 3, 4)]
    one = [measured(64, 1, 1, 2, 3, 4), measured(256, 1, 4, 3, 2, 1)]
    # Seed 0 is held against seed 1's largest, which is upside down, and the other way round.
    assert against_largest(bench, zero + one) == pytest.approx([-4 / 6, -1, 1, -1])
    alone = against_largest(bench, zero)
    assert alone == [pytest.approx(4 / 6), None]
    # Of several others the mean is taken.
    two = [measured(256, 2, 0, 9, 0, 0)]
    assert against_largest(bench, [*one, *two])[0] == pytest.approx(against_largest(bench, [*one, *two])[0])


def test_pilots_are_drawn_from_the_table_and_never_twice() -> None:
    first = draw_pilots(SPACE, 20, 0, TRUTH)
    known = set(TRUTH.accuracies().index)
    assert len({pilot.encoding for pilot in first}) == 20
    assert {pilot.encoding for pilot in first} <= known
    assert first == draw_pilots(SPACE, 20, 0, TRUTH) != draw_pilots(SPACE, 20, 1, TRUTH)
    assert first == draw_pilots(SPACE, 50, 0, TRUTH)[:20]
    others = draw_pilots(SPACE, 500, 0, TRUTH, skip=[pilot.encoding for pilot in first])
    assert len(others) == 180
    assert not {pilot.encoding for pilot in others} & {pilot.encoding for pilot in first}
    free = draw_pilots(SPACE, 20, 0, None)
    assert len(set(free)) == 20
    with pytest.raises(UserError, match=r"ground truth toy is of nasbench201 \[channels=16,cells=5\]"):
        draw_pilots(SPACE, 20, 0, at_scale(TRUTH, "channels=16,cells=5"))


def test_a_plan_without_accuracies() -> None:
    found = plan(quick_bench(), 3.0, PlanSettings(pilots=30))
    assert found.reference == "scores at data 1024 and epochs 16"
    assert all(anchor.response is not None for anchor in found.response.anchors)
    single = plan(quick_bench(), 3.0, PlanSettings(pilots=30, repeats=1))
    assert [anchor.response is None for anchor in single.response.anchors] == [False] * 8 + [True]


def test_each_candidate_alone_is_standardised_over_its_anchors() -> None:
    plans = plan_each(quick_bench(), 3.0, PlanSettings(pilots=5), TRUTH)
    assert len(plans) == 5
    for entry in plans:
        responses = [anchor.response for anchor in entry.response.anchors]
        assert len(responses) == 18
        # The sum of two standardised columns.
        assert np.mean(responses) == pytest.approx(0, abs=1e-9)
        assert entry.chosen.seconds <= 3.0
    assert len({anchor.response for entry in plans for anchor in entry.response.anchors}) == 90


def test_the_file_gives_the_plan_back(made: BudgetPlan, tmp_path: Path) -> None:
    path = tmp_path / "deep" / "plan.json"
    write_plan(made, path)
    assert read_plan(path) == made
    assert [entry.name for entry in path.parent.iterdir()] == ["plan.json"]
    # What is read can be asked about another budget.
    assert choose(read_plan(path).response, 6.0) == choose(made.response, 6.0)
    content = json.loads(path.read_text())
    for spoil, message in (
        ({"format": "other"}, "expected a file of format"),
        ({"pilots": "none"}, "pilots: input should be"),
        ({"response": {}}, r"response\.anchors: field required"),
    ):
        path.write_text(json.dumps({**content, **spoil}))
        with pytest.raises(UserError, match=message) as refused:
            read_plan(path)
        assert "\n" not in str(refused.value)
    path.write_text("{")
    with pytest.raises(UserError, match="not JSON"):
        read_plan(path)
    with pytest.raises(UserError, match="No such file"):
        read_plan(tmp_path / "absent.json")


def test_the_figure_is_drawn_the_same_twice(made: BudgetPlan, tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        save_plan_figure(made, tmp_path / name, dpi=40)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_the_text_has_every_anchor_and_the_choice(made: BudgetPlan) -> None:
    text = "\n".join(plan_lines(made))
    for anchor in made.response.anchors:
        assert f"{anchor.response:.3f}" in text
    assert f"for 3 s each: data {made.chosen.data}, epochs {made.chosen.epochs}" in text


def test_the_ablation_compares_at_the_same_cost(made: BudgetPlan) -> None:
    spent = spending_of(made.response, 256, 4)
    assert [name for name, _, _ in spent] == [BOTH, DATA, EPOCHS]
    (_, data, one), (_, least, epochs) = spent[1:]
    assert (one, least) == (1, 64)
    money = seconds_of(256, 4)
    assert seconds_of(data, 1) <= money < seconds_of(data + 32, 1)
    assert seconds_of(64, epochs) <= money < seconds_of(64, epochs + 1)
    found = ablate(quick_bench(), made, TRUTH, architectures=80, seeds=2, resamples=200)
    assert (found.architectures, found.seeds) == (80, 2)
    for arm in found.arms:
        assert arm.low < arm.tau < arm.high
        assert arm.seconds == pytest.approx(seconds_of(arm.data, arm.epochs)) == pytest.approx(arm.expected)
        assert arm.worse == pytest.approx(found.arms[0].tau - arm.tau)
        assert arm.worse_low <= arm.worse <= arm.worse_high
    assert found.arms[0].worse_low == found.arms[0].worse_high == 0


def test_what_cannot_be_planned_is_refused() -> None:
    with pytest.raises(UserError, match=r"^pilots=2: expected at least 3"):
        PlanSettings(pilots=2)
    with pytest.raises(UserError, match=r"cost=additive: .*--set pupil\.steps_per_epoch=8"):
        plan(quick_bench(), 3.0, PlanSettings(cost="additive"))
    with pytest.raises(UserError, match='nwot has no setting "data"'):
        Bench(space=SPACE, task="cifar10", proxy=named("nwot"))


def named(name: str) -> Proxy:
    import uninas_bench as ub

    return ub.proxy(name)


def test_nothing_is_measured_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Interrupted in the middle, and asked again with another budget: every score is computed once."""
    log = tmp_path / "log"
    monkeypatch.setenv("PUPIL_LOG", str(log))
    settings, truth = PlanSettings(pilots=4, repeats=1), table(architectures(20))
    left = [13]

    def interrupt(_event: object) -> None:
        left[0] -= 1
        if not left[0]:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        plan(real_bench(tmp_path / "scores.db", progress=interrupt), 60.0, settings, truth)
    assert len(log.read_text().splitlines()) == 13
    whole = plan(real_bench(tmp_path / "scores.db"), 60.0, settings, truth)
    assert len(log.read_text().splitlines()) == 36
    again = plan(real_bench(tmp_path / "scores.db"), 60.0, settings, truth)
    assert len(log.read_text().splitlines()) == 36
    assert again == whole
    alone = plan(real_bench(tmp_path / "other.db"), 60.0, settings, truth)
    taus = [anchor.response for anchor in alone.response.anchors]
    assert taus == [anchor.response for anchor in whole.response.anchors]


def test_a_budget_below_the_cheapest_anchor_is_refused_after_that_anchor() -> None:
    said: list[str] = []
    bench = quick_bench(announce=lambda text, _count: said.append(text))
    with pytest.raises(UserError, match=r"^budget 0\.6 s: .*data 64 and epochs 1, took 0\.692 s"):
        plan(bench, 0.6, PlanSettings(pilots=3), TRUTH)
    assert len(said) == 1


def test_the_time_that_is_left_is_foretold() -> None:
    said: list[str] = []
    bench = quick_bench(announce=lambda text, _count: said.append(text))
    plan(bench, 3.0, PlanSettings(pilots=3, repeats=1), TRUTH)
    assert said[0] == "anchor 1/9 (data 64, epochs 1, seed 0)"
    # Data and epochs both have to differ before the cost is known; here it is exact.
    left = 3 * sum(seconds_of(data, epochs) for data, epochs in anchor_grid(BOX, 32)[7:])
    assert (
        said[7]
        == f"anchor 8/9 (data 1,024, epochs 4, seed 0), about {left / 60:.3g} min for all that are left"
    )


def test_what_is_scored_is_announced(tmp_path: Path) -> None:
    said: list[tuple[str, int]] = []
    bench = real_bench(tmp_path / "scores.db", announce=lambda text, count: said.append((text, count)))
    found = bench.measure(
        [Architecture(SPACE.name, SPACE.sample(1, np.random.default_rng(0))[0].encoding)], 64, 1, 5
    )
    assert said == [("data 64, epochs 1, seed 5", 1)]
    assert list(found.components.columns) == ["good", "bad"]
    assert found.seconds.iloc[0] > 0
