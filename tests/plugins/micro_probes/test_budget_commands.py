"""`probes plan` and `probes search` from the outside, on networks and probes that are as small as can be."""

from __future__ import annotations

import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

import uninas_bench as ub
from uninas_bench.cli import main
from uninas_bench.search.candidates import read_candidates
from uninas_bench_plugins._micro_probes.budget.bench import Bench
from uninas_bench_plugins._micro_probes.budget.plan_file import read_plan
from uninas_bench_plugins._micro_probes.commands import search as search_command

SMALL = (
    "--space", "nasbench201", "--scale", "channels=2,cells=1", "--task", "digits", "--workers", "1",
    "--set", "micro_probes.side=16", "--set", "micro_probes.test=8", "--set", "micro_probes.batch=8",
    "--set", "micro_probes.probes=oip+mf",
)  # fmt: skip
PILOTS = (
    "--pilots", "3", "--repeats", "1", "--data-range", "8..32", "--epoch-range", "1..4",
)  # fmt: skip


def run(*words: object, code: int = 0) -> Result:
    result = CliRunner().invoke(main, ["probes", *map(str, words)])
    assert result.exit_code == code, f"{words}\n{result.stdout}\n{result.stderr}"
    return result


def planned(folder: Path, *more: object, code: int = 0) -> Result:
    return run(
        "plan", *SMALL, *PILOTS, "--budget", "1h", "--store", folder / "scores.db",
        "--output", folder / "plan", *more, code=code,
    )  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("budget")
    result = planned(found)
    assert "3 pilots, ranked by scores at data 32 and epochs 4" in result.stdout
    assert "anchor 9/9 (data 32, epochs 4, seed 0)" in result.stderr
    return found


@pytest.mark.slow
def test_a_plan_leaves_file_and_figure(folder: Path) -> None:
    made = read_plan(folder / "plan" / "plan.json")
    assert {(anchor.data, anchor.epochs) for anchor in made.response.anchors} == {
        (data, epochs) for data in (8, 16, 32) for epochs in (1, 2, 4)
    }
    assert (folder / "plan" / "plan.png").read_bytes().startswith(b"\x89PNG")
    # What it prints it says again, without scoring anything.
    again = planned(folder)
    assert f"data {made.chosen.data}, epochs {made.chosen.epochs}" in again.stdout
    assert "1/3" not in again.stderr


@pytest.mark.slow
def test_a_budget_below_the_least_is_refused_in_one_line(folder: Path) -> None:
    result = run(
        "plan", *SMALL, *PILOTS, "--budget", "1ms", "--store", folder / "scores.db",
        "--output", folder / "none", code=2,
    )  # fmt: skip
    assert re.fullmatch(r"error: budget 0\.001 s: .*expected at least .*\n", result.stderr)
    assert not (folder / "none").exists()


@pytest.mark.slow
def test_each_pilot_alone(folder: Path) -> None:
    result = planned(folder, "--per-candidate")
    plans = json.loads((folder / "plan" / "candidate-plans.json").read_text())["plans"]
    assert len(plans) == 3
    assert all(plan["architecture"] in result.stdout for plan in plans)
    assert "differ by their training too" in result.stdout


@pytest.mark.slow
def test_a_search_keeps_to_plan_and_bounds_and_computes_nothing_twice(folder: Path) -> None:
    words = (
        "search", *SMALL, "--total-budget", "1h", "--candidates", 5, "--params", "..3k", "--latency", "..10s",
        "--plan", folder / "plan" / "plan.json", "--store", folder / "scores.db", "--output", folder / "run",
    )  # fmt: skip
    first = run(*words)
    found = read_candidates(folder / "run" / "candidates.json")
    made = read_plan(folder / "plan" / "plan.json")
    assert found.scored == 5
    assert f"data={made.chosen.data},epochs={made.chosen.epochs}," in found.proxy.settings
    assert all(entry.costs.params <= 3000 for entry in found.candidates)
    assert all(entry.latency is not None for entry in found.candidates)
    assert "1 h for 5 candidates on 1 worker: 12 min each" in first.stdout.replace("60 min", "1 h")
    assert f"best: nasbench201:{found.candidates[0].architecture}" in first.stdout
    assert "5 scored, 5 scores computed now" in first.stdout
    assert "seconds=720.0," in found.proxy.settings
    assert ", 0 cut off by the clock" in first.stdout
    again = run(*words)
    assert "5 scored, 0 scores computed now" in again.stdout
    before = first.stdout[first.stdout.index("spent ") :]
    assert again.stdout[again.stdout.index("spent ") :] == before


@pytest.mark.parametrize(("given", "limit"), [({}, 7.2), ({"seconds": "15"}, 15.0), ({"seconds": "0"}, 0.0)])
def test_a_share_is_a_limit_unless_another_is_given(given: dict[str, str], limit: float) -> None:
    proxy = ub.proxy("micro_probes").with_settings(**given)
    bench = Bench(space=ub.space("nasbench201"), task="cifar10", proxy=proxy)
    guarded = search_command._guarded(bench, 7.2, {"micro_probes": given} if given else {})
    assert guarded.proxy.settings.seconds == limit
    assert guarded.proxy.settings.epochs == proxy.settings.epochs


