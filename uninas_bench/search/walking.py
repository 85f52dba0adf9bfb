"""Walk through the UniNAS space and keep every step: resumable, and repeatable step by step."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from uninas_bench.architecture import Architecture
from uninas_bench.errors import InvalidFile, UserError
from uninas_bench.search.walk_files import (
    HEADER,
    OUTCOMES,
    WalkHeader,
    WalkRecord,
    chunks,
    read_chunk,
    read_chunk_encodings,
    read_header,
    write_chunk,
    write_header,
)
from uninas_bench.seeds import derive_seed
from uninas_bench.spaces.uninas.encoding import write_design
from uninas_bench.spaces.uninas.moves import KINDS
from uninas_bench.spaces.uninas.space import Uninas
from uninas_bench.spaces.uninas.walk import Walk

if TYPE_CHECKING:
    from uninas_bench.architecture import Task
    from uninas_bench.bounds import Bounds
    from uninas_bench.space import SearchSpace
    from uninas_bench.spaces.uninas.walk import WalkSettings
    from uninas_bench.store.contract import Provenance

STEPS = 500_000
"""Of the paper's walk (Fig. 1 and 4)."""
EVERY = 500
"""A network's text takes as long as 300 steps, and `replay` finds those between."""
CHUNK = 10_000
PARAMS, FLOPS = "22M..28M", "6G..20G"
"""Bounds of the paper's walk (Fig. 1)."""


@dataclass(frozen=True, slots=True)
class WalkEvent:
    """Sent after every chunk: where the walk is."""

    step: int
    steps: int
    params: int
    flops: int


@dataclass(slots=True)
class WalkRun:
    """What one call has done.

    Attributes:
        steps: that the folder holds at the end.
        walked: of them now; the others were there.
        walking: seconds of processor time that the walk itself took, ``encoding`` those of writing networks
            as texts, ``writing`` those of packing and writing files.
    """

    steps: int = 0
    walked: int = 0
    walking: float = 0.0
    encoding: float = 0.0
    writing: float = 0.0
    _mark: float = field(default_factory=time.process_time)

    def spent(self) -> float:
        """Seconds of processor time since this was last asked."""
        before, self._mark = self._mark, time.process_time()
        return self._mark - before


def walkable(space: SearchSpace) -> Uninas:
    """The space, where it is the one that Algorithm 1 walks through.

    Raises:
        UserError: another space.
    """
    if not isinstance(space, Uninas):
        raise UserError(f"{space.name}: no walk through this space; expected {Uninas.name}")
    return space


def walk_header(
    space: Uninas,
    start: Architecture,
    *,
    task: Task,
    bounds: Bounds,
    settings: WalkSettings,
    record: Provenance,
    seed: int = 0,
    every: int = EVERY,
    chunk: int = CHUNK,
) -> WalkHeader:
    """What a walk will be.

    Raises:
        InvalidArchitecture: the start does not exist at the task's resolution.
        UserError: the start is outside the bounds: the walk would never keep to them.
    """
    costs = space.costs(start, task, settings.convention)
    if not bounds.allows(costs):
        raise UserError(
            f"start: params {costs.params:,} and FLOPs {costs.flops:,} ({settings.convention}) are outside "
            f"the bounds ({bounds}); a walk stays within them only if it begins there"
        )
    for name, value in (("every", every), ("chunk", chunk)):
        if value < 1:
            raise UserError(f"{name}={value}: expected at least 1")
    return WalkHeader(
        space=space.name, space_version=space.version, scale=str(space.scale), task=task,
        start=start.encoding, bounds=bounds, settings=settings, seed=seed, chunk=chunk, every=every,
        operations=KINDS, provenance=record,
    )  # fmt: skip


def walk_steps(
    header: WalkHeader,
    folder: Path,
    steps: int = STEPS,
    progress: Callable[[WalkEvent], None] | None = None,
) -> WalkRun:
    """Walk until the folder holds that many steps; what it holds already stays as it is.

    A walk that is interrupted and continued is, to the byte, one that is not.

    Raises:
        UserError: the folder holds another walk, or cannot be written.
        InvalidFile: what the folder holds is damaged.
    """
    claim(header, folder)
    space = _space(header)
    held = steps_held(folder, header)
    if held >= steps:
        return WalkRun(steps=held)
    # A chunk that was begun with fewer steps in mind comes out the same, and longer.
    number = held // header.chunk
    run = WalkRun(steps=number * header.chunk)
    encoding = read_chunk_encodings(folder, number - 1)[-1][1] if number else header.start
    while run.steps < steps:
        count = min(header.chunk, steps - run.steps)
        walk = _chunk_walk(header, space, encoding, number)
        record, encodings = _walk_chunk(walk, header, number, count, run)
        write_chunk(folder, number, record, encodings)
        run.writing += run.spent()
        encoding = encodings[-1][1]
        run.steps += count
        run.walked += count
        number += 1
        if progress is not None:
            progress(WalkEvent(run.steps, steps, walk.params, walk.flops))
    return run


