"""Record a board as a baseline."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from uninas_bench.baseline.files import write_baseline
from uninas_bench.baseline.measuring import Measured, Running, checksum, made_with, measure
from uninas_bench.baseline.model import Baseline, Recorded
from uninas_bench.baseline.timing import ROUNDS
from uninas_bench.errors import UserError
from uninas_bench.gathering import chosen_proxies, find_table, space_of
from uninas_bench.intervals import rank_correlations
from uninas_bench.population import draw_population

if TYPE_CHECKING:
    import pandas as pd

    from uninas_bench.architecture import Task
    from uninas_bench.gathering import Announce
    from uninas_bench.ground_truth.table import GroundTruth
    from uninas_bench.host import Host
    from uninas_bench.population import Chance, Dedup
    from uninas_bench.proxy import Proxy
    from uninas_bench.space import SearchSpace

SAMPLE = 60
"""As many cells at the benchmark's scale take all proxies about a minute."""


def record(
    output: Path,
    *,
    host: Host,
    space: str | SearchSpace | None = None,
    task: str | Task | None = None,
    ground_truth: str | Path | GroundTruth | None = None,
    proxies: Sequence[str | Proxy] | None = None,
    sample: int | None = SAMPLE,
    seed: int = 0,
    dedup: Dedup = "none",
    chance: Chance = "include",
    settings: Mapping[str, Mapping[str, object]] | None = None,
    tolerances: Mapping[str, float] | None = None,
    running: Running | None = None,
    announce: Announce | None = None,
) -> Baseline:
    """Score a sample of a table's architectures and write what came out to a file.

    Args:
        output: the file; it is overwritten.
        host: the plugins.
        space: as in `leaderboard.build`, and so are the arguments up to ``settings``.
        task: default the table's.
        ground_truth: default the table of ``space`` and ``task``, or the embedded one.
        proxies: default all; `score_columns.BASELINES` are added.
        sample: how many architectures; None, or at least as many as there are, takes all.
        seed: of sample, scores and bootstrap.
        dedup: see `population.draw_population`.
        chance: likewise.
        settings: by proxy; a check uses them too.
        tolerances: of the scores, by proxy, in units of their spread; see `drift.drift`.
        running: how scores are computed.
        announce: called before, with ``n, proxies`` and the name of the table.

    Raises:
        UserError: a name, a value or a file is wrong, or stored scores are missing where they were asked for.
    """
    running = running or Running()
    table = find_table(host, space, task, ground_truth)
    found_space = space_of(host, table, space)
    whole = draw_population(table, found_space, dedup=dedup, chance=chance)
    if sample is not None and sample < len(whole):
        whole = draw_population(table, found_space, sample=sample, seed=seed, dedup=dedup, chance=chance)
    else:
        sample = None
    _, chosen = chosen_proxies(host, proxies, (), settings or {})
    _check_tolerances(tolerances or {}, [proxy.name for proxy in chosen])
    part = table.subset([str(encoding) for encoding in whole.index])
    if announce is not None:
        announce({"n": len(whole), "proxies": len(chosen), "ground_truth": table.info.name})
    name = table.info.task if task is None else str(task)
    measured = measure(host, part, name, chosen, seed, running)
    if measured.lacking:
        raise UserError(
            f"stored scores of {', '.join(measured.lacking)} are missing; leave out --stored-only"
        )
    baseline = Baseline(
        space=measured.space.name,
        space_version=measured.space.version,
        scale=str(measured.space.scale),
        task=measured.task.name,
        ground_truth=table.info.name,
        ground_truth_file=_place(ground_truth, output),
        accuracies=checksum(measured.accuracies),
        images=measured.images,
        sample=sample,
        seed=seed,
        settings={p: {s: str(v) for s, v in values.items()} for p, values in (settings or {}).items()},
        made_with=made_with(running.device) | ({"scores": "stored before"} if running.stored_only else {}),
        architectures=tuple(str(encoding) for encoding in measured.accuracies.index),
        proxies=_recorded(host, measured, tolerances or {}, seed),
    )
    write_baseline(baseline, output)
    return baseline


def _check_tolerances(tolerances: Mapping[str, float], chosen: Sequence[str]) -> None:
    for name, tolerance in tolerances.items():
        if name not in chosen:
            raise UserError(f"tolerance of {name}: it is not on this board ({', '.join(chosen)})")
        if not (tolerance >= 0 and math.isfinite(tolerance)):
            raise UserError(f"tolerance of {name}: {tolerance}: expected a number of at least 0")


def _recorded(
    host: Host, measured: Measured, tolerances: Mapping[str, float], seed: int
) -> tuple[Recorded, ...]:
    columns = measured.columns
    passes = measured.timed_again(list(columns), ROUNDS) if measured.passes else {}
    scores = {name: column.scores.reindex(measured.accuracies.index) for name, column in columns.items()}
    found = rank_correlations(list(scores.values()), measured.accuracies, seed=seed)
    low, high = found.tau_interval()
    order = sorted(range(len(columns)), key=lambda i: (-_low(float(found.tau[i])), list(columns)[i]))
    rows = []
    for rank, place in enumerate(order, 1):
        name = list(columns)[place]
        column = columns[name]
        rows.append(
            Recorded(
                name=name,
                version=column.version,
                parts=measured.versions[name],
                settings=column.settings,
                plugin=plugin_of(host, name),
                rank=rank,
                tau=_known(found.tau[place]),
                tau_low=_known(low[place]),
                tau_high=_known(high[place]),
                passes=_known(float(f"{passes.get(name, math.nan):.4g}")),
                failures=dict(column.failures),
                tolerance=tolerances.get(name),
                scores=_values(scores[name]),
            )
        )
    return tuple(rows)


def plugin_of(host: Host, proxy: str) -> str:
    """The plugin that registers a proxy, a file by its name alone; empty for an object of the caller's."""
    try:
        return Path(host.owner("proxy", proxy)).name
    except KeyError:
        return ""


def _place(given: str | Path | GroundTruth | None, output: Path) -> str:
    """A table's file as seen from the baseline's folder, so that both can move together."""
    if not isinstance(given, str | Path) or not Path(given).is_file():
        return ""
    try:
        return Path(os.path.relpath(Path(given).resolve(), output.resolve().parent)).as_posix()
    except ValueError:  # another drive
        return Path(given).name


def _values(scores: pd.Series[float]) -> tuple[float | None, ...]:
    return tuple(_known(value) for value in scores)


def _known(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def _low(value: float) -> float:
    return -math.inf if math.isnan(value) else value