@pytest.mark.slow
def test_a_search_without_a_plan_makes_one(folder: Path) -> None:
    result = run(
        "search", *SMALL, *PILOTS, "--total-budget", "1h", "--candidates", 2, "--store", folder / "scores.db",
        "--output", folder / "both",
    )  # fmt: skip
    assert read_plan(folder / "both" / "plan.json").reference.startswith("scores at data 32")
    assert "the pilots took" in result.stdout
    assert read_candidates(folder / "both" / "candidates.json").scored == 2


@pytest.mark.slow
def test_a_plan_of_something_else_is_refused(folder: Path) -> None:
    words = (
        "search", "--space", "nasbench201", "--scale", "channels=4,cells=1", "--task", "digits",
        "--total-budget", "1h", "--plan", folder / "plan" / "plan.json", "--output", folder / "other",
    )  # fmt: skip
    result = run(*words, code=2)
    assert "is of scale channels=2,cells=1, not of channels=4,cells=1" in result.stderr
    words = ("search", *SMALL, "--set", "micro_probes.test=9", "--total-budget", "1h", *words[-4:])
    assert "is for test=8, not for test=9" in run(*words, code=2).stderr


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--budget", "7"), r'duration "7": expected a time'),
        (("--budget", "0s"), r'duration "0s": expected a time'),
        (("--budget", "7s", "--data-range", "64"), "--data-range 64: expected two whole numbers"),
        (("--budget", "7s", "--epoch-range", "4..1"), r"epochs 4\.\.1: expected a range"),
        (("--budget", "7s", "--epoch-range", "2..3", "--workers", "1"), "too narrow for three anchors"),
        (("--budget", "7s", "--cost", "additive"), "micro_probes.steps_per_epoch=8"),
        (("--budget", "7s", "--ablation", "9"), "--ablation: compares rankings by accuracy"),
        (("--budget", "7s", "--set", "nwot.batch=2"), "nwot is not among"),
    ],
)
def test_mistakes_are_told_before_anything_is_scored(
    words: tuple[str, ...], message: str, tmp_path: Path
) -> None:
    result = run("plan", "--space", "hytra", "--output", tmp_path / "plan", *words, code=2)
    assert re.fullmatch(f"error: .*{message}.*\n", result.stderr)
    assert not (tmp_path / "plan").exists()


@pytest.mark.parametrize(
    "words", [("--params", "5"), ("--flops", "2G..1G"), ("--latency", "20"), ("--total-budget", "soon")]
)
def test_a_search_is_refused_before_it_plans(words: tuple[str, ...], tmp_path: Path) -> None:
    more = ("--total-budget", "1h", *words)
    result = run("search", "--space", "hytra", "--output", tmp_path / "run", *more, code=2)
    assert re.fullmatch(f"error: .*{words[1]}.*\n", result.stderr)
    assert not (tmp_path / "run").exists()


def start(folder: Path) -> subprocess.Popen[str]:
    words = (
        "probes", "plan", *SMALL, *PILOTS, "--budget", "1h", "--store", folder / "scores.db",
        "--output", folder / "plan",
    )  # fmt: skip
    return subprocess.Popen(
        [sys.executable, "-m", "uninas_bench", *map(str, words)],
        env={**os.environ, "OMP_NUM_THREADS": "1"}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def stored(store: Path) -> int:
    if not store.exists():
        return 0
    try:
        with sqlite3.connect(f"{store.as_uri()}?mode=ro", uri=True, timeout=10) as connection:
            return int(connection.execute("SELECT count(*) FROM cells").fetchone()[0])
    except sqlite3.OperationalError:
        return 0


def stop(folder: Path, cells: int, how: signal.Signals) -> tuple[int, str]:
    """Start the plan, stop it when so many cells are stored; the exit code and what it said."""
    process = start(folder)
    for _ in range(6000):
        if stored(folder / "scores.db") >= cells:
            break
        time.sleep(0.01)
    process.send_signal(how)
    _, err = process.communicate(timeout=60)
    return process.returncode, err


@pytest.mark.slow
def test_a_plan_that_is_killed_and_interrupted_goes_on_where_it_was(folder: Path, tmp_path: Path) -> None:
    code, _ = stop(tmp_path, 4, signal.SIGKILL)
    first = stored(tmp_path / "scores.db")
    assert (code, 4 <= first < 20) == (-9, True)
    code, err = stop(tmp_path, first + 3, signal.SIGINT)
    second = stored(tmp_path / "scores.db")
    assert (code, first + 3 <= second < 27) == (130, True)
    assert "everything finished is saved, the same command goes on from there" in err
    assert not (tmp_path / "plan").exists()
    planned(tmp_path)
    assert stored(tmp_path / "scores.db") == 27
    responses = [anchor.response for anchor in read_plan(tmp_path / "plan" / "plan.json").response.anchors]
    whole = read_plan(folder / "plan" / "plan.json").response.anchors
    assert responses == [anchor.response for anchor in whole]
