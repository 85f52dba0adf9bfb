"""`uninas-bench ground-truth verify`: check a table, and train some of it again."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from uninas_bench.cli import options
from uninas_bench.errors import UserError

if TYPE_CHECKING:
    from uninas_bench.ground_truth.retraining import Retrained, Retraining
    from uninas_bench.ground_truth.table import GroundTruth
    from uninas_bench.host import Host

_MARKS = {True: "ok", False: "FAILED", None: "-"}


@click.command("verify")
@click.argument("name")
@click.option("--retrain", type=click.IntRange(min=1), metavar="N",
              help="Train N random architectures again, each under one of its seeds.")  # fmt: skip
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True,
              help="Fixes which ones, and under which of their seeds.")  # fmt: skip
@options.workers_option
@options.device_option
@options.data_option
@options.plugin_option
def verify(
    *,
    name: str,
    retrain: int | None,
    seed: int,
    workers: int,
    device: str,
    data: Mapping[str, str],
    plugins: Sequence[Path],
) -> None:
    """Check the table NAME (or a file): encodings, ranges, duplicates, seeds, the checksum of its source.

    With --retrain, N architectures are trained again under the table's own protocol. With the versions,
    libraries and processor that made the table every digit must come out again; elsewhere the new accuracy
    must lie within four standard deviations of the stored ones.
    """
    from uninas_bench.ground_truth.catalogue import find_ground_truth
    from uninas_bench.ground_truth.verification import checks

    host = options.host_with(plugins)
    table = find_ground_truth(name, host=host)
    failed = []
    for check in checks(table, host):
        _say(check.passed, check.name, check.finding)
        if check.passed is False:
            failed.append(check.name)
    if retrain is not None:
        failed += _retrain(table, host, retrain, seed, workers, device, data)
    if failed:
        raise UserError(f"ground truth {table.info.name}: failed {', '.join(failed)}")


def _retrain(
    table: GroundTruth, host: Host, count: int, seed: int, workers: int, device: str, data: Mapping[str, str]
) -> list[str]:
    """Train, say how each one ended, and return the names of the checks that failed."""
    from uninas_bench.ground_truth.retraining import LIMIT, retrain, together

    found = retrain(table, host, count=count, seed=seed, workers=workers, device=device, data=data)
    _say(None, "retraining", _premise(found))
    outcomes = []
    for outcome in found.outcomes():
        outcomes.append(outcome)
        _say(outcome.passed, "retrained", _sentence(outcome))
    failed = ["retrained"] * (not all(outcome.passed for outcome in outcomes))
    shift = together(outcomes)
    if len(outcomes) > 1 and found.differences and not math.isnan(shift):
        _say(abs(shift) <= LIMIT, "together", f"z = {shift:+.2f} of {len(outcomes)} architectures")
        failed += ["together"] * (abs(shift) > LIMIT)
    return failed


def _premise(found: Retraining) -> str:
    if not found.differences:
        return "made by what runs here: every digit must come out again"
    spread = "unknown" if math.isnan(found.deviation) else f"{found.deviation:.2f} points"
    differences = "; ".join(found.differences)
    return f"{differences}: equal, or within the spread of seeds (pooled standard deviation {spread})"


def _sentence(outcome: Retrained) -> str:
    label = f"{outcome.architecture} seed {outcome.seed}: {outcome.stored:.2f} stored"
    if outcome.message:
        return f"{label}, failed here: {outcome.message}"
    if outcome.equal:
        return f"{label}, {outcome.now:.2f} here: equal"
    z = "unknown" if math.isnan(outcome.z) else f"{outcome.z:+.2f}"
    plural = "s" if outcome.count > 1 else ""
    return (
        f"{label}, {outcome.now:.2f} here: z = {z} from {outcome.mean:.2f}, the mean of {outcome.count} "
        f"seed{plural}"
    )


def _say(passed: bool | None, name: str, finding: str) -> None:
    click.echo(f"{_MARKS[passed]:<7}{name:<12}{finding}")
