"""Train a few architectures of a table again, under its own protocol and seeds, and judge what comes out."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from uninas_bench.architecture import Architecture
from uninas_bench.cells import Status
from uninas_bench.engine import run
from uninas_bench.errors import UserError
from uninas_bench.ground_truth.spread import SeedSpread, seed_spread
from uninas_bench.ground_truth.table import MEAN, GroundTruth, TrainingRecord
from uninas_bench.ground_truth.table_space import table_space
from uninas_bench.seeds import derive_seed
from uninas_bench.tasks import find_task

if TYPE_CHECKING:
    from uninas_bench.data.source import ImageSource
    from uninas_bench.ground_truth.training import ShortTraining
    from uninas_bench.host import Host
    from uninas_bench.space import SearchSpace

LIMIT = 4.0
"""How many standard deviations a retrained accuracy may lie from the mean of the stored ones."""
_DIGITS = 1e-4
"""Stored accuracies have four digits behind the point, stored losses five."""


@dataclass(frozen=True, slots=True)
class Retrained:
    """One training, done again.

    Attributes:
        architecture: its encoding.
        seed: of the training, one of the stored ones.
        stored: accuracy in percent that the table has for it.
        now: what the same training gave here; NaN where it failed.
        equal: accuracy and loss agree in every stored digit.
        mean: of the architecture's stored trainings, ``count`` of them.
        count: see ``mean``.
        z: ``now`` minus ``mean`` in standard deviations of such a difference; see `retrain`.
        passed: what `retrain` says of it.
        message: why it failed, where it did.
    """

    architecture: str
    seed: str
    stored: float
    now: float
    equal: bool
    mean: float
    count: int
    z: float
    passed: bool
    message: str = ""


@dataclass(frozen=True, slots=True)
class Retraining:
    """What is retrained, known before anything is.

    Attributes:
        choices: pairs of encoding and seed.
        differences: from how the table was made, one text each: versions, images, libraries, processor. Where
            there are none, digits must be equal.
        deviation: the pooled standard deviation between seeds; NaN where the table has one seed.
        outcomes: trains, and yields one outcome per choice, in their order.
    """

    choices: tuple[tuple[str, str], ...]
    differences: tuple[str, ...]
    deviation: float
    outcomes: Callable[[], Iterator[Retrained]]


def retrain(
    table: GroundTruth,
    host: Host,
    *,
    count: int,
    seed: int = 0,
    workers: int = 1,
    device: str = "cpu",
    data: Mapping[str, str | Path | ImageSource] | None = None,
) -> Retraining:
    """Choose ``count`` random architectures, and for each one of its stored seeds, to be trained again.

    An outcome passes where it equals the stored one. Where the table was made by the same versions, with the
    same libraries on the same processor, nothing else passes. Elsewhere rounding differs at least, and a
    training goes another way from some step on, so it is one more draw from those of other seeds: it passes
    within `LIMIT` standard deviations of ``now - mean``, s * sqrt(1 + 1/count), where s is the pooled
    standard deviation between the seeds of an architecture, or the architecture's own where that is larger.

    Args:
        table: that this program trained.
        host: knows the space, and images of plugins.
        count: how many.
        seed: fixes the choice.
        workers: processes.
        device: where networks train.
        data: image sources.

    Raises:
        UserError: the table does not say how it was trained, its settings cannot be read here, the images are
            not at hand, or there are fewer architectures than ``count``.
    """
    from uninas_bench.provenance import made_with, provenance

    record = table.info.training
    if record is None:
        raise UserError(
            f"ground truth {table.info.name} has no record of its training, so none can be repeated: "
            "its accuracies are printed or imported ones, or the table was written before there were records"
        )
    space = table_space(table.info, host)
    trainer = _trainer(table, record, host, data)
    choices = _choices(table, count, seed)
    here = made_with(provenance(host, command="", device=device, workers=workers))
    differences = _differences(record, space, trainer, here)
    spread = seed_spread(table)
    deviation = spread.pooled if spread is not None else math.nan

    def outcomes() -> Iterator[Retrained]:
        for number, group in itertools.groupby(choices, lambda choice: choice[1]):
            encodings = [encoding for encoding, _ in group]
            scores = run(
                [Architecture(space.name, encoding) for encoding in encodings], [trainer], space=space,
                task=table.info.task, seed=int(number), workers=workers, device=device,
                data={trainer.source.name: trainer.source}, host=host,
            )  # fmt: skip
            values, cells = scores.components(trainer.name), scores.cells(trainer.name)
            for encoding in encodings:
                status, message = cells.loc[encoding, ["status", "message"]]
                yield _judged(
                    table, encoding, number, *values.loc[encoding, ["accuracy", "loss"]],
                    message="" if status == Status.OK else f"{status}: {message}", spread=spread,
                    alike=not differences,
                )  # fmt: skip

    return Retraining(choices, differences, deviation, outcomes)


def together(outcomes: list[Retrained]) -> float:
    """The sum of the z of several architectures over the root of their number: finds a shift of all of them.

    It is itself a z, and fails beyond `LIMIT`. Equal outcomes count as 0, failed ones not at all.
    """
    values = [0.0 if each.equal else each.z for each in outcomes if not math.isnan(each.z)]
    return sum(values) / math.sqrt(len(values)) if values else math.nan


def _trainer(
    table: GroundTruth,
    record: TrainingRecord,
    host: Host,
    data: Mapping[str, str | Path | ImageSource] | None,
) -> ShortTraining:
    """The protocol of the table."""
    from uninas_bench.data.catalogue import find_images
    from uninas_bench.ground_truth.training import ShortTraining, TrainingSettings
    from uninas_bench.proxy import read_settings

    name, dataset = table.info.name, find_task(table.info.task).dataset
    pairs = dict(part.partition("=")[::2] for part in record.settings.split(","))
    settings = read_settings("short_training", TrainingSettings(), pairs)
    assert isinstance(settings, TrainingSettings)
    # A setting that came since has a default under which the protocol, being of one version, is what it was.
    for setting, text in pairs.items():
        if str(getattr(settings, setting)) != text:
            raise UserError(
                f"ground truth {name} was trained under {setting}={text}, which is read as "
                f"{setting}={getattr(settings, setting)} here"
            )
    source = find_images(dataset, host.data, data)
    if source is None:
        raise UserError(f"{dataset}: no images at hand; give them with --data {dataset}=FILE.npz|FOLDER")
    return ShortTraining(source, settings)


def _differences(
    record: TrainingRecord, space: SearchSpace, trainer: ShortTraining, here: str
) -> tuple[str, ...]:
    pairs = (
        ("version of the protocol", str(record.version), str(trainer.version)),
        (f"version of {space.name}", str(record.space_version), str(space.version)),
        ("images", record.images, trainer.source.fingerprint),
        ("made with", "; ".join(record.made_with) or "unknown", here),
    )
    return tuple(f"{what} {then}, here {now}" for what, then, now in pairs if then != now)


def _choices(table: GroundTruth, count: int, seed: int) -> tuple[tuple[str, str], ...]:
    rows = table.rows
    encodings = list(dict.fromkeys(rows["architecture"]))
    if not 1 <= count <= len(encodings):
        raise UserError(
            f"--retrain {count}: expected 1 to {len(encodings)}, the architectures of {table.info.name}"
        )
    rng = np.random.default_rng(derive_seed("retrain", table.info.name, seed))
    picked = [encodings[place] for place in rng.choice(len(encodings), count, replace=False)]
    seeds = {encoding: list(rows["seed"][rows["architecture"] == encoding]) for encoding in picked}
    if any(MEAN in found for found in seeds.values()):
        raise UserError(f"ground truth {table.info.name} has means: the seeds behind them are not known")
    choices = [(encoding, str(rng.choice(seeds[encoding]))) for encoding in picked]
    return tuple(sorted(choices, key=lambda choice: int(choice[1])))


def _judged(
    table: GroundTruth, encoding: str, seed: str, now: float, loss: float, *,
    message: str, spread: SeedSpread | None, alike: bool,
) -> Retrained:  # fmt: skip
    rows = table.rows
    own = rows[rows["architecture"] == encoding]
    stored = own[own["seed"] == seed].iloc[0]
    mean, count = float(own["accuracy"].mean()), len(own)
    near = abs(now - stored["accuracy"]) <= _DIGITS
    same_loss = math.isnan(stored["loss"]) or abs(loss - stored["loss"]) <= _DIGITS / 5
    equal = bool(near and same_loss)
    # Of a table with one seed nothing is known of the spread: equality alone passes.
    deviation = max(spread.pooled, float(spread.each.get(encoding, 0.0))) if spread is not None else 0.0
    wide = deviation * math.sqrt(1 + 1 / count)
    z = (now - mean) / wide if wide > 0 else 0.0 if abs(now - mean) <= _DIGITS else math.nan
    passed = not message and (equal or (not alike and abs(z) <= LIMIT))
    return Retrained(encoding, seed, float(stored["accuracy"]), now, equal, mean, count, z, passed, message)
