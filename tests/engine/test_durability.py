"""What is stored when a driver is killed, interrupted, or not alone."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import psutil
import pytest

from tests.engine.toy import TASK, Toy, logged, weights
from uninas_bench.engine import run
from uninas_bench.store import open_store

ROOT = Path(__file__).resolve().parents[2]
_DRIVER = """
import sys
from tests.engine.toy import TASK, Toy, logged, weights
from uninas_bench.engine import run
run(list(Toy().enumerate()), [weights, logged], space=Toy(), task=TASK, store=sys.argv[1],
    executor=sys.argv[2], workers=int(sys.argv[3]))
"""
EXECUTORS = pytest.mark.parametrize(("executor", "workers"), [("serial", 1), ("processes", 2)])


def drive(store: Path, log: Path, executor: str, workers: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", _DRIVER, str(store), executor, str(workers)],
        env={**os.environ, "PYTHONPATH": str(ROOT), "TOY_LOG": str(log)},
        stderr=subprocess.PIPE,
        text=True,
    )


def evaluations(log: Path) -> list[str]:
    return log.read_text().split() if log.exists() else []


def wait_for(log: Path, count: int) -> None:
    for _ in range(1200):
        if len(evaluations(log)) >= count:
            return
        time.sleep(0.05)
    raise AssertionError("the driver does nothing")


def stored(store: Path) -> dict[tuple[str, str], tuple[str, str]]:
    """Status and value, every bit of it, by proxy and architecture."""
    with open_store(store, create=False) as opened:
        return {
            (configuration.proxy, str(encoding)): (
                str(columns.cells.loc[encoding, "status"]),
                float(columns.values.loc[encoding].iloc[0]).hex(),
            )
            for configuration, columns in opened.columns(opened.configurations()).items()
            for encoding in columns.cells.index
        }


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], tuple[str, str]]:
    """The store of a run that nothing happened to."""
    folder = tmp_path_factory.mktemp("undisturbed")
    assert drive(folder / "scores.db", folder / "log", "serial", 1).communicate(timeout=120)[1] == ""
    return stored(folder / "scores.db")


@EXECUTORS
def test_a_killed_run_goes_on_where_it_was(
    tmp_path: Path, executor: str, workers: int, undisturbed: dict[tuple[str, str], tuple[str, str]]
) -> None:
    store, log = tmp_path / "scores.db", tmp_path / "log"
    driver = drive(store, log, executor, workers)
    wait_for(log, 7)
    workers_of_it = psutil.Process(driver.pid).children(recursive=True)
    driver.kill()
    driver.communicate(timeout=30)
    psutil.wait_procs(workers_of_it, timeout=30)

    survivors = stored(store)
    kept = {encoding for proxy, encoding in survivors if proxy == "logged"}
    before = evaluations(log)
    # What was computed and is not there was under way: one unit at work and one at hand for each worker.
    assert 0 < len(before) - 2 * workers <= len(kept) <= len(before) < 27
    assert survivors.items() <= undisturbed.items()

    assert drive(store, log, executor, workers).communicate(timeout=120)[1] == ""
    assert stored(store) == undisturbed
    counts = Counter(evaluations(log))
    assert all(counts[encoding] == 1 for encoding in kept), "computed twice"
    assert sum(counts.values()) <= 27 + 2 * workers
    with open_store(store, create=False) as opened:
        first, second = opened.runs()
    assert not first.ended
    assert second.ended


@EXECUTORS
def test_ctrl_c_keeps_what_is_finished_and_says_so(tmp_path: Path, executor: str, workers: int) -> None:
    store, log = tmp_path / "scores.db", tmp_path / "log"
    driver = drive(store, log, executor, workers)
    wait_for(log, 5)
    driver.send_signal(signal.SIGINT)
    _, err = driver.communicate(timeout=30)
    finished = {encoding for proxy, encoding in stored(store) if proxy == "logged"}
    assert len(evaluations(log)) - 2 * workers <= len(finished) < 27
    assert f"KeyboardInterrupt: interrupted after {len(stored(store))} of 54 cells" in err
    with open_store(store, create=False) as opened:
        assert opened.runs()[0].interrupted
    assert [path.name for path in tmp_path.iterdir() if path != log] == ["scores.db"]


def test_two_drivers_share_a_store(
    tmp_path: Path, undisturbed: dict[tuple[str, str], tuple[str, str]]
) -> None:
    store = tmp_path / "scores.db"
    drivers = [drive(store, tmp_path / f"log{number}", "serial", 1) for number in range(2)]
    assert [driver.communicate(timeout=120)[1] for driver in drivers] == ["", ""]
    assert stored(store) == undisturbed


def test_the_environment_of_the_tests_agrees_with_a_driver(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    undisturbed: dict[tuple[str, str], tuple[str, str]],
) -> None:
    """Another process, started another way, computes the same bits."""
    monkeypatch.setenv("TOY_LOG", str(tmp_path / "log"))
    some = [architecture for architecture in Toy().enumerate() if architecture.encoding.startswith("ab")]
    run(some, [logged, weights], space=Toy(), task=TASK, store=tmp_path / "scores.db")
    assert stored(tmp_path / "scores.db").items() <= undisturbed.items()
