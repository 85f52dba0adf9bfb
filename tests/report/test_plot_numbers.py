"""The numbers behind figures: axes, fronts, agreement, places, labels, courses."""

from __future__ import annotations

import itertools
import json
import math

import numpy as np
import pytest

from tests import toy
from tests.report.evidence import PROXIES, gathered, table
from uninas_bench import UserError
from uninas_bench.correlation import kendall
from uninas_bench.report.plots.agreement import agreement
from uninas_bench.report.plots.contested import best, contested, standings
from uninas_bench.report.plots.evidence import Question, asked_of, collect
from uninas_bench.report.plots.expense import expense, pareto
from uninas_bench.report.plots.placing import labels
from uninas_bench.report.plots.scatter import Axis, axis, scatters
from uninas_bench.report.plots.ticks import ticks


@pytest.fixture(scope="module")
def one():
    return gathered([table()]).tables[0]


@pytest.fixture(scope="module")
def several():
    return gathered([table("a", 0), table("b", 1, "cifar100")])


def test_scatters_hold_what_was_scored_in_the_order_of_the_table(one):
    found = {scatter.proxy: scatter for scatter in scatters(one)}
    assert list(found) == list(one.board["proxy"])
    perfect = found["perfect"]
    assert perfect.encodings == tuple(one.found.accuracies.index)
    np.testing.assert_allclose(perfect.scores, perfect.accuracies, atol=1e-5)
    assert perfect.correlation.tau == pytest.approx(kendall(perfect.scores, perfect.accuracies))
    failed = sum(math.isnan(score) for score in found["fussy"].scores)
    assert (
        failed == found["fussy"].correlation.failed == sum("none" in text for text in perfect.encodings) > 0
    )
    assert math.isnan(found["nowhere"].correlation.tau)


def test_a_proxy_that_is_not_on_the_board_is_a_mistake(one):
    with pytest.raises(UserError, match='did you mean "perfect"'):
        scatters(one, ["perfekt"])


def test_boards_of_reports_are_those_of_the_leaderboard(one, several):
    import uninas_bench as ub

    board = ub.leaderboard(ground_truth=table(), proxies=PROXIES, store=None, packed=None)
    assert one.board.drop(columns=["seconds", "passes"]).equals(board.drop(columns=["seconds", "passes"]))
    assert set(board.attrs) == set(one.board.attrs)
    across = several.across
    for entry in several.tables:
        rows = across[across["ground_truth"] == entry.name].set_index("proxy")
        own = entry.board.set_index("proxy")
        for column in ("tau", "tau_low", "tau_high", "rho", "tau_given_size", "seconds", "passes"):
            np.testing.assert_array_equal(rows[column].reindex(own.index), own[column])


def test_scores_are_computed_once_for_both_readings():
    seen = []
    collect(
        Question(across=[table("a", 0), table("b", 1)], proxies=[toy.perfect]),
        store=None, packed=None, progress=seen.append,
    )  # fmt: skip
    # The toy and the two baselines, on 24 architectures of two tables.
    assert len(seen) == 3 * 24 * 2


def test_a_question_is_of_tables_or_of_one_table():
    question, rest = asked_of({"seed": 3, "workers": 2}, across="all")
    assert (question.across, question.seed, rest) == ("all", 3, {"workers": 2})
    assert asked_of({"ground_truth": "x"}, across="all")[0].across is None
    with pytest.raises(UserError, match="give one or the other"):
        asked_of({"ground_truth": "x", "across": "all"}, across=None)


def test_the_front_is_what_no_other_beats():
    rng = np.random.default_rng(0)
    points = [(float(c), float(v)) for c, v in rng.integers(0, 6, size=(40, 2))]
    on_front = pareto(points)
    for (cost, value), front in zip(points, on_front, strict=True):
        beaten = any((c < cost and v >= value) or (c <= cost and v > value) for c, v in points)
        assert front is not beaten


def test_baselines_are_free_and_what_has_no_tau_is_named(one):
    # The toys build no network: their seconds are known, bare passes are not.
    assert set(expense(one).unknown) == {"perfect", "opposite", "fussy", "nowhere"}
    found = expense(one, "seconds")
    assert {name for name, _ in found.free} == {"params", "flops"}
    assert found.unknown == ("nowhere",)
    assert {point.proxy for point in found.points} == {"perfect", "opposite", "fussy"}
    assert all(first.cost <= second.cost for first, second in itertools.pairwise(found.points))
    low, high = found.value_axis.low, found.value_axis.high
    assert low <= -1 < 1 <= high


def test_agreement_is_tau_between_scores(one):
    found = agreement(one)
    place = {name: i for i, name in enumerate(found.proxies)}
    columns = {row.proxy: row.scores for row in one.found.rows}
    for a, b in itertools.permutations(("perfect", "opposite", "params"), 2):
        expected = kendall(columns[a], columns[b])
        assert found.tau[place[a]][place[b]] == pytest.approx(expected)
        assert found.low[place[a]][place[b]] <= expected <= found.high[place[a]][place[b]]
    for other in ("perfect", "opposite", "params"):
        # What has no score ranks below all others.
        expected = kendall(columns["fussy"], columns[other])
        assert found.tau[place["fussy"]][place[other]] == pytest.approx(expected)
        assert found.tau[place[other]][place["fussy"]] == pytest.approx(expected)
    assert found.tau[place["perfect"]][place["perfect"]] == 1
    assert math.isnan(found.tau[place["nowhere"]][place["perfect"]])
    assert found.proxies[-1] == "nowhere"
    # Alike ones stand together, their opposite at the other end.
    assert abs(place["perfect"] - place["opposite"]) > abs(place["params"] - place["flops"]) == 1


