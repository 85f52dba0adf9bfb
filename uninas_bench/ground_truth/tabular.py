"""Anybody's table: a CSV or Parquet file with a column of architectures and one of accuracies."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Mapping
from functools import reduce
from pathlib import Path
from typing import TYPE_CHECKING

from uninas_bench.errors import InvalidArchitecture, InvalidFile, UnknownName, UserError
from uninas_bench.ground_truth.table import COLUMNS, MEAN

if TYPE_CHECKING:
    import pandas as pd

    from uninas_bench.space import SearchSpace

_SPELLINGS = ("architecture", "arch_str", "arch_index")
"""Columns that hold architectures, the first of them that exists."""
_SHOWN = 8


def read_tabular(
    path: Path, space: SearchSpace, columns: Mapping[str, str] | None = None, count: int | None = None
) -> pd.DataFrame:
    """Rows for a `GroundTruth` of a CSV (gzip or plain) or Parquet file.

    The file has ``architecture`` (any spelling that the space reads), ``arch_str`` or ``arch_index``, and
    ``accuracy`` in percent; optionally ``seed``, ``count`` (trainings that the row averages) and ``loss``.
    Without seeds a row is the mean of ``count`` trainings, 0 standing for unknown.

    Args:
        path: CSV with a header, or Parquet.
        space: reads the architectures.
        columns: the file's own names for our columns: ``{"accuracy": "cifar10_test_acc_200ep"}``. An
            architecture may be spread over several, which are joined by commas: ``"stage1+stage2"``.
        count: trainings behind each row, for a file without that column.

    Raises:
        InvalidFile: a column is missing, an architecture or a number cannot be read, or a row occurs twice;
            the message names the row, 1 being the first below the header.
        UserError: ``columns`` names a column that we don't have.
    """
    import pandas as pd

    wanted = dict(columns or {})
    for name in wanted:
        if name not in COLUMNS:
            raise UnknownName("column", name, COLUMNS)
    frame = _read(path)
    source = _resolve(path, frame, wanted)
    texts = _architectures(frame, source["architecture"])
    rows = pd.DataFrame({"architecture": _encodings(path, texts, space)})
    rows["seed"] = _texts(path, frame, source["seed"], "seed") if "seed" in source else MEAN
    if "count" in source:
        rows["count"] = _numbers(path, frame, source["count"], "count", least=0, most=10**9).astype("int64")
    else:
        rows["count"] = count if count is not None else 1 if "seed" in source else 0
    rows["accuracy"] = _numbers(path, frame, source["accuracy"], "accuracy", least=0, most=100)
    rows["loss"] = pd.to_numeric(frame[source["loss"]], errors="coerce") if "loss" in source else float("nan")
    _refuse_fractions(path, rows["accuracy"], source["accuracy"])
    _refuse_twice(path, rows)
    return rows


def _read(path: Path) -> pd.DataFrame:
    import pandas as pd

    try:
        with path.open("rb") as file:
            head = file.read(4)
        if head == b"PAR1":
            return pd.read_parquet(path)
        frame = pd.read_csv(
            path, dtype=str, keep_default_na=False, compression="gzip" if head[:2] == b"\x1f\x8b" else None
        )
    except FileNotFoundError:
        raise InvalidFile(f"{path}: no such file") from None
    except ImportError:
        raise UserError(f"{path}: Parquet needs pyarrow: pip install 'uninas-bench[parquet]'") from None
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise InvalidFile(f"{path}: truncated or damaged: {' '.join(str(error).split())}") from None
    except OSError as error:
        raise InvalidFile(f"{path}: cannot be read: {error.strerror or error}") from None
    except ValueError as error:  # pandas's and pyarrow's errors of parsing are all of this kind
        raise InvalidFile(f"{path}: no CSV or Parquet table: {' '.join(str(error).split())}") from None
    if frame.empty:
        raise InvalidFile(f"{path}: no row below its header")
    return frame


def _resolve(path: Path, frame: pd.DataFrame, wanted: dict[str, str]) -> dict[str, str]:
    """Our column -> the file's."""
    names = list(map(str, frame.columns))
    for ours, theirs in wanted.items():
        for part in _parts(theirs, names) if ours == "architecture" else (theirs,):
            if part not in names:
                raise InvalidFile(
                    f'{path}: column "{part}" (for {ours}) is missing; found: {_listing(names)}'
                )
    source = {name: name for name in COLUMNS if name in names} | wanted
    if "architecture" not in source:
        spelling = next((name for name in _SPELLINGS if name in names), None)
        if spelling is not None:
            source["architecture"] = spelling
    for name in ("architecture", "accuracy"):
        if name not in source:
            raise InvalidFile(
                f'{path}: column "{name}" is missing; found: {_listing(names)}; '
                f"say which one it is with --column {name}=NAME"
            )
    return source


def _parts(column: str, names: list[str]) -> list[str]:
    """The columns that a name stands for: itself, or those that it joins."""
    return [column] if column in names else [part.strip() for part in column.split("+")]


def _architectures(frame: pd.DataFrame, column: str) -> pd.Series[str]:
    texts = [frame[part].astype(str) for part in _parts(column, list(map(str, frame.columns)))]
    return reduce(lambda joined, text: joined + ", " + text, texts)


def _listing(names: list[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more


def _encodings(path: Path, texts: pd.Series[str], space: SearchSpace) -> list[str]:
    known: dict[str, str] = {}
    for row, text in enumerate(texts, start=1):
        if text not in known:
            try:
                known[text] = space.parse(text).encoding
            except InvalidArchitecture as error:
                raise InvalidFile(f"{path}: row {row}: {error}") from None
    return [known[text] for text in texts]


def _texts(path: Path, frame: pd.DataFrame, column: str, meaning: str) -> list[str]:
    texts = [str(value).strip().removesuffix(".0") for value in frame[column]]
    for row, text in enumerate(texts, start=1):
        if not text:
            raise InvalidFile(f"{path}: row {row}: {meaning} is empty (column {column})")
    return texts


def _numbers(
    path: Path, frame: pd.DataFrame, column: str, meaning: str, *, least: float, most: float
) -> pd.Series[float]:
    import pandas as pd

    numbers = pd.to_numeric(frame[column], errors="coerce")
    wrong = numbers.index[~numbers.between(least, most)]
    if len(wrong):
        row, text = int(wrong[0]), frame[column][wrong[0]]
        raise InvalidFile(
            f'{path}: row {row + 1}: {meaning} "{text}" (column {column}) is no number in {least}..{most}'
        )
    return numbers


def _refuse_fractions(path: Path, accuracy: pd.Series[float], column: str) -> None:
    if accuracy.max() <= 1:
        raise InvalidFile(
            f"{path}: column {column} has nothing above {accuracy.max():g}: "
            "it looks like fractions; accuracies are in percent"
        )


def _refuse_twice(path: Path, rows: pd.DataFrame) -> None:
    twice = rows.index[rows.duplicated(["architecture", "seed"])]
    if len(twice):
        row = rows.loc[twice[0]]
        same = (rows["architecture"] == row["architecture"]) & (rows["seed"] == row["seed"])
        raise InvalidFile(
            f"{path}: rows {int(rows.index[same][0]) + 1} and {int(twice[0]) + 1} "
            f"are both {row['architecture']} with seed {row['seed']}"
        )
