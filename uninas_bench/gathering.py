"""What stands behind a board: the table, the population, every proxy's scores on it, and costs."""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from uninas_bench.architecture import Architecture, Costs
from uninas_bench.cells import Status
from uninas_bench.errors import UserError
from uninas_bench.tasks import find_task

if TYPE_CHECKING:
    import pandas as pd

    from uninas_bench.architecture import Task
    from uninas_bench.ensembles.notation import Ensemble
    from uninas_bench.ground_truth.table import GroundTruth
    from uninas_bench.host import Host
    from uninas_bench.intervals import Failed
    from uninas_bench.population import Chance, Dedup
    from uninas_bench.proxy import Proxy
    from uninas_bench.score_columns import ScoreColumn
    from uninas_bench.scores import Scores
    from uninas_bench.space import SearchSpace
    from uninas_bench.store import ScoreStore
    from uninas_bench.store.packed import PackedScores

EMBEDDED = "embedded"
"""The ground truth of a board that names neither space nor table."""
Announce = Callable[[Mapping[Any, Any]], None]


@dataclass(frozen=True, eq=False)
class Gathered:
    """Scores and accuracies of one population.

    Attributes:
        rows: the columns of the board, ensembles last.
        accuracies: percent, by encoding: the population and its order.
        costs: by encoding.
        subject: what the numbers rest on, as `leaderboard.build` has it in ``frame.attrs``.
        lacking: proxies that have no row because scores are missing and none were to be computed.
        sampled: proxies that have no row because their scores came with the package for some of the
            architectures only, and of how many.
    """

    table: GroundTruth
    space: SearchSpace
    task: Task
    rows: tuple[ScoreColumn, ...]
    accuracies: pd.Series[float]
    costs: Mapping[str, Costs]
    subject: Mapping[Hashable | None, Any]
    lacking: tuple[str, ...] = ()
    sampled: Mapping[str, int] = field(default_factory=dict)


