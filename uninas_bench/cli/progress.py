"""Progress of a scoring run: a bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress, TaskID

    from uninas_bench.engine import ProgressEvent

EVERY = 10.0
"""Seconds between two lines where there is no terminal."""


class ScoringProgress:
    """Receives the engine's events.

    Attributes:
        computed: how many scores were computed.
    """

    def __init__(self, console: Console) -> None:
        self.console = console
        self.computed = 0
        self._title = "scoring"
        self._bar: tuple[Progress, TaskID] | None = None
        self._started = self._spoke = time.monotonic()
        self._spent: dict[str, tuple[int, float]] = {}

    def begin(
        self, architectures: int, times: int, workers: int, verb: str = "scoring", noun: str = "proxies"
    ) -> None:
        """Say what is asked for, before it is known what of it is missing."""
        on = f"on {workers} workers" if workers > 1 else "on 1 worker"
        self._title = f"{verb} {architectures:,} architectures x {times} {noun} {on}"
        self._started = self._spoke = time.monotonic()

    def update(self, event: ProgressEvent) -> None:
        """One more score."""
        self.computed = event.done
        count, seconds = self._spent.get(event.proxy, (0, 0.0))
        self._spent[event.proxy] = (count + 1, seconds + event.seconds)
        if self.console.is_terminal:
            self._draw(event)
        elif time.monotonic() - self._spoke >= EVERY or event.done in (1, event.total):
            self._spoke = time.monotonic()
            self.console.print(self._line(event), soft_wrap=True, markup=False)

    def close(self) -> None:
        """Leave the bar as it stands."""
        if self._bar is not None:
            self._bar[0].stop()

    def _pace(self, proxy: str) -> str:
        count, seconds = self._spent[proxy]
        return f"{proxy} {seconds / count:.2g} s/architecture"

    def _line(self, event: ProgressEvent) -> str:
        left = (time.monotonic() - self._started) / event.done * (event.total - event.done)
        failed = f", {event.failed} failed" if event.failed else ""
        return (
            f"{self._title}: {event.done:,}/{event.total:,}{failed}, about {left:.0f} s left, "
            f"{self._pace(event.proxy)}"
        )

    def _draw(self, event: ProgressEvent) -> None:
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        if self._bar is None:
            bar = Progress(
                TextColumn("{task.description}"),
                BarColumn(24),
                MofNCompleteColumn(),
                TimeRemainingColumn(elapsed_when_finished=True),
                TextColumn("{task.fields[pace]}"),
                console=self.console,
            )
            self._bar = bar, bar.add_task(self._title, total=event.total, pace="")
            bar.start()
        failed = f" · {event.failed} failed" if event.failed else ""
        self._bar[0].update(self._bar[1], completed=event.done, pace=self._pace(event.proxy) + failed)


@contextmanager
def scoring_progress(console: Console) -> Iterator[ScoringProgress]:
    """A `ScoringProgress` that leaves the terminal tidy, whatever happens."""
    progress = ScoringProgress(console)
    try:
        yield progress
    finally:
        progress.close()
