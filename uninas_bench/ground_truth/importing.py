"""Import of a file into the catalogue: official files, our own tables, anybody's CSV or Parquet."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from uninas_bench.errors import InvalidArchitecture, InvalidFile, UnknownName, UserError
from uninas_bench.ground_truth.catalogue import ALIASES, imported_folder, shipped_names
from uninas_bench.ground_truth.checksum import Checksum, file_checksum
from uninas_bench.ground_truth.files import SUFFIX, is_table, read_info, read_table, write_table
from uninas_bench.ground_truth.table import GroundTruth, GroundTruthInfo
from uninas_bench.tasks import find_task

if TYPE_CHECKING:
    import pandas as pd

    from uninas_bench.ground_truth.official import OfficialFile
    from uninas_bench.ground_truth.trials import Trial
    from uninas_bench.host import Host
    from uninas_bench.space import SearchSpace

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import made.

    Attributes:
        tables: each with the file that now holds it.
        sha256: of what was read.
        note: whether the official name's digits hold; empty where there are none.
    """

    tables: tuple[tuple[GroundTruth, Path], ...]
    sha256: str
    note: str


def import_file(
    path: Path,
    *,
    space: SearchSpace | None = None,
    task: str | None = None,
    name: str | None = None,
    columns: Mapping[str, str] | None = None,
    count: int | None = None,
    protocol: str | None = None,
    replace_existing: bool = False,
    host: Host | None = None,
) -> Imported:
    """Read a file, convert it and keep it as one table per task.

    An official file brings its space, its tasks and its protocol; of it only ``task`` is kept where given.
    Any other table needs ``space`` (at the scale it was measured at) and ``task``.

    Args:
        path: a file, or a folder of NATS-Bench.
        space: whose architectures these are; of an official file it must be the file's.
        task: its name, split and epochs included.
        name: of the new table; default ``SPACE-TASK``. With several tables it takes the place of ``SPACE``.
        columns: see `uninas_bench.ground_truth.tabular.read_tabular`.
        count: as ``columns``.
        protocol: how the accuracies were measured; default says that nothing is known.
        replace_existing: overwrite an imported table of the same name.
        host: knows the spaces; default the one without plugin files.

    Raises:
        UserError: what is missing or wrong, in one line; nothing was written.
    """
    from uninas_bench.ground_truth.official import is_official, read_official

    if not path.exists():
        raise InvalidFile(f"{path}: no such file")
    if is_official(path):
        official = read_official(path)
        checksum = official.checksum
        tables = _official_tables(official, space, task, name, host)
        if protocol is not None:
            tables = [GroundTruth(replace(table.info, protocol=protocol), table.rows) for table in tables]
    elif is_table(path):
        checksum = file_checksum(path)
        tables = [_own_table(path, space, task, name)]
    else:
        checksum = file_checksum(path)
        tables = [
            _foreign_table(
                path, checksum, space=space, task=task, name=name, columns=columns, count=count,
                protocol=protocol,
            )
        ]  # fmt: skip
    targets = [_target(table.info, replace_existing) for table in tables]
    for table, target in zip(tables, targets, strict=True):
        write_table(table, target)
    return Imported(tuple(zip(tables, targets, strict=True)), checksum.sha256, checksum.note)


def source_text(path: Path, sha256: str) -> str:
    """How a table names the file it was made from; `source_of` reads it back."""
    return f"{path.name}, sha256 {sha256}, imported from {path.resolve()}"


def source_of(text: str) -> tuple[Path, str] | None:
    """Path and sha256 of a `source_text`; None for any other provenance."""
    match = re.fullmatch(r".*, sha256 ([0-9a-f]{64}), imported from (.+)", text)
    return (Path(match[2]), match[1]) if match else None


def _official_tables(
    official: OfficialFile, space: SearchSpace | None, task: str | None, name: str | None, host: Host | None
) -> list[GroundTruth]:
    from uninas_bench.host import default_host

    if space is not None and space.name != official.space:
        raise UserError(f"{official.path}: holds architectures of {official.space}, not of {space.name}")
    own_space = space or (host or default_host()).space(official.space)
    if task is not None and task not in official.tasks:
        raise UnknownName(f"task in {official.path}", task, official.tasks)
    tasks = [task] if task is not None else list(official.tasks)
    tables = []
    for each in tasks:
        stem = f"{name or own_space.name}-{each}"
        info = GroundTruthInfo(
            name=name if name and len(tasks) == 1 else stem,
            space=own_space.name,
            scale=str(own_space.scale),
            task=each,
            protocol=official.protocol(each),
            source=source_text(official.path, official.checksum.sha256),
        )
        tables.append(GroundTruth(info, _trial_rows(official.tasks[each], own_space, official.path)))
    return tables


def _trial_rows(trials: list[Trial], space: SearchSpace, path: Path) -> pd.DataFrame:
    import pandas as pd

    encodings: dict[str, str] = {}
    for trial in trials:
        if trial.architecture not in encodings:
            try:
                encodings[trial.architecture] = space.parse(trial.architecture).encoding
            except InvalidArchitecture as error:
                raise InvalidFile(f"{path}: {error}") from None
    return pd.DataFrame(
        {
            "architecture": [encodings[trial.architecture] for trial in trials],
            "seed": [trial.seed for trial in trials],
            "count": 1,
            "accuracy": [trial.accuracy for trial in trials],
            "loss": [trial.loss for trial in trials],
        }
    )


def _own_table(path: Path, space: SearchSpace | None, task: str | None, name: str | None) -> GroundTruth:
    info = read_info(path)
    for option, given, own in (
        ("--space", space.name if space else None, info.space), ("--task", task, info.task),
    ):  # fmt: skip
        if given is not None and given != own:
            raise UserError(f"{path}: it is a table of {own}, not of {given} ({option})")
    table = read_table(path)
    return GroundTruth(replace(info, name=name), table.rows) if name else table


def _foreign_table(
    path: Path,
    checksum: Checksum,
    *,
    space: SearchSpace | None,
    task: str | None,
    name: str | None,
    columns: Mapping[str, str] | None,
    count: int | None,
    protocol: str | None,
) -> GroundTruth:
    from uninas_bench.ground_truth.tabular import read_tabular

    if space is None or task is None:
        lacking = "--space" if space is None else "--task"
        raise UserError(f"{path}: {lacking} is missing: a table of architectures does not say what it is of")
    info = GroundTruthInfo(
        name=name or f"{space.name}-{task.replace('@', '-')}",
        space=space.name,
        scale=str(space.scale),
        task=find_task(task).name,
        protocol=protocol or "not stated",
        source=source_text(path, checksum.sha256),
    )
    return GroundTruth(info, read_tabular(path, space, columns, count))


def _target(info: GroundTruthInfo, replace_existing: bool) -> Path:
    if not _NAME.fullmatch(info.name):
        raise UserError(f'--name "{info.name}": expected letters, digits, ".", "_" and "-"')
    if info.name in ALIASES or info.name in shipped_names() or info.name == info.space:
        raise UserError(f'the name "{info.name}" is taken; choose another with --name')
    path = imported_folder() / f"{info.name}{SUFFIX}"
    if path.exists() and not replace_existing and read_info(path).source != info.source:
        raise UserError(
            f'"{info.name}" is already imported from another file; choose another --name, or give --replace'
        )
    return path
