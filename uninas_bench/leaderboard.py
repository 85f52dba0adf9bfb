"""From scores and ground truth to a ranked frame."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from uninas_bench.architecture import Architecture
from uninas_bench.errors import UserError
from uninas_bench.tasks import find_task

if TYPE_CHECKING:
    import pandas as pd

    from uninas_bench.architecture import Task
    from uninas_bench.data.source import ImageSource
    from uninas_bench.engine import Progress
    from uninas_bench.ensembles.notation import Ensemble
    from uninas_bench.fitting import FitProgress
    from uninas_bench.ground_truth.table import GroundTruth
    from uninas_bench.host import Host
    from uninas_bench.intervals import Failed, Method
    from uninas_bench.population import Chance, Dedup
    from uninas_bench.proxy import Proxy
    from uninas_bench.space import SearchSpace
    from uninas_bench.store import ScoreStore

EMBEDDED = "embedded"
"""The ground truth of a board that names neither space nor table."""


def build(
    space: str | SearchSpace | None = None,
    task: str | Task | None = None,
    ground_truth: str | Path | GroundTruth | None = None,
    proxies: Sequence[str | Proxy] | None = None,
    *,
    aggregates: Sequence[str | Ensemble] = (),
    sample: int | None = None,
    seed: int = 0,
    store: str | Path | ScoreStore | Literal["default"] | None = "default",
    workers: int = 1,
    executor: str | None = None,
    dedup: Dedup = "none",
    chance: Chance = "include",
    failed: Failed = "last",
    intervals: Method = "auto",
    resamples: int = 1000,
    k: int = 10,
    settings: Mapping[str, Mapping[str, object]] | None = None,
    data: Mapping[str, str | Path | ImageSource] | None = None,
    timeout: float | None = None,
    device: str = "cpu",
    retry_failed: bool = False,
    host: Host | None = None,
    announce: Callable[[Mapping[Any, Any]], None] | None = None,
    progress: Progress | None = None,
    fitting: FitProgress | None = None,
) -> pd.DataFrame:
    """Rank proxies by Kendall's tau-b with measured accuracies, computing the scores that the store lacks.

    Args:
        space: a name takes the scale of the table; an object must have it.
        task: default the table's. At another resolution, as ``imagenet1k@64`` for a table of ``imagenet1k``,
            networks are scored there, and ranked by the accuracies of the table.
        ground_truth: a name, a path or a table; default the one of ``space`` and ``task``, or the embedded.
        proxies: default all that are installed. `score_columns.BASELINES` are always added.
        aggregates: ensembles as further rows, ``mine = rank: vkdnw + jacov - 0.5*flops``. Members that are
            not among ``proxies`` are scored and have no row.
        sample: how many architectures to draw; see `population.draw_population`.
        seed: of sample, scores and bootstrap.
        store: a path, a URL, an open store, ``default`` for the user's own, None for memory only.
        workers: processes, as in `uninas_bench.score`; so are ``executor, data, timeout, device, progress``.
        executor: by name.
        dedup: ``isomorphic`` keeps one architecture of each isomorphism class.
        chance: ``exclude`` leaves out architectures at chance level.
        failed: ``last`` ranks an architecture that a proxy failed on below all others, ``exclude`` leaves
            it out for that proxy.
        intervals: ``bootstrap``, ``asymptotic``, ``none``; ``auto`` by n, see `intervals.rank_correlations`.
        resamples: of the bootstrap.
        k: the cut of nDCG and regret.
        settings: by proxy: ``{"vkdnw": {"batch": 32}}``.
        data: image sources.
        timeout: seconds per cell.
        device: where networks run.
        retry_failed: compute failed cells again.
        host: the plugins; default those that are installed.
        announce: called once before anything is computed, with the attributes of the frame that are known.
        progress: called after every finished cell.
        fitting: called while a proxy is fitted.

    Returns:
        One row per proxy, best tau first, with `ranking.COLUMNS`. Accuracy points in ``regret``, seconds per
        architecture, ``passes`` in bare forward passes; ``p_next`` is the two-sided paired p that the row and
        the next one have the same tau. ``frame.attrs`` names all that the numbers rest on: space, scale,
        task, ground truth, noise ceiling, n, seed, sample, policies, failures by reason, versions.

    Raises:
        UserError: a name, a setting or a file is wrong, or space, scale or task are not the table's.
    """
    from uninas_bench.engine import run
    from uninas_bench.ensemble_columns import check_ensembles, ensemble_column
    from uninas_bench.ensembles.notation import read_ensembles
    from uninas_bench.population import draw_population
    from uninas_bench.ranking import ranked
    from uninas_bench.score_columns import BASELINES, cost_column, score_column
    from uninas_bench.store import default_store_url

    if host is None:
        from uninas_bench.host import default_host

        host = default_host()
    _check(k=k, resamples=resamples, dedup=dedup, chance=chance, failed=failed, intervals=intervals)
    ensembles = read_ensembles(aggregates)
    if isinstance(space, str):
        host.space(space)  # A misspelt space must not end in the search for its table.
    table = _table(host, space, task, ground_truth)
    found = _space(host, table, space)
    found_task = find_task(table.info.task if task is None else str(task))
    shown, chosen = _proxies(host, proxies, ensembles, settings or {})
    accuracies = draw_population(table, found, sample=sample, seed=seed, dedup=dedup, chance=chance)
    taken = {*host.proxies, *BASELINES, *(proxy.name for proxy in chosen)}
    check_ensembles(ensembles, taken, len(accuracies))
    architectures = [Architecture(found.name, str(encoding)) for encoding in accuracies.index]
    # Before anything is computed: it also finds encodings that are not of the space.
    costs = {point.encoding: found.costs(point, found_task) for point in architectures}
    subject: dict[Hashable | None, Any] = {
        **_subject(table, found, found_task, accuracies.index),
        "n": len(accuracies),
        "proxies": len(chosen),
        "sample": sample,
        "seed": seed,
        "dedup": dedup,
        "chance": chance,
    }
    if announce is not None:
        announce(subject)
    scores = run(
        architectures,
        chosen,
        space=found,
        task=found_task,
        seed=seed,
        workers=workers,
        executor=executor,
        store=default_store_url() if store == "default" else store,
        data=data,
        timeout=timeout,
        device=device,
        progress=progress,
        fitting=fitting,
        host=host,
        retry_failed=retry_failed,
    )
    columns = [score_column(scores, proxy) for proxy in chosen]
    columns += [cost_column(name, costs) for name in BASELINES if name not in {c.proxy for c in columns}]
    by_name = {column.proxy: column for column in columns}
    added = [
        ensemble_column(ensemble, by_name, accuracies, scores, failed=failed, seed=seed)
        for ensemble in ensembles
    ]
    rows = [column for column in columns if column.proxy in shown] + [entry.column for entry in added]
    frame, correlations = ranked(
        rows, accuracies, costs, failed=failed, method=intervals, resamples=resamples, k=k, seed=seed
    )
    attributes: dict[Hashable | None, Any] = {
        **subject,
        "failed": failed,
        "k": k,
        "intervals": {
            "method": correlations.method,
            "level": correlations.level,
            "resamples": resamples if correlations.method == "bootstrap" else None,
        },
        "cells": sum(len(cells.cells) for cells in scores.columns.values()),
        "failures": {column.proxy: dict(column.failures) for column in rows if column.failed},
        "aggregates": {entry.column.proxy: entry.account for entry in added},
        "versions": _versions(),
    }
    frame.attrs = attributes
    return frame


def _check(*, k: int, resamples: int, **choices: str) -> None:
    """Find what is wrong with the statistics' arguments before hours of scoring, not after."""
    from uninas_bench.intervals import FEWEST_RESAMPLES, Failed, Method
    from uninas_bench.population import Chance, Dedup

    if k < 1:
        raise UserError(f"k={k}: expected at least 1")
    if resamples < FEWEST_RESAMPLES:
        raise UserError(f"resamples={resamples}: expected at least {FEWEST_RESAMPLES}")
    known = {"dedup": Dedup, "chance": Chance, "failed": Failed, "intervals": Method}
    for name, value in choices.items():
        if value not in get_args(known[name]):
            raise UserError(f'{name}="{value}": expected {", ".join(get_args(known[name]))}')


