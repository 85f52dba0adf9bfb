"""The folder of a walk: what it depends on, every step's move and costs, and encodings now and then.

``walk.json`` says what the walk is. Each chunk of steps has two files, ``steps-00000.npz`` (arrays, one row a
step) and ``encodings-00000.txt.gz`` (lines of step, tab, encoding). Both are written whole, the encodings
first: a chunk whose arrays are there is there.
"""

from __future__ import annotations

import gzip
import json
import re
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from uninas_bench.architecture import Task
from uninas_bench.bounds import Bounds
from uninas_bench.errors import InvalidFile, UserError
from uninas_bench.spaces.uninas.walk import WalkSettings
from uninas_bench.store.contract import Provenance
from uninas_bench.whole_files import write_whole

if TYPE_CHECKING:
    import pandas as pd

FORMAT = "uninas-bench walk"
SCHEMA_VERSION = 1
"""Raise it when a field changes its meaning or goes; a folder of a newer version is refused."""
HEADER = "walk.json"
OUTCOMES = ("failed", "add", "eliminate")
"""What became of a step, in the order of `WalkRecord.outcome`."""
_STEPS = re.compile(r"steps-(\d{5,})\.npz")

Integers = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class WalkHeader:
    """What a walk depends on, and with it all that its steps are; the content of ``walk.json``.

    Attributes:
        scale: of the space, as ``widths=96:192:384:768,...``.
        start: the encoding of step 0.
        seed: chunk ``c`` goes on from the last encoding of the one before, with a seed derived from this
            one and ``c``.
        chunk: steps of a file.
        every: steps between two encodings; the last of a chunk is always there.
        operations: names of the columns of `WalkRecord.flops_of`.
        provenance: of the run that began the walk.
    """

    space: str
    space_version: int
    scale: str
    task: Task
    start: str
    bounds: Bounds
    settings: WalkSettings
    seed: int
    chunk: int
    every: int
    operations: tuple[str, ...]
    provenance: Provenance

    def scale_parts(self) -> dict[str, str]:
        """The scale as the space takes it: ``{"widths": "96:192:384:768", ...}``."""
        return dict(part.split("=", 1) for part in self.scale.split(","))

    def difference(self, other: WalkHeader) -> str:
        """The first thing that makes the other one another walk; empty where there is none."""
        return next(
            (
                name
                for name in self.__slots__
                if name != "provenance" and getattr(self, name) != getattr(other, name)
            ),
            "",
        )


@dataclass(frozen=True, slots=True, eq=False)
class WalkRecord:
    """Steps of a walk, in order: arrays of n.

    Attributes:
        step: its number; 1 is the first move away from the start.
        outcome: place in `OUTCOMES`; a step that failed leaves the network as it was.
        block: number of the block that changed, from 0 through all stages; -1 where the step failed.
        move: place in ``moves``, the names of what was added, or the first operation of what was taken out.
        params: of the whole network after the step, as are ``flops``, in the convention of the settings.
        flops_of: (n, operations) FLOPs of the operations in the blocks.
    """

    step: Integers
    outcome: npt.NDArray[np.int8]
    block: npt.NDArray[np.int16]
    move: npt.NDArray[np.uint16]
    moves: tuple[str, ...]
    params: Integers
    flops: Integers
    flops_of: Integers

    def __len__(self) -> int:
        return len(self.step)

    def frame(self, operations: tuple[str, ...] = ()) -> pd.DataFrame:
        """One row a step: step, outcome, block, move, params, flops, and the FLOPs of operations.

        Args:
            operations: names of all columns of ``flops_of`` (`WalkHeader.operations`); none leaves them out.
        """
        import pandas as pd

        return pd.DataFrame(
            {
                "step": self.step,
                "outcome": np.array(OUTCOMES, dtype=object)[self.outcome],
                "block": self.block,
                "move": np.array(self.moves, dtype=object)[self.move],
                "params": self.params,
                "flops": self.flops,
                **{name: self.flops_of[:, place] for place, name in enumerate(operations)},
            }
        )


def write_header(header: WalkHeader, folder: Path) -> None:
    """Write ``walk.json``.

    Raises:
        UserError: it cannot be written.
    """
    content = {"format": FORMAT, "schema_version": SCHEMA_VERSION, **asdict(header)}
    write_whole(folder / HEADER, (json.dumps(content, indent=1, ensure_ascii=False) + "\n").encode())


