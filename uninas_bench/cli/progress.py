"""Progress of a scoring run: bars on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress, TaskID

    from uninas_bench.engine import ProgressEvent
    from uninas_bench.fitting import FitEvent
    from uninas_bench.search.driver import SearchEvent

EVERY = 10.0
"""Seconds between two lines where there is no terminal."""


class Bars:
    """Bars on one terminal: a title each, how much is done of how much, and a remark."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self._progress: Progress | None = None
        self._tasks: dict[str, TaskID] = {}

    def show(self, title: str, done: int, total: int, remark: str) -> None:
        """Draw the bar of that title; a total of 0 is not known."""
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        if self._progress is None:
            self._progress = Progress(
                TextColumn("{task.description}"),
                BarColumn(24),
                MofNCompleteColumn(),
                TimeRemainingColumn(elapsed_when_finished=True),
                TextColumn("{task.fields[remark]}", markup=False),
                console=self.console,
            )
            self._progress.start()
        if title not in self._tasks:
            self._tasks[title] = self._progress.add_task(title, total=None, remark="")
        self._progress.update(self._tasks[title], completed=done, total=total or None, remark=remark)

    def close(self) -> None:
        """Leave the bars as they stand."""
        if self._progress is not None:
            self._progress.stop()


class FittingProgress:
    """Receives what proxies say while they are fitted."""

    def __init__(self, console: Console, bars: Bars) -> None:
        self.console = console
        self._bars = bars
        self._proxy = ""
        self._spoke = 0.0

    def update(self, event: FitEvent) -> None:
        """A fit went on."""
        title = f"fitting {event.proxy}"
        if self.console.is_terminal:
            self._bars.show(title, event.done, event.total, event.text)
            return
        now = time.monotonic()
        if now - self._spoke >= EVERY or event.proxy != self._proxy or event.done == event.total:
            self._proxy, self._spoke = event.proxy, now
            count = f"{event.done:,}/{event.total:,}" if event.total else ""
            line = f"{title}: {' '.join(part for part in (count, event.text) if part)}"
            self.console.print(line, soft_wrap=True, markup=False)


class ScoringProgress:
    """Receives the engine's events.

    Attributes:
        computed: how many scores were computed.
    """

    def __init__(self, console: Console) -> None:
        self.console = console
        self.computed = 0
        self._title = "scoring"
        self._bars = Bars(console)
        self._fitting = FittingProgress(console, self._bars)
        self._started = self._spoke = time.monotonic()
        self._spent: dict[str, tuple[int, float]] = {}

    def begin(
        self, architectures: int, times: int, workers: int, verb: str = "scoring", noun: str = "proxies"
    ) -> None:
        """Say what is asked for, before it is known what of it is missing."""
        on = f"on {workers} workers" if workers > 1 else "on 1 worker"
        self._title = f"{verb} {architectures:,} architectures x {times} {noun} {on}"
        self._started = self._spoke = time.monotonic()

    def fit(self, event: FitEvent) -> None:
        """The fit of a proxy went on; the time that it takes says nothing of the scores to come."""
        self._fitting.update(event)
        self._started = time.monotonic()

    def update(self, event: ProgressEvent) -> None:
        """One more score."""
        self.computed = event.done
        count, seconds = self._spent.get(event.proxy, (0, 0.0))
        self._spent[event.proxy] = (count + 1, seconds + event.seconds)
        if self.console.is_terminal:
            failed = f" · {event.failed} failed" if event.failed else ""
            self._bars.show(self._title, event.done, event.total, self._pace(event.proxy) + failed)
        elif time.monotonic() - self._spoke >= EVERY or event.done in (1, event.total):
            self._spoke = time.monotonic()
            self.console.print(self._line(event), soft_wrap=True, markup=False)

    def close(self) -> None:
        """Leave the bars as they stand."""
        self._bars.close()

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


class SearchProgress:
    """A bar with the best score on a terminal, a line now and then elsewhere."""

    def __init__(self, console: Console, title: str) -> None:
        self.console = console
        self.title = title
        self._bars = Bars(console)
        self.fit = FittingProgress(console, self._bars).update
        self._spoke = time.monotonic()

    def update(self, event: SearchEvent) -> None:
        """The search went on."""
        if self.console.is_terminal:
            self._bars.show(self.title, event.iteration, event.iterations, _state(event))
        elif time.monotonic() - self._spoke >= EVERY:
            self._spoke = time.monotonic()
            line = f"{self.title}: iteration {event.iteration:,} of {event.iterations:,}, {_state(event)}"
            self.console.print(line, soft_wrap=True, markup=False)

    def close(self) -> None:
        """Leave the bars as they stand."""
        self._bars.close()


@contextmanager
def scoring_progress(console: Console) -> Iterator[ScoringProgress]:
    """A `ScoringProgress` that leaves the terminal tidy, whatever happens."""
    progress = ScoringProgress(console)
    try:
        yield progress
    finally:
        progress.close()


def _state(event: SearchEvent) -> str:
    failed = f" · {event.failed:,} failed" if event.failed else ""
    return f"best {event.best:.6g} · {event.scored:,} scored, {event.computed:,} scores new{failed}"
