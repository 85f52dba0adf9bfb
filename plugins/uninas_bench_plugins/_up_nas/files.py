"""Scores and accuracies of architectures from a user's CSV file."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from uninas_bench import Architecture, SearchSpace, UserError

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

ACCURACY = "accuracy"
SENTINEL = -1e8
"""What NASLib writes where a proxy gave no finite number."""
_LONG = {"proxy", "value"}


def read_scores(path: Path, space: SearchSpace, members: Sequence[str], column: str) -> pd.DataFrame:
    """Scores (architectures by encoding, members), NaN where one is missing.

    Args:
        path: a CSV file, compressed or not: a column for each proxy; or a row for each value with the columns
            proxy and value, as `uninas_bench.score` gives them and ``uninas-bench scores export`` writes.
        space: parses any spelling of an architecture.
        members: the proxies to read.
        column: with the architectures.

    Raises:
        UserError: the file is missing or malformed, or lacks a member.
    """
    frame = _read(path, column)
    if set(frame.columns) >= _LONG:
        frame = _widened(path, frame, space, members, column)
    for name in members:
        if name not in frame.columns:
            known = [entry for entry in frame.columns if entry != column]
            close = get_close_matches(name, known, n=1)
            hint = f'; did you mean "{close[0]}"?' if close else ""
            raise UserError(f"{path}: no scores of {name}{hint} (columns: {', '.join(known[:30])})")
    import pandas as pd

    encodings = [architecture.encoding for architecture in _parsed(path, space, frame[column])]
    scores = pd.DataFrame({name: _numbers(path, frame[name]) for name in members})
    scores.index = pd.Index(encodings, name="architecture")
    if not scores.index.is_unique:
        raise UserError(f"{path}: {scores.index[scores.index.duplicated()][0]} is there twice")
    return scores.where(np.isfinite(scores) & (scores != SENTINEL))


def read_accuracies(path: Path, space: SearchSpace) -> dict[str, float]:
    """The accuracy of each architecture by its encoding, the mean where there are several.

    Raises:
        UserError: the file is missing or malformed.
    """
    frame = _read(path, "architecture")
    if ACCURACY not in frame.columns:
        raise UserError(f"{path}: expected the columns architecture and {ACCURACY}")
    found: dict[str, list[float]] = {}
    numbers = _numbers(path, frame[ACCURACY])
    for architecture, number in zip(_parsed(path, space, frame["architecture"]), numbers, strict=True):
        if math.isfinite(number):
            found.setdefault(architecture.encoding, []).append(float(number))
    return {encoding: sum(values) / len(values) for encoding, values in found.items()}


def _read(path: Path, column: str) -> pd.DataFrame:
    import pandas as pd

    try:
        # A table of ground truth begins with a line about itself.
        frame = pd.read_csv(path, comment="#", dtype={column: str})
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror or error}") from None
    except ValueError as error:
        raise UserError(f"{path}: no CSV file: {' '.join(str(error).split())[:200]}") from None
    if column not in frame.columns:
        raise UserError(f"{path}: no column {column} (columns: {', '.join(map(str, frame.columns[:30]))})")
    if not len(frame):
        raise UserError(f"{path}: no rows")
    return frame


def _widened(
    path: Path, frame: pd.DataFrame, space: SearchSpace, members: Iterable[str], column: str
) -> pd.DataFrame:
    """A row for each architecture of the space, a column for each member."""
    frame = frame[frame["proxy"].isin(members)]
    if "space" in frame.columns:
        frame = frame[frame["space"] == space.name]
    if "scale" in frame.columns:
        frame = frame[frame["scale"].fillna("") == str(space.scale)]
    twice = frame[frame.duplicated([column, "proxy"])]
    if len(twice):
        first = twice.iloc[0]
        raise UserError(
            f"{path}: {first['proxy']} of {first[column]} has several values: keep one task and seed, "
            "and only proxies of one component"
        )
    return frame.pivot_table(index=column, columns="proxy", values="value", sort=False).reset_index()


def _parsed(path: Path, space: SearchSpace, texts: Iterable[object]) -> list[Architecture]:
    found = []
    for number, text in enumerate(texts, 1):
        try:
            found.append(space.parse(str(text).removeprefix(f"{space.name}:")))
        except UserError as error:
            raise UserError(f"{path}: row {number}: {error}") from None
    return found


def _numbers(path: Path, column: pd.Series[float]) -> NDArray[np.float64]:
    import pandas as pd

    numbers = pd.to_numeric(column, errors="coerce")
    wrong = column[numbers.isna() & column.notna()]
    if len(wrong):
        raise UserError(f"{path}: {column.name}: expected numbers, got {wrong.iloc[0]!r}")
    return numbers.to_numpy("float64")
