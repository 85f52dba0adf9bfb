"""Checksums: the digits in official names, and sums of folders."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import pytest

from uninas_bench.ground_truth.checksum import file_checksum, folder_checksum

DATA = b"benchmark"
MD5, SHA256 = hashlib.md5(DATA).hexdigest(), hashlib.sha256(DATA).hexdigest()


@pytest.mark.parametrize(
    ("name", "note"),
    [
        (f"NATS-tss-v1_0-{MD5[-5:]}.pickle.pbz2", f"md5 ends in {MD5[-5:]} as the name promises"),
        (f"NATS-sss-v1_0-{MD5[-5:]}.pickle.pbz2", f"md5 ends in {MD5[-5:]} as the name promises"),
        (f"NAS-Bench-201-v1_1-{SHA256[-6:]}.pth", f"sha256 ends in {SHA256[-6:]} as the name promises"),
        (
            "NATS-tss-v1_0-3ffb9.pickle.pbz2",
            f"NOT the official file: .* ends in 3ffb9, its md5 ends in {MD5[-5:]}",
        ),
        ("mine.pickle.pbz2", "^$"),
        ("nasbench201.csv.gz", "^$"),
    ],
)
def test_names_promise_the_last_digits(tmp_path: Path, name: str, note: str) -> None:
    (tmp_path / name).write_bytes(DATA)
    found = file_checksum(tmp_path / name)
    assert found.sha256 == SHA256
    assert re.search(note, found.note)


def test_a_folder_changes_with_any_of_its_files(tmp_path: Path) -> None:
    files = [tmp_path / name for name in ("000000.pickle.pbz2", "000001.pickle.pbz2")]
    for file in files:
        file.write_bytes(DATA)
    first = folder_checksum(tmp_path, files).sha256
    assert folder_checksum(tmp_path, reversed(files)).sha256 == first
    lines = "".join(f"{file.name} {SHA256}\n" for file in files)
    assert first == hashlib.sha256(lines.encode()).hexdigest()
    files[1].write_bytes(b"x")
    assert folder_checksum(tmp_path, files).sha256 != first
