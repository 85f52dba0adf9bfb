"""Official benchmark files, read safely and turned into rows: one set of rows per task."""

from __future__ import annotations

import bz2
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from uninas_bench.errors import InvalidFile
from uninas_bench.ground_truth import nas_bench_201, nats_bench
from uninas_bench.ground_truth.checksum import Checksum, file_checksum, folder_checksum
from uninas_bench.ground_truth.trials import Trial, empty_record, is_record, protocol, space_of
from uninas_bench.ground_truth.unpickler import is_legacy_torch, load_pickle, load_torch

_READERS = {
    **dict.fromkeys(nats_bench.SCHEDULES, nats_bench),
    **dict.fromkeys(nas_bench_201.SCHEDULES, nas_bench_201),
}
_MEMBER = re.compile(r"(\d+)(?:\.pickle\.pbz2|-(?:FULL|SIMPLE)\.pth)")
_META = "meta.pickle.pbz2"
_ZIP, _BZIP2 = b"PK\x03\x04", b"BZh"
_LARGE = 1 << 24
"""Bytes of a file above which records are emptied once read. In a small, hand-made file two records may share
their dicts; in the official ones they don't."""
_Record = tuple[str, str | None, Any]
"""A label for errors, the spelling that the benchmark's list has for it, and the schedules."""


@dataclass(slots=True)
class OfficialFile:
    """What an official file or folder holds.

    Attributes:
        path: where it is.
        benchmark: its authors' name for it.
        space: the space of its architectures.
        checksum: of the file, or of the folder's files.
        tasks: trials by task, in the order of the file's indices.
    """

    path: Path
    benchmark: str
    space: str
    checksum: Checksum
    tasks: dict[str, list[Trial]] = field(default_factory=dict)

    def protocol(self, task: str) -> str:
        """One sentence: data set, split and schedule of a task."""
        return protocol(self.benchmark, task, self.space)


def is_official(path: Path) -> bool:
    """Whether a path looks like a pickle, a file of ``torch.save``, or a folder of such files."""
    if path.is_dir():
        return True
    with path.open("rb") as file:
        head = file.read(4)
    # Pickles of protocol 2 and later begin with the opcode PROTO; official files are of protocol 2 or 4.
    return head[:3] == _BZIP2 or head == _ZIP or head[:1] == b"\x80"


def read_official(path: Path) -> OfficialFile:
    """Read a file or a folder of NATS-Bench or NAS-Bench-201.

    Of a folder, and of a file whose records are ordered dicts (NATS-Bench), one architecture after the other
    is reduced to its accuracies while reading; the single ``.pth`` of NAS-Bench-201 has to fit into memory.

    Raises:
        InvalidFile: refused, damaged, or no benchmark file.
    """
    if path.is_dir():
        members = folder_files(path)
        if not members:
            raise InvalidFile(
                f"{path}: no benchmark folder: it has no file such as 000000.pickle.pbz2 or 000000-FULL.pth"
            )
        records: Iterable[_Record] = _folder_records(path, members)
    else:
        records = _file_records(path)
    return _collect(path, official_checksum(path), records)


def official_checksum(path: Path) -> Checksum:
    """Of a file, or of all the files of a folder that an import reads."""
    if path.is_dir():
        return folder_checksum(path, [*folder_files(path), *path.glob(_META)])
    return file_checksum(path)


def folder_files(path: Path) -> list[Path]:
    """The files of a folder that hold one architecture each, by index."""
    return sorted(file for file in path.iterdir() if _MEMBER.fullmatch(file.name))


def _collect(path: Path, checksum: Checksum, records: Iterable[_Record]) -> OfficialFile:
    found: OfficialFile | None = None
    for label, spelling, schedules in records:
        if not isinstance(schedules, Mapping) or not schedules.keys() <= _READERS.keys():
            raise InvalidFile(f"{label}: no record of NATS-Bench or NAS-Bench-201")
        for schedule, record in schedules.items():
            for trial in _read(label, schedule, record):
                if spelling is not None and trial.architecture != spelling:
                    raise InvalidFile(
                        f"{label}: holds {trial.architecture}, the benchmark's list says {spelling}"
                    )
                if found is None:
                    benchmark = _READERS[schedule].BENCHMARK
                    found = OfficialFile(path, benchmark, space_of(trial.architecture), checksum)
                elif space_of(trial.architecture) != found.space:
                    raise InvalidFile(
                        f"{label}: {trial.architecture} is not of {found.space} as those before it"
                    )
                found.tasks.setdefault(trial.task, []).append(trial)
    if found is None:
        raise InvalidFile(f"{path}: it has no accuracy of any architecture")
    found.tasks = {task: found.tasks[task] for task in sorted(found.tasks, key=_task_order)}
    return found


def _task_order(task: str) -> tuple[bool, str]:
    return (task.endswith("ep"), task)


def _read(label: str, schedule: str, record: Any) -> list[Trial]:
    if isinstance(record, list):
        return record
    try:
        trials: list[Trial] = _READERS[schedule].read_record(schedule, record)
    except MemoryError:
        raise
    except Exception as error:
        # The record is the file's; whatever its package trips over is a fault of the file.
        reason = " ".join(str(error).split())
        raise InvalidFile(f"{label}: malformed record: {type(error).__name__}: {reason}") from None
    return trials


def _folder_records(path: Path, members: Iterable[Path]) -> Iterator[_Record]:
    meta = path / _META
    spellings = _spellings(_load(meta), str(meta)) if meta.is_file() else None
    for member in members:
        index = int(member.name.partition(".")[0].partition("-")[0])
        yield str(member), _nth(spellings, index), _load(member)


def _file_records(path: Path) -> Iterator[_Record]:
    data = _load(path)
    spellings = _spellings(data, str(path))
    infos = data.get("arch2infos")
    if not isinstance(infos, Mapping):
        raise InvalidFile(f"{path}: it has no records of architectures; give the folder that it belongs to")
    for index in sorted(infos):
        yield f"{path}: architecture {index}", _nth(spellings, index), infos[index]


def _spellings(data: Any, label: str) -> list[str]:
    if not isinstance(data, Mapping) or not isinstance(data.get("meta_archs"), list):
        raise InvalidFile(f'{label}: no file of NATS-Bench or NAS-Bench-201: "meta_archs" is missing')
    spellings: list[str] = data["meta_archs"]
    return spellings


def _nth(spellings: list[str] | None, index: int) -> str | None:
    if spellings is None:
        return None
    return spellings[index] if 0 <= index < len(spellings) else "nothing"


def _load(path: Path) -> Any:
    """The value of one file; records in ordered dicts become lists of trials on the way."""
    label = str(path)

    def shrink(key: object, value: object) -> object:
        if key not in _READERS or not is_record(value):
            return value
        trials = _read(label, str(key), value)
        if large:
            empty_record(value)
        return trials

    try:
        large = path.stat().st_size > _LARGE
        with path.open("rb") as file:
            head = file.read(16)
            file.seek(0)
            if head[:4] == _ZIP or is_legacy_torch(head):
                return load_torch(file, label, shrink)
            if head[:3] == _BZIP2:
                with bz2.open(file) as stream:
                    return load_pickle(stream, label, shrink)
            return load_pickle(file, label, shrink)
    except OSError as error:
        raise InvalidFile(f"{label}: cannot be read: {error.strerror or error}") from None
