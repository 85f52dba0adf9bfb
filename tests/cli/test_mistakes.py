"""Wrong inputs: one clear line on stderr, exit 2, and the store as it was."""

from __future__ import annotations

import gzip
import hashlib
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

Run = Callable[..., Result]


def content(store: Path) -> str:
    """A checksum of everything that a database holds, whatever its files look like."""
    with sqlite3.connect(f"{store.resolve().as_uri()}?mode=ro", uri=True) as connection:
        dump = "\n".join(connection.iterdump())
    return hashlib.sha256(dump.encode()).hexdigest()


@pytest.fixture
def fails(run: Run, store: Path) -> Callable[..., str]:
    """Run a command that must fail, check how, and return its one line."""

    def fails(*arguments: object) -> str:
        before = content(store)
        result = run(*arguments, code=2)
        assert content(store) == before
        errors = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
        assert len(errors) == 1, result.stderr
        assert result.stderr.splitlines()[-1] == errors[0], result.stderr
        assert "Traceback" not in result.stderr
        return errors[0]

    return fails


def board(table: object, store: Path, *more: object) -> tuple[object, ...]:
    return ("leaderboard", "--ground-truth", table, "--store", store, "--workers", "1", *more)


def test_unknown_proxy(fails: Callable[..., str], table: Path, store: Path) -> None:
    line = fails(*board(table, store, "--proxies", "nwott"))
    assert line.startswith('error: no proxy "nwott"; did you mean "nwot"? (uninas-bench proxies lists all')


def test_unknown_space(fails: Callable[..., str], store: Path) -> None:
    line = fails("leaderboard", "--space", "nasbench210", "--task", "cifar10", "--store", store)
    assert line.startswith('error: no search space "nasbench210"; did you mean "nasbench201"?')


def test_malformed_architecture(fails: Callable[..., str], store: Path) -> None:
    text = "|nor_conv_3x3~0|+|nor_conv_5x5~0|none~1|+|none~0|none~1|none~2|"
    line = fails("architecture", "show", "nasbench201", text, "--store", store)
    assert 'unknown operation "nor_conv_5x5" at position 19 (edge 0->2); known: none, skip_connect' in line


def test_index_out_of_range(fails: Callable[..., str], store: Path) -> None:
    line = fails("architecture", "show", "nasbench201", "15625", "--store", store)
    assert "index 15625 out of range; expected 0..15624" in line


def test_missing_file(fails: Callable[..., str], tmp_path: Path) -> None:
    line = fails(
        "ground-truth", "import", tmp_path / "none.csv", "--space", "nasbench201", "--task", "cifar10"
    )
    assert f"{tmp_path / 'none.csv'}" in line
    assert "no such file" in line


def test_truncated_file(fails: Callable[..., str], table: Path, store: Path, tmp_path: Path) -> None:
    cut = tmp_path / "cut.csv.gz"
    cut.write_bytes(table.read_bytes()[:-60])
    line = fails(*board(cut, store))
    assert "cut.csv.gz" in line


def test_csv_with_a_missing_column(fails: Callable[..., str], tmp_path: Path) -> None:
    file = tmp_path / "mine.csv"
    file.write_text("architecture,loss\n0,1.5\n1,1.4\n")
    line = fails("ground-truth", "import", file, "--space", "nasbench201", "--task", "cifar10")
    assert "accuracy" in line
    assert "mine.csv" in line


def test_unreadable_store(fails: Callable[..., str], table: Path, tmp_path: Path) -> None:
    text = tmp_path / "text.db"
    text.write_text("this is no database, and it is long enough to be looked at\n" * 40)
    before = text.read_bytes()
    line = fails(*board(table, text, "--proxies", "params"))
    assert "text.db" in line
    assert text.read_bytes() == before


def test_store_of_a_newer_version(
    fails: Callable[..., str], table: Path, store: Path, tmp_path: Path
) -> None:
    newer = tmp_path / "newer.db"
    with sqlite3.connect(store) as source, sqlite3.connect(newer) as target:
        source.backup(target)
        target.execute("UPDATE uninas_bench_meta SET schema_version = 1000")
    before = content(newer)
    for command in (board(table, newer, "--proxies", "params"), ("scores", "list", "--store", newer)):
        line = fails(*command)
        assert "newer" in line
        assert "1000" in line
    assert content(newer) == before


def test_batch_of_nothing(fails: Callable[..., str], table: Path, store: Path) -> None:
    line = fails(*board(table, store, "--proxies", "nwot", "--set", "nwot.batch=0"))
    assert "batch" in line
    assert "0" in line


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--set", "nwot.btch=3"], 'did you mean "batch"'),
        (["--set", "nwot.batch=many"], "nwot.batch=many"),
        (["--set", "nwot"], "expected name=value"),
        (["--sample", "17"], "16"),
        (["--sample", "0"], "--sample 0"),
        (["--scale", "channels=4"], "--space"),
        (["--space", "nasbench201", "--scale", "chanels=4"], 'did you mean "channels"'),
        (["--space", "nasbench201", "--scale", "channels=16"], "channels"),
        (["--task", "cifar11"], "cifar11"),
        (["--plugin", "none.py"], "--plugin none.py: no such file"),
        (["--data", "cifar10"], "expected name=value"),
        (["--executor", "clowd"], "clowd"),
        (["--workers", "0"], "--workers"),
        (["--output", "/proc/none/board.csv", "--format", "csv", "--proxies", "params"], "/proc/none"),
    ],
)
def test_more_mistakes(
    fails: Callable[..., str], table: Path, store: Path, arguments: list[str], words: str
) -> None:
    assert words in fails(*board(table, store, *arguments))


def test_a_store_that_is_not_there_is_not_made_by_reading(fails: Callable[..., str], tmp_path: Path) -> None:
    assert "no such store" in fails("scores", "list", "--store", tmp_path / "none.db")
    assert not (tmp_path / "none.db").exists()


def test_a_damaged_gzip_is_no_table(fails: Callable[..., str], store: Path, tmp_path: Path) -> None:
    file = tmp_path / "odd.csv.gz"
    file.write_bytes(gzip.compress(b"no header at all\n"))
    assert "odd.csv.gz" in fails(*board(file, store))
