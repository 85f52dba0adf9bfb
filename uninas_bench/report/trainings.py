"""Finished trainings as a table: costs, metrics and speed, one row per architecture and recipe.

The form is that of Tables IV and V of the UniNAS paper: parameters, FLOPs, accuracy or AP or mIoU, images per
second. Measured numbers only; published ones are never among them.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from uninas_bench.report.cells import MISSING, Column

if TYPE_CHECKING:
    from uninas_bench.training.results import Result

_TITLES = {
    "accuracy": ("accuracy", "%"),
    "top5": ("top-5", "%"),
    "box_ap": ("AP", "box"),
    "mask_ap": ("AP", "mask"),
    "miou": ("mIoU", "%"),
}
"""What is shown of the metrics: all are in the CSV and the JSON."""
_LONGEST = 34


@dataclass(frozen=True, slots=True)
class Row:
    """The runs of one architecture under one recipe, which differ in their seeds.

    Attributes:
        runs: at least one.
    """

    runs: tuple[Result, ...]

    def mean(self, metric: str) -> float | None:
        """The mean over the seeds; None where a run lacks the metric."""
        if not all(metric in run.metrics for run in self.runs):
            return None
        return statistics.fmean(run.metrics[metric] for run in self.runs)

    def deviation(self, metric: str) -> float | None:
        """The standard deviation over the seeds; None of a single one."""
        values = [run.metrics[metric] for run in self.runs]
        return statistics.stdev(values) if len(values) > 1 else None


def rows_of(results: Sequence[Result]) -> list[Row]:
    """Runs by architecture and recipe, in the order in which they come; seeds of one row together."""
    groups: dict[tuple[object, ...], list[Result]] = {}
    for run in results:
        key = (run.space, run.scale, run.architecture, run.recipe_sha, bool(run.pretrained), run.data)
        groups.setdefault(key, []).append(run)
    return [Row(tuple(group)) for group in groups.values()]


def training_columns(results: Sequence[Result]) -> list[Column]:
    """The columns of the table."""
    rows = rows_of(results)
    firsts = [row.runs[0] for row in rows]
    metrics = [name for name in _TITLES if any(name in run.metrics for run in firsts)]

    def column(key: str, group: str, title: str, cells: Sequence[str], left: bool = False) -> Column:
        return Column(key, group, title, tuple(cells), left)

    columns = [
        column("recipe", "", "recipe", [run.recipe for run in firsts], left=True),
        column("params", "", "params", [_millions(run.params) for run in firsts]),
        column("flops", "", "FLOPs", [_giga(run.flops) for run in firsts]),
        column("macs", "MACs at", "task size", [_giga(run.macs) for run in firsts]),
    ]
    columns += [column(name, *_TITLES[name], [_value(row, name) for row in rows]) for name in metrics]
    columns += [
        column("seeds", "", "seeds", [str(len(row.runs)) for row in rows]),
        column("speed", "images", "per s", [_speed(row) for row in rows]),
        column("architecture", "", "architecture", [_named(run) for run in firsts], left=True),
    ]
    return columns


def training_notes(results: Sequence[Result]) -> list[str]:
    """What the numbers rest on, one sentence each."""
    notes = []
    for run in {run.recipe_sha: run for run in results}.values():
        began = "; begins with weights of an earlier training" if run.pretrained else ""
        notes.append(
            f"{run.recipe}: {run.protocol}; "
            f"{run.training_images:,} training and {run.test_images:,} test images{began}"
        )
    conventions = sorted({(run.convention, run.flops_resolution) for run in results if run.flops is not None})
    for convention, resolution in conventions:
        notes.append(f"FLOPs as the space counts them ({convention}), of one image of {resolution} pixels")
    devices = ", ".join(sorted({run.device for run in results}))
    batches = ", ".join(sorted({str(run.timed_batch) for run in results}, key=int))
    notes.append(f"images per second: finished network in eval mode, {batches} at a time, on {devices}")
    if any(len(row.runs) > 1 for row in rows_of(results)):
        notes.append("metrics: mean over the seeds, plus or minus their standard deviation")
    if any(run.smoke for run in results):
        notes.append("smoke runs show that everything works: their metrics mean nothing")
    return notes


def _value(row: Row, metric: str) -> str:
    mean = row.mean(metric)
    if mean is None:
        return MISSING
    deviation = row.deviation(metric)
    return f"{mean:.2f}" if deviation is None else f"{mean:.2f} ± {deviation:.2f}"


def _speed(row: Row) -> str:
    speed = statistics.fmean(run.images_per_second for run in row.runs)
    return f"{speed:,.0f}" if speed >= 100 else f"{speed:.3g}"


def _millions(count: int) -> str:
    return f"{count / 1e6:.1f}M" if count >= 10**6 else f"{count / 1e3:.1f}k"


def _giga(count: int | None) -> str:
    if count is None:
        return MISSING
    return f"{count / 1e9:.2f}G" if count >= 10**8 else f"{count / 1e6:.2f}M"


def _named(run: Result) -> str:
    text = f"{run.space}:{run.architecture}"
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
