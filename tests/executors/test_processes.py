from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from uninas_bench.executors.executor import Executor, Failed, KeepingExecutor
from uninas_bench.executors.processes import processes
from uninas_bench.host import load_file
from uninas_bench.testing.executors import ExecutorTestCase

ROOT = Path(__file__).resolve().parents[2]


class TestProcesses(ExecutorTestCase):
    def make_executor(self, workers: int) -> Executor:
        return processes.create(workers)


def _environment(_item: int) -> tuple[str | None, int]:
    import torch

    return os.environ.get("OMP_NUM_THREADS"), torch.get_num_threads()


def _imported(_item: int) -> list[str]:
    return sorted({name.partition(".")[0] for name in sys.modules})


def test_a_worker_computes_with_one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    assert list(processes.create(1).run(_environment, [0])) == [(0, ("1", 1))]
    assert os.environ["OMP_NUM_THREADS"] == "2"


def test_numeric_libraries_are_imported_after_their_threads_are_set() -> None:
    ((_, modules),) = processes.create(1).run(_imported, [0])
    assert "uninas_bench" in modules
    assert not {"torch", "numpy", "pandas", "scipy"} & set(modules)


def test_what_a_plugin_file_defines_travels(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(
        "from __future__ import annotations\n"
        "from dataclasses import dataclass\n"
        "@dataclass(frozen=True)\n"
        "class Point:\n    x: int\n"
        "from functools import lru_cache\n"
        "@lru_cache(maxsize=1)\n"
        "def helper(x):\n    return x + 1\n"
        "def shift(point):\n    return Point(helper(point.x))\n"
    )
    module = load_file(tmp_path / "mine.py")
    ((_, moved),) = processes.create(1).run(module.shift, [module.Point(1)])
    assert moved == module.Point(2)


def _run(script: Path, body: str, **options: str) -> subprocess.Popen[str]:
    script.write_text(body)
    return subprocess.Popen(
        [sys.executable, str(script)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), **options},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_a_script_without_a_main_guard_is_not_run_again(tmp_path: Path) -> None:
    driver = _run(
        tmp_path / "script.py",
        "from uninas_bench.executors.processes import processes\n"
        "def double(x):\n    return 2 * x\n"
        "print(sorted(processes.create(2).run(double, [1, 2])))\n",
    )
    out, err = driver.communicate(timeout=60)
    assert (out, err) == ("[(1, 2), (2, 4)]\n", "")


_SLOW = (
    "import time, pathlib\n"
    "from uninas_bench.executors.processes import processes\n"
    "def slow(x):\n    pathlib.Path(FOLDER, str(x)).touch(); time.sleep(600)\n"
    "FOLDER = {folder!r}\n"
    "for _ in processes.create(2).run(slow, range(4)):\n    pass\n"
)


def _wait_until_two_items_run(folder: Path) -> None:
    for _ in range(600):
        if len(list(folder.iterdir())) == 2:
            return
        time.sleep(0.05)
    raise AssertionError("the workers did not start")


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_workers_end_with_their_driver(tmp_path: Path, end: signal.Signals) -> None:
    folder = tmp_path / "items"
    folder.mkdir()
    driver = _run(tmp_path / "script.py", _SLOW.format(folder=str(folder)))
    _wait_until_two_items_run(folder)
    children = psutil.Process(driver.pid).children(recursive=True)
    assert len(children) >= 2
    driver.send_signal(end)
    _, err = driver.communicate(timeout=30)
    _, alive = psutil.wait_procs(children, timeout=10)
    assert not alive
    if end is signal.SIGINT:
        assert "KeyboardInterrupt" in err
        assert err.count("Traceback") == 1


def _pid(_item: int) -> int:
    return os.getpid()


def _pid_or_die(item: int) -> int:
    if item < 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return os.getpid()


def test_workers_are_kept_between_runs_of_one_function_and_then_stopped() -> None:
    executor = processes.create(1)
    assert isinstance(executor, KeepingExecutor)
    with executor.keeping():
        first, second = ([pid for _, pid in executor.run(_pid, [item])] for item in range(2))
        assert first == second
        (other,) = [pid for _, pid in executor.run(_pid_or_die, [0])]
        assert other != first[0], "another function has workers of its own"
        assert not psutil.pid_exists(first[0])
        assert other in {child.pid for child in psutil.Process().children()}
    assert not psutil.pid_exists(other)


def test_a_kept_team_outlives_a_worker_that_dies_and_a_run_that_is_left() -> None:
    executor = processes.create(1)
    assert isinstance(executor, KeepingExecutor)
    with executor.keeping():
        ((_, failure),) = executor.run(_pid_or_die, [-1])
        assert failure == Failed("crashed", "the worker process was killed by SIGKILL")
        left = executor.run(_pid_or_die, [1, 2])
        next(left)
        left.close()
        ((_, pid),) = executor.run(_pid_or_die, [3])
        assert isinstance(pid, int)
