"""What steps measured, read some steps at a time, and agreed upon by all processes."""

from __future__ import annotations

import signal
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from uninas_bench.training.loop.distributed import Processes
    from uninas_bench.training.loop.interruption import Interruption

# Reading a loss waits for the GPU. So many steps are read at once, which is also how late a stop or a
# divergence is noticed there; a checkpoint is never written before they were.
_STEPS_PER_READING = 10


@dataclass(frozen=True)
class Reading:
    """What came of the steps since the reading before.

    Attributes:
        rows: per step, what was measured, as the mean over all processes.
        seconds: per step, by this process's clock.
        signal: that some process received, and all act upon; 0 for none.
    """

    rows: list[list[float]]
    seconds: float
    signal: int


class Readings:
    """Measurements that wait on the device until they are read: one transfer, one sum over the processes."""

    def __init__(self, processes: Processes, interruption: Interruption) -> None:
        self._processes = processes
        self._interruption = interruption
        self._unread: list[Tensor] = []
        self._clock = time.perf_counter()

    def add(self, measured: Tensor) -> None:
        """Keep a step's measurements: (M,), on the device."""
        self._unread.append(measured)

    def lap(self) -> float:
        """Seconds since the last call, or the last reading."""
        before, self._clock = self._clock, time.perf_counter()
        return self._clock - before

    @property
    def due(self) -> bool:
        """Whether to read after this step; the same on all processes."""
        if self._processes.device.type == "cpu" or len(self._unread) == _STEPS_PER_READING:
            return True
        # Together with others, all have to read after the same step, whenever the signal came.
        return self._processes.count == 1 and self._interruption.received > 0

    def read(self) -> Reading:
        """All that is unread; waits for the device, and for the other processes."""
        measured = torch.stack(self._unread).double()
        received = self._interruption.received
        flags = [float(received == signal.SIGTERM), float(received == signal.SIGINT)]
        *values, terminated, interrupted = self._processes.sum(
            torch.cat([measured.flatten(), torch.tensor(flags, dtype=torch.float64, device=measured.device)])
        ).tolist()
        width = measured.shape[1]
        means = [value / self._processes.count for value in values]
        rows = [means[start : start + width] for start in range(0, len(means), width)]
        self._unread.clear()
        stop = signal.SIGINT if interrupted else signal.SIGTERM if terminated else 0
        return Reading(rows, self.lap() / len(rows), stop)
