"""The contract of an executor: run work units somewhere, hand results back as they arrive."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol, TypeVar, runtime_checkable

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Failed:
    """A work unit that gave no result: its worker died, or it ran out of time."""

    kind: str
    """``timeout`` or ``crashed``."""
    message: str


class Executor(Protocol):
    """Runs a picklable function over picklable items. Only the driver writes to the store."""

    def run(
        self, function: Callable[[Item], Result], items: Iterable[Item], timeout: float | None = None
    ) -> Generator[tuple[Item, Result | Failed], None, None]:
        """Yield every item with its result, in any order, as soon as it is there.

        ``timeout`` is in seconds per item, on executors that can stop one. An exception of the function
        ends the iteration and reaches the caller, a `UserError` as a `UserError`; so should everything
        that the function does not return as data. Closing the iterator stops the workers.
        """
        ...


@runtime_checkable
class KeepingExecutor(Executor, Protocol):
    """An executor that can keep its workers from one run to the next, where starting them takes long."""

    def keeping(self) -> AbstractContextManager[None]:
        """Within it, runs of one function use the same workers; leaving it stops them."""
        ...


@dataclass(frozen=True, slots=True)
class ExecutorFactory:
    """What the hook `uninas_bench_executors` registers: a name, and a maker that takes the workers."""

    name: str
    create: Callable[[int], Executor]
