"""Bounds of the latency: what they are, and the measurements that architectures are held against.

A latency is measured, so it is another one each time. What was measured is kept in a file: a search that is
resumed decides as it did before.
"""

from __future__ import annotations

import json
import logging
import re
import statistics
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from uninas_bench.errors import InvalidFile, UserError

if TYPE_CHECKING:
    from torch import nn

    from uninas_bench.architecture import Architecture, Task
    from uninas_bench.space import SearchSpace

FORMAT = "uninas-bench latencies 1"
WARM, LEAST, MOST, ENOUGH = 3, 5, 50, 0.25
"""Passes before timing; passes that are timed at least and at most; seconds after which they are enough."""

_log = logging.getLogger(__name__)
_UNITS = {"us": 1e-6, "ms": 1e-3, "s": 1.0}
_TIME = re.compile(r"(\d+(?:\.\d+)?|\.\d+)(us|ms|s)")


@dataclass(frozen=True, slots=True)
class LatencyBounds:
    """Least and greatest seconds of one image, both inclusive; None leaves a side open.

    Raises:
        UserError: a minimum above the maximum: nothing could be within.
    """

    low: float | None = None
    high: float | None = None

    def __post_init__(self) -> None:
        if self.low is not None and self.high is not None and self.low > self.high:
            raise UserError(f"{self}: the minimum exceeds the maximum, nothing is between")

    def __str__(self) -> str:
        return f"latency {'..'.join('' if side is None else seconds_text(side) for side in self.sides)}"

    @classmethod
    def read(cls, text: str | None) -> Self:
        """The bounds of a text such as ``5ms..20ms`` or ``..800us``; None leaves both sides open.

        Raises:
            UserError: a text that is no range, or a range that holds nothing.
        """
        if text is None:
            return cls()
        low, dots, high = (part.strip() for part in text.partition(".."))
        if not dots or not (low or high):
            raise UserError(f'latency "{text}": expected a range such as 5ms..20ms, ..800us or 1s..')
        return cls(*(_read_seconds(text, side) if side else None for side in (low, high)))

    @property
    def sides(self) -> tuple[float | None, float | None]:
        """Both."""
        return self.low, self.high

    @property
    def open(self) -> bool:
        """Whether everything is within, so that nothing needs to be measured."""
        return self.sides == (None, None)

    def allows(self, seconds: float | None) -> bool:
        """Whether the latency is within; None, of what could not be measured, never is."""
        if seconds is None:
            return self.open
        return (self.low is None or seconds >= self.low) and (self.high is None or seconds <= self.high)


class Latencies:
    """Latencies of one space on one task and device; each is measured once.

    Args:
        space: that the architectures are of.
        task: that networks are built for.
        device: where they run.
        path: of the file that keeps what was measured, line by line; None keeps it in memory alone.
    """

    def __init__(self, space: SearchSpace, task: Task, device: str, path: Path | None) -> None:
        self._space = space
        self._task = task
        self._device = device
        self._path = path
        self._known: dict[str, float | None] | None = None

    def of(self, architecture: Architecture) -> float | None:
        """Seconds of one image; None where the network cannot be built or run.

        Raises:
            UserError: the file is of something else, or cannot be written.
        """
        if self._known is None:
            self._known = self._read()
        if architecture.encoding not in self._known:
            seconds = self._measured(architecture)
            self._append({"architecture": architecture.encoding, "seconds": seconds})
            self._known[architecture.encoding] = seconds
        return self._known[architecture.encoding]

    def _measured(self, architecture: Architecture) -> float | None:
        from uninas_bench.isolation import isolated

        try:
            with isolated(0):
                network = self._space.build(architecture, self._task)
                return measure(network, self._task.resolution, self._device)
        # As a score that fails, it must not end the search.
        except Exception as error:
            _log.warning("%s: no latency: %s: %s", architecture, type(error).__name__, error)
            return None

    def _header(self) -> dict[str, Any]:
        return {
            "format": FORMAT,
            "space": self._space.name,
            "space_version": self._space.version,
            "scale": str(self._space.scale),
            "task": asdict(self._task),
            "device": self._device,
        }

    def _read(self) -> dict[str, float | None]:
        """What the file holds; one that is not there is begun, and a line that was cut off is dropped."""
        if self._path is None:
            return {}
        header = self._header()
        if not self._path.exists():
            self._append(header)
            return {}
        try:
            text = self._path.read_text(encoding="utf-8")
            whole = text[: text.rfind("\n") + 1]
            if whole != text:
                self._path.write_text(whole, encoding="utf-8")
            lines = [json.loads(line) for line in whole.splitlines()] or [header]
            found = {str(line["architecture"]): line["seconds"] for line in lines[1:]}
        except OSError as error:
            raise UserError(f"{self._path}: cannot be read: {error.strerror or error}") from None
        except (ValueError, KeyError, TypeError):
            raise InvalidFile(
                f"{self._path}: no file of latencies; name another folder or remove it"
            ) from None
        if not whole:
            self._append(header)
        if lines[0] != header:
            different = next((name for name in header if lines[0].get(name) != header[name]), "format")
            raise UserError(
                f"{self._path} holds other latencies ({different} differs); "
                "name another folder or remove the file"
            )
        return found

    def _append(self, line: dict[str, Any]) -> None:
        if self._path is None:
            return
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(line, ensure_ascii=False) + "\n")
        except OSError as error:
            raise UserError(f"{self._path}: cannot be written: {error.strerror or error}") from None


def measure(network: nn.Module, resolution: int, device: str) -> float:
    """Seconds of one image through the network: the median of several passes, in eval mode."""
    import torch

    from uninas_bench.evaluate import pass_seconds

    network = network.to(device).eval()
    images = torch.zeros(1, 3, resolution, resolution, device=device)

    with torch.no_grad():
        for _ in range(WARM):
            pass_seconds(network, images)
        times = [pass_seconds(network, images) for _ in range(LEAST)]
        while len(times) < MOST and sum(times) < ENOUGH:
            times.append(pass_seconds(network, images))
    return statistics.median(times)


def seconds_text(seconds: float) -> str:
    """A duration as `LatencyBounds.read` takes it: 0.02 -> ``20ms``."""
    unit = next((unit for unit in ("s", "ms") if seconds >= _UNITS[unit]), "us")
    return f"{seconds / _UNITS[unit]:.6g}{unit}"


def _read_seconds(text: str, side: str) -> float:
    found = _TIME.fullmatch(side)
    if found is None:
        raise UserError(
            f'latency "{text}": cannot read "{side}"; expected a time such as 20ms, 1.5s or 800us'
        )
    return float(found[1]) * _UNITS[found[2]]
