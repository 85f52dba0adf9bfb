"""The table's own file: a gzip CSV whose first line is ``# `` and the JSON of its `GroundTruthInfo`."""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import json
import zlib
from dataclasses import asdict, fields
from pathlib import Path

from uninas_bench.errors import InvalidFile, UserError
from uninas_bench.ground_truth.table import COLUMNS, GroundTruth, GroundTruthInfo, TrainingRecord
from uninas_bench.whole_files import write_whole

SUFFIX = ".csv.gz"
_LONGEST_HEADER = 1 << 16
_DAMAGE = (OSError, EOFError, zlib.error)


def write_table(table: GroundTruth, path: Path) -> None:
    """Write a table; equal tables give equal bytes, and a reader never meets half a file.

    Raises:
        UserError: the folder cannot be made or written.
    """
    # A fixed time stamp, or the same table would have other bytes every second.
    write_whole(path, gzip.compress(_text(table), compresslevel=9, mtime=0))


def content_sha256(table: GroundTruth) -> str:
    """The sha256 of what a table's file holds, unpacked: packed bytes differ between versions of zlib."""
    return hashlib.sha256(_text(table)).hexdigest()


def _text(table: GroundTruth) -> bytes:
    values = asdict(table.info)
    if table.info.training is None:
        del values["training"]
    header = json.dumps(values, sort_keys=True, ensure_ascii=False)
    text = io.StringIO()
    text.write(f"# {header}\n")
    table.rows.to_csv(text, index=False, lineterminator="\n")
    return text.getvalue().encode()


def is_table(path: Path) -> bool:
    """Whether a file looks like one that `write_table` wrote, judged by its first bytes."""
    try:
        with gzip.open(path) as file:
            return file.read(3) == b"# {"
    except _DAMAGE:
        return False


def read_info(path: Path) -> GroundTruthInfo:
    """The first line alone: fast, and without pandas.

    Raises:
        InvalidFile: the file is missing, damaged, or no ground-truth table.
    """
    try:
        with gzip.open(path) as file:
            return _info(path, file.readline(_LONGEST_HEADER))
    except FileNotFoundError:
        raise InvalidFile(f"{path}: no such file") from None
    except _DAMAGE as error:
        raise _damaged(path, error) from None


def read_table(path: Path) -> GroundTruth:
    """Read a file that `write_table` wrote.

    Raises:
        InvalidFile: the file is missing, damaged, or no ground-truth table.
    """
    import numpy as np
    import pandas as pd

    try:
        with gzip.open(path) as file:
            data = file.read()
    except FileNotFoundError:
        raise InvalidFile(f"{path}: no such file") from None
    except _DAMAGE as error:
        raise _damaged(path, error) from None
    first, _, body = data.partition(b"\n")
    info = _info(path, first)
    try:
        reader = csv.reader(io.StringIO(body.decode(), newline=""))
        header = tuple(next(reader, ()))
        if header != COLUMNS:
            raise ValueError(f"columns {', '.join(header)}; expected {', '.join(COLUMNS)}")
        values = list(reader)
        for line, row in enumerate(values, start=3):
            if len(row) != len(COLUMNS):
                raise ValueError(f"line {line} has {len(row)} values, not {len(COLUMNS)}")
        columns = dict(
            zip(COLUMNS, zip(*values, strict=True) if values else [()] * len(COLUMNS), strict=True)
        )
        # Python's float is exact for the digits written; pandas's reader is not in every version.
        rows = pd.DataFrame(
            {
                "architecture": columns["architecture"],
                "seed": columns["seed"],
                "count": np.array(columns["count"], dtype=np.int64),
                "accuracy": np.array(columns["accuracy"], dtype=np.float64),
                "loss": np.array([text or "nan" for text in columns["loss"]], dtype=np.float64),
            }
        )
    except (ValueError, OverflowError, csv.Error) as error:
        raise InvalidFile(f"{path}: damaged ground-truth table: {' '.join(str(error).split())}") from None
    try:
        return GroundTruth(info, rows)
    except UserError as error:
        raise InvalidFile(f"{path}: {error}") from None


def _info(path: Path, line: bytes) -> GroundTruthInfo:
    names = {field.name for field in fields(GroundTruthInfo)} - {"training"}
    try:
        values = json.loads(line.removeprefix(b"# "))
    except ValueError:
        values = None
    if not line.startswith(b"# {") or not isinstance(values, dict):
        raise InvalidFile(
            f"{path}: no ground-truth table of uninas-bench; import it first: "
            f"uninas-bench ground-truth import {path.name} --space SPACE --task TASK"
        )
    # Not every table was trained here, and no older file has a record of it.
    training = _training(path, values.pop("training", None))
    if set(values) != names or not all(isinstance(value, str) for value in values.values()):
        raise InvalidFile(
            f"{path}: its first line has {', '.join(values)}; expected {', '.join(sorted(names))}"
        )
    return GroundTruthInfo(**values, training=training)


def _training(path: Path, values: object) -> TrainingRecord | None:
    if values is None:
        return None
    kinds: dict[str, type | tuple[type, ...]] = {
        "settings": str, "version": int, "space_version": int, "images": str, "made_with": list,
        "trainings": int, "seconds": (int, float),
    }  # fmt: skip
    if (
        not isinstance(values, dict)
        or set(values) != set(kinds)
        or not all(isinstance(values[name], kind) for name, kind in kinds.items())
        or not all(isinstance(text, str) for text in values["made_with"])
    ):
        raise InvalidFile(
            f'{path}: "training" in its first line is no record of a training; '
            f"expected {', '.join(sorted(kinds))}"
        )
    return TrainingRecord(**{**values, "made_with": tuple(values["made_with"])})


def _damaged(path: Path, error: Exception) -> InvalidFile:
    if isinstance(error, gzip.BadGzipFile) and not str(error).startswith("CRC"):
        return InvalidFile(
            f"{path}: no ground-truth table of uninas-bench; import it first: "
            f"uninas-bench ground-truth import {path.name} --space SPACE --task TASK"
        )
    if isinstance(error, OSError) and error.strerror:
        return InvalidFile(f"{path}: cannot be read: {error.strerror}")
    return InvalidFile(f"{path}: truncated or damaged: {' '.join(str(error).split())}")
