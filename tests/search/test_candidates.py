"""The file of candidates: what was written is read, and what is malformed is refused in one line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import uninas_bench as ub
from tests.search.toy import Words, bees
from uninas_bench.errors import InvalidFile
from uninas_bench.search.candidates import SCHEMA_VERSION, read_candidates, write_candidates
from uninas_bench.search.driver import SearchResult


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("run")


@pytest.fixture(scope="module")
def result(folder: Path) -> SearchResult:
    return ub.search(Words(), bees, iterations=12, population=5, params="20..", store=None, output=folder)


def test_what_was_written_is_read(result: SearchResult, folder: Path, tmp_path: Path) -> None:
    found = read_candidates(folder / "candidates.json")
    assert found == result.candidates
    write_candidates(found, tmp_path / "deep" / "again.json")
    assert (tmp_path / "deep" / "again.json").read_bytes() == (folder / "candidates.json").read_bytes()
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["again.json"]


def test_the_file_names_all_that_a_training_needs(result: SearchResult, folder: Path) -> None:
    content = json.loads((folder / "candidates.json").read_text())
    assert content["format"] == "uninas-bench candidates"
    assert content["schema_version"] == SCHEMA_VERSION
    assert content["space"] == "words"
    assert content["task"] == {"name": "toy", "dataset": "toy", "resolution": 4, "classes": 3}
    assert content["search"]["bounds"]["params_min"] == 20
    assert content["complete"]
    best = content["candidates"][0]
    word = best["architecture"]
    assert best["costs"] == {"params": 10 * len(word), "flops": len(word), "convention": "letters"}
    assert best["score"] == best["components"]["bees"] == sum(letter != "a" for letter in word) / len(word)
    assert result.best == ub.Architecture("words", word)


def test_the_frames_say_the_same_as_the_files(result: SearchResult, folder: Path) -> None:
    history = pd.read_csv(folder / "history.csv", keep_default_na=False).astype(
        result.history.dtypes.to_dict()
    )
    pd.testing.assert_frame_equal(history, result.history, check_exact=True)
    frame = result.candidates.frame()
    assert frame["rank"].tolist() == [1, 2, 3, 4, 5]
    shown = result.history[result.history["in_population"]]
    assert set(frame["architecture"]) == set(shown["architecture"])


def change(*path: Any, to: Any) -> Callable[[dict[str, Any]], None]:
    def apply(content: Any) -> None:
        for step in path[:-1]:
            content = content[step]
        content[path[-1]] = to

    return apply


def drop(*path: Any) -> Callable[[dict[str, Any]], None]:
    def apply(content: Any) -> None:
        for step in path[:-1]:
            content = content[step]
        del content[path[-1]]

    return apply


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (drop("format"), "no file of candidates"),
        (drop("schema_version"), "schema_version: expected an integer, got None"),
        (change("schema_version", to=SCHEMA_VERSION + 1), "newer uninas-bench .candidates schema 2"),
        (drop("space"), "space: field required"),
        (change("seed", to="0"), "seed: input should be a valid integer"),
        (drop("task", "resolution"), "task.resolution: field required"),
        (drop("candidates", 2, "costs", "params"), "candidates.2.costs.params: field required"),
        (change("candidates", 1, "score", to=None), "candidates.1.score: input should be a valid number"),
        (change("candidates", 1, "components", "bees", to="high"), "candidates.1.components.bees: input"),
        (change("candidates", 1, "rank", to=7), "candidates.1.rank: expected 2, got 7"),
        (change("candidates", 0, "architecture", to=""), "candidates.0.architecture: is empty"),
        (change("candidates", to={}), "candidates: input should be a valid"),
        (change("search", "strategy", to="greedy"), "search.strategy: input should be"),
        (change("search", "population", to=0), "search: population=0: expected at least 1"),
        (change("search", "bounds", "params_max", to=1), "search: params 20..1: the minimum exceeds"),
    ],
)
def test_a_malformed_file_is_refused_with_its_field(
    result: SearchResult, folder: Path, tmp_path: Path, spoil: Any, message: str
) -> None:
    content = json.loads((folder / "candidates.json").read_text())
    spoil(content)
    path = tmp_path / "odd.json"
    path.write_text(json.dumps(content))
    with pytest.raises(InvalidFile, match=message) as caught:
        read_candidates(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


def test_an_architecture_twice_is_refused(result: SearchResult, folder: Path, tmp_path: Path) -> None:
    content = json.loads((folder / "candidates.json").read_text())
    content["candidates"][1] = {**content["candidates"][0], "rank": 2}
    (tmp_path / "odd.json").write_text(json.dumps(content))
    with pytest.raises(InvalidFile, match="an architecture is there twice"):
        read_candidates(tmp_path / "odd.json")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "not JSON"),
        (b'{"format": ', "not JSON"),
        (b"\xff\xfe", "not JSON"),
        (b"[]", "expected a JSON object"),
        (b"{}", "no file of candidates"),
    ],
)
def test_what_is_no_object_is_refused(tmp_path: Path, data: bytes, message: str) -> None:
    (tmp_path / "odd.json").write_bytes(data)
    with pytest.raises(InvalidFile, match=message):
        read_candidates(tmp_path / "odd.json")
    with pytest.raises(InvalidFile, match="no such file"):
        read_candidates(tmp_path / "none.json")
    with pytest.raises(InvalidFile, match="cannot be read"):
        read_candidates(tmp_path)