def gather(
    host: Host,
    space: str | SearchSpace | None = None,
    task: str | Task | None = None,
    ground_truth: str | Path | GroundTruth | None = None,
    proxies: Sequence[str | Proxy] | None = None,
    *,
    ensembles: Sequence[Ensemble] = (),
    sample: int | None = None,
    seed: int = 0,
    store: str | Path | ScoreStore | Literal["default"] | None = "default",
    dedup: Dedup = "none",
    chance: Chance = "include",
    failed: Failed = "last",
    settings: Mapping[str, Mapping[str, object]] | None = None,
    packed: PackedScores | Literal["default"] | None = "default",
    announce: Announce | None = None,
    compute: bool = True,
    as_packed: Collection[str] = (),
    **running: Any,
) -> Gathered:
    """Resolve the names of a board and score its population.

    The arguments are those of `leaderboard.build`, ``ensembles`` being read, and ``running`` what is for
    `engine.run`. Without ``compute``, proxies of which a score is missing have no row. Those of ``as_packed``
    are of ``proxies`` only where their scores by ``seed`` came with the package for the whole population.

    Raises:
        UserError: as `leaderboard.build`.
    """
    from uninas_bench.engine import run
    from uninas_bench.ensemble_columns import check_ensembles, ensemble_column
    from uninas_bench.plan import sees_images
    from uninas_bench.population import draw_population
    from uninas_bench.score_columns import BASELINES, cost_column, score_column
    from uninas_bench.store import default_store_url
    from uninas_bench.store.packed import shipped_scores

    if isinstance(space, str):
        host.space(space)  # A misspelt space must not end in the search for its table.
    table = find_table(host, space, task, ground_truth)
    found = space_of(host, table, space)
    found_task = find_task(table.info.task if task is None else str(task))
    accuracies = draw_population(table, found, sample=sample, seed=seed, dedup=dedup, chance=chance)
    known = shipped_scores() if packed == "default" else packed
    sampled: dict[str, int] = {}
    for name in as_packed:
        there = known.encodings(table.info.name, name, seed) if known is not None else ()
        if not set(there).issuperset(accuracies.index):
            sampled[name] = len(there)
    if proxies is not None:
        proxies = [entry for entry in proxies if not (isinstance(entry, str) and entry in sampled)]
    shown, chosen = chosen_proxies(host, proxies, ensembles, settings or {})
    taken = {*host.proxies, *BASELINES, *(proxy.name for proxy in chosen)}
    check_ensembles(ensembles, taken, len(accuracies))
    architectures = [Architecture(found.name, str(encoding)) for encoding in accuracies.index]
    costs: dict[str, Costs] = {}

    def price() -> None:
        costs.update({point.encoding: found.costs(point, found_task) for point in architectures})

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
        store=default_store_url() if store == "default" else store,
        host=host,
        packed=known,
        # Before anything is computed: it also finds encodings that are not of the space.
        before=price,
        compute=compute,
        **running,
    )
    lacking = tuple(proxy.name for proxy in chosen if not scores.is_complete(proxy))
    if lacking and ensembles:
        raise UserError(f"ensembles need every score of their members; missing are those of {lacking[0]}")
    unseen = [
        proxy.name
        for proxy in chosen
        if compute and proxy.name in lacking and scores.plan.images is None and sees_images(proxy)
    ]
    chosen = [proxy for proxy in chosen if proxy.name not in lacking]
    if not costs:
        costs.update(_stored_costs(scores, chosen))
    if not costs:
        price()
    columns = [score_column(scores, proxy) for proxy in chosen]
    columns += [cost_column(name, costs) for name in BASELINES if name not in {c.proxy for c in columns}]
    by_name = {column.proxy: column for column in columns}
    added = [
        ensemble_column(ensemble, by_name, accuracies, scores, failed=failed, seed=seed)
        for ensemble in ensembles
    ]
    rows = [column for column in columns if column.proxy in shown] + [entry.column for entry in added]
    subject |= {
        "failed": failed,
        "cells": sum(len(cells.cells) for cells in scores.columns.values()),
        "packed": scores.packed,
        "not_comparable": {} if known is None else known.unlike(scores.plan.configurations),
        "failures": {column.proxy: dict(column.failures) for column in rows if column.failed},
        "unseen": unseen,
        "fitted": [proxy.name for proxy in chosen if "fit" in proxy.needs and proxy.name in shown],
        "aggregates": {entry.column.proxy: entry.account for entry in added},
    }
    missing = [name for name in lacking if name in shown and name not in BASELINES]
    missing += [name for name, count in sampled.items() if not count]
    sampled = {name: count for name, count in sampled.items() if count}
    return Gathered(
        table, found, found_task, tuple(rows), accuracies, costs, subject, tuple(missing), sampled
    )


def _stored_costs(scores: Scores, chosen: Sequence[Proxy]) -> dict[str, Costs]:
    """Costs from the scores of the baselines, faster than closed forms; empty where there are not all."""
    from uninas_bench.score_columns import BASELINES

    if not {*BASELINES} <= {proxy.name for proxy in chosen}:
        return {}
    for name in BASELINES:
        if (scores.cells(name)["status"] != Status.OK).any():
            return {}
    params, flops = (scores.components(name)[name] for name in ("params", "flops"))
    return {
        str(encoding): Costs(params=int(p), flops=int(f))
        for encoding, p, f in zip(params.index, params, flops, strict=True)
    }


def find_table(
    host: Host,
    space: str | SearchSpace | None,
    task: str | Task | None,
    ground_truth: str | Path | GroundTruth | None,
) -> GroundTruth:
    """The table of a board: the named one, else that of space and task, else the embedded one.

    Raises:
        UserError: there is none.
    """
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


def space_of(host: Host, table: GroundTruth, space: str | SearchSpace | None = None) -> SearchSpace:
    """The space of a table at its scale.

    Raises:
        UserError: no such space, or the given one is not the table's.
    """
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


def chosen_proxies(
    host: Host,
    proxies: Sequence[str | Proxy] | None,
    ensembles: Sequence[Ensemble],
    settings: Mapping[str, Mapping[str, object]],
) -> tuple[set[str], list[Proxy]]:
    """The names that have a row, baselines included, and all proxies to be scored, with their settings.

    Args:
        host: the plugins.
        proxies: default all but those on request.
        ensembles: whose members are scored, too.
        settings: by proxy.

    Raises:
        UserError: no such proxy, or settings of one that is not on the board.
    """
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