def steps_held(folder: Path, header: WalkHeader) -> int:
    """How many steps are written."""
    whole = chunks(folder) - 1
    return whole * header.chunk + len(read_chunk(folder, whole)) if whole >= 0 else 0


def claim(header: WalkHeader, folder: Path) -> None:
    """Write ``walk.json``, or see that the one that is there is of the same walk.

    Raises:
        UserError: it is of another walk, or the folder holds something else.
    """
    if not (folder / HEADER).exists():
        if chunks(folder):
            raise InvalidFile(f"{folder}: steps of a walk without their {HEADER}; name another folder")
        write_header(header, folder)
        return
    difference = header.difference(read_header(folder))
    if difference:
        raise UserError(
            f"{folder / HEADER} is of another walk ({difference} differs); "
            "name another folder or remove that one"
        )


def architecture_at(folder: Path | str, step: int) -> Architecture:
    """The network after any step; 0 is the start. It takes at most a chunk's steps to find it again."""
    return next(replay(folder, step, step))[1]


def replay(
    folder: Path | str, first: int = 0, last: int | None = None, every: int = 1
) -> Iterator[tuple[int, Architecture]]:
    """The networks from step ``first`` to step ``last`` (None: the last one), each ``every`` steps.

    The steps are walked again, so that every network of a walk is at hand though few are stored.

    Raises:
        UserError: there is no such step.
        InvalidFile: a file is damaged, or this version of the program walks otherwise than the one that
            wrote it.
    """
    folder = Path(folder)
    header = read_header(folder)
    space = _space(header)
    total = steps_held(folder, header)
    end = total if last is None else last
    if not 0 <= first <= end <= total or every < 1:
        raise UserError(f"{folder}: steps {first} to {end}: expected steps from 0 to {total}")
    wanted = range(first, end + 1, every)
    if first == 0:
        yield 0, Architecture(space.name, header.start)
    for number in range(max(first - 1, 0) // header.chunk, -(-end // header.chunk)):
        encoding = read_chunk_encodings(folder, number - 1)[-1][1] if number else header.start
        record = read_chunk(folder, number)
        walk = _chunk_walk(header, space, encoding, number)
        for row, step in enumerate(record.step.tolist()):
            if step > end:
                return
            walk.step()
            if (walk.params, walk.flops) != (record.params[row], record.flops[row]):
                raise InvalidFile(
                    f"{folder}: this uninas-bench walks otherwise than {header.provenance.package} did "
                    f"(step {step}); the stored encodings hold"
                )
            if step in wanted:
                yield step, Architecture(space.name, write_design(walk.design()))


def _space(header: WalkHeader) -> Uninas:
    return Uninas().scaled(**header.scale_parts())


def _chunk_walk(header: WalkHeader, space: Uninas, encoding: str, number: int) -> Walk:
    """The walk at the beginning of a chunk: a text and a seed, the same whatever happened before."""
    return Walk(
        space.design(Architecture(space.name, encoding)), space.scale, header.task, bounds=header.bounds,
        settings=header.settings, seed=derive_seed(header.seed, "walk", number),
    )  # fmt: skip


def _walk_chunk(
    walk: Walk, header: WalkHeader, number: int, count: int, run: WalkRun
) -> tuple[WalkRecord, list[tuple[int, str]]]:
    """The steps of a chunk, and the encodings to keep."""
    begin = number * header.chunk
    outcome, block = np.zeros(count, np.int8), np.full(count, -1, np.int16)
    params, flops = np.zeros(count, np.int64), np.zeros(count, np.int64)
    flops_of = np.zeros((count, len(KINDS)), np.int64)
    move = np.zeros(count, np.uint16)
    names = {"": 0}
    encodings = []
    run.spent()
    for row in range(count):
        made = walk.step()
        if made is not None:
            outcome[row], block[row] = OUTCOMES.index(made.kind), made.block
            move[row] = names.setdefault(made.operation, len(names))
        params[row], flops[row] = walk.params, walk.flops
        flops_of[row] = walk.flops_of
        step = begin + row + 1
        if step % header.every == 0 or row == count - 1:
            run.walking += run.spent()
            encodings.append((step, write_design(walk.design())))
            run.encoding += run.spent()
    run.walking += run.spent()
    numbers = np.arange(begin + 1, begin + count + 1, dtype=np.int64)
    return WalkRecord(numbers, outcome, block, move, tuple(names), params, flops, flops_of), encodings