def _table(
    host: Host,
    space: str | SearchSpace | None,
    task: str | Task | None,
    ground_truth: str | Path | GroundTruth | None,
) -> GroundTruth:
    from uninas_bench.ground_truth.catalogue import find_ground_truth

    name = None if task is None else str(task)
    if ground_truth is None:
        if space is not None:
            ground_truth = space if isinstance(space, str) else space.name
        elif name is not None:
            raise UserError(f"task {name}: name the space or the ground truth too")
        else:
            ground_truth = EMBEDDED
    return find_ground_truth(ground_truth, task=name, host=host)


def _space(host: Host, table: GroundTruth, space: str | SearchSpace | None) -> SearchSpace:
    info = table.info
    name = info.space if space is None else space if isinstance(space, str) else space.name
    if name != info.space:
        raise UserError(f"ground truth {info.name} is of the space {info.space}, not {name}")
    if space is None or isinstance(space, str):
        scale = dict(part.split("=", 1) for part in info.scale.split(",") if part)
        return host.space(name).scaled(**scale)
    if str(space.scale) != info.scale:
        raise UserError(f"ground truth {info.name} is at the scale {info.scale}, not {space.scale}")
    return space


def _proxies(
    host: Host,
    proxies: Sequence[str | Proxy] | None,
    ensembles: Sequence[Ensemble],
    settings: Mapping[str, Mapping[str, object]],
) -> tuple[set[str], list[Proxy]]:
    """The names that have a row, baselines included, and all proxies to be scored, with their settings."""
    from uninas_bench.score_columns import BASELINES

    if isinstance(proxies, str):
        raise UserError(f'proxies="{proxies}": expected a list of names')
    entries: Sequence[str | Proxy] = proxies if proxies is not None else host.default_proxies()
    chosen: dict[str, Proxy] = {}
    for entry in [*entries, *(name for name in BASELINES if name in host.proxies)]:
        proxy = host.proxy(entry) if isinstance(entry, str) else entry
        chosen.setdefault(proxy.name, proxy)
    shown = {*chosen, *BASELINES}
    for name in (member for ensemble in ensembles for member in ensemble.members):
        if name not in shown:  # A baseline has a column even where its plugin is not installed.
            chosen[name] = host.proxy(name)
    for name, values in settings.items():
        if name not in chosen:
            raise UserError(f"settings of {name}: it is not on this board ({', '.join(chosen)})")
        chosen[name] = chosen[name].with_settings(**values)
    return shown, list(chosen.values())


def _subject(
    table: GroundTruth, space: SearchSpace, task: Task, encodings: Any
) -> dict[Hashable | None, Any]:
    from uninas_bench.ground_truth.noise import noise_ceiling

    info = table.info
    seeds = [seed for seed in table.seeds if seed != "mean"]
    ceiling = noise_ceiling(table, None if len(encodings) == len(table) else encodings)
    return {
        "space": space.name,
        "scale": str(space.scale),
        "task": task.name,
        "ground_truth": {
            "name": info.name,
            "task": info.task,
            "architectures": len(table),
            "seeds": len(seeds),
            "protocol": info.protocol,
            "source": info.source,
        },
        "noise_ceiling": None if ceiling is None else asdict(ceiling),
    }


def _versions() -> dict[str, str]:
    import platform
    from importlib import metadata

    import numpy as np

    from uninas_bench.version import __version__

    return {
        "uninas-bench": __version__,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "torch": metadata.version("torch"),
    }
