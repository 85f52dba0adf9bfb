"""Plan the missing cells, run them, commit them as they arrive; resuming is the same code."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from uninas_bench.cells import Configuration, Status
from uninas_bench.errors import NotApplicable, UserError
from uninas_bench.evaluate import Unit
from uninas_bench.execution import Execution, Progress, ProgressEvent, find_executor, opened
from uninas_bench.plan import Plan, expand, images_missing, make_plan
from uninas_bench.scores import Scores
from uninas_bench.sharing import group_key, sharings

if TYPE_CHECKING:
    from torch import Tensor, nn

    from uninas_bench.architecture import Architecture, Task
    from uninas_bench.data.source import ImageSource
    from uninas_bench.fitting import FitProgress
    from uninas_bench.host import Host
    from uninas_bench.plan import WithoutImages
    from uninas_bench.proxy import Proxy
    from uninas_bench.space import SearchSpace
    from uninas_bench.store import Columns, ScoreStore
    from uninas_bench.store.contract import Provenance
    from uninas_bench.store.packed import PackedScores
    from uninas_bench.subject import Features

__all__ = ["Progress", "ProgressEvent", "run", "score_network"]


def run(
    architectures: Sequence[Architecture | str],
    proxies: Sequence[str | Proxy],
    *,
    space: str | SearchSpace | None = None,
    task: str | Task = "cifar10",
    seed: int = 0,
    workers: int = 1,
    executor: str | None = None,
    store: str | Path | ScoreStore | None = None,
    data: Mapping[str, str | Path | ImageSource] | None = None,
    timeout: float | None = None,
    device: str = "cpu",
    progress: Progress | None = None,
    fitting: FitProgress | None = None,
    host: Host | None = None,
    retry_failed: bool = False,
    command: str | None = None,
    packed: PackedScores | None = None,
    before: Callable[[], None] | None = None,
    compute: bool = True,
    without_images: WithoutImages = "refuse",
) -> Scores:
    """Compute the cells that the store lacks and return all that were asked for.

    Args:
        architectures: as in `uninas_bench.score`, and so are the arguments up to ``fitting``.
        proxies: names or objects; what they require is added.
        space: the search space, where the architectures do not tell.
        task: decides resolution, classes and images.
        seed: fixes weights and images.
        workers: processes.
        executor: by name.
        store: a path, a URL, an open store (left open), or None.
        data: image sources for data sets.
        timeout: seconds per cell, before which none is stopped. A unit of several cells gets the sum; one
            that exceeds it, or whose worker dies, is run again cell by cell to find the culprit.
        device: where networks run.
        progress: called after every finished cell.
        fitting: called while a proxy is fitted.
        host: the plugins; default those that are installed.
        retry_failed: compute failed cells again.
        command: what the provenance of the run records; default this process's command line.
        packed: scores that count where the store has none of exactly that configuration. They are not
            copied into the store.
        before: called once before anything is computed; not where nothing is missing.
        compute: without it, what is missing stays missing, and no store is made.
        without_images: what becomes of scores that are missing and need images that are not at hand:
            ``refuse`` is a mistake of the caller's, ``leave`` leaves them missing.

    Raises:
        UserError: before anything is computed, for every mistake that can be known then.
        KeyboardInterrupt: with a sentence; every finished unit is stored.
    """
    if host is None:
        from uninas_bench.host import default_host

        host = default_host()

    def known_images(space: str, scale: str, dataset: str, resolution: int) -> str:
        known = packed.images(space, scale, dataset, resolution) if packed is not None else ""
        # Images are no reason to refuse where nothing is computed with them; no score has this fingerprint.
        return known or ("" if compute and without_images == "refuse" else "not at hand")

    plan = make_plan(
        host, architectures, proxies,
        space=space, task=task, seed=seed, data=data, known_images=known_images,
    )  # fmt: skip
    runner = find_executor(host, executor, workers, timeout)

    def record() -> Provenance:
        from uninas_bench.provenance import provenance

        return provenance(host, command=command, device=device, workers=workers)

    with ExitStack() as stack:
        scores: ScoreStore | None = None
        columns: Mapping[Configuration, Columns] = {}
        if not _is_empty(store):
            scores = stack.enter_context(opened(store))
            columns = scores.columns(plan.configurations, plan.encodings)
        columns, came = _completed(plan, columns, packed)
        units = _missing_units(plan, columns, retry_failed=retry_failed) if compute else []
        if without_images == "leave":
            units = _at_hand(plan, units)
        if units:
            _check_images(plan, units)
            if before is not None:
                before()
            scores = scores or stack.enter_context(opened(store))
            with Execution(
                plan, scores, runner, record=record, device=device, timeout=timeout, fitting=fitting
            ) as execution:
                execution.run(units, progress)
            columns = scores.columns(plan.configurations, plan.encodings)
            columns, came = _completed(plan, columns, packed)
        return Scores(plan, columns, came)


def score_network(
    network: nn.Module,
    proxies: Sequence[str | Proxy],
    batches: Sequence[tuple[Tensor, Tensor]],
    *,
    init: str = "keep",
    seed: int = 0,
    features: Sequence[str] | Features | None = None,
    host: Host | None = None,
) -> dict[str, dict[str, float]]:
    """Components of any module on the caller's tensors; see `uninas_bench.score_network`.

    Raises:
        UserError: a mistake in the arguments, or a proxy that is fitted to a space.
        Exception: whatever a proxy raises, `NotApplicable` excepted, which gives NaN.
    """
    from uninas_bench.isolation import isolated
    from uninas_bench.subject import NetworkSubject

    if host is None:
        from uninas_bench.host import default_host

        host = default_host()
    if init not in ("keep", "proxy"):
        raise UserError(f'init="{init}": expected "keep" or "proxy"')
    if not batches:
        raise UserError("batches is empty: expected at least one pair (images, labels)")
    scores: dict[str, dict[str, float]] = {}
    found = [proxy for proxy in expand(host, proxies) if proxy.components]
    shared = sharings(found)
    for proxy in found:
        if "fit" in proxy.needs:
            raise UserError(
                f"{proxy.name} is fitted to a search space: score its architectures with uninas_bench.score, "
                "not a network alone"
            )
        subject = NetworkSubject(
            network,
            batches,
            proxy.settings,
            init=init,
            seed=seed,
            features=features,
            sharing=shared.get(group_key(proxy)),
        )
        with isolated(seed):
            try:
                scores[proxy.name] = dict(proxy.evaluate(subject))
            except NotApplicable:
                scores[proxy.name] = dict.fromkeys(proxy.components, math.nan)
    return scores


def _is_empty(store: str | Path | ScoreStore | None) -> bool:
    """Whether it is plain without opening it that a store holds nothing: it is not there yet."""
    if isinstance(store, str):
        return "://" not in store and not Path(store).exists()
    return store is None or (isinstance(store, Path) and not store.exists())


def _completed(
    plan: Plan, columns: Mapping[Configuration, Columns], packed: PackedScores | None
) -> tuple[Mapping[Configuration, Columns], int]:
    """The cells of the store, and packed ones where it has none; how many these are."""
    if packed is None:
        return columns, 0
    lacking = [
        configuration
        for configuration in plan.configurations
        if configuration not in columns or len(columns[configuration].cells) < len(plan.encodings)
    ]
    whole, came = dict(columns), 0
    for configuration, more in packed.columns(lacking, plan.encodings).items():
        own = columns.get(configuration)
        whole[configuration] = more if own is None else own.completed(more, plan.encodings)
        came += len(whole[configuration].cells) - (len(own.cells) if own is not None else 0)
    return whole, came


def _check_images(plan: Plan, units: Sequence[Unit]) -> None:
    """Refuse to compute with images that are known by their fingerprint alone."""
    if plan.images is not None:
        return
    for job in sorted({job for unit in units for job in unit.jobs}):
        if plan.configurations[job].images:
            raise images_missing(plan.scored[job].name, plan.task.dataset)


def _at_hand(plan: Plan, units: Sequence[Unit]) -> list[Unit]:
    """The part of the units that needs no image, where there are none."""
    if plan.images is not None:
        return list(units)
    blind = [not configuration.images for configuration in plan.configurations]
    left = [Unit(unit.encoding, tuple(job for job in unit.jobs if blind[job])) for unit in units]
    return [unit for unit in left if unit.jobs]


def _missing_units(plan: Plan, columns: Mapping[Configuration, Columns], *, retry_failed: bool) -> list[Unit]:
    jobs: dict[str, list[int]] = {encoding: [] for encoding in plan.encodings}
    for job, configuration in enumerate(plan.configurations):
        present: set[str] = set()
        if configuration in columns:
            cells = columns[configuration].cells
            present = set(cells.index[cells["status"] == Status.OK] if retry_failed else cells.index)
        if len(present) < len(jobs):
            for encoding, wanted in jobs.items():
                if encoding not in present:
                    wanted.append(job)
    return [Unit(encoding, tuple(wanted)) for encoding, wanted in jobs.items() if wanted]