def read_header(folder: Path | str) -> WalkHeader:
    """Read ``walk.json``.

    Raises:
        InvalidFile: it is missing, of a newer version, or malformed: one line, with the field.
    """
    from pydantic import TypeAdapter, ValidationError

    path = Path(folder) / HEADER
    try:
        content: Any = json.loads(path.read_bytes().decode())
    except FileNotFoundError:
        raise InvalidFile(f"{path}: no such file; uninas-bench walk writes it") from None
    except OSError as error:
        raise InvalidFile(f"{path}: cannot be read: {error.strerror or error}") from None
    except ValueError as error:
        raise InvalidFile(f"{path}: not JSON: {' '.join(str(error).split())}") from None
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise InvalidFile(f"{path}: no walk, as uninas-bench walk writes it")
    version = content.get("schema_version")
    if not isinstance(version, int) or version > SCHEMA_VERSION:
        raise InvalidFile(
            f"{path}: schema_version {version!r}: this uninas-bench reads up to {SCHEMA_VERSION}; upgrade it"
        )
    try:
        return TypeAdapter(WalkHeader).validate_json(json.dumps(content), strict=True)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise InvalidFile(f"{path}: {where}: {first['msg'][:1].lower()}{first['msg'][1:]}") from None
    except UserError as error:
        raise InvalidFile(f"{path}: {error}") from None


def write_chunk(folder: Path, number: int, record: WalkRecord, encodings: list[tuple[int, str]]) -> None:
    """Write the two files of a chunk; the same content gives the same bytes.

    Raises:
        UserError: they cannot be written.
    """
    text = "".join(f"{step}\t{encoding}\n" for step, encoding in encodings)
    write_whole(_encodings_path(folder, number), gzip.compress(text.encode(), compresslevel=6, mtime=0))
    buffer = BytesIO()
    np.savez_compressed(
        buffer, step=record.step, outcome=record.outcome, block=record.block, move=record.move,
        moves=np.array(record.moves, dtype=str), params=record.params, flops=record.flops,
        flops_of=record.flops_of,
    )  # fmt: skip
    write_whole(_steps_path(folder, number), buffer.getvalue())


def chunks(folder: Path | str) -> int:
    """How many chunks are written.

    Raises:
        InvalidFile: one in between is missing.
    """
    names = (_STEPS.fullmatch(path.name) for path in Path(folder).glob("steps-*.npz"))
    numbers = sorted(int(match[1]) for match in names if match)
    for expected, number in enumerate(numbers):
        if number != expected:
            raise InvalidFile(f"{_steps_path(Path(folder), expected)}: missing, and later steps are there")
    return len(numbers)


def read_chunk(folder: Path | str, number: int) -> WalkRecord:
    """The steps of one chunk.

    Raises:
        InvalidFile: the file is missing or damaged.
    """
    path = _steps_path(Path(folder), number)
    try:
        with np.load(BytesIO(path.read_bytes())) as arrays:
            found = {name: arrays[name] for name in WalkRecord.__slots__}
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise InvalidFile(f"{path}: cannot be read: {' '.join(str(error).split())}") from None
    if len({len(array) for name, array in found.items() if name != "moves"}) != 1:
        raise InvalidFile(f"{path}: columns of different lengths")
    return WalkRecord(**{**found, "moves": tuple(map(str, found["moves"]))})


def read_walk(folder: Path | str) -> WalkRecord:
    """All steps that are written.

    Raises:
        InvalidFile: there are none, or a file is damaged.
    """
    parts = [read_chunk(folder, number) for number in range(chunks(folder))]
    if not parts:
        raise InvalidFile(f"{folder}: no steps of a walk")
    moves = tuple(sorted({name for part in parts for name in part.moves}))
    place = {name: number for number, name in enumerate(moves)}
    renamed = [np.array([place[name] for name in part.moves], np.uint16)[part.move] for part in parts]
    columns = ("step", "outcome", "block", "params", "flops", "flops_of")
    joined = {name: np.concatenate([getattr(part, name) for part in parts]) for name in columns}
    return WalkRecord(**joined, move=np.concatenate(renamed), moves=moves)


def read_encodings(folder: Path | str, every: int = 1) -> Iterator[tuple[int, str]]:
    """The steps that have an encoding, and it; only those whose number is a multiple of ``every``.

    Raises:
        InvalidFile: a file is missing or damaged.
    """
    for number in range(chunks(folder)):
        yield from (found for found in read_chunk_encodings(folder, number) if found[0] % every == 0)


def read_chunk_encodings(folder: Path | str, number: int) -> list[tuple[int, str]]:
    """The steps of one chunk that have an encoding, and it.

    Raises:
        InvalidFile: the file is missing or damaged.
    """
    path = _encodings_path(Path(folder), number)
    try:
        lines = gzip.decompress(path.read_bytes()).decode().splitlines()
        pairs = [line.split("\t") for line in lines]
        return [(int(step), encoding) for step, encoding in pairs]
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise InvalidFile(f"{path}: cannot be read: {' '.join(str(error).split())}") from None


def _steps_path(folder: Path, number: int) -> Path:
    return folder / f"steps-{number:05d}.npz"


def _encodings_path(folder: Path, number: int) -> Path:
    return folder / f"encodings-{number:05d}.txt.gz"
