"""Which tables there are: shipped ones, imported ones, and those of plugins; found by name, space or path."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import partial
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

from uninas_bench.data.location import data_folder
from uninas_bench.errors import UserError
from uninas_bench.ground_truth.files import SUFFIX, read_info, read_table
from uninas_bench.ground_truth.table import GroundTruth, GroundTruthEntry, GroundTruthInfo

if TYPE_CHECKING:
    from uninas_bench.host import Host

ALIASES = {"embedded": "nasbench201-mnist-hard"}


def imported_folder() -> Path:
    """The folder of imported tables; it may not exist yet."""
    return data_folder() / "ground_truth"


def shipped_names() -> tuple[str, ...]:
    """Names of the tables that come with this package."""
    return tuple(_tables_in(_shipped_folder()))


def ground_truth_entries() -> list[GroundTruthEntry]:
    """Shipped and imported tables, read when asked for; a shipped one hides an imported one of its name."""
    paths = {**_tables_in(imported_folder()), **_tables_in(_shipped_folder())}
    return [
        GroundTruthEntry(name, partial(read_info, path), partial(read_table, path))
        for name, path in sorted(paths.items())
    ]


def find_ground_truth(
    table: str | Path | GroundTruth, task: str | None = None, host: Host | None = None
) -> GroundTruth:
    """A table by its name, by the name of a space with ``task``, by path, or an object passed through.

    Args:
        table: ``nasbench201-cifar10``, ``nasbench201`` (with ``task``), ``embedded``, a file, or an object.
        task: must be the table's where both are given, or the table's at another resolution: a table of
            ``imagenet1k`` also tells how good scores made for ``imagenet1k@64`` are.
        host: whose plugins may add tables; default the one without plugin files.

    Raises:
        UserError: no such table, more than one, one of another task, or a malformed file.
    """
    found = _find(table, task, host)
    if task is not None and not _tells_of(found.info.task, task):
        raise UserError(f"ground truth {found.info.name} is of task {found.info.task}, not {task}")
    return found


def find_for(space: str, task: str, host: Host | None = None) -> GroundTruthEntry:
    """The only table of a space and a task; without one, that of the task at its own resolution.

    Raises:
        UserError: there is none, or there are several.
    """
    entries = all_entries(host)
    tasks = {name: info.task for name, info in _infos(entries).items() if info.space == space}
    names = [name for name, known in tasks.items() if known == task]
    names = names or [name for name, known in tasks.items() if _tells_of(known, task)]
    if len(names) == 1:
        return entries[names[0]]
    if names:
        raise UserError(
            f"several ground truths of {space} on {task}: {', '.join(names)}; give one by its name"
        )
    raise UserError(f"no ground truth of {space} on {task}; {_advice(entries, space, task)}")


def _tells_of(measured: str, task: str) -> bool:
    """Whether accuracies of the task ``measured`` stand for ``task``: the same, or at another resolution."""
    own, _, resolution = task.partition("@")
    return task == measured or (own == measured and bool(resolution))


def _find(table: str | Path | GroundTruth, task: str | None, host: Host | None) -> GroundTruth:
    if isinstance(table, GroundTruth):
        return table
    if isinstance(table, Path):
        return read_table(table)
    entries = all_entries(host)
    name = ALIASES.get(table, table)
    if name in entries:
        return entries[name].load()
    if _is_path(table):
        return read_table(Path(table))
    infos = _infos(entries)
    tasks = {info.task for info in infos.values() if info.space == table}
    if not tasks:
        raise UserError(f'no ground truth "{table}"; {_advice(entries, "SPACE", task or "TASK")}')
    if task is None and len(tasks) > 1:
        raise UserError(f"ground truth {table} exists for tasks {', '.join(sorted(tasks))}; say which")
    return find_for(table, task or tasks.pop(), host).load()


def _is_path(text: str) -> bool:
    return "/" in text or os.sep in text or text.endswith((".csv", ".gz", ".parquet")) or Path(text).is_file()


def all_entries(host: Host | None = None) -> Mapping[str, GroundTruthEntry]:
    """Every table by name, those of plugins included."""
    from uninas_bench.host import default_host

    # A host lists its tables once; one imported since then is found all the same.
    known = (host or default_host()).ground_truths
    return {**known, **{entry.name: entry for entry in ground_truth_entries()}}


def _infos(entries: Mapping[str, GroundTruthEntry]) -> Mapping[str, GroundTruthInfo]:
    infos = {}
    for name, entry in entries.items():
        try:
            infos[name] = entry.info()
        except UserError:
            # A damaged file must not hide the others; asked for by its name, it says what is wrong.
            continue
    return infos


def _advice(entries: Mapping[str, GroundTruthEntry], space: str, task: str) -> str:
    known = ", ".join(sorted(entries)) or "none"
    return f"there is: {known}; add one: uninas-bench ground-truth import FILE --space {space} --task {task}"


def _shipped_folder() -> Path:
    return Path(str(resources.files("uninas_bench_tables"))) / "ground_truth"


def _tables_in(folder: Path) -> dict[str, Path]:
    if not folder.is_dir():
        return {}
    paths = (
        path for path in folder.iterdir() if path.name.endswith(SUFFIX) and not path.name.startswith(".")
    )
    return {path.name.removesuffix(SUFFIX): path for path in sorted(paths)}
