"""A board as it is now: scores on given architectures, what they cost, and what they were made with."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from uninas_bench.architecture import Architecture
from uninas_bench.baseline.timing import ARCHITECTURES, Stopwatch, whole_costs
from uninas_bench.errors import UserError
from uninas_bench.gathering import gather
from uninas_bench.plan import expand, make_plan, sees_images

if TYPE_CHECKING:
    import pandas as pd

    from uninas_bench.architecture import Costs, Task
    from uninas_bench.data.source import ImageSource
    from uninas_bench.engine import Progress
    from uninas_bench.fitting import FitProgress
    from uninas_bench.ground_truth.table import GroundTruth
    from uninas_bench.host import Host
    from uninas_bench.proxy import Proxy
    from uninas_bench.score_columns import ScoreColumn
    from uninas_bench.space import SearchSpace
    from uninas_bench.store import ScoreStore


@dataclass(frozen=True, kw_only=True)
class Running:
    """How scores are computed, and whether at all.

    Attributes:
        stored_only: compute nothing; scores come from the store and from the package.
        store: whose scores count as those of now; None computes all of them anew, in memory. A score that
            was stored before the code changed would hide the change.
        cost: whether evaluations are timed against bare passes.
        workers: processes, as ``executor, data, timeout, device, progress, fitting`` of `engine.run`.
    """

    stored_only: bool = False
    store: str | Path | ScoreStore | None = None
    cost: bool = True
    workers: int = 1
    executor: str | None = None
    data: Mapping[str, str | Path | ImageSource] | None = None
    timeout: float | None = None
    device: str = "cpu"
    progress: Progress | None = None
    fitting: FitProgress | None = None

    def for_engine(self) -> dict[str, Any]:
        """The arguments that `gather` hands on."""
        ours = ("stored_only", "store", "cost")
        return {f.name: getattr(self, f.name) for f in fields(self) if f.name not in ours}


@dataclass(frozen=True, eq=False)
class Measured:
    """A board on some architectures.

    Attributes:
        accuracies: percent, by encoding.
        columns: by proxy, in the order asked for; without those that have no scores and get none.
        versions: by proxy, of those that it requires.
        passes: cost by proxy; empty where nothing was timed.
        lacking: proxies of which stored scores are missing.
        images: fingerprint of the task's images; empty where no proxy sees them.
    """

    space: SearchSpace
    task: Task
    accuracies: pd.Series[float]
    columns: Mapping[str, ScoreColumn]
    versions: Mapping[str, Mapping[str, int]]
    images: str
    lacking: tuple[str, ...] = ()
    passes: Mapping[str, float] = field(default_factory=dict)
    stopwatch: Stopwatch | None = None
    parts: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def timed_again(self, names: Sequence[str], rounds: int) -> dict[str, float]:
        """Their costs after more rounds, which can only bring them down; those of before without a clock."""
        if self.stopwatch is None:
            return {name: self.passes.get(name, math.nan) for name in names}
        self.stopwatch.measure(rounds, [part for name in names for part in self.parts[name]])
        return whole_costs(self.stopwatch.passes(), {name: self.parts[name] for name in names})


def measure(
    host: Host,
    table: GroundTruth,
    task: str,
    proxies: Sequence[Proxy],
    seed: int,
    running: Running,
) -> Measured:
    """Score all architectures of a table, which is small, with some proxies; then time these.

    Args:
        host: the plugins.
        table: of exactly the architectures that are to be scored.
        task: as in `leaderboard.build`.
        proxies: with their settings.
        seed: of the scores.
        running: how.

    Raises:
        UserError: as `leaderboard.build`.
    """
    from uninas_bench.store import default_store_url

    store = running.store
    if running.stored_only and store is None:
        store = default_store_url()
    found = gather(
        host, None, task, table, list(proxies),
        seed=seed, store=store, packed="default" if running.stored_only else None,
        compute=not running.stored_only, **running.for_engine(),
    )  # fmt: skip
    columns = {column.proxy: column for column in found.rows}
    wanted = [proxy for proxy in proxies if proxy.name in columns]
    measured = Measured(
        found.space,
        found.task,
        found.accuracies,
        {proxy.name: columns[proxy.name] for proxy in wanted},
        {proxy.name: {part.name: part.version for part in expand(host, [proxy])[1:]} for proxy in wanted},
        _images(host, found.task, wanted, running),
        found.lacking,
    )
    if not running.cost or running.stored_only or not wanted:
        return measured
    return _timed(host, measured, found.costs, wanted, seed, running)


def _timed(
    host: Host,
    measured: Measured,
    costs: Mapping[str, Costs],
    proxies: Sequence[Proxy],
    seed: int,
    running: Running,
) -> Measured:
    encodings = timed_architectures(costs)
    points = [Architecture(measured.space.name, encoding) for encoding in encodings]
    plan = make_plan(
        host, points, list(proxies), space=measured.space, task=measured.task, seed=seed, data=running.data
    )
    parts = {
        proxy.name: [part.name for part in expand(host, [proxy]) if part.components] for proxy in proxies
    }
    stopwatch = Stopwatch(plan, running.device)
    stopwatch.measure()
    return replace(measured, passes=whole_costs(stopwatch.passes(), parts), stopwatch=stopwatch, parts=parts)


def timed_architectures(costs: Mapping[str, Costs]) -> list[str]:
    """The largest, the median and one between, by FLOPs: on tiny networks overhead is all that is timed."""
    by_size = sorted(costs, key=lambda encoding: (costs[encoding].flops, encoding))
    last = len(by_size) - 1
    places = {round(last * (0.5 + 0.5 * k / (ARCHITECTURES - 1))) for k in range(ARCHITECTURES)}
    return [by_size[place] for place in sorted(places)]


def checksum(accuracies: pd.Series[float]) -> str:
    """The sha256 of architectures and accuracies: what taus were computed with."""
    lines = "".join(f"{encoding} {value!r}\n" for encoding, value in accuracies.to_dict().items())
    return hashlib.sha256(lines.encode()).hexdigest()


def made_with(device: str) -> dict[str, str]:
    """What numbers depend on beyond their seeds."""
    import platform
    from importlib import metadata

    from uninas_bench.provenance import processor
    from uninas_bench.version import __version__

    return {
        "uninas-bench": __version__,
        "python": platform.python_version(),
        "torch": metadata.version("torch"),
        "numpy": metadata.version("numpy"),
        "processor": processor() if device == "cpu" else device,
    }


def _images(host: Host, task: Task, proxies: Sequence[Proxy], running: Running) -> str:
    from uninas_bench.data.catalogue import find_images

    if not any(sees_images(part) for part in expand(host, list(proxies))) or running.stored_only:
        return ""
    source = find_images(task.dataset, host.data, running.data)
    if source is None:
        raise UserError(f"the images of {task.dataset} are not at hand; give them with --data")
    return source.fingerprint
