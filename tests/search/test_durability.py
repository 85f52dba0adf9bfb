"""The real command, killed and interrupted in the middle, ends as if nothing had happened."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from uninas_bench.store import open_store

ITERATIONS = 40


def start(folder: Path) -> subprocess.Popen[str]:
    words = [
        "search", "--space", "nasbench201", "--scale", "channels=2,cells=1", "--task", "digits",
        "--proxy", "nwot", "--set", "nwot.batch=2", "--iterations", ITERATIONS, "--population", 8,
        "--workers", 1, "--store", folder / "scores.db", "--output", folder / "run",
    ]  # fmt: skip
    return subprocess.Popen(
        [sys.executable, "-m", "uninas_bench", *map(str, words)],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def stored(store: Path) -> int:
    """How many cells are committed; 0 where there is no store yet."""
    if not store.exists():
        return 0
    try:
        with sqlite3.connect(f"{store.as_uri()}?mode=ro", uri=True, timeout=10) as connection:
            return int(connection.execute("SELECT count(*) FROM cells").fetchone()[0])
    except sqlite3.OperationalError:
        return 0


def wait_for(store: Path, cells: int) -> None:
    for _ in range(6000):
        if stored(store) >= cells:
            return
        time.sleep(0.01)
    raise AssertionError("the search does nothing")


def outcome(folder: Path) -> tuple[str, dict[str, Any]]:
    """The history, and the candidates without what tells one run from another."""
    content = json.loads((folder / "run" / "candidates.json").read_text())
    del content["provenance"]
    return (folder / "run" / "history.csv").read_text(), content


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, dict[str, Any]]:
    folder = tmp_path_factory.mktemp("undisturbed")
    process = start(folder)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    assert f"{ITERATIONS + 1} scored, {ITERATIONS + 1} scores computed now" in out
    return outcome(folder)


@pytest.mark.slow
def test_a_killed_search_goes_on_where_it_was(
    tmp_path: Path, undisturbed: tuple[str, dict[str, Any]]
) -> None:
    killed = start(tmp_path)
    wait_for(tmp_path / "scores.db", 12)
    killed.kill()
    killed.communicate(timeout=30)
    before = stored(tmp_path / "scores.db")
    assert 12 <= before < ITERATIONS
    assert not (tmp_path / "run" / "candidates.json").exists()
    resumed = start(tmp_path)
    out, err = resumed.communicate(timeout=120)
    assert resumed.returncode == 0, err
    assert outcome(tmp_path) == undisturbed
    assert f"{ITERATIONS + 1 - before} scores computed now" in out
    with open_store(tmp_path / "scores.db", create=False) as opened:
        first, second = opened.runs()
    assert not first.ended
    assert second.ended


@pytest.mark.slow
def test_an_interrupted_search_says_so_and_leaves_its_files(
    tmp_path: Path, undisturbed: tuple[str, dict[str, Any]]
) -> None:
    process = start(tmp_path)
    wait_for(tmp_path / "scores.db", 8)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "everything finished is saved, the same command goes on from there" in err
    history, candidates = outcome(tmp_path)
    assert not candidates["complete"]
    rows = len(history.splitlines())
    assert 8 <= rows < ITERATIONS
    columns = [line.split(",")[:-2] for line in undisturbed[0].splitlines()[:rows]]
    assert [line.split(",")[:-2] for line in history.splitlines()] == columns
    resumed = start(tmp_path)
    assert resumed.communicate(timeout=120)[1].count("error") == 0
    assert outcome(tmp_path) == undisturbed
