"""The native file: exact round trip, fixed bytes, one line for every damage."""

from __future__ import annotations

import gzip
import hashlib
import json
import time
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from uninas_bench.errors import InvalidFile
from uninas_bench.ground_truth.files import content_sha256, is_table, read_info, read_table, write_table
from uninas_bench.ground_truth.table import COLUMNS, GroundTruth, GroundTruthInfo, TrainingRecord

INFO = GroundTruthInfo("t", "nasbench201", "channels=16,cells=5", "cifar10", 'a "protocol", süß', "source")


def table(n: int = 20, seeds: int = 3) -> GroundTruth:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "architecture": [f"|op~{i}, x|" for i in range(n) for _ in range(seeds)],
            "seed": [str(seed) for _ in range(n) for seed in range(seeds)],
            "count": 1,
            "accuracy": rng.random(n * seeds) * 100,
            "loss": np.where(rng.random(n * seeds) < 0.2, np.nan, rng.random(n * seeds)),
        }
    )
    return GroundTruth(INFO, frame)


def test_round_trip_is_exact(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "t.csv.gz"
    write_table(table(), path)
    back = read_table(path)
    pd.testing.assert_frame_equal(back.rows, table().rows, check_exact=True)
    assert back.info == INFO == read_info(path)
    assert is_table(path)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=40)
@given(
    st.dictionaries(
        st.tuples(
            st.text(min_size=1, alphabet=st.characters(codec="utf-8", exclude_characters="\r\0")),
            st.integers(0),
        ),
        st.tuples(st.floats(0, 100), st.floats(allow_nan=True, allow_infinity=False)),
        min_size=1,
        max_size=5,
    )
)
def test_any_text_and_number_survives(
    tmp_path: Path, rows: dict[tuple[str, int], tuple[float, float]]
) -> None:
    made = GroundTruth(
        INFO,
        pd.DataFrame(
            [(text, str(seed), 1, accuracy, loss) for (text, seed), (accuracy, loss) in rows.items()],
            columns=list(COLUMNS),
        ),
    )
    write_table(made, tmp_path / "t.csv.gz")
    pd.testing.assert_frame_equal(read_table(tmp_path / "t.csv.gz").rows, made.rows, check_exact=True)


def test_equal_tables_have_equal_bytes_and_no_time_stamp(tmp_path: Path) -> None:
    write_table(table(), tmp_path / "a.csv.gz")
    time.sleep(1.1)
    write_table(table(), tmp_path / "b.csv.gz")
    data = (tmp_path / "a.csv.gz").read_bytes()
    assert data == (tmp_path / "b.csv.gz").read_bytes()
    assert data[4:8] == b"\0" * 4
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.csv.gz", "b.csv.gz"]


