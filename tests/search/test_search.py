"""Strategies against oracles: the whole space, a second reading of the history, another way to the scores."""

from __future__ import annotations

import math
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import uninas_bench as ub
from tests.engine.toy import TASK as LAYERS_TASK
from tests.engine.toy import Toy, weights
from tests.search.toy import BoundedWords, Words, bees, equal, picky
from uninas_bench import Architecture, UserError
from uninas_bench.bounds import Bounds
from uninas_bench.search.driver import SearchResult
from uninas_bench.search.selection import best

CELLS = ub.space("nasbench201", channels=4, cells=1)
DIGITS = "digits"


def search(space: Any, proxy: Any, **options: Any) -> SearchResult:
    return ub.search(space, proxy, **{"store": None, **options})


def test_evolution_finds_the_largest_networks_of_a_space() -> None:
    task = ub.Task("digits", "digits", 8, 10)
    greatest = max(CELLS.enumerate(), key=lambda a: CELLS.costs(a, task).params)
    result = search(CELLS, "params", task=task, steps=1, iterations=400, population=16)
    assert result.best == greatest
    ranked = sorted((CELLS.costs(a, task).params for a in CELLS.enumerate()), reverse=True)
    assert result.candidates.candidates[0].score == ranked[0]
    assert result.candidates.frame()["score"].min() > ranked[len(ranked) // 20], "all are of the largest 5 %"


@pytest.mark.parametrize("population", [1, 5, 64])
def test_exhaustive_search_is_brute_force(population: int) -> None:
    bounds = {"params": "3..11"}
    result = search(Toy(), weights, strategy="exhaustive", population=population, **bounds)
    inside = [a for a in Toy().enumerate() if 3 <= Toy().costs(a, LAYERS_TASK).params <= 11]
    values = ub.score(inside, [weights], space=Toy(), task=LAYERS_TASK)["value"].tolist()
    expected = sorted(zip(values, inside, strict=True), key=lambda pair: -pair[0])[:population]
    assert [
        (c.score, a)
        for c, a in zip(result.candidates.candidates, result.candidates.architectures, strict=True)
    ] == expected
    assert result.history["architecture"].tolist() == [a.encoding for a in inside]
    order = [a.encoding for a in Toy().enumerate()]
    assert result.history["iteration"].tolist() == [order.index(a.encoding) for a in inside]


def test_exhaustive_search_scores_one_encoding_of_each_class() -> None:
    space, params = CELLS, "..5k"
    result = search(space, "params", task=DIGITS, strategy="exhaustive", params=params)
    task = ub.Task("digits", "digits", 8, 10)
    bounds = Bounds.read(params)
    first: dict[str, str] = {}
    for architecture in space.enumerate():
        if bounds.allows(space.costs(architecture, task)):
            first.setdefault(space.canonical(architecture), architecture.encoding)
    assert 50 < len(first) < 500
    assert result.history["architecture"].tolist() == list(first.values())


def follow(history: pd.DataFrame, size: int) -> list[str]:
    """The last population, as the history tells it; parents are in the population of their time."""
    kept: list[tuple[float, int, str]] = []
    for iteration, group in history.groupby("iteration"):
        if iteration > 0:
            assert set(group["parent"]) <= {encoding for _, _, encoding in kept}
        kept += [
            (-row.score, age, row.architecture)
            for age, row in zip(group.index, group.itertuples(), strict=True)
        ]
        scored = [entry for entry in kept if not math.isnan(entry[0])]
        kept = sorted(scored or kept)[:size]
        last = {encoding for _, _, encoding in kept}
        assert group["entered"].tolist() == [encoding in last for encoding in group["architecture"]]
    return [encoding for _, _, encoding in kept]


@pytest.mark.parametrize("children", [1, 3])
@pytest.mark.parametrize(
    ("space", "proxy", "options"),
    [
        (CELLS, "params", {"task": DIGITS, "population": 7, "steps": 2}),
        (Words(), bees, {"population": 4, "params": "20..120"}),
        (BoundedWords(), picky, {"population": 5, "params": "20..120", "p_eliminate": 0.5}),
    ],
    ids=["cells", "words", "bounded"],
)
def test_evolution_keeps_the_best_and_breeds_from_them(
    space: Any, proxy: Any, options: dict[str, Any], children: int
) -> None:
    result = search(space, proxy, iterations=25, children=children, **options)
    population = follow(result.history, options["population"])
    assert [c.architecture for c in result.candidates.candidates] == population
    assert set(result.history.loc[result.history["in_population"], "architecture"]) == set(population)
    assert result.history["iteration"].tolist() == [0, *np.repeat(range(1, 26), children)]


@pytest.mark.parametrize("strategy", ["evolution", "random"])
@pytest.mark.parametrize("space", [CELLS, Words(), BoundedWords()], ids=lambda space: space.name)
def test_no_bound_is_broken_and_no_network_scored_twice(
    space: Any, strategy: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEARCH_LOG", str(tmp_path / "log"))
    task = space.tasks[0]
    limits = {"params": "6k..12k", "flops": "..1.1M"} if space is CELLS else {"params": "30..90"}
    result = search(
        space, bees if space is not CELLS else "flops", strategy=strategy, iterations=80, **limits
    )
    bounds = Bounds.read(**limits)
    points = [Architecture(space.name, text) for text in result.history["architecture"]]
    assert len(points) >= 80
    assert all(bounds.allows(space.costs(point, task)) for point in points)
    assert len({space.canonical(point) for point in points}) == len(points)
    if space is not CELLS:
        assert (tmp_path / "log").read_text().split() == result.history["architecture"].tolist()


def test_a_space_that_knows_its_bounds_is_asked_with_all_that_was_said() -> None:
    space = BoundedWords()
    search(space, bees, iterations=5, steps=3, p_eliminate=0.4, params="20..90", start=["abcb"])
    assert space.asked == {(Bounds(20, 90), 3, 0.4, 64)}


def test_ties_keep_the_older_and_parents_are_drawn_uniformly() -> None:
    start = ["a", "b", "aa", "ab"]
    options: dict[str, Any] = {"population": 4, "start": start, "steps": 14, "p_eliminate": 0}
    result = search(BoundedWords(), equal, iterations=400, **options)
    assert [c.architecture for c in result.candidates.candidates] == start
    counts = Counter(result.history["parent"].iloc[4:])
    assert set(counts) == set(start)
    # 100 each, with a standard deviation of 8.7.
    assert all(65 < count < 135 for count in counts.values()), counts


def test_random_search_of_a_finite_space_repeats_nothing_and_ends_with_it() -> None:
    result = search(Toy(), weights, strategy="random", iterations=100)
    assert sorted(result.history["architecture"]) == [a.encoding for a in Toy().enumerate()]
    assert result.candidates.iterations == 27
    again = search(Toy(), weights, strategy="random", iterations=10)
    assert again.history["architecture"].tolist() == result.history["architecture"].tolist()[:10]
    assert again.history["iteration"].tolist() == list(range(1, 11))
    other = search(Toy(), weights, strategy="random", iterations=10, seed=1)
    assert other.history["architecture"].tolist() != again.history["architecture"].tolist()


def test_random_search_is_uniform_over_a_finite_space() -> None:
    firsts = Counter(
        search(Toy(), equal, strategy="random", iterations=1, seed=seed).best.encoding[0]
        for seed in range(60)
    )
    assert all(8 < firsts[letter] < 32 for letter in "abc"), firsts


@pytest.mark.parametrize("space", [Words(), BoundedWords()], ids=lambda space: space.name)
def test_random_search_of_an_endless_space_is_a_walk(space: Any) -> None:
    result = search(space, bees, strategy="random", iterations=30, start=["abc"], steps=2)
    rows = result.history
    assert rows["architecture"].iloc[0] == "abc"
    assert all(child.parent == before.architecture for before, child in pairwise(rows.itertuples()))
    assert len(result.candidates.candidates) == 31


def test_evolution_ends_where_nothing_is_new() -> None:
    result = search(Toy(), equal, iterations=100, children=2)
    assert len(result.history) == 27
    assert result.candidates.complete
    assert result.candidates.iterations < 27


def test_failures_are_recorded_and_never_stay_beside_a_score() -> None:
    result = search(Words(), picky, iterations=60, start=["aab"], steps=1)
    failed = result.history["failure"] != ""
    assert failed.iloc[0]
    assert result.history["failure"].iloc[0] == "error: ValueError: begins with a"
    assert result.history.loc[failed, "score"].isna().all()
    assert failed.sum() == result.candidates.failed > 1
    assert not any(c.architecture.startswith("a") for c in result.candidates.candidates)
    first = int(np.argmin(failed))
    # A failed one breeds while there is nobody else, and no longer.
    assert result.history["entered"].iloc[: first + 1].all()
    assert not result.history.loc[failed, "entered"].iloc[first:].any()


def test_a_search_without_any_score_says_why(tmp_path: Path) -> None:
    with pytest.raises(
        UserError, match="picky scored none of 1 architectures; most often: error: ValueError"
    ):
        search(Words(), picky, iterations=0, start=["ab"], output=tmp_path)
    assert "begins with a" in (tmp_path / "history.csv").read_text()


@pytest.mark.parametrize(
    ("name", "settings", "strategy"),
    [
        ("az_nas", {"az_nas": {"batch": 2}}, "evolution"),
        ("az_nas", {"az_nas": {"batch": 2, "scope": "blocks"}}, "random"),
        ("vkdnw_agg", {name: {"batch": 2} for name in ("vkdnw", "jacov", "az_nas")}, "evolution"),
    ],
)
def test_ranks_are_taken_in_the_population(name: str, settings: Any, strategy: Any) -> None:
    space = ub.space("nasbench201", channels=2, cells=1)
    result = search(
        space, name, task=DIGITS, settings=settings, strategy=strategy, iterations=14, population=6
    )
    points = (
        result.candidates.architectures
        if strategy == "evolution"
        else [Architecture(space.name, text) for text in result.history["architecture"]]
    )
    assert result.candidates.compared == len(points)
    from uninas_bench.engine import run

    proxies = [ub.proxy(name, **settings.get(name, {}))]
    proxies += [ub.proxy(part, **values) for part, values in settings.items() if part != name]
    scores = run(points, proxies, space=space, task=DIGITS)
    frame = scores.population(proxies[0])
    expected = proxies[0].aggregate(frame)
    for candidate in result.candidates.candidates:
        assert candidate.score == expected[candidate.architecture]
        assert candidate.components == frame.loc[candidate.architecture].dropna().to_dict()
    found = [candidate.score for candidate in result.candidates.candidates]
    assert found == sorted(expected.dropna(), reverse=True)[:6]


def test_the_aggregate_block_mean_is_the_setting_scope() -> None:
    options: dict[str, Any] = {"task": DIGITS, "iterations": 3, "settings": {"vkdnw": {"batch": 2}}}
    by_name = search(CELLS, "vkdnw", aggregate="block-mean", **options)
    by_setting = search(CELLS, ub.proxy("vkdnw", scope="blocks"), **options)
    assert "scope=blocks" in by_name.candidates.proxy.settings
    assert by_name.candidates.candidates == by_setting.candidates.candidates
    whole = search(CELLS, "vkdnw", aggregate="network", **options)
    assert whole.candidates.frame()["score"].tolist() != by_name.candidates.frame()["score"].tolist()


@pytest.mark.slow
@pytest.mark.parametrize("strategy", ["evolution", "random"])
def test_one_and_two_workers_find_the_same(strategy: Any, tmp_path: Path) -> None:
    options: dict[str, Any] = {
        "task": DIGITS, "iterations": 6, "children": 4, "population": 6, "strategy": strategy,
        "settings": {"nwot": {"batch": 2}},
    }  # fmt: skip
    one = search(CELLS, "nwot", workers=1, **options)
    two = search(CELLS, "nwot", workers=2, **options)
    assert two.candidates.provenance.workers == 2
    pd.testing.assert_frame_equal(one.history, two.history, check_exact=True)
    assert one.candidates.candidates == two.candidates.candidates


def test_a_longer_search_goes_on_from_a_shorter_one(tmp_path: Path) -> None:
    options: dict[str, Any] = {"store": tmp_path / "s.db", "output": tmp_path / "run", "steps": 2}
    short = search(Words(), bees, iterations=20, **options)
    long = search(Words(), bees, iterations=50, **options)
    assert (short.computed, long.computed) == (21, 30)
    columns = ["iteration", "architecture", "parent", "score", "entered"]
    pd.testing.assert_frame_equal(short.history[columns], long.history[columns].iloc[:21])
    assert search(Words(), bees, iterations=50, **options).computed == 0
    with ub_store(tmp_path / "s.db") as opened:
        assert [record.interrupted for record in opened.runs()] == [False, False]


def ub_store(path: Path) -> Any:
    from uninas_bench.store import open_store

    return open_store(path, create=False)


def test_another_search_is_not_written_over(tmp_path: Path) -> None:
    search(Words(), bees, iterations=3, output=tmp_path)
    before = (tmp_path / "candidates.json").read_bytes()
    for change, name in (
        ({"proxy": equal}, "proxy"),
        ({"seed": 1}, "seed"),
        ({"params": "10.."}, "bounds"),
        ({"population": 3}, "population"),
    ):
        arguments: dict[str, Any] = {"proxy": bees, "iterations": 3, "output": tmp_path, **change}
        with pytest.raises(UserError, match=rf"another search \({name} differs\)"):
            search(Words(), arguments.pop("proxy"), **arguments)
    (tmp_path / "candidates.json").write_text("{}")
    with pytest.raises(UserError, match="no file of candidates"):
        search(Words(), bees, iterations=3, output=tmp_path)
    (tmp_path / "candidates.json").write_bytes(before)
    search(Words(), bees, iterations=3, output=tmp_path)


@pytest.mark.parametrize(
    ("space", "options", "message"),
    [
        (Words(), {"strategy": "exhaustive"}, "words has no end of architectures: search it by evolution or"),
        (Words(), {"strategy": "exhaustive", "iterations": 3}, "exhaustive search ends with the space"),
        (Words(), {"strategy": "random", "start": ["a", "b"]}, "2 starts: a random walk has one"),
        (Toy(), {"strategy": "random", "start": ["abc"]}, "random search of toy starts nowhere"),
        (Words(), {"params": "20..", "start": ["a"]}, "start words:a: 10 parameters and 1 FLOPs are"),
        (Words(), {"params": "9k.."}, "no architecture of words has params 9k.. among 1,000 that were drawn"),
        (Toy(), {"params": "28.."}, "no architecture of toy has params 28.."),
        (Toy(), {"params": "28..", "strategy": "random"}, "no architecture of toy has params 28.."),
        (Words(), {"start": ["abd"]}, 'words: "abd": expected letters'),
        (Words(), {"start": [Architecture("toy", "abc")]}, "expected an architecture of words"),
        (Words(), {"settings": {"nwot": {"batch": 2}}}, "settings of nwot: this search scores with equal"),
        (Words(), {"aggregate": "block-mean"}, 'equal has no setting "scope"; those that .*vkdnw'),
        (Words(), {"aggregate": "mean"}, 'aggregate="mean": expected network, block-mean'),
        (Words(), {"strategy": "greedy"}, 'strategy="greedy": expected evolution, random, exhaustive'),
        (Words(), {"population": 0}, "population=0: expected at least 1"),
        (Words(), {"p_eliminate": 1.5}, "p_eliminate=1.5: expected a probability"),
        (Words(), {"params": "3..1"}, "the minimum exceeds the maximum"),
        (Words(), {"workers": 0}, "workers=0"),
    ],
)  # fmt: skip
def test_mistakes_are_one_line_before_anything_is_scored(
    space: Any, options: dict[str, Any], message: str, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match=message) as caught:
        search(space, equal, output=tmp_path / "run", **options)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "run").exists()


def test_the_best_come_first_the_older_of_equals_and_no_failure() -> None:
    nan = math.nan
    assert best([1.0, 3.0, nan, 3.0, 2.0], 3) == [1, 3, 4]
    assert best([nan, 1.0], 5) == [1]
    assert best([nan, nan, nan], 2) == [0, 1]
    assert best([], 2) == []
