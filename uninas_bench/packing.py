"""From a score store to a file of scores that comes with the package."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from uninas_bench.architecture import Architecture
from uninas_bench.errors import UserError
from uninas_bench.store.packed import PackedInfo, PackedProxy, told, write_packed

if TYPE_CHECKING:
    from uninas_bench.cells import Configuration
    from uninas_bench.data.source import ImageSource
    from uninas_bench.ground_truth.table import GroundTruth
    from uninas_bench.host import Host
    from uninas_bench.plan import Plan
    from uninas_bench.proxy import Proxy
    from uninas_bench.store import Columns, ScoreStore


def pack(
    store: ScoreStore,
    table: GroundTruth,
    path: Path,
    *,
    host: Host,
    proxies: Sequence[str | Proxy] | None = None,
    sample: int | None = None,
    seed: int = 0,
    data: Mapping[str, str | Path | ImageSource] | None = None,
) -> tuple[PackedInfo, int]:
    """Write the stored scores of a table's architectures; failed cells with their reasons.

    Args:
        store: has every cell; nothing is computed.
        table: its architectures and task are scored.
        path: of the file.
        host: the plugins.
        proxies: names or objects; what they require is added. Default all that the store has complete, as
            they are installed.
        sample: how many architectures, drawn as a board of that size draws them; default all.
        seed: of the scores, and of the sample.
        data: image sources, where the task's images are not found by themselves.

    Returns:
        What was written, and the size of the file in bytes.

    Raises:
        UserError: a cell is missing, or the images of the task are not at hand.
    """
    from uninas_bench.gathering import space_of
    from uninas_bench.plan import plan_of, sees_images
    from uninas_bench.population import draw_population
    from uninas_bench.tasks import find_task

    space = space_of(host, table)
    accuracies = draw_population(table, space, sample=sample, seed=seed)
    points = tuple(Architecture(space.name, str(encoding)) for encoding in accuracies.index)
    chosen = list(host.proxies) if proxies is None else proxies
    plan = plan_of(host, space, points, chosen, task=find_task(table.info.task), seed=seed, data=data)
    columns = store.columns(plan.configurations, plan.encodings)
    complete = {
        proxy.name: columns[configuration]
        for proxy, configuration in zip(plan.scored, plan.configurations, strict=True)
        if configuration in columns and len(columns[configuration].cells) == len(points)
    }
    if proxies is not None:
        _check(plan, columns)
    if not complete:
        drawn = "" if sample is None else f" --sample {sample} --seed {seed}"
        raise UserError(
            f"no proxy has scores of all {len(points)} architectures of {table.info.name} in this store; "
            f"compute them: uninas-bench leaderboard --ground-truth {table.info.name}{drawn}"
        )
    runs = {int(run) for column in complete.values() for run in column.cells["run"].unique()}
    provenance: list[Mapping[str, object]] = []
    for record in store.runs():
        entry = told(asdict(record.provenance))
        if record.id in runs and entry not in provenance:
            provenance.append(entry)
    packed = tuple(
        _packed(proxy, configuration, complete[proxy.name])
        for proxy, configuration in zip(plan.scored, plan.configurations, strict=True)
        if proxy.name in complete
    )
    seeing = any(sees_images(proxy) for proxy in plan.scored if proxy.name in complete)
    info = PackedInfo(
        ground_truth=table.info.name,
        space=space.name,
        space_version=space.version,
        scale=str(space.scale),
        dataset=plan.task.dataset,
        resolution=plan.task.resolution,
        classes=plan.task.classes,
        seed=seed,
        images=plan.images.fingerprint if seeing and plan.images is not None else "",
        provenance=tuple(provenance),
        proxies=packed,
        sample=sample,
    )
    return info, write_packed(path, info, complete)


def _packed(proxy: Proxy, configuration: Configuration, columns: Columns) -> PackedProxy:
    passes = float(columns.cells["passes"].mean())
    return PackedProxy(
        name=proxy.name,
        version=proxy.version,
        settings=configuration.settings,
        sees_images=bool(configuration.images),
        components=tuple(proxy.components),
        seconds=float(columns.cells["seconds"].mean()),
        passes=None if math.isnan(passes) else passes,
    )


def _check(plan: Plan, columns: Mapping[Configuration, Columns]) -> None:
    for configuration in plan.configurations:
        found = len(columns[configuration].cells) if configuration in columns else 0
        if found < len(plan.encodings):
            raise UserError(
                f"{configuration.proxy}: the store has {found} of {len(plan.encodings)} scores with version "
                f"{configuration.proxy_version}, {configuration.settings}, seed {configuration.seed}; "
                "compute them first"
            )