def test_a_failed_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "t.csv.gz"
    write_table(table(5), path)

    def fail(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(KeyboardInterrupt):
        write_table(table(9), path)
    assert len(read_table(path)) == 5
    assert [found.name for found in tmp_path.iterdir()] == ["t.csv.gz"]


def test_the_file_is_what_its_description_says(tmp_path: Path) -> None:
    write_table(table(1, 1), tmp_path / "t.csv.gz")
    first, header, row = gzip.decompress((tmp_path / "t.csv.gz").read_bytes()).decode().splitlines()
    assert json.loads(first.removeprefix("# "))["protocol"] == INFO.protocol
    assert header == "architecture,seed,count,accuracy,loss"
    assert row.startswith('"|op~0, x|",0,1,')


def _text(body: str) -> bytes:
    head = json.dumps(dict.fromkeys(("name", "space", "scale", "task", "protocol", "source"), "x"))
    return gzip.compress(f"# {head}\n{body}".encode(), mtime=0)


RECORD = TrainingRecord("steps=2,rate=0.1", 1, 2, "digits-1", ("torch 1, cpu", "torch 2, cpu"), 12, 34.5)


def test_a_record_of_the_training_comes_back(tmp_path: Path) -> None:
    info = replace(INFO, training=RECORD)
    write_table(GroundTruth(info, table().rows), tmp_path / "t.csv.gz")
    assert read_table(tmp_path / "t.csv.gz").info == info == read_info(tmp_path / "t.csv.gz")


def test_without_a_record_the_file_is_what_older_versions_wrote_and_read(tmp_path: Path) -> None:
    write_table(table(1, 1), tmp_path / "t.csv.gz")
    first = gzip.decompress((tmp_path / "t.csv.gz").read_bytes()).decode().splitlines()[0]
    assert set(json.loads(first.removeprefix("# "))) == {
        "name", "space", "scale", "task", "protocol", "source"
    }  # fmt: skip


@pytest.mark.parametrize(
    "record",
    [
        "all well",
        {},
        {**asdict(RECORD), "seconds": "many"},
        {**asdict(RECORD), "made_with": [1]},
        {**asdict(RECORD), "more": 1},
    ],
)
def test_a_damaged_record_is_one_line(tmp_path: Path, record: object) -> None:
    head = json.dumps({**asdict(INFO), "training": record})
    (tmp_path / "t.csv.gz").write_bytes(gzip.compress(f"# {head}\n".encode()))
    with pytest.raises(InvalidFile, match='"training" in its first line is no record') as caught:
        read_info(tmp_path / "t.csv.gz")
    assert "\n" not in str(caught.value)


def test_the_content_has_one_checksum_whatever_packed_it(tmp_path: Path) -> None:
    write_table(table(), tmp_path / "t.csv.gz")
    text = gzip.decompress((tmp_path / "t.csv.gz").read_bytes())
    assert content_sha256(table()) == hashlib.sha256(text).hexdigest()
    assert content_sha256(read_table(tmp_path / "t.csv.gz")) == content_sha256(table())
    assert content_sha256(table(19)) != content_sha256(table())


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "truncated or damaged|no ground-truth table"),
        (b"architecture,accuracy\na,1\n", "no ground-truth table of uninas-bench; import it first"),
        (gzip.compress(b"architecture,accuracy\na,1\n", mtime=0), "no ground-truth table of uninas-bench"),
        (gzip.compress(b"# [1]\n", mtime=0), "no ground-truth table"),
        (gzip.compress(b'# {"name": "x"}\n', mtime=0), "its first line has name; expected name, protocol"),
        (
            _text("architecture,seed,count,accuracy\na,1,1,5\n"),
            "columns architecture, seed, count, accuracy; exp",
        ),
        (_text("architecture,seed,count,accuracy,loss\na,1,1,high,\n"), "could not convert string to float"),
        (_text("architecture,seed,count,accuracy,loss\na,1,1\n"), "line 3 has 3 values, not 5"),
        (_text("architecture,seed,count,accuracy,loss\na,1,1,101,\n"), "not in 0..100"),
        (_text("architecture,seed,count,accuracy,loss\n"), "no row"),
        (_text("")[:-12], "truncated or damaged"),
    ],
)
def test_damage_is_one_line(tmp_path: Path, data: bytes, message: str) -> None:
    path = tmp_path / "t.csv.gz"
    path.write_bytes(data)
    with pytest.raises(InvalidFile, match=message) as caught:
        read_table(path)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


def test_truncated_anywhere(tmp_path: Path) -> None:
    write_table(table(), tmp_path / "t.csv.gz")
    data = (tmp_path / "t.csv.gz").read_bytes()
    for size in range(0, len(data), 97):
        (tmp_path / "cut.csv.gz").write_bytes(data[:size])
        with pytest.raises(InvalidFile):
            read_table(tmp_path / "cut.csv.gz")


def test_missing(tmp_path: Path) -> None:
    for read in (read_table, read_info):
        with pytest.raises(InvalidFile, match="no such file"):
            read(tmp_path / "absent.csv.gz")
    assert not is_table(tmp_path / "absent.csv.gz")


def test_46875_rows_are_read_quickly(tmp_path: Path) -> None:
    write_table(table(15625), tmp_path / "t.csv.gz")
    read_table(tmp_path / "t.csv.gz")
    best = min(_seconds(tmp_path / "t.csv.gz") for _ in range(3))
    # Takes 0.1 to 0.2 s of processor time; the margin is for a busy machine.
    assert best < 0.6


def _seconds(path: Path) -> float:
    start = time.process_time()
    read_table(path)
    return time.process_time() - start
