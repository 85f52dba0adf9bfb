"""Checks of a stored table: readable, complete, unaltered."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from uninas_bench.errors import UserError
from uninas_bench.ground_truth.importing import source_of
from uninas_bench.ground_truth.official import official_checksum
from uninas_bench.ground_truth.table import MEAN, GroundTruth
from uninas_bench.ground_truth.table_space import table_space
from uninas_bench.tasks import find_task

if TYPE_CHECKING:
    from uninas_bench.host import Host


@dataclass(frozen=True, slots=True)
class Check:
    """One check: ``passed`` is None where it could not be made, and says why in ``finding``."""

    name: str
    passed: bool | None
    finding: str


def checks(table: GroundTruth, host: Host) -> Iterator[Check]:
    """Every check of a table that could be read, which itself proves ranges and uniqueness."""
    accuracies = table.accuracies()
    yield Check("rows", True, f"{len(table.rows):,} rows, no duplicate")
    yield Check("accuracies", True, f"all in 0..100: {accuracies.min():.2f} to {accuracies.max():.2f}")
    yield _encodings(table, host)
    yield _task(table)
    yield _seeds(table)
    yield _source(table)
    yield _training(table)


def _encodings(table: GroundTruth, host: Host) -> Check:
    if table.info.space not in host.spaces:
        return Check("encodings", None, f"no space {table.info.space} is installed to read them")
    try:
        space = table_space(table.info, host)
    except UserError as error:
        return Check("encodings", False, str(error))
    for encoding in table.rows["architecture"].unique():
        try:
            canonical = space.parse(encoding).encoding
        except UserError as error:
            return Check("encodings", False, str(error))
        if canonical != encoding:
            return Check("encodings", False, f"{encoding} is spelled {canonical} by its space")
    return Check("encodings", True, f"all {len(table):,} are of {table.info.space}")


def _task(table: GroundTruth) -> Check:
    try:
        task = find_task(table.info.task)
    except UserError as error:
        return Check("task", False, str(error))
    return Check(
        "task", True, f"{task.name}: {task.classes} classes, {int(table.chance_level.sum())} at chance level"
    )


def _seeds(table: GroundTruth) -> Check:
    if table.seeds == (MEAN,):
        return Check("seeds", None, "only means are known")
    present = table.seed_matrix().notna()
    lacking = [
        f"{int((~present[seed]).sum()):,} lack {seed}" for seed in table.seeds if not present[seed].all()
    ]
    if lacking:
        return Check("seeds", None, f"not every architecture has every seed: {', '.join(lacking)}")
    return Check("seeds", True, f"every architecture has {', '.join(table.seeds)}")


def _source(table: GroundTruth) -> Check:
    source = source_of(table.info.source)
    if source is None:
        return Check("source", None, f"made here, not imported: {table.info.source}")
    path, recorded = source
    if not path.exists():
        return Check("source", None, f"{path} is no longer there; its sha256 was {recorded}")
    found = official_checksum(path).sha256
    if found != recorded:
        return Check("source", False, f"{path} has sha256 {found}, but {recorded} when it was imported")
    return Check("source", True, f"{path} still has sha256 {recorded}")


def _training(table: GroundTruth) -> Check:
    record = table.info.training
    if record is None:
        return Check("training", None, "no record of it: nothing here can be trained again")
    lacking = record.trainings - len(table.rows)
    if lacking < 0:
        found = f"{len(table.rows):,} rows of {record.trainings:,} trainings: some were never trained"
        return Check("training", False, found)
    if lacking:
        return Check(
            "training", None, f"{lacking:,} of {record.trainings:,} trainings failed and have no row"
        )
    return Check("training", True, f"{record.trainings:,} trainings, each has its row")
