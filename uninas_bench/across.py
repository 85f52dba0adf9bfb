"""One board over several ground-truth tables: every proxy on every space and task, and a rank over all."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from uninas_bench.errors import UserError

if TYPE_CHECKING:
    import pandas as pd

    from uninas_bench.ensembles.notation import Ensemble
    from uninas_bench.gathering import Announce, Gathered
    from uninas_bench.ground_truth.table import GroundTruth
    from uninas_bench.host import Host
    from uninas_bench.intervals import Failed, Method
    from uninas_bench.population import Chance, Dedup
    from uninas_bench.proxy import Proxy
    from uninas_bench.store import ScoreStore
    from uninas_bench.store.packed import PackedScores

ALL = "all"
"""Stands for every table whose scores come with the package."""
COLUMNS = (
    "ground_truth", "space", "scale", "task", "stratum", "proxy", "version", "baseline", "tau", "tau_low",
    "tau_high", "of_ceiling", "place", "tau_given_params", "tau_given_flops", "tau_given_size",
    "tau_given_size_low", "tau_given_size_high", "rho", "n", "failed", "seconds", "passes", "mean_place",
    "mean_of_ceiling", "settings",
)  # fmt: skip
_OF_A_BOARD = (
    "proxy", "version", "baseline", "tau", "tau_low", "tau_high", "tau_given_params", "tau_given_flops",
    "tau_given_size", "tau_given_size_low", "tau_given_size_high", "rho", "n", "failed", "seconds", "passes",
    "settings",
)  # fmt: skip
Tables: TypeAlias = "str | Sequence[str | Path | GroundTruth]"


def build(
    tables: Tables = ALL,
    proxies: Sequence[str | Proxy] | None = None,
    *,
    aggregates: Sequence[str | Ensemble] = (),
    strata: bool = False,
    compute: bool = True,
    sample: int | None = None,
    seed: int = 0,
    store: str | Path | ScoreStore | Literal["default"] | None = "default",
    dedup: Dedup = "none",
    chance: Chance = "include",
    failed: Failed = "last",
    intervals: Method = "auto",
    resamples: int = 1000,
    packed: PackedScores | Literal["default"] | None = "default",
    host: Host | None = None,
    announce: Announce | None = None,
    **running: Any,
) -> pd.DataFrame:
    """Rank proxies on several tables at once.

    In each table the proxies get places by tau, from 1; equal taus share the mean of their places. A proxy
    without a tau there (not applicable to the space, failed everywhere, or constant) shares the mean of the
    last places. ``mean_place`` is the mean over all tables; proxies that were not scored on each of them have
    none, and take no place from the others. ``mean_of_ceiling`` is the mean of tau divided by the table's
    corrected noise ceiling, over the tables that have one, where a proxy without a tau counts as 0.

    Args:
        tables: ``all``, those whose scores come with the package, where proxies that need images are left
            out of a table whose images are not at hand; or names with commas between them, or a list of
            names, paths and objects, where that is a mistake.
        proxies: default all that are installed, but those on request, and of these the ones whose scores
            come with the package for one of the tables.
        aggregates: ensembles as further rows.
        strata: add rows for the families of architectures that the spaces know.
        compute: without it, proxies of which a table has not all scores are not scored on that table.
        sample: how many architectures to draw from each table.
        seed: as in `leaderboard.build`, and so are the other arguments.
        store: of scores.
        dedup: in each table.
        chance: in each table.
        failed: ``last`` or ``exclude``.
        intervals: ``auto`` is ``asymptotic`` here: many tables take no longer than one.
        resamples: of the bootstrap.
        packed: scores of the package.
        host: the plugins.
        announce: called once per table.
        running: ``settings``, and what the engine is told: ``workers``, ``progress``, ``data``, ...

    Returns:
        One row per proxy and table, best ``mean_place`` first, with `COLUMNS`; ``stratum`` is empty but in
        the rows of families, which have only tau, its interval, n and failures. A matrix is
        ``frame[frame["stratum"] == ""].pivot(index="proxy", columns="ground_truth", values="tau")``.
        ``frame.attrs["tables"]`` holds, by name, what the numbers of each table rest on.

    Raises:
        UserError: as `leaderboard.build`; no table, or two of one name.
    """
    from uninas_bench.leaderboard import check_statistics

    check_statistics(k=1, resamples=resamples, dedup=dedup, chance=chance, failed=failed, intervals=intervals)
    found = gathered(
        tables, proxies, aggregates=aggregates, sample=sample, seed=seed, store=store, dedup=dedup,
        chance=chance, failed=failed, packed=packed, host=host, announce=announce, compute=compute, **running,
    )  # fmt: skip
    return board_of(found, strata=strata, failed=failed, intervals=intervals, resamples=resamples, seed=seed)


def gathered(
    tables: Tables,
    proxies: Sequence[str | Proxy] | None = None,
    *,
    aggregates: Sequence[str | Ensemble] = (),
    packed: PackedScores | Literal["default"] | None = "default",
    host: Host | None = None,
    **options: Any,
) -> list[Gathered]:
    """Scores and accuracies of every table, in the order of the board.

    Args:
        tables: as `build`, and so are the other arguments.
        proxies: likewise.
        aggregates: likewise.
        packed: likewise.
        host: likewise.
        options: what is for `gathering.gather`.

    Raises:
        UserError: as `build`.
    """
    from uninas_bench.ensembles.notation import read_ensembles
    from uninas_bench.gathering import gather
    from uninas_bench.store.packed import shipped_scores

    if host is None:
        from uninas_bench.host import default_host

        host = default_host()
    known = shipped_scores() if packed == "default" else packed
    ensembles = read_ensembles(aggregates)
    chosen = _tables(host, tables, known)
    if tables == ALL:  # Nobody named the table whose images are not at hand.
        options.setdefault("without_images", "leave")
    as_packed: list[str] = []
    if proxies is None:
        as_packed = _packed_on_request(host, known, [table.info.name for table in chosen])
        proxies = [*host.default_proxies(), *as_packed]
    return [
        gather(
            host, ground_truth=table, proxies=proxies, ensembles=ensembles, packed=known,
            as_packed=as_packed, **options,
        )
        for table in chosen
    ]  # fmt: skip


def board_of(
    found: Sequence[Gathered],
    *,
    strata: bool = False,
    failed: Failed = "last",
    intervals: Method = "auto",
    resamples: int = 1000,
    seed: int = 0,
) -> pd.DataFrame:
    """The board of what was gathered: the frame of `build`, with its attributes."""
    import pandas as pd

    from uninas_bench.leaderboard import versions
    from uninas_bench.ranking import ranked

    method: Method = "asymptotic" if intervals == "auto" else intervals
    statistics: Any = {"failed": failed, "method": method, "resamples": resamples, "seed": seed}
    parts: list[pd.DataFrame] = []
    facts: dict[str, dict[str, Any]] = {}
    for table in found:
        board, correlations = ranked(table.rows, table.accuracies, table.costs, k=1, **statistics)
        name = table.table.info.name
        facts[name] = {
            **{str(key): value for key, value in table.subject.items()},
            "lacking": table.lacking,
            "sampled": table.sampled,
        }
        parts.append(_part(table, board[list(_OF_A_BOARD)], ""))
        facts[name]["strata"] = {}
        if strata:
            parts += _strata(table, facts[name], statistics)
    frame = _summarised(pd.concat(parts, ignore_index=True), facts)
    attributes: dict[Hashable | None, Any] = {
        "tables": facts,
        "seed": seed,
        "failed": failed,
        "strata": strata,
        "intervals": {
            "method": correlations.method,
            "level": correlations.level,
            "resamples": resamples if correlations.method == "bootstrap" else None,
        },
        "cells": sum(entry["cells"] for entry in facts.values()),
        "packed": sum(entry["packed"] for entry in facts.values()),
        "aggregates": {},
        "versions": versions(),
    }
    frame.attrs = attributes
    return frame


def matrix(frame: pd.DataFrame, values: str = "tau", *, strata: bool = False) -> pd.DataFrame:
    """A column of the board as proxies x tables, in the board's order; or x (table, stratum)."""
    part = frame[(frame["stratum"] != "") == strata]
    columns = ["ground_truth", "stratum"] if strata else "ground_truth"
    order = list(dict.fromkeys(frame["proxy"]))
    found = part.pivot(index="proxy", columns=columns, values=values).reindex(order)
    names = part[columns].drop_duplicates()
    ordered = list(names.itertuples(index=False, name=None)) if strata else list(names)
    return found[ordered]


