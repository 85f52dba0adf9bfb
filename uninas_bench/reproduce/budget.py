"""How long a recomputation may take, and what fits into it."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable

from uninas_bench.errors import UserError

_FORM = re.compile(r"(?:(\d+(?:\.\d+)?)h)?(?:(\d+(?:\.\d+)?)m)?(?:(\d+(?:\.\d+)?)s)?")


def read_duration(text: str) -> float:
    """Seconds of ``30m``, ``1h30m``, ``90s``.

    Raises:
        UserError: another form, or nothing at all.
    """
    match = _FORM.fullmatch(text.strip())
    seconds = 0.0
    if match is not None:
        seconds = sum(
            float(part or 0) * unit for part, unit in zip(match.groups(), (3600, 60, 1), strict=True)
        )
    if seconds <= 0:
        raise UserError(f"budget {text!r}: expected a time such as 30m, 1h30m or 90s")
    return seconds


class Budget:
    """A clock that runs from its making.

    Args:
        seconds: how long; infinite for no limit.
        clock: monotonic seconds; for tests.
    """

    def __init__(self, seconds: float = math.inf, clock: Callable[[], float] = time.monotonic) -> None:
        self.seconds = seconds
        self._clock = clock
        self._start = clock()

    @property
    def limited(self) -> bool:
        """Whether there is a limit."""
        return math.isfinite(self.seconds)

    @property
    def spent(self) -> float:
        """Seconds since the beginning."""
        return self._clock() - self._start

    @property
    def left(self) -> float:
        """Seconds that are left; below 0 where it is overdrawn."""
        return self.seconds - self.spent

    def share(self, parts: int) -> Budget:
        """A budget of its own for one of ``parts`` that are still to come."""
        return Budget(max(self.left, 0.0) / max(parts, 1), self._clock)

    def fitting(self, each: float) -> int | None:
        """How many things of ``each`` seconds fit into what is left; None where there is no limit."""
        if not self.limited:
            return None
        return max(int(self.left / max(each, 1e-9)), 0)
