"""A board whose answer is known by construction."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pandas as pd
import pytest

import uninas_bench as ub
from tests import toy
from uninas_bench import correlation
from uninas_bench.errors import UserError
from uninas_bench.ground_truth.table import GroundTruth, GroundTruthInfo
from uninas_bench.leaderboard import build
from uninas_bench.ranking import COLUMNS
from uninas_bench.store import open_store

TABLE = toy.table()
POINTS = toy.architectures()
SHARED = []


@pytest.fixture(scope="module", autouse=True)
def _shared_store():
    """One store in memory for the module: what a test has scored, the next one reads."""
    with open_store(None) as store:
        SHARED.append(store)
        yield
        SHARED.clear()


def board(*proxies, table=TABLE, store=None, **options):
    options.setdefault("resamples", 50)
    return build(ground_truth=table, proxies=proxies, store=store or SHARED[0], **options)


def row(frame, proxy):
    return frame.set_index("proxy").loc[proxy]


def test_a_perfect_proxy_has_tau_one_and_no_regret():
    frame = board(toy.perfect, toy.opposite)
    best, worst = row(frame, "perfect"), row(frame, "opposite")
    assert list(frame.columns) == list(COLUMNS)
    assert frame["proxy"].iloc[0] == "perfect"
    assert frame["proxy"].iloc[-1] == "opposite"
    for name in ("tau", "tau_low", "tau_high", "rho", "rho_low", "rho_high", "weighted_tau", "ndcg"):
        assert best[name] == pytest.approx(1.0)
    assert best["regret"] == 0.0
    assert best["pearson"] == pytest.approx(1.0)
    assert worst["tau"] == pytest.approx(-1.0)
    assert worst["regret"] > 10
    assert best["failed"] == 0
    assert best["version"] == 3
    assert best["settings"] == "batch=64,source=gaussian,init=kaiming"
    assert best["seconds"] >= 0
    assert math.isnan(best["passes"])


def test_params_and_flops_are_always_rows_and_equal_scipys_tau():
    frame = board(toy.perfect)
    assert set(frame["proxy"]) == {"perfect", "params", "flops"}
    assert set(frame[frame["baseline"]]["proxy"]) == {"params", "flops"}
    truth = [toy.truth_of(point) for point in POINTS]
    costs = [toy.SPACE.costs(point, ub.Task("cifar10", "cifar10", 32, 10)) for point in POINTS]
    for name in ("params", "flops"):
        column = [getattr(cost, name) for cost in costs]
        assert row(frame, name)["tau"] == pytest.approx(correlation.kendall(column, truth))
        assert row(frame, name)["ndcg"] == pytest.approx(correlation.ndcg(column, truth, 10))
    assert math.isnan(row(frame, "params")["tau_given_params"])
    # In this space parameters order the cells as FLOPs do: nothing remains when one is held.
    assert math.isnan(row(frame, "params")["tau_given_flops"])


def test_what_remains_given_parameters_is_the_partial_tau():
    @ub.simple_proxy("skips", version=1)
    def skips(subject):
        return subject.architecture.encoding.count("skip_connect")

    truth = [toy.truth_of(point) for point in POINTS]
    params = [toy.SPACE.costs(point, ub.Task("cifar10", "cifar10", 32, 10)).params for point in POINTS]
    count = [point.encoding.count("skip_connect") for point in POINTS]
    expected = correlation.partial_tau(count, truth, params)
    assert abs(expected) > 0.01
    assert row(board(skips), "skips")["tau_given_params"] == pytest.approx(expected)


def test_params_and_flops_are_rows_without_their_plugin(monkeypatch, fresh_host):
    expected = board(toy.perfect)
    monkeypatch.setenv("UNINAS_BENCH_DISABLE_PLUGINS", "costs")
    ub.host.default_host.cache_clear()
    frame = board(toy.perfect)
    assert frame["proxy"].tolist() == expected["proxy"].tolist()
    assert frame["tau"].tolist() == expected["tau"].tolist()


def test_failed_architectures_rank_last_or_are_left_out():
    without = [point for point in POINTS if "none" not in point.encoding]
    assert 5 < len(without) < len(POINTS)
    last, excluded = board(toy.fussy), board(toy.fussy, failed="exclude")
    for frame in (last, excluded):
        assert row(frame, "fussy")["failed"] == len(POINTS) - len(without)
        assert frame.attrs["failures"]["fussy"] == {"not-applicable: has a none": len(POINTS) - len(without)}
    scores = [toy.truth_of(point) if point in without else -1.0 for point in POINTS]
    truth = [toy.truth_of(point) for point in POINTS]
    assert row(last, "fussy")["tau"] == pytest.approx(correlation.kendall(scores, truth))
    assert row(last, "fussy")["n"] == len(POINTS)
    assert row(excluded, "fussy")["tau"] == pytest.approx(1.0)
    assert row(excluded, "fussy")["n"] == len(without)


def test_leaving_failures_out_does_not_hide_what_was_missed():
    @ub.simple_proxy("blind", version=1)
    def blind(subject):
        if toy.truth_of(subject.architecture) > 60:
            raise ub.NotApplicable("too good")
        return toy.truth_of(subject.architecture)

    found = row(board(blind, failed="exclude"), "blind")
    truth = np.array([toy.truth_of(point) for point in POINTS])
    assert found["regret"] == pytest.approx(truth.max() - truth[truth <= 60].max(), abs=1e-4)


def test_requires_reach_aggregate_and_cost():
    frame = board(toy.Pair(), toy.Rank(), toy.perfect)
    for name in ("pair", "rank"):
        assert row(frame, name)["tau"] == pytest.approx(1.0)
    seconds = frame.set_index("proxy")["seconds"]
    assert seconds["rank"] == pytest.approx(seconds["perfect"])
    assert seconds["pair"] > seconds["perfect"]


def test_a_fault_in_aggregate_fails_that_proxy_alone():
    class Faulty(toy.Pair):
        name = "faulty"

        def aggregate(self, components):
            raise ZeroDivisionError("of course")

    frame = board(Faulty(), toy.perfect)
    assert row(frame, "faulty")["failed"] == len(POINTS)
    assert math.isnan(row(frame, "faulty")["tau"])
    assert frame["proxy"].iloc[-1] == "faulty"
    assert frame.attrs["failures"]["faulty"] == {"aggregate: ZeroDivisionError: of course": len(POINTS)}
    assert row(frame, "perfect")["tau"] == pytest.approx(1.0)


def test_infinite_aggregates_are_failures():
    class Infinite(toy.Rank):
        name = "infinite"

        def aggregate(self, components):
            ranks = super().aggregate(components)
            return ranks.where(ranks > 3, -math.inf).where(ranks < 60, math.inf)

    assert row(board(Infinite(), toy.perfect), "infinite")["failed"] == 4


def test_the_order_of_the_table_does_not_matter():
    shuffled = [POINTS[i] for i in np.random.default_rng(3).permutation(len(POINTS))]
    first = board(toy.fussy, toy.opposite, intervals="asymptotic")
    second = board(
        toy.fussy, toy.opposite, intervals="asymptotic", table=TABLE.subset(p.encoding for p in shuffled)
    )
    columns = [name for name in COLUMNS if name not in ("seconds", "passes")]
    pd.testing.assert_frame_equal(first[columns], second[columns], check_exact=False, rtol=1e-9)


def test_paired_p_belongs_to_neighbours():
    frame = board(toy.perfect, toy.opposite, resamples=200)
    assert math.isnan(frame["p_next"].iloc[-1])
    assert frame["p_next"].iloc[0] < 0.05
    assert frame["p_next"].iloc[:-1].between(0, 1).all()


def test_a_sample_is_seeded_uniform_and_of_the_table():
    frames = [board(toy.perfect, sample=20, seed=seed) for seed in (0, 0, 1)]
    assert [frame.attrs["n"] for frame in frames] == [20, 20, 20]
    params = [row(frame, "params")["tau"] for frame in frames]
    assert params[0] == params[1] != params[2]
    assert frames[0].attrs["sample"] == 20
    with pytest.raises(UserError, match="sample=61: expected 2 to 60, what ground truth toy leaves"):
        board(toy.perfect, sample=61)


def test_dedup_keeps_the_first_of_each_class():
    # Convolution on 0->3 alone: whatever stands between nodes that reach nothing, the function is the same.
    twins = [
        toy.SPACE.assemble(["none", "none", inner, "nor_conv_3x3", "none", "none"])
        for inner in ("none", "nor_conv_1x1")
    ]
    assert toy.SPACE.canonical(twins[0]) == toy.SPACE.canonical(twins[1])
    rest = [point for point in POINTS if toy.SPACE.canonical(point) != toy.SPACE.canonical(twins[0])]
    table = toy.table([*twins, *rest])
    classes = {toy.SPACE.canonical(point) for point in [*twins, *rest]}
    assert board(toy.perfect, table=table).attrs["n"] == len(rest) + 2
    assert board(toy.perfect, table=table, dedup="isomorphic").attrs["n"] == len(classes)


def test_chance_level_can_be_left_out():
    rows = TABLE.rows
    dead = rows["architecture"].isin(sorted(rows["architecture"].unique())[:7])
    rows.loc[dead, "accuracy"] = 10.0
    table = GroundTruth(TABLE.info, rows)
    assert board(toy.perfect, table=table).attrs["n"] == 60
    assert board(toy.perfect, table=table, chance="exclude").attrs["n"] == 53


def test_attributes_name_what_the_numbers_rest_on():
    seen = []
    frame = board(toy.perfect, seed=4, announce=seen.append)
    attrs = frame.attrs
    assert (attrs["space"], attrs["scale"], attrs["task"]) == ("nasbench201", "channels=8,cells=1", "cifar10")
    assert attrs["ground_truth"]["name"] == "toy"
    assert attrs["ground_truth"]["seeds"] == 3
    assert attrs["ground_truth"]["architectures"] == 60
    assert attrs["noise_ceiling"]["seeds"] == 3
    assert attrs["noise_ceiling"]["corrected"] == pytest.approx(1.0, abs=0.01)
    assert attrs["seed"] == 4
    assert attrs["intervals"] == {"method": "bootstrap", "level": 0.95, "resamples": 50}
    assert attrs["versions"]["uninas-bench"] == ub.__version__
    assert attrs["cells"] == 3 * 60
    assert seen[0]["n"] == 60
    assert seen[0]["space"] == "nasbench201"


def test_the_second_board_comes_from_the_store(tmp_path):
    counted = []
    first = board(toy.perfect, store=tmp_path / "scores.db", progress=counted.append)
    assert len(counted) == 3 * 60
    second = board(toy.perfect, store=tmp_path / "scores.db", progress=counted.append)
    assert len(counted) == 3 * 60
    pd.testing.assert_frame_equal(first, second)


def test_without_intervals_there_are_none():
    frame = board(toy.perfect, intervals="none")
    assert frame[["tau_low", "tau_high", "rho_low", "rho_high", "p_next"]].isna().all(axis=None)
    assert row(frame, "perfect")["tau"] == pytest.approx(1.0)


def test_settings_reach_their_proxy():
    frame = board(toy.perfect, settings={"perfect": {"batch": 7}})
    assert row(frame, "perfect")["settings"].startswith("batch=7,")
    with pytest.raises(UserError, match="settings of nwot: it is not on this board"):
        board(toy.perfect, settings={"nwot": {"batch": 7}})


def test_a_constant_proxy_is_last_without_a_warning():
    @ub.simple_proxy("constant", version=1)
    def constant(subject):
        return 1.0

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        frame = board(constant, toy.opposite)
    assert frame["proxy"].iloc[-1] == "constant"
    assert math.isnan(row(frame, "constant")["tau"])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"space": "nats_size"}, "ground truth toy is of the space nasbench201, not nats_size"),
        ({"space": ub.space("nasbench201")}, "is at the scale channels=8,cells=1, not channels=16,cells=5"),
        ({"task": "cifar100"}, "ground truth toy is of task cifar10, not cifar100"),
        ({"k": 0}, "k=0: expected at least 1"),
        ({"resamples": 1}, "resamples=1: expected at least 10"),
        ({"sample": -3}, "sample=-3: expected 2 to 60"),
        ({"dedup": "yes"}, 'dedup="yes": expected none, isomorphic'),
        ({"intervals": "boot"}, 'intervals="boot": expected auto, bootstrap, asymptotic, none'),
        ({"failed": "drop"}, 'failed="drop": expected last, exclude'),
    ],
)
def test_mistakes_are_named(options, message):
    with pytest.raises(UserError, match=message):
        board(toy.perfect, **options)


def test_scores_at_another_resolution_are_ranked_by_the_accuracies_of_the_task():
    @ub.simple_proxy("side", version=1, needs={"images"}, batch=2)
    def side(subject):
        assert subject.batch()[0].shape == (2, 3, 16, 16)
        return subject.costs.flops

    frame = board(side, task="cifar10@16", sample=8)
    assert (frame.attrs["task"], frame.attrs["ground_truth"]["task"]) == ("cifar10@16", "cifar10")
    assert row(frame, "side")["failed"] == 0
    assert row(frame, "side")["tau"] == row(frame, "flops")["tau"]


def test_a_task_alone_is_not_enough():
    with pytest.raises(UserError, match="task cifar10: name the space or the ground truth too"):
        build(task="cifar10", store=None)


def test_a_table_with_one_architecture_is_no_board():
    info = GroundTruthInfo("one", "nasbench201", str(toy.SPACE.scale), "cifar10", "", "")
    table = GroundTruth(info, toy.table(POINTS[:1]).rows)
    with pytest.raises(UserError, match="a board needs 2"):
        board(toy.perfect, table=table)


def test_an_encoding_of_another_space_is_named():
    rows = TABLE.rows.replace({"architecture": {POINTS[0].encoding: "8:8:8:8:8"}})
    with pytest.raises(UserError, match='"nasbench201:8:8:8:8:8" is no architecture of this space'):
        board(toy.perfect, table=GroundTruth(TABLE.info, rows))