def summary(frame: pd.DataFrame) -> pd.DataFrame:
    """One row per proxy, in the board's order: places and means over the tables, mean cost, failures."""
    whole = frame[frame["stratum"] == ""]
    groups = whole.groupby("proxy", sort=False)
    means = groups[["mean_place", "mean_of_ceiling", "seconds", "passes"]].mean()
    means["baseline"] = groups["baseline"].first()
    means["version"] = groups["version"].first()
    means["failed"] = groups["failed"].sum()
    means["tables"] = groups.size()
    return means.reset_index()


def _tables(host: Host, tables: Tables, packed: PackedScores | None) -> list[GroundTruth]:
    from uninas_bench.ground_truth.catalogue import find_ground_truth

    if isinstance(tables, str):
        entries: list[Any] = [name.strip() for name in tables.split(",") if name.strip()]
        if entries == [ALL]:
            entries = sorted({info.ground_truth for info in packed.files.values()} if packed else ())
            if not entries:
                raise UserError('no scores came with the package: name tables instead of "all"')
    else:
        entries = list(tables)
    if not entries:
        raise UserError("no table to rank proxies on: give names, or all")
    found = [find_ground_truth(entry, host=host) for entry in entries]
    names = [table.info.name for table in found]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise UserError(f"ground truth {twice} is given twice")
    return found


