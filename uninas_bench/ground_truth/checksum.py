"""Checksums of what was imported, and of what the official files' names promise."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

_PROMISE = re.compile(r"(?:NATS-[ts]ss|NAS-Bench-201)-v\d+_\d+-([0-9a-f]{5,6})(?=[.-]|$)")
_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class Checksum:
    """Of one file, or of a folder's files.

    Attributes:
        sha256: 64 hexadecimal digits. A folder's is that of its lines ``name sha256``, sorted by name.
        note: what the file's name promises and whether it holds; empty where it promises nothing.
    """

    sha256: str
    note: str


def file_checksum(path: Path) -> Checksum:
    """Read a file once for its sha256 and, where its name carries one, its authors' digits.

    The authors name ``NATS-tss-v1_0-3ffb9.pickle.pbz2`` after the last five digits of its md5
    (``get_md5_file`` in AutoDL-Projects), ``NAS-Bench-201-v1_1-096897.pth`` after "the last six digits for
    this file" without saying of which sum; there md5 and sha256 are tried.
    """
    sha256, md5 = hashlib.sha256(), hashlib.md5(usedforsecurity=False)
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            sha256.update(chunk)
            md5.update(chunk)
    return Checksum(
        sha256.hexdigest(), _compare(path.name, {"md5": md5.hexdigest(), "sha256": sha256.hexdigest()})
    )


def folder_checksum(path: Path, files: Iterable[Path]) -> Checksum:
    """The sha256 of a folder of per-architecture files."""
    sums = sorted(f"{file.name} {hashlib.sha256(file.read_bytes()).hexdigest()}\n" for file in files)
    promised = _PROMISE.match(path.name)
    note = (
        f"the digits {promised[1]} in the name are of the single file: a folder cannot be checked by them"
        if promised
        else ""
    )
    return Checksum(hashlib.sha256("".join(sums).encode()).hexdigest(), note)


def _compare(name: str, sums: dict[str, str]) -> str:
    promised = _PROMISE.match(name)
    if not promised:
        return ""
    for kind, digits in sums.items():
        if digits.endswith(promised[1]):
            return f"{kind} ends in {promised[1]} as the name promises"
    return (
        f"NOT the official file: its name promises a checksum that ends in {promised[1]}, "
        f"its md5 ends in {sums['md5'][-len(promised[1]) :]}"
    )