def test_contested_architectures_are_those_that_proxies_place_differently(one):
    facts = standings(one)
    top = best(facts, 1)[0]
    assert top.accuracy == max(one.found.accuracies)
    assert (top.place, top.best[1]) == (1, 1)
    assert top.worst == ("opposite", len(facts))
    first = contested(facts, 3)
    assert [entry.spread for entry in first] == sorted((e.spread for e in facts), reverse=True)[:3]
    # Of one ranking and its reverse, the ends are placed most differently, the middle alike.
    middle = sorted(facts, key=lambda entry: entry.place)[len(facts) // 2]
    assert middle.spread < first[0].spread


@pytest.mark.parametrize(
    ("values", "scaling", "outside"),
    [
        ([1.0, 2.0, 3.0], "linear", 0),
        ([1.0, 10.0, 1e5], "log", 0),
        ([-1.0, 10.0, 1e5, math.nan], "linear", 0),
        ([*np.linspace(0, 1, 200), 1e6], "linear", 1),
        ([5.0] * 4, "linear", 0),
        ([math.nan] * 3, "linear", 0),
        ([0.0] * 9, "linear", 0),
    ],
)
def test_axes_show_what_there_is(values, scaling, outside):
    found = axis(values)
    assert found.scaling == scaling
    assert found.outside == outside
    assert found.low < found.high
    places = [found.place(value) for value in values if not math.isnan(value)]
    assert all(0 <= place <= 1 for place in places)
    assert places == sorted(places)
    marks = ticks(found)
    assert len(marks) >= 2
    assert all(found.low <= value <= found.high for value, _ in marks)
    assert len({text for _, text in marks}) == len(marks)


def test_ticks_are_round_and_tell_their_values():
    assert ticks(Axis(0, 1)) == [(0.0, "0.00"), (0.25, "0.25"), (0.5, "0.50"), (0.75, "0.75"), (1.0, "1.00")]
    assert [text for _, text in ticks(Axis(-0.3, 0.3), 3)] == ["\N{MINUS SIGN}0.2", "0.0", "0.2"]
    assert [text for _, text in ticks(Axis(0, 2_000_000))] == ["0", "500k", "1M", "1.5M", "2M"]
    assert [text for _, text in ticks(Axis(1, 100, "log"))] == ["1", "10", "100"]
    assert [text for _, text in ticks(Axis(2, 30, "log"))] == ["2", "5", "10", "20"]


def test_labels_touch_neither_points_nor_each_other():
    rng = np.random.default_rng(3)
    points = [(float(x), float(y), f"proxy{i}") for i, (x, y) in enumerate(rng.uniform(60, 500, (30, 2)))]
    found = labels(points, (0, 0, 560, 560))
    assert sum(label is not None for label in found) > 20
    boxes = []
    for label in found:
        if label is not None:
            wide = len(label.text) * 6.4
            left = label.x - {"start": 0, "end": wide, "middle": wide / 2}[label.anchor]
            boxes.append((left, label.y - 9, left + wide, label.y + 2))
    for a, b in itertools.combinations(boxes, 2):
        assert a[2] <= b[0] or b[2] <= a[0] or a[3] <= b[1] or b[3] <= a[1]
    for (x, y, _), box in itertools.product(points, boxes):
        assert not (box[0] < x < box[2] and box[1] < y < box[3])


def test_a_point_without_room_has_no_label():
    crowded = [(50.0, 50.0, "a-very-long-name")] * 40
    assert None in labels(crowded, (0, 0, 120, 100))


@pytest.fixture(scope="module")
def search_folder(tmp_path_factory):
    import uninas_bench as ub

    folder = tmp_path_factory.mktemp("searches") / "run"
    ub.search(
        "nasbench201", "params", strategy="random", iterations=20, population=4, output=folder, store=None
    )
    return folder


def test_a_course_is_the_best_so_far(search_folder):
    import pandas as pd

    from uninas_bench.report.plots.courses import grouped, read_course

    course = read_course(search_folder)
    history = pd.read_csv(search_folder / "history.csv")
    steps = course.best()
    running = np.maximum.accumulate(history["score"].to_numpy())
    for count, score in steps:
        assert score == running[count - 1]
    assert steps[-1] == (len(history), running[-1])
    assert course.candidates.candidates[0].score == running[-1]
    assert len(grouped([course, read_course(search_folder / "candidates.json")])) == 1


def test_a_search_without_its_history_is_told(search_folder, tmp_path):
    from uninas_bench.report.plots.courses import read_course

    lone = tmp_path / "candidates.json"
    lone.write_text((search_folder / "candidates.json").read_text(encoding="utf-8"), encoding="utf-8")
    with pytest.raises(UserError, match=r"history\.csv: No such file"):
        read_course(lone)
    (tmp_path / "history.csv").write_text("a,b\n1,2\n", encoding="utf-8")
    with pytest.raises(UserError, match="not the history of a search"):
        read_course(tmp_path)
    lone.write_text(json.dumps({}), encoding="utf-8")
    with pytest.raises(UserError):
        read_course(tmp_path)
