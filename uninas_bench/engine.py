"""Plan the missing cells, run them, commit them as they arrive; resuming is the same code."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from uninas_bench.cells import Configuration, Outcome, Status
from uninas_bench.errors import NotApplicable, UnknownName, UserError
from uninas_bench.evaluate import Evaluator, Unit, one_line
from uninas_bench.executors.executor import Failed
from uninas_bench.plan import Plan, expand, make_plan
from uninas_bench.scores import Scores
from uninas_bench.store import open_store

if TYPE_CHECKING:
    from torch import Tensor, nn

    from uninas_bench.architecture import Architecture, Task
    from uninas_bench.data.source import ImageSource
    from uninas_bench.executors.executor import Executor
    from uninas_bench.host import Host
    from uninas_bench.proxy import Proxy
    from uninas_bench.space import SearchSpace
    from uninas_bench.store import Columns, ScoreStore
    from uninas_bench.subject import Features


@dataclass(frozen=True, slots=True)
class ProgressEvent:
    """Sent after every finished cell of a run.

    Attributes:
        done: finished cells of this run, of ``total`` that were missing.
        proxy: whose cell it was, and the ``seconds`` it took.
        failed: how many of the finished cells failed.
    """

    done: int
    total: int
    proxy: str
    seconds: float
    failed: int


Progress = Callable[[ProgressEvent], None]


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
    host: Host | None = None,
    retry_failed: bool = False,
    command: str | None = None,
) -> Scores:
    """Compute the cells that the store lacks and return all that were asked for.

    Args:
        architectures: as in `uninas_bench.score`, and so are the arguments up to ``progress``.
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
        host: the plugins; default those that are installed.
        retry_failed: compute failed cells again.
        command: what the provenance of the run records; default this process's command line.

    Raises:
        UserError: before anything is computed, for every mistake that can be known then.
        KeyboardInterrupt: with a sentence; every finished unit is stored.
    """
    if host is None:
        from uninas_bench.host import default_host

        host = default_host()
    plan = make_plan(host, architectures, proxies, space=space, task=task, seed=seed, data=data)
    if timeout is not None and timeout <= 0:
        raise UserError(f"timeout={timeout}: expected a positive number of seconds")
    runner = _executor(host, executor, workers, timeout)
    with _opened(store) as scores:
        columns = scores.columns(plan.configurations, plan.encodings)
        units = _missing_units(plan, columns, retry_failed=retry_failed)
        if units:
            from uninas_bench.provenance import provenance

            evaluator = Evaluator(plan, device)
            evaluator.load_images()
            _check_device(device)
            record = provenance(host, command=command, device=device, workers=workers)
            number = scores.begin_run(record)
            keeper = _Keeper(scores, number, sum(len(unit.jobs) for unit in units), progress)
            try:
                _execute(runner, evaluator, units, timeout, keeper)
            except KeyboardInterrupt:
                scores.end_run(number, interrupted=True)
                raise KeyboardInterrupt(
                    f"interrupted after {keeper.done} of {keeper.total} cells; what is finished is stored, "
                    "and the same call goes on from there"
                ) from None
            except BaseException:
                scores.end_run(number, interrupted=True)
                raise
            scores.end_run(number)
            columns = scores.columns(plan.configurations, plan.encodings)
        return Scores(plan, columns)


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
        UserError: a mistake in the arguments.
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
    for proxy in expand(host, proxies):
        if not proxy.components:
            continue
        subject = NetworkSubject(network, batches, proxy.settings, init=init, seed=seed, features=features)
        with isolated(seed):
            try:
                scores[proxy.name] = dict(proxy.evaluate(subject))
            except NotApplicable:
                scores[proxy.name] = dict.fromkeys(proxy.components, math.nan)
    return scores


class _Keeper:
    """Commits outcomes, counts them, and tells the caller."""

    def __init__(self, store: ScoreStore, number: int, total: int, progress: Progress | None) -> None:
        self.store = store
        self.number = number
        self.total = total
        self.progress = progress
        self.done = 0
        self.failed = 0

    def keep(self, outcomes: Sequence[Outcome]) -> None:
        self.store.write(outcomes, self.number)
        for outcome in outcomes:
            self.done += 1
            self.failed += outcome.status is not Status.OK
            if self.progress is not None:
                self.progress(
                    ProgressEvent(
                        self.done, self.total, outcome.configuration.proxy, outcome.seconds, self.failed
                    )
                )


def _execute(
    runner: Executor, evaluator: Evaluator, units: list[Unit], timeout: float | None, keeper: _Keeper
) -> None:
    """Run the units; where one of several cells dies, run its cells one by one."""
    while units:
        longest = max(len(unit.jobs) for unit in units)
        limit = timeout * longest if timeout is not None else None
        again: list[Unit] = []
        with closing(runner.run(evaluator, units, limit)) as results:
            for unit, result in results:
                if not isinstance(result, Failed):
                    keeper.keep(result)
                elif len(unit.jobs) == 1:
                    configuration = evaluator.configurations[unit.jobs[0]]
                    status = Status(result.kind)
                    keeper.keep([Outcome(configuration, unit.encoding, status, result.message)])
                else:
                    again += [Unit(unit.encoding, (job,)) for job in unit.jobs]
        units = again


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


def _executor(host: Host, name: str | None, workers: int, timeout: float | None) -> Executor:
    if workers < 1:
        raise UserError(f"workers={workers}: expected at least 1")
    if name is None:
        # Only another process can be stopped.
        name = "serial" if workers == 1 and timeout is None else "processes"
    if name not in host.executors:
        raise UnknownName("executor", name, host.executors)
    return host.executors[name].create(workers)


def _check_device(device: str) -> None:
    import torch

    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise UserError(f'device "{device}": {one_line(error)}') from None


@contextmanager
def _opened(store: str | Path | ScoreStore | None) -> Iterator[ScoreStore]:
    if store is None or isinstance(store, str | Path):
        with open_store(store) as opened:
            yield opened
    else:
        yield store
