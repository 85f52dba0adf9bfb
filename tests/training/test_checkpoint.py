"""Checkpoints: whole or absent, whatever happens while they are written; readable without running code."""

from __future__ import annotations

import errno
import logging
import os
import pickle
import resource
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.training.toy import ROOT
from uninas_bench.errors import InvalidFile, UserError
from uninas_bench.training.loop.checkpoint import (
    State,
    check_identity,
    checkpoints,
    load_checkpoint,
    load_latest,
    save_checkpoint,
)


def state(step: int = 40, **changes: Any) -> State:
    weights = torch.randn(300, 10, generator=torch.Generator().manual_seed(step))
    whole: dict[str, Any] = {
        "model": {"weight": weights, "count": torch.tensor(step)},
        "optimiser": {"state": {0: {"exp_avg": weights / 3}}, "param_groups": [{"betas": (0.9, 0.999)}]},
        "step": step, "steps_per_epoch": 10, "images_per_step": 8, "records": step, "evaluated": -1,
        "metrics": {"accuracy": 12.5}, "best": {}, "processes": 1, "versions": {"torch": "2"},
        "identity": {"recipe": "a", "architecture": "b"},
    }  # fmt: skip
    return State(**{**whole, **changes})  # type: ignore[typeddict-item]


def test_what_is_saved_is_what_is_loaded(tmp_path: Path) -> None:
    path = save_checkpoint(tmp_path / "new" / "folder", state(), keep=1)
    assert path.name == "step-00000040.pt"
    loaded = load_latest(path.parent)
    assert loaded is not None
    wanted = state()
    assert torch.equal(loaded["model"]["weight"], wanted["model"]["weight"])
    assert torch.equal(loaded["optimiser"]["state"][0]["exp_avg"], wanted["optimiser"]["state"][0]["exp_avg"])
    assert loaded["optimiser"]["param_groups"] == wanted["optimiser"]["param_groups"]
    assert {k: loaded[k] for k in ("step", "metrics", "identity")} == {
        k: wanted[k] for k in ("step", "metrics", "identity")
    }


def test_nothing_saved_is_nothing_loaded(tmp_path: Path) -> None:
    assert load_latest(tmp_path) is None
    assert load_latest(tmp_path / "absent") is None


def test_the_newest_stay(tmp_path: Path) -> None:
    for step in (8, 9, 10, 100_000_000):
        save_checkpoint(tmp_path, state(step), keep=3)
    assert [path.name for path in checkpoints(tmp_path)] == [
        "step-00000009.pt", "step-00000010.pt", "step-100000000.pt",
    ]  # fmt: skip
    latest = load_latest(tmp_path)
    assert latest is not None
    assert latest["step"] == 100_000_000


@pytest.mark.parametrize("damage", ["empty", "half", "tail", "weights", "text"])
def test_a_damaged_one_is_passed_over(tmp_path: Path, damage: str, caplog: pytest.LogCaptureFixture) -> None:
    save_checkpoint(tmp_path, state(30), keep=2)
    path = save_checkpoint(tmp_path, state(40), keep=2)
    data = bytearray(path.read_bytes())
    # The second weight's bytes, whatever they are: a flipped bit changes nothing else.
    place = bytes(data).index(state(40)["model"]["weight"].numpy().tobytes())
    data[place + 5] ^= 1
    path.write_bytes(
        {"empty": b"", "half": data[: len(data) // 2], "tail": data[:-30], "weights": data, "text": b"hello"}[
            damage
        ]
    )
    with caplog.at_level(logging.WARNING, "uninas_bench"):
        loaded = load_latest(tmp_path)
    assert loaded is not None
    assert loaded["step"] == 30
    assert "step-00000040.pt" in caplog.text
    (tmp_path / "step-00000030.pt").write_bytes(b"")
    with pytest.raises(InvalidFile, match=r"none of its 2 checkpoint\(s\) can be read"):
        load_latest(tmp_path)


def test_no_code_is_run(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> Any:
            return os.mkdir, (str(tmp_path / "evil"),)

    path = tmp_path / "step-00000001.pt"
    torch.save({"model": Evil()}, path)
    with pytest.raises(InvalidFile, match="not a readable checkpoint") as error:
        load_checkpoint(path)
    assert "\n" not in str(error.value)
    path.write_bytes(pickle.dumps(Evil()))
    with pytest.raises(InvalidFile, match="not a readable checkpoint"):
        load_checkpoint(path)
    assert not (tmp_path / "evil").exists()


def test_a_file_of_something_else_is_named(tmp_path: Path) -> None:
    path = tmp_path / "step-00000001.pt"
    torch.save({"weight": torch.zeros(1)}, path)
    with pytest.raises(
        InvalidFile, match=r"step-00000001.pt: not a checkpoint of a training: .*model.* missing"
    ):
        load_checkpoint(path)


def test_killed_between_writing_and_renaming(tmp_path: Path) -> None:
    save_checkpoint(tmp_path, state(30), keep=2)
    code = (
        "import os, signal, sys; from pathlib import Path; from tests.training.test_checkpoint import *\n"
        "Path.replace = lambda *_: os.kill(os.getpid(), signal.SIGKILL)\n"
        "save_checkpoint(Path(sys.argv[1]), state(40), keep=2)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], cwd=ROOT, check=False)
    assert done.returncode == -signal.SIGKILL
    (leftover,) = set(tmp_path.iterdir()) - {tmp_path / "step-00000030.pt"}
    assert leftover.stat().st_size > 10_000
    loaded = load_latest(tmp_path)
    assert loaded is not None
    assert loaded["step"] == 30
    save_checkpoint(tmp_path, state(40), keep=2)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["step-00000030.pt", "step-00000040.pt"]


def test_a_full_disk_leaves_no_partial_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_checkpoint(tmp_path, state(30), keep=2)

    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(UserError, match=r"step-00000040.pt: cannot be written: No space left on device$"):
        save_checkpoint(tmp_path, state(40), keep=2)
    assert [path.name for path in tmp_path.iterdir()] == ["step-00000030.pt"]


def test_a_write_that_stops_halfway_leaves_no_partial_file(tmp_path: Path) -> None:
    """By the system's own limit on the size of files, which a real write meets."""
    save_checkpoint(tmp_path, state(30), keep=2)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, hard))
    try:
        with pytest.raises(UserError, match=r"step-00000040.pt: cannot be written: File too large$"):
            save_checkpoint(tmp_path, state(40), keep=2)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert [path.name for path in tmp_path.iterdir()] == ["step-00000030.pt"]


@pytest.mark.parametrize(
    ("identity", "told"),
    [
        ({"recipe": "c", "architecture": "b"}, "recipe was a, is c"),
        ({"recipe": "a", "architecture": "c"}, "architecture was b, is c"),
        ({"recipe": "a", "architecture": "b", "data": "d"}, "data was None, is d"),
    ],
)
def test_another_run_is_refused(tmp_path: Path, identity: dict[str, str], told: str) -> None:
    with pytest.raises(UserError, match=f"{tmp_path}: .*another run: {told};"):
        check_identity(tmp_path, state(), identity, 1, allow_processes_change=True)


def test_another_number_of_processes_is_refused_unless_allowed(tmp_path: Path) -> None:
    same = {"architecture": "b", "recipe": "a"}
    with pytest.raises(UserError, match=r"made by 1 process\(es\), not 2"):
        check_identity(tmp_path, state(), same, 2, allow_processes_change=False)
    check_identity(tmp_path, state(), same, 2, allow_processes_change=True)
    check_identity(tmp_path, state(), same, 1, allow_processes_change=False)
