"""Peak memory of a stretch of code, from the counters of the operating system."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_STATUS = Path("/proc/self/status")
_RESET = Path("/proc/self/clear_refs")


@dataclass(slots=True)
class Peak:
    """``bytes`` above what the process held at the start; None where the system does not tell."""

    bytes: int | None = None


@contextmanager
def peak_memory(device: str = "cpu") -> Iterator[Peak]:
    """Measure the growth to the highest point: of device memory on CUDA, else of the resident set (Linux).

    The high-water mark is reset first: without that it would show nothing but the greediest
    evaluation so far. Memory which the allocator kept from before and reuses does not count.
    """
    if device.startswith("cuda"):
        import torch

        torch.cuda.reset_peak_memory_stats(device)
        held = torch.cuda.memory_allocated(device)
        peak = Peak()
        try:
            yield peak
        finally:
            peak.bytes = torch.cuda.max_memory_allocated(device) - held
        return
    peak = Peak()
    before = _reset()
    try:
        yield peak
    finally:
        after = _resident("VmHWM") if before is not None else None
        if before is not None and after is not None:
            peak.bytes = max(0, after - before)


def _reset() -> int | None:
    try:
        _RESET.write_text("5")
        return _resident("VmRSS")
    except OSError:
        return None


def _resident(counter: str) -> int | None:
    for line in _STATUS.read_text().splitlines():
        if line.startswith(counter):
            return int(line.split()[1]) * 1024
    return None
