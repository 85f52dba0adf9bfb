"""Fit, run units of work on an executor and commit what arrives, under one run record of the store."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

from uninas_bench.cells import Outcome, Status
from uninas_bench.errors import UnknownName, UserError
from uninas_bench.evaluate import Evaluator, Unit, failure, one_line
from uninas_bench.executors.executor import Failed
from uninas_bench.fitting import FitProgress, fit
from uninas_bench.store import open_store

if TYPE_CHECKING:
    from types import TracebackType

    from uninas_bench.executors.executor import Executor
    from uninas_bench.host import Host
    from uninas_bench.plan import Plan
    from uninas_bench.store import ScoreStore
    from uninas_bench.store.contract import Provenance


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


class Execution:
    """Runs units of one plan, once or again and again; a context manager that closes the run record.

    The record is opened by the first unit: a call that finds everything stored leaves no trace.

    Attributes:
        computed: cells that were committed.
    """

    def __init__(
        self,
        plan: Plan,
        store: ScoreStore,
        runner: Executor,
        *,
        record: Callable[[], Provenance],
        device: str = "cpu",
        timeout: float | None = None,
        fitting: FitProgress | None = None,
    ) -> None:
        self.store = store
        self.computed = 0
        self._plan = plan
        self._runner = runner
        self._record = record
        self._device = device
        self._timeout = timeout
        self._fitting = fitting
        self._fitted: set[int] = set()
        self._unfit: dict[int, tuple[Status, str]] = {}
        self._evaluator: Evaluator | None = None
        self._number: int | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._number is not None:
            self.store.end_run(self._number, interrupted=kind is not None)

    def run(
        self,
        units: Sequence[Unit],
        progress: Progress | None = None,
        received: Callable[[Outcome], None] | None = None,
    ) -> None:
        """Fit what the units need, run them, and commit their outcomes as they arrive.

        Args:
            units: of the plan that this was made for.
            progress: called after every finished cell.
            received: called with every committed outcome.

        Raises:
            UserError: images are missing or the device is unknown, before anything is recorded; or a proxy
                found a mistake of the user's.
            KeyboardInterrupt: with a sentence; every finished unit is stored, and so is the state of a fit.
        """
        evaluator = self._ready()
        if self._number is None:
            self._number = self.store.begin_run(self._record())
        self._fit(evaluator, {job for unit in units for job in unit.jobs})
        total = sum(len(unit.jobs) for unit in units)
        done = failed = 0
        try:
            # Closed at once, whatever happens: a traceback would keep the workers alive.
            with closing(self._results(evaluator, units)) as results:
                for outcome in self._committed(results, self._number):
                    done += 1
                    self.computed += 1
                    failed += outcome.status is not Status.OK
                    if received is not None:
                        received(outcome)
                    if progress is not None:
                        proxy, seconds = outcome.configuration.proxy, outcome.seconds
                        progress(ProgressEvent(done, total, proxy, seconds, failed))
        except KeyboardInterrupt:
            raise KeyboardInterrupt(
                f"interrupted after {done} of {total} cells; what is finished is stored, "
                "and the same call goes on from there"
            ) from None

    def fitted(self, job: int) -> Path | None:
        """The folder of a proxy's fit, which is made where it lacks; None for one that needs none.

        Args:
            job: the proxy's position in ``plan.scored``.

        Raises:
            UserError: the proxy cannot be fitted, with the reason; or as in `run`.
            KeyboardInterrupt: as in `run`.
        """
        evaluator = self._ready()
        self._fit(evaluator, {job})
        if job in self._unfit:
            raise UserError(f"{self._plan.scored[job].name}: {self._unfit[job][1]}")
        return evaluator.folders[job]

    def _ready(self) -> Evaluator:
        if self._evaluator is None:
            evaluator = Evaluator(self._plan, self._device)
            evaluator.load_images()
            _check_device(self._device)
            self._evaluator = evaluator
        return self._evaluator

    def _fit(self, evaluator: Evaluator, jobs: set[int]) -> None:
        """Fit the proxies that need it; a fault of one is kept for its cells."""
        for job in sorted(jobs - self._fitted):
            folder = evaluator.folders[job]
            try:
                if folder is not None:
                    fit(
                        self._plan, job, folder,
                        record=self._record, device=self._device, progress=self._fitting,
                    )  # fmt: skip
            except Exception as error:
                status, message = failure(self._plan.scored[job], error)
                self._unfit[job] = status, f"fit: {message}"
            self._fitted.add(job)

    def _committed(self, results: Iterable[list[Outcome]], number: int) -> Iterator[Outcome]:
        for outcomes in results:
            self.store.write(outcomes, number)
            yield from outcomes

    def _results(self, evaluator: Evaluator, units: Sequence[Unit]) -> Generator[list[Outcome], None, None]:
        """The outcomes of each unit; where one of several cells dies, its cells are run one by one."""
        unfit = [
            Outcome(evaluator.configurations[job], unit.encoding, *self._unfit[job])
            for unit in units
            for job in unit.jobs
            if job in self._unfit
        ]
        if unfit:
            yield unfit
            left = [(unit, tuple(job for job in unit.jobs if job not in self._unfit)) for unit in units]
            units = [Unit(unit.encoding, jobs) for unit, jobs in left if jobs]
        while units:
            longest = max(len(unit.jobs) for unit in units)
            limit = self._timeout * longest if self._timeout is not None else None
            again: list[Unit] = []
            with closing(self._runner.run(evaluator, units, limit)) as results:
                for unit, result in results:
                    if not isinstance(result, Failed):
                        yield result
                    elif len(unit.jobs) == 1:
                        configuration = evaluator.configurations[unit.jobs[0]]
                        yield [Outcome(configuration, unit.encoding, Status(result.kind), result.message)]
                    else:
                        again += [Unit(unit.encoding, (job,)) for job in unit.jobs]
            units = again


def find_executor(host: Host, name: str | None, workers: int, timeout: float | None) -> Executor:
    """The executor of that name; by default ``serial`` where one worker does, else ``processes``.

    Raises:
        UserError: no worker, a time limit that is none, or an unknown name.
    """
    if timeout is not None and timeout <= 0:
        raise UserError(f"timeout={timeout}: expected a positive number of seconds")
    if workers < 1:
        raise UserError(f"workers={workers}: expected at least 1")
    if name is None:
        # Only another process can be stopped.
        name = "serial" if workers == 1 and timeout is None else "processes"
    if name not in host.executors:
        raise UnknownName("executor", name, host.executors)
    return host.executors[name].create(workers)


@contextmanager
def opened(store: str | Path | ScoreStore | None) -> Iterator[ScoreStore]:
    """The store at a location, closed afterwards; or an open one, left open."""
    if store is None or isinstance(store, str | Path):
        with open_store(store) as found:
            yield found
    else:
        yield store


def _check_device(device: str) -> None:
    import torch

    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise UserError(f'device "{device}": {one_line(error)}') from None
