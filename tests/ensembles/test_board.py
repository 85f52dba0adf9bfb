"""Ensembles as rows of a board: sums of their members' scores, of which nothing is stored."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

import uninas_bench as ub
from tests import toy
from uninas_bench import correlation
from uninas_bench.leaderboard import build
from uninas_bench.report.sentences import foot_lines, versions_line
from uninas_bench.store import open_store

POINTS = toy.architectures()
TRUTH = [toy.truth_of(point) for point in POINTS]
TASK = ub.Task("cifar10", "cifar10", 32, 10)
FLOPS = [toy.SPACE.costs(point, TASK).flops for point in POINTS]


@ub.simple_proxy("skips", version=2)
def skips(subject):
    return float(subject.architecture.encoding.count("skip_connect"))


@ub.simple_proxy("threes", version=1)
def threes(subject):
    return float(subject.architecture.encoding.count("nor_conv_3x3"))


SKIPS, THREES = (
    [point.encoding.count(name) for point in POINTS] for name in ("skip_connect", "nor_conv_3x3")
)


class Own(ub.Proxy):
    """Two components, and a score of its own making: what an ensemble must take."""

    name = "own"
    components = ("good", "bad")

    def evaluate(self, subject):
        count = float(subject.architecture.encoding.count("nor_conv_3x3"))
        return {"good": count, "bad": -10 * count}

    def aggregate(self, components):
        return components["good"]


@pytest.fixture(scope="module")
def store():
    with open_store(None) as opened:
        yield opened


@pytest.fixture(scope="module")
def board(store):
    def board(*aggregates, proxies=(skips, threes, toy.fussy, toy.opposite), **options):
        options = {"resamples": 10, "table": toy.table(), "store": store, **options}
        return build(
            ground_truth=options.pop("table"), proxies=list(proxies), aggregates=aggregates, **options
        )

    return board


def row(frame, proxy):
    return frame.set_index("proxy").loc[proxy]


def ranks(values):
    return pd.Series(values, dtype="float64").rank().to_numpy()


def z(values):
    return (np.array(values) - np.mean(values)) / np.std(values)


def test_a_row_is_the_sum_of_its_members(board):
    frame = board("rank: skips + threes", "mine = z: 2*threes - 0.5*skips", "log-rank: skips + flops")
    n = len(POINTS)
    expected = {
        "rank: skips + threes": ranks(SKIPS) + ranks(THREES),
        "mine": 2 * z(THREES) - 0.5 * z(SKIPS),
        "log-rank: skips + flops": np.log(ranks(SKIPS) / n) + np.log(ranks(FLOPS) / n),
    }
    for name, scores in expected.items():
        found = row(frame, name)
        # Rounded, since sums that are equal by hand may differ in the last bit.
        assert found["tau"] == pytest.approx(correlation.kendall(scores.round(9), TRUTH))
        assert (found["failed"], found["version"], found["n"]) == (0, 1, n)
        assert not found["baseline"]
        assert found["tau_low"] <= found["tau"] <= found["tau_high"]
    assert row(frame, "mine")["settings"] == "z: 2*threes - 0.5*skips"
    assert row(frame, "mine")["seconds"] == pytest.approx(
        row(frame, "skips")["seconds"] + row(frame, "threes")["seconds"]
    )


def test_members_have_a_row_only_where_they_are_asked_for(board):
    whole = board("rank: skips + threes", proxies=(skips, threes))
    assert set(whole["proxy"]) == {"skips", "threes", "params", "flops", "rank: skips + threes"}
    frame = board("mine = rank: nwot + params", proxies=(skips,), table=toy.table(POINTS[:3]))
    assert set(frame["proxy"]) == {"skips", "params", "flops", "mine"}
    assert frame.attrs["proxies"] == 4
    assert frame.attrs["cells"] == 4 * 3
    account = frame.attrs["aggregates"]["mine"]
    assert account["members"]["nwot"]["version"] == ub.proxy("nwot").version
    assert account["members"]["nwot"]["settings"] == str(ub.proxy("nwot").settings)
    assert f"nwot {ub.proxy('nwot').version}" in versions_line(frame)


def test_settings_reach_a_member_without_a_row(board):
    frame = board(
        "rank: nwot + flops", proxies=(skips,), table=toy.table(POINTS[:3]), settings={"nwot": {"batch": 8}}
    )
    account = frame.attrs["aggregates"]["rank: nwot + flops"]
    assert account["members"]["nwot"]["settings"].startswith("batch=8,")


def test_an_ensemble_takes_scores_not_components(board):
    frame = board("rank: own + skips", proxies=(skips, Own()))
    expected = correlation.kendall(ranks(THREES) + ranks(SKIPS), TRUTH)
    assert row(frame, "rank: own + skips")["tau"] == pytest.approx(expected)


def test_nothing_of_an_ensemble_is_stored(tmp_path):
    options = {"ground_truth": toy.table(), "proxies": [skips, threes], "store": tmp_path / "scores.db"}
    counted = []
    build(**options, resamples=10, progress=counted.append)
    before = len(counted)
    frame = build(**options, resamples=10, progress=counted.append, aggregates=["rank: skips + threes"])
    assert len(counted) == before
    assert frame.attrs["cells"] == before


def test_what_members_share_costs_once(board):
    frame = board("rank: pair + perfect", proxies=(toy.Pair(), toy.perfect))
    assert row(frame, "rank: pair + perfect")["seconds"] == pytest.approx(row(frame, "pair")["seconds"])


def test_failures_of_a_member_follow_the_boards_rule(board):
    failing = np.array(["none" in point.encoding for point in POINTS])
    name = "mine = rank: fussy + skips"
    last, left_out = board(name), board(name, failed="exclude")
    scores = ranks(np.where(failing, -1.0, TRUTH)) + ranks(SKIPS)
    assert row(last, "mine")["tau"] == pytest.approx(correlation.kendall(scores, TRUTH))
    assert row(last, "mine")["failed"] == 0
    assert any(f"failed: fussy on {failing.sum()}, which it ranks last" in line for line in foot_lines(last))
    whole = np.flatnonzero(~failing)
    scores = ranks(np.array(TRUTH)[whole]) + ranks(np.array(SKIPS)[whole])
    assert row(left_out, "mine")["tau"] == pytest.approx(correlation.kendall(scores, np.array(TRUTH)[whole]))
    assert row(left_out, "mine")["failed"] == failing.sum()
    assert row(left_out, "mine")["n"] == len(whole)
    assert left_out.attrs["failures"]["mine"] == {"fussy not-applicable: has a none": failing.sum()}


def test_a_member_that_failed_everywhere_fails_the_ensemble_alone(board):
    @ub.simple_proxy("broken", version=1)
    def broken(subject):
        raise ub.NotApplicable("never")

    frame = board("mine = rank: broken + skips", "tpe: broken + skips", proxies=(broken, skips))
    for name in ("mine", "tpe: broken + skips"):
        assert row(frame, name)["failed"] == len(POINTS)
        assert math.isnan(row(frame, name)["tau"])
        assert frame.attrs["failures"][name] == {"broken not-applicable: never": len(POINTS)}
    assert not math.isnan(row(frame, "skips")["tau"])
    assert foot_lines(frame)


def test_weights_are_found_out_of_sample_and_said(board, monkeypatch):
    monkeypatch.setattr("uninas_bench.ensembles.cross_fitting.TRIALS", 40)
    name = "mine = tpe: threes + opposite + skips"
    frame = board(name, seed=1)
    account = frame.attrs["aggregates"]["mine"]
    assert (account["folds"], account["trials"], account["fitted_on"]) == (5, 40, 48)
    weights = {member: entry["weights"] for member, entry in account["members"].items()}
    assert all(len(found) == 5 and max(map(abs, found)) <= 1 for found in weights.values())
    # The accuracy upside down is the best of the three, once it is turned around.
    assert max(weights["opposite"]) < 0
    assert row(frame, "mine")["tau"] > 0.8
    assert row(frame, "mine")["settings"] == "tpe: threes + opposite + skips (trials=40,folds=5)"
    line = next(line for line in foot_lines(frame) if line.startswith("mine = tpe:"))
    assert "out of sample: each of 5 folds is scored by weights that TPE found on 48 architectures" in line
    pd.testing.assert_frame_equal(board(name, seed=1), frame)


def test_every_board_without_ensembles_is_as_before(board):
    frame = board()
    assert frame.attrs["aggregates"] == {}
    assert set(frame["proxy"]) == {"skips", "threes", "fussy", "opposite", "params", "flops"}


def test_params_and_flops_are_members_without_their_plugin(monkeypatch, fresh_host, board):
    expected = row(board("rank: params + skips"), "rank: params + skips")
    monkeypatch.setenv("UNINAS_BENCH_DISABLE_PLUGINS", "costs")
    ub.host.default_host.cache_clear()
    assert row(board("rank: params + skips"), "rank: params + skips")["tau"] == expected["tau"]


@ub.simple_proxy("constant", version=1)
def constant(subject):
    return 3.0


@pytest.mark.parametrize(
    ("aggregate", "options", "message"),
    [
        ("rank: skip + threes", {}, 'no proxy "skip"'),
        ("rank: vkdwn + threes", {}, 'no proxy "vkdwn"; did you mean "vkdnw"?'),
        ("rnk: skips + threes", {}, 'no kind of aggregate "rnk"; did you mean "rank"?'),
        ("skips = rank: skips + threes", {}, 'aggregate "skips = rank: skips + threes": skips is a proxy'),
        ("nwot = rank: skips + threes", {}, "nwot is a proxy; choose another name"),
        ("rank: constant + skips", {}, "constant is 3 for all 60 architectures: it ranks nothing"),
        ("z: skips - constant", {}, "constant is 3 for all 60 architectures"),
        ("tpe: constant + skips", {}, "constant is 3 for all 60 architectures"),
        (
            "tpe: skips + threes",
            {"sample": 49},
            "tpe finds weights on at least 50 architectures; there are 49",
        ),
        ("tpe: fussy + threes", {"failed": "exclude"}, "tpe finds weights on at least 50"),
    ],
)
def test_mistakes_are_named(board, aggregate, options, message):
    with pytest.raises(ub.UserError) as raised:
        board(aggregate, proxies=(skips, threes, toy.fussy, constant), **options)
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("aggregate", ["rank: skips + nobody", "nwot = rank: skips + threes", "rank: skips"])
def test_mistakes_are_found_before_anything_is_scored(aggregate):
    counted = []
    with pytest.raises(ub.UserError):
        build(
            ground_truth=toy.table(), proxies=[skips, threes], store=None, progress=counted.append,
            aggregates=[aggregate],
        )  # fmt: skip
    assert not counted
