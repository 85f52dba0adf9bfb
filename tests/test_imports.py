"""The command line answers at once because nothing heavy is imported before it is needed."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

HEAVY = (
    "torch",
    "torchvision",
    "timm",
    "scipy",
    "pandas",
    "matplotlib",
    "sqlalchemy",
    "sklearn",
    "mlxtend",
    "networkx",
    "optuna",
)
COMMANDS = (
    "--help", "--version", "spaces", "proxies", "spaces --json", "proxies --json", "probes --help",
    "probes show --help", "probes plan --help", "probes search --help", "plugin --help", "plugin new --help",
    "plugin check --help",
)  # fmt: skip


def imported_by(code: str) -> set[str]:
    """The heavy packages that a fresh interpreter has imported after ``code``."""
    check = f"import atexit, sys\natexit.register(lambda: print('\\n@', *({HEAVY!r} & sys.modules.keys())))\n"
    check = check.replace(repr(HEAVY), repr(set(HEAVY)))
    done = subprocess.run([sys.executable, "-c", check + code], capture_output=True, text=True, check=True)
    return set(done.stdout.splitlines()[-1].split()[1:])


def test_the_check_sees_an_import() -> None:
    assert imported_by("import sqlalchemy") == {"sqlalchemy"}


def test_importing_the_package_is_light() -> None:
    assert imported_by("import uninas_bench; uninas_bench.hookimpl, uninas_bench.Architecture") == set()


def test_importing_every_plugin_is_light() -> None:
    assert imported_by("from uninas_bench.host import default_host; default_host().proxies") == set()


@pytest.mark.parametrize("command", COMMANDS)
def test_commands_are_light(command: str) -> None:
    code = f"import sys; sys.argv[1:] = {command.split()!r}\nfrom uninas_bench.cli import main\nmain()"
    assert imported_by(code) == set()


@pytest.mark.parametrize(
    "command", ["leaderboard", "leaderboard --across all --given size", "leaderboard --across all --strata"]
)
def test_boards_of_shipped_scores_need_neither_torch_nor_a_database(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UNINAS_BENCH_STORE", str(tmp_path / "scores.db"))
    code = f"import sys; sys.argv[1:] = {command.split()!r}\nfrom uninas_bench.cli import main\nmain()"
    assert imported_by(code) == {"pandas"}
    assert not (tmp_path / "scores.db").exists()


@pytest.mark.slow
def test_the_board_of_shipped_scores_answers_in_about_a_second(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Processor time: 1 s on a quiet machine, and half of it again for another table or two."""
    monkeypatch.setenv("UNINAS_BENCH_STORE", str(tmp_path / "scores.db"))
    call = [sys.executable, "-m", "uninas_bench", "leaderboard", "--across", "all", "--format", "json"]
    seconds = []
    for _ in range(3):
        before = os.times()
        subprocess.run(call, capture_output=True, check=True)
        after = os.times()
        spent = after.children_user + after.children_system - before.children_user - before.children_system
        seconds.append(spent)
    assert min(seconds) < 2.5, seconds


@pytest.mark.slow
@pytest.mark.parametrize("command", ["--help", "spaces", "proxies"])
def test_commands_answer_within_their_budget(command: str) -> None:
    """0.6 s of processor time: wall time on a busy machine says nothing of this program."""
    program = Path(sys.executable).with_name("uninas-bench")
    call = [str(program)] if program.exists() else [sys.executable, "-m", "uninas_bench"]
    seconds = []
    for _ in range(3):
        before = os.times()
        start = time.perf_counter()
        subprocess.run([*call, command], capture_output=True, check=True)
        wall = time.perf_counter() - start
        after = os.times()
        spent = after.children_user + after.children_system - before.children_user - before.children_system
        seconds.append(min(wall, spent))
    assert min(seconds) < 0.6, seconds
