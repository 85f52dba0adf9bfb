"""The executor of one worker: everything runs in the driver's own process."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable

from uninas_bench.executors.executor import ExecutorFactory, Failed, Item, Result


class SerialExecutor:
    """Runs the items one after the other. It cannot stop an item, so it leaves ``timeout`` alone."""

    def run(
        self, function: Callable[[Item], Result], items: Iterable[Item], timeout: float | None = None
    ) -> Generator[tuple[Item, Result | Failed], None, None]:
        """Yield every item with its result, in order."""
        for item in items:
            yield item, function(item)


serial = ExecutorFactory("serial", lambda workers: SerialExecutor())
