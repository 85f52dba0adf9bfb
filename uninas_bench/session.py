"""The engine kept open: plan, store, workers and run record stay while architectures are thought of."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from uninas_bench.cells import Outcome, Status
from uninas_bench.errors import NotApplicable, UserError
from uninas_bench.evaluate import Unit
from uninas_bench.execution import Execution, Progress, find_executor, opened
from uninas_bench.executors.executor import KeepingExecutor
from uninas_bench.plan import Plan, plan_of
from uninas_bench.proxy import ProposingProxy

if TYPE_CHECKING:
    from uninas_bench.architecture import Architecture, Task
    from uninas_bench.cells import Configuration
    from uninas_bench.data.source import ImageSource
    from uninas_bench.fitting import FitProgress
    from uninas_bench.host import Host
    from uninas_bench.proxy import Proxy
    from uninas_bench.space import SearchSpace
    from uninas_bench.store import Columns, ScoreStore
    from uninas_bench.store.contract import Provenance


class Session:
    """Scores architectures as they come; made by `open_session`.

    Attributes:
        plan: without architectures.
    """

    def __init__(self, plan: Plan, execution: Execution) -> None:
        self.plan = plan
        self._execution = execution
        columns = execution.store.columns(plan.configurations)
        self._stored = [
            _Stored(configuration, columns.get(configuration)) for configuration in plan.configurations
        ]
        self._fresh: dict[tuple[int, str], Outcome] = {}

    @property
    def computed(self) -> int:
        """How many cells were computed, not found in the store."""
        return self._execution.computed

    def outcomes(
        self, architectures: Sequence[Architecture], progress: Progress | None = None
    ) -> list[tuple[Outcome, ...]]:
        """The outcomes of each architecture, per entry of ``plan.scored``; only what is missing is computed.

        The store is read once, when the session opens: what another driver adds to it meanwhile is computed
        again, to the same value.

        Raises:
            UserError, KeyboardInterrupt: as `Execution.run`.
        """
        encodings = list(dict.fromkeys(architecture.encoding for architecture in architectures))
        jobs = range(len(self._stored))
        units = [
            Unit(encoding, missing)
            for encoding in encodings
            if (missing := tuple(job for job in jobs if self._find(job, encoding) is None))
        ]
        if units:
            place = {configuration: job for job, configuration in enumerate(self.plan.configurations)}

            def receive(outcome: Outcome) -> None:
                self._fresh[place[outcome.configuration], outcome.encoding] = outcome

            self._execution.run(units, progress, receive)
        return [tuple(self._known(job, entry.encoding) for job in jobs) for entry in architectures]

    def better(self, proxy: Proxy, starts: Sequence[Architecture], seed: int) -> list[Architecture]:
        """For each of the starts what a proxy of the plan proposes; it is fitted where it needs to be.

        Raises:
            UserError: the proxy does not propose, or cannot here, with the reason.
            KeyboardInterrupt: as `Execution.run`.
        """
        from uninas_bench.isolation import isolated

        if not isinstance(proxy, ProposingProxy):
            raise UserError(f"{proxy.name} proposes no architectures")
        job = self.plan.scored.index(proxy) if proxy in self.plan.scored else None
        fitted = self._execution.fitted(job) if job is not None else None
        try:
            with isolated(seed):
                found = proxy.propose(self.plan.space, starts, fitted, seed)
        except NotApplicable as error:
            raise UserError(f"{proxy.name} proposes nothing in {self.plan.space.name}: {error}") from None
        if len(found) != len(starts):
            raise TypeError(f"{proxy.name} proposed {len(found)} architectures for {len(starts)} starts")
        return found

    def _find(self, job: int, encoding: str) -> Outcome | None:
        return self._fresh.get((job, encoding)) or self._stored[job].get(encoding)

    def _known(self, job: int, encoding: str) -> Outcome:
        found = self._find(job, encoding)
        assert found is not None, f"{encoding} was run and has no outcome"
        return found


class _Stored:
    """The cells of one configuration by encoding; an outcome is made when it is asked for."""

    def __init__(self, configuration: Configuration, columns: Columns | None) -> None:
        self._configuration = configuration
        self._rows: dict[str, int] = {}
        if columns is not None:
            self._rows = {encoding: row for row, encoding in enumerate(columns.cells.index)}
            self._names = list(columns.values.columns)
            self._values = columns.values.to_numpy("float64")
            self._states = list(zip(columns.cells["status"], columns.cells["message"], strict=True))

    def get(self, encoding: str) -> Outcome | None:
        row = self._rows.get(encoding)
        if row is None:
            return None
        status, message = self._states[row]
        values = zip(self._names, map(float, self._values[row]), strict=True)
        components = {name: value for name, value in values if math.isfinite(value)}
        return Outcome(self._configuration, encoding, Status(status), message, components)


@contextmanager
def open_session(
    proxies: Sequence[str | Proxy],
    *,
    space: SearchSpace,
    task: Task,
    host: Host,
    record: Callable[[], Provenance],
    seed: int = 0,
    workers: int = 1,
    executor: str | None = None,
    store: str | Path | ScoreStore | None = None,
    data: Mapping[str, str | Path | ImageSource] | None = None,
    timeout: float | None = None,
    device: str = "cpu",
    fitting: FitProgress | None = None,
) -> Iterator[Session]:
    """A session; the arguments are those of `uninas_bench.engine.run`.

    ``record`` gives the provenance of the one run that the store will know the session as.

    Raises:
        UserError: for every mistake that can be known before anything is computed.
    """
    plan = plan_of(host, space, (), proxies, task=task, seed=seed, data=data)
    runner = find_executor(host, executor, workers, timeout)
    with ExitStack() as stack:
        scores = stack.enter_context(opened(store))
        if isinstance(runner, KeepingExecutor):
            stack.enter_context(runner.keeping())
        execution = Execution(
            plan, scores, runner, record=record, device=device, timeout=timeout, fitting=fitting
        )
        yield Session(plan, stack.enter_context(execution))
