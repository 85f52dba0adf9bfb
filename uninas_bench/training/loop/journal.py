"""The log of a run: one file that every repetition writes to the byte, and the times beside it."""

from __future__ import annotations

import json
import logging
import math
import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from uninas_bench.errors import UserError

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

_log = logging.getLogger(__name__)


class Journal:
    """``log.jsonl`` and ``times.jsonl``: line by line about the same.

    The first has nothing but what follows from recipe, architecture, data and seed, each number in full, so
    that an interrupted run that was resumed and one that was not leave equal files. ``step`` counts the steps
    that are done. The times are seconds since the line before.
    """

    def __init__(self, folder: Path, records: int, step: int, *, tensorboard: bool = False) -> None:
        """Open for appending after the first ``records`` lines; what follows them is cut off.

        That is what a run did after the checkpoint of ``step``, which it goes on from; the last line of it
        may be torn. TensorBoard is told to forget it.

        Raises:
            UserError: the folder cannot be written, or TensorBoard is wanted and not installed.
        """
        writer = _summary_writer() if tensorboard else None
        with _told(folder):
            folder.mkdir(parents=True, exist_ok=True)
            self._files = [_opened(folder / name, records) for name in ("log.jsonl", "times.jsonl")]
        self.records = records
        self._board = writer(str(folder / "tensorboard"), purge_step=step + 1) if writer else None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # After a full disk was reported, closing would report it once more, and not as the user's mistake.
        with suppress(OSError) if error else nullcontext(), ExitStack() as closed:
            for file in self._files:
                closed.callback(file.close)
            if self._board is not None:
                closed.callback(self._board.close)

    def write(self, record: Mapping[str, Any], seconds: float) -> None:
        """Append a record, whose ``step`` says when, and how long it took.

        Raises:
            UserError: the disk is full.
        """
        for file, line in zip(
            self._files, (record, {"step": record["step"], "seconds": seconds}), strict=True
        ):
            with _told(file.name):
                file.write(json.dumps(_plain(line)).encode() + b"\n")
        self.records += 1
        if self._board is not None:
            for name, value in _scalars(record):
                self._board.add_scalar(name, value, record["step"])

    def keep(self) -> None:
        """Have all records outlive whatever comes: a checkpoint that counts them is about to be written.

        Raises:
            UserError: the disk is full.
        """
        for file in self._files:
            with _told(file.name):
                file.flush()
                os.fsync(file.fileno())


@contextmanager
def _told(path: Path) -> Iterator[None]:
    """An error of the system as the user's."""
    try:
        yield
    except OSError as error:
        raise UserError(f"{path}: cannot be written: {error.strerror or error}") from None


def _opened(path: Path, records: int) -> Any:
    """The file, after its first ``records`` whole lines."""
    file = path.open("a+b")
    file.seek(0)
    whole = length = 0
    for line in file:
        if whole == records or not line.endswith(b"\n"):
            break
        whole += 1
        length += len(line)
    file.truncate(length)
    file.seek(length)
    if whole < records:
        _log.warning("%s: has %d of the %d lines that the checkpoint knows", path, whole, records)
    return file


def _summary_writer() -> type[SummaryWriter]:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        raise UserError(
            "TensorBoard is not installed; python3 -m pip install 'uninas-bench[tensorboard]'"
        ) from None
    return SummaryWriter


def _plain(value: Any) -> Any:
    """JSON knows no infinities and no NaN: they become null."""
    if isinstance(value, Mapping):
        return {name: _plain(part) for name, part in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _scalars(record: Mapping[str, Any], prefix: str = "") -> list[tuple[str, float]]:
    """The numbers of a record under names such as ``losses/cross_entropy``."""
    found: list[tuple[str, float]] = []
    for name, value in record.items():
        if isinstance(value, Mapping):
            found += _scalars(value, f"{prefix}{name}/")
        elif prefix or name not in ("step", "epoch"):
            found.append((prefix + name, float(value)))
    return found
