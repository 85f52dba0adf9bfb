"""Checkpoints: whole or absent, readable without running code, and refused by a run that is another one."""

from __future__ import annotations

import io
import logging
import os
import zipfile
from collections.abc import Mapping
from pathlib import Path
from pickle import UnpicklingError
from typing import Any, TypedDict, cast

import torch

from uninas_bench.errors import InvalidFile, UserError
from uninas_bench.whole_files import write_whole

_log = logging.getLogger(__name__)


class State(TypedDict):
    """All that a run needs to go on; there is no state of generators, as each step seeds its own.

    Attributes:
        model: the network's state dict, with the head; of the first process, whose buffers are the network's.
        optimiser: its state dict.
        step: steps that were made.
        steps_per_epoch: of the plan they were made under.
        images_per_step: likewise.
        records: lines of the journal that belong to these steps.
        evaluated: the step of the last evaluation; -1 before the first.
        metrics: of the last evaluation.
        best: of the headline metric, so far: ``step`` and ``value``.
        identity: what makes the run this one, by name: recipe, architecture, data, seed.
        processes: that made the steps.
        versions: of Python and packages.
    """

    model: dict[str, Any]
    optimiser: dict[str, Any]
    step: int
    steps_per_epoch: int
    images_per_step: int
    records: int
    evaluated: int
    metrics: dict[str, float]
    best: dict[str, float]
    identity: dict[str, str]
    processes: int
    versions: dict[str, str]


def checkpoints(folder: Path) -> list[Path]:
    """The checkpoints of a folder, the newest last; none where there is no folder."""
    return sorted(folder.glob("step-[0-9]*.pt"), key=lambda path: int(path.stem.removeprefix("step-")))


def save_checkpoint(folder: Path, state: State, keep: int) -> Path:
    """Write ``step-00000040.pt`` in one stroke, then remove all but the newest ``keep``.

    A process that is killed on the way leaves the checkpoints before, and a hidden file that the next save
    removes.

    Raises:
        UserError: the disk is full or the folder cannot be written; no partial file is left.
    """
    for leftover in folder.glob(".step-*.pt.*"):
        leftover.unlink(missing_ok=True)
    buffer = io.BytesIO()
    torch.save(dict(state), buffer)
    path = folder / f"step-{state['step']:08d}.pt"
    write_whole(path, buffer.getvalue())
    _keep_entries(folder)
    for old in checkpoints(folder)[:-keep]:
        old.unlink(missing_ok=True)
    return path


def load_latest(folder: Path, device: torch.device | str = "cpu") -> State | None:
    """The newest checkpoint that is whole, or None where there is none at all.

    A damaged one is passed over with a warning: the steps after the one before are made again.

    Raises:
        InvalidFile: there are checkpoints, and all of them are damaged.
    """
    found = checkpoints(folder)
    for path in reversed(found):
        try:
            return load_checkpoint(path, device)
        except InvalidFile as error:
            _log.warning("%s; trying the checkpoint before it", error)
    if found:
        raise InvalidFile(
            f"{folder}: none of its {len(found)} checkpoint(s) can be read; remove them to begin anew"
        )
    return None


def load_checkpoint(path: Path, device: torch.device | str = "cpu") -> State:
    """One checkpoint, with its tensors on ``device``.

    Raises:
        InvalidFile: truncated, damaged (every part's checksum is compared), or no checkpoint.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()
        if damaged is not None:
            raise InvalidFile(f"{path}: damaged: the checksum of {damaged} is wrong")
        content = torch.load(path, map_location=device, weights_only=True)
    except (OSError, EOFError, RuntimeError, ValueError, UnpicklingError, zipfile.BadZipFile) as error:
        reason = str(error).partition("\n")[0]
        raise InvalidFile(f"{path}: not a readable checkpoint: {reason}") from None
    missing = State.__required_keys__ - content.keys() if isinstance(content, dict) else {"everything"}
    if missing:
        raise InvalidFile(f"{path}: not a checkpoint of a training: {', '.join(sorted(missing))} missing")
    return cast(State, content)


def check_identity(
    folder: Path, state: State, identity: Mapping[str, str], processes: int, *, allow_processes_change: bool
) -> None:
    """Refuse to go on with the checkpoint of another run.

    Raises:
        UserError: the recipe, the architecture, the data or anything else of the identity differs, or the
            number of processes does and may not.
    """
    then = state["identity"]
    differing = [name for name in {**then, **identity} if then.get(name) != identity.get(name)]
    if differing:
        told = "; ".join(f"{name} was {then.get(name)}, is {identity.get(name)}" for name in differing)
        raise UserError(
            f"{folder}: its checkpoint is of another run: {told}; take another folder or begin anew"
        )
    if processes != state["processes"] and not allow_processes_change:
        raise UserError(
            f"{folder}: its checkpoint was made by {state['processes']} process(es), not {processes}: steps "
            "and rates would change; start as many, or allow the change"
        )


def _keep_entries(folder: Path) -> None:
    """Have the folder's new entry outlive a power failure, where the system can open folders."""
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
