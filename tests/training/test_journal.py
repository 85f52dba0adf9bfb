"""The log: to the byte what was written, cut where a checkpoint is, and never half a line."""

from __future__ import annotations

import json
import math
import resource
import sys
from pathlib import Path

import pytest

from uninas_bench.errors import UserError
from uninas_bench.training.loop.journal import Journal


def lines(folder: Path, name: str = "log.jsonl") -> list[dict[str, object]]:
    return [json.loads(line) for line in (folder / name).read_text().splitlines()]


def written(folder: Path, count: int = 5) -> bytes:
    with Journal(folder, 0, 0) as journal:
        for step in range(1, count + 1):
            journal.write({"step": step, "loss": 1 / 3 / step, "losses": {"a": math.pi}}, seconds=0.5)
        journal.keep()
    return (folder / "log.jsonl").read_bytes()


def test_numbers_come_back_to_the_bit(tmp_path: Path) -> None:
    written(tmp_path)
    assert [line["loss"] for line in lines(tmp_path)] == [1 / 3 / step for step in range(1, 6)]
    assert lines(tmp_path)[0]["losses"] == {"a": math.pi}
    assert lines(tmp_path, "times.jsonl") == [{"step": step, "seconds": 0.5} for step in range(1, 6)]


@pytest.mark.parametrize("tail", [b"", b'{"step": 6, "lo', b'{"step": 6}\n{"st'])
@pytest.mark.parametrize("records", [0, 3, 5])
def test_what_follows_the_checkpoint_is_cut(tmp_path: Path, records: int, tail: bytes) -> None:
    whole = written(tmp_path)
    for name in ("log.jsonl", "times.jsonl"):
        with (tmp_path / name).open("ab") as file:
            file.write(tail)
    with Journal(tmp_path, records, records) as journal:
        assert journal.records == records
        for step in range(records + 1, 6):
            journal.write({"step": step, "loss": 1 / 3 / step, "losses": {"a": math.pi}}, seconds=0.25)
        assert journal.records == 5
    assert (tmp_path / "log.jsonl").read_bytes() == whole
    times = [line["seconds"] for line in lines(tmp_path, "times.jsonl")]
    assert times == [0.5] * records + [0.25] * (5 - records)


def test_a_log_that_lost_lines_goes_on_with_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    written(tmp_path, 3)
    (tmp_path / "times.jsonl").unlink()
    with Journal(tmp_path, 5, 5) as journal:
        journal.write({"step": 6}, seconds=1.0)
    assert [line["step"] for line in lines(tmp_path)] == [1, 2, 3, 6]
    assert "log.jsonl: has 3 of the 5 lines" in caplog.text
    assert "times.jsonl: has 0 of the 5 lines" in caplog.text


def test_what_is_no_number_is_null(tmp_path: Path) -> None:
    with Journal(tmp_path, 0, 0) as journal:
        journal.write({"step": 1, "metrics": {"loss": math.nan, "accuracy": 1.0}}, seconds=1.0)
    assert lines(tmp_path)[0]["metrics"] == {"loss": None, "accuracy": 1.0}


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"file.*: cannot be written: "):
        Journal(tmp_path / "file", 0, 0)


def overfull(folder: Path, count: int) -> None:
    with Journal(folder, 0, 0) as journal:
        for step in range(count):
            journal.write({"step": step, "text": "x" * 1000}, seconds=1.0)
        journal.keep()


@pytest.mark.parametrize("count", [1, 50])
def test_a_full_disk_is_named(tmp_path: Path, count: int) -> None:
    """Before and behind the point where the buffer runs over; by the system's limit on the size of files."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
    try:
        with pytest.raises(UserError, match=r"log.jsonl: cannot be written: File too large$"):
            overfull(tmp_path, count)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_tensorboard_has_the_same_scalars(tmp_path: Path) -> None:
    accumulation = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    with Journal(tmp_path, 0, 0, tensorboard=True) as journal:
        for step in (1, 2, 3):
            journal.write({"step": step, "epoch": 0, "rate": 0.5, "losses": {"a": 1.0 * step}}, seconds=1.0)
    with Journal(tmp_path, 2, 2, tensorboard=True) as journal:
        journal.write({"step": 3, "epoch": 0, "rate": 0.5, "losses": {"a": 9.0}}, seconds=1.0)
    board = accumulation.EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    assert board.Tags()["scalars"] == ["rate", "losses/a"]
    assert [(event.step, event.value) for event in board.Scalars("losses/a")] == [
        (1, 1.0),
        (2, 2.0),
        (3, 9.0),
    ]


def test_without_tensorboard_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(UserError, match=r"'uninas-bench\[tensorboard\]'"):
        Journal(tmp_path / "run", 0, 0, tensorboard=True)
    assert not (tmp_path / "run").exists()
