"""The executor of several local processes of one thread each."""

from __future__ import annotations

import pickle
import signal
import sys
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from itertools import chain, islice
from multiprocessing.context import SpawnContext, SpawnProcess
from queue import SimpleQueue
from types import ModuleType
from typing import Any

from uninas_bench.executors.executor import ExecutorFactory, Failed, Item, Result

_POSIX = hasattr(signal, "pthread_sigmask")
_AHEAD = 2
"""Items per worker that are under way: one at work and one at hand. A killed driver loses no more."""


class ProcessesExecutor:
    """Runs items in worker processes; one that runs out of time or dies fails alone.

    Workers start fresh (spawn), never run the caller's main module, ignore Ctrl-C, which is the driver's
    business, and end when the driver ends, however it does. The function is sent once per worker.
    """

    def __init__(self, workers: int) -> None:
        self.workers = workers
        self._keeps = False
        self._kept: _Team | None = None

    @contextmanager
    def keeping(self) -> Iterator[None]:
        """Within it, runs of one function use the same workers; leaving it stops them."""
        self._keeps = True
        try:
            yield
        finally:
            self._keeps = False
            if self._kept is not None:
                self._kept.stop()
                self._kept = None

    def run(
        self, function: Callable[[Item], Result], items: Iterable[Item], timeout: float | None = None
    ) -> Generator[tuple[Item, Result | Failed], None, None]:
        """Yield every item with its result as soon as it is there.

        Raises:
            UserError: the function raised it.
            RuntimeError: the function raised anything else, or the workers die while they start.
        """
        todo = iter(items)
        idle_breaks = 0
        while True:
            lost: list[Item] = []
            progress = False
            for item, result in self._team(function, todo, timeout, lost):
                progress = True
                yield item, result
            if not lost:
                return
            # A worker that was killed between two items takes the whole pool with it.
            idle_breaks = 0 if progress else idle_breaks + 1
            if idle_breaks > 1:
                raise RuntimeError("the worker processes die while they start; see their messages above")
            todo = chain(lost, todo)

    def _team(
        self,
        function: Callable[[Item], Any],
        todo: Iterator[Item],
        timeout: float | None,
        lost: list[Item],
    ) -> Generator[tuple[Item, Any], None, None]:
        """Run one team until it is done or breaks; ``lost`` gets the items that it had when it broke."""
        finished: SimpleQueue[Future[bytes]] = SimpleQueue()
        running: dict[Future[bytes], Item] = {}
        team = self._kept_or_new(function)
        done_well = False
        try:
            while True:
                if not lost:
                    for item in islice(todo, self.workers * _AHEAD - len(running)):
                        future = team.schedule(item, timeout)
                        running[future] = item
                        future.add_done_callback(finished.put)
                if not running:
                    done_well = not lost
                    return
                done = finished.get()
                item = running.pop(done)
                error = done.exception()
                if isinstance(error, BrokenProcessPool):
                    lost.append(item)
                elif error is None:
                    yield item, pickle.loads(done.result())  # noqa: S301  (our own worker's bytes)
                else:
                    yield item, _failure(error, timeout)
        finally:
            if done_well and self._keeps:
                self._kept = team
            else:
                team.stop()

    def _kept_or_new(self, function: Callable[[Item], Any]) -> _Team:
        kept, self._kept = self._kept, None
        if kept is not None and kept.function is function:
            return kept
        if kept is not None:
            kept.stop()
        return _Team(function, self.workers)


class _Team:
    """Worker processes that have the function."""

    def __init__(self, function: Callable[[Any], Any], workers: int) -> None:
        from pebble import ProcessPool

        from uninas_bench.executors.shipping import modules_by_value, ship
        from uninas_bench.executors.worker import start_worker

        self.function = function
        self._modules = modules_by_value()
        self._pool = ProcessPool(
            max_workers=workers,
            initializer=start_worker,
            initargs=(ship(function, self._modules),),
            context=_Context(),
        )

    def schedule(self, item: object, timeout: float | None) -> Future[bytes]:
        from uninas_bench.executors.shipping import ship
        from uninas_bench.executors.worker import call

        future: Future[bytes] = self._pool.schedule(call, args=(ship(item, self._modules),), timeout=timeout)
        return future

    def stop(self) -> None:
        self._pool.stop()  # type: ignore[no-untyped-call]
        self._pool.join()


def _failure(error: BaseException, timeout: float | None) -> Failed:
    from pebble import ProcessExpired

    if isinstance(error, TimeoutError):
        return Failed("timeout", f"stopped after {timeout:g} s")
    if isinstance(error, ProcessExpired):
        code = error.exitcode or 0
        end = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"exited with code {code}"
        return Failed("crashed", f"the worker process {end}")
    raise error


class _Worker(SpawnProcess):
    """A process that knows nothing of the caller's main module and never ends well by itself."""

    @property
    def exitcode(self) -> int | None:
        # The pool takes code 0 for an orderly end and would wait forever for the item of that worker.
        return super().exitcode or None

    @staticmethod
    def _Popen(process_obj: Any) -> Any:  # noqa: N802  (the name in multiprocessing)
        with _apart_from_main():
            return SpawnProcess._Popen(process_obj)


class _Context(SpawnContext):
    Process = _Worker

    def __init__(self) -> None:
        super().__init__()
        self.locks: list[Any] = []

    def RLock(self) -> Any:  # noqa: N802  (the name in multiprocessing)
        # The pool drops its locks before it stops its workers, and one that still starts would look for them.
        lock = super().RLock()
        self.locks.append(lock)
        return lock


@contextmanager
def _apart_from_main() -> Iterator[None]:
    """Start a process that neither runs the caller's script again nor hears Ctrl-C.

    All that it needs is sent by value; its signal mask is inherited, so there is no moment too early.
    """
    main = sys.modules["__main__"]
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT}) if _POSIX else set()
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main
        if _POSIX:
            signal.pthread_sigmask(signal.SIG_SETMASK, blocked)


processes = ExecutorFactory("processes", ProcessesExecutor)