def _packed_on_request(host: Host, packed: PackedScores | None, tables: Sequence[str]) -> list[str]:
    """Of the proxies on request those with scores, made as they are installed, that came with the package."""
    names: list[str] = []
    default = host.default_proxies()
    for info in packed.files.values() if packed else ():
        if info.ground_truth in tables:
            names += [
                proxy.name
                for proxy in info.proxies
                if proxy.name in host.proxies
                and proxy.name not in (*default, *names)
                and host.proxy(proxy.name).version == proxy.version
                and str(host.proxy(proxy.name).cell_settings()) == proxy.settings
            ]
    return names


def _part(found: Gathered, rows: pd.DataFrame, stratum: str) -> pd.DataFrame:
    info = found.table.info
    context = {
        "ground_truth": info.name,
        "space": found.space.name,
        "scale": str(found.space.scale),
        "task": found.task.name,
        "stratum": stratum,
    }
    part = rows.assign(**context)
    part.attrs = {}
    return part


def _strata(found: Gathered, facts: dict[str, Any], statistics: Mapping[str, Any]) -> list[pd.DataFrame]:
    import pandas as pd

    from uninas_bench.strata import families, ranked_families, stratum

    large, facts["small_strata"] = ranked_families(families(found))
    parts = []
    for name, encodings in large.items():
        facts["strata"][name], rows = stratum(found, encodings, **statistics)
        parts.append(_part(found, pd.DataFrame(rows), name))
    return parts


def _summarised(frame: pd.DataFrame, facts: Mapping[str, Mapping[str, Any]]) -> pd.DataFrame:
    """Add ``of_ceiling``, places and means, and put the best proxy first, tables as they were given."""
    import numpy as np

    whole = frame["stratum"] == ""
    ceilings = {
        name: entry["noise_ceiling"]["corrected"] if entry["noise_ceiling"] else math.nan
        for name, entry in facts.items()
    }
    frame["of_ceiling"] = frame["tau"] / frame["ground_truth"].map(ceilings).replace(0.0, math.nan)
    frame.loc[~whole, "of_ceiling"] = math.nan
    counts = frame[whole].groupby("proxy", sort=False).size()
    everywhere = frame["proxy"].isin(counts.index[counts == len(facts)]) & whole
    places = frame[everywhere].groupby("ground_truth")["tau"].rank(ascending=False, na_option="bottom")
    frame["place"] = places.reindex(frame.index)
    has_ceiling = frame["ground_truth"].map(ceilings).notna()
    shares = frame["of_ceiling"].fillna(0.0).where(everywhere & has_ceiling)
    by_proxy = frame["proxy"]
    frame["mean_place"] = by_proxy.map(frame["place"].groupby(by_proxy).mean())
    frame["mean_of_ceiling"] = by_proxy.map(shares.groupby(by_proxy).mean())
    frame["baseline"] = by_proxy.map(frame[whole].groupby("proxy")["baseline"].first())
    frame["version"] = by_proxy.map(frame[whole].groupby("proxy")["version"].first())
    frame["settings"] = by_proxy.map(frame[whole].groupby("proxy")["settings"].first())
    table_order = {name: place for place, name in enumerate(facts)}
    keys = np.lexsort(
        (
            frame.index.to_numpy(),
            frame["ground_truth"].map(table_order).to_numpy(),
            frame["proxy"].to_numpy(dtype=str),
            -frame["mean_of_ceiling"].fillna(-2.0).to_numpy(),
            frame["mean_place"].fillna(math.inf).to_numpy(),
        )
    )
    return frame.iloc[keys].reset_index(drop=True)[list(COLUMNS)]
