"""From scores and ground truth to a ranked frame."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from uninas_bench.errors import UserError

if TYPE_CHECKING:
    import pandas as pd

    from uninas_bench.architecture import Task
    from uninas_bench.data.source import ImageSource
    from uninas_bench.engine import Progress
    from uninas_bench.ensembles.notation import Ensemble
    from uninas_bench.fitting import FitProgress
    from uninas_bench.gathering import Announce, Gathered
    from uninas_bench.ground_truth.table import GroundTruth
    from uninas_bench.host import Host
    from uninas_bench.intervals import Failed, Method
    from uninas_bench.population import Chance, Dedup
    from uninas_bench.proxy import Proxy
    from uninas_bench.space import SearchSpace
    from uninas_bench.store import ScoreStore
    from uninas_bench.store.packed import PackedScores


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
    packed: PackedScores | Literal["default"] | None = "default",
    host: Host | None = None,
    announce: Announce | None = None,
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
        packed: scores that count where the store has none of exactly that configuration; ``default`` are
            those that come with the package, None takes none.
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
    from uninas_bench.ensembles.notation import read_ensembles
    from uninas_bench.gathering import gather

    if host is None:
        from uninas_bench.host import default_host

        host = default_host()
    check_statistics(k=k, resamples=resamples, dedup=dedup, chance=chance, failed=failed, intervals=intervals)
    found = gather(
        host, space, task, ground_truth, proxies,
        ensembles=read_ensembles(aggregates), sample=sample, seed=seed, store=store, dedup=dedup,
        chance=chance, failed=failed, settings=settings, packed=packed, announce=announce, workers=workers,
        executor=executor, data=data, timeout=timeout, device=device, progress=progress, fitting=fitting,
        retry_failed=retry_failed,
    )  # fmt: skip
    return board_of(found, failed=failed, method=intervals, resamples=resamples, k=k, seed=seed)


def board_of(
    found: Gathered, *, failed: Failed, method: Method, resamples: int, k: int, seed: int
) -> pd.DataFrame:
    """The board of what was gathered: the frame of `build`, with its attributes."""
    from uninas_bench.ranking import ranked

    frame, correlations = ranked(
        found.rows, found.accuracies, found.costs,
        failed=failed, method=method, resamples=resamples, k=k, seed=seed,
    )  # fmt: skip
    attributes: dict[Hashable | None, Any] = {
        **found.subject,
        "k": k,
        "intervals": {
            "method": correlations.method,
            "level": correlations.level,
            "resamples": resamples if correlations.method == "bootstrap" else None,
        },
        "versions": versions(),
    }
    frame.attrs = attributes
    return frame


def check_statistics(*, k: int, resamples: int, **choices: str) -> None:
    """Find what is wrong with the statistics' arguments before hours of scoring, not after.

    Raises:
        UserError: an argument of `build` has no such value.
    """
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


def versions() -> dict[str, str]:
    """Of the package and of the libraries that numbers depend on."""
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
