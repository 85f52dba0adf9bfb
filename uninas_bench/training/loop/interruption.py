"""SIGTERM and Ctrl-C as something a run notices between two steps."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any, Self

TERMINATED = 128 + signal.SIGTERM


class Interruption:
    """While it is entered, the two signals are noted and nothing else happens.

    A batch system sends SIGTERM some seconds before SIGKILL, often several times over, from itself and from
    ``torchrun``: all of them are one request. So is Ctrl-C; a second one interrupts at once where the process
    is alone, as nobody else passes it on then.

    Attributes:
        received: the first signal that came, 0 before.
    """

    def __init__(self, *, alone: bool) -> None:
        self.received = 0
        self._alone = alone
        self._before: dict[signal.Signals, Callable[[int, FrameType | None], Any] | int | None] = {}

    def __enter__(self) -> Self:
        # Only the main thread may set handlers; elsewhere the program that started the thread has its own.
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGTERM, signal.SIGINT):
                self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if number == self.received == signal.SIGINT and self._alone:
            raise KeyboardInterrupt
        self.received = self.received or number


def leave(number: int) -> None:
    """End as the signal asks: exit code 143 after SIGTERM, KeyboardInterrupt after Ctrl-C; nothing for 0.

    Raises:
        SystemExit: after SIGTERM.
        KeyboardInterrupt: after SIGINT.
    """
    if number == signal.SIGTERM:
        raise SystemExit(TERMINATED)
    if number:
        raise KeyboardInterrupt


def leave_it_to_the_parent(worker: int) -> None:
    """Ignore both signals in a loader's worker, since a whole process group may get them.

    The parent still needs its batches for the step that it makes. It ends its workers by closing the loader.
    """
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
