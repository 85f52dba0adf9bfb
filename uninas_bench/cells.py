"""The unit of work and of storage: one proxy on one architecture, with its outcome."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Status(StrEnum):
    """How an evaluation ended. Everything but `OK` is a failure, kept with its message."""

    OK = "ok"
    NOT_FINITE = "not-finite"
    NOT_APPLICABLE = "not-applicable"
    ERROR = "error"
    TIMEOUT = "timeout"
    OUT_OF_MEMORY = "out-of-memory"
    CRASHED = "crashed"


@dataclass(frozen=True, slots=True, order=True)
class Configuration:
    """Everything but the architecture that a value depends on; one column block of the score store."""

    space: str
    space_version: int
    scale: str
    dataset: str
    resolution: int
    classes: int
    proxy: str
    proxy_version: int
    settings: str
    images: str
    """Fingerprint of the task's images where the proxy sees them, else empty."""
    seed: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one evaluation gave.

    Attributes:
        components: finite values only; a component that was not finite is absent.
        seconds: wall time of ``evaluate``.
        peak_memory: bytes above what the process held before; None where it is unknown.
        passes: ``seconds`` as a multiple of a bare forward pass of the same network on the same batch
            size; None for proxies that build no network.
    """

    configuration: Configuration
    encoding: str
    status: Status
    message: str = ""
    components: Mapping[str, float] = field(default_factory=dict)
    seconds: float = 0.0
    peak_memory: int | None = None
    passes: float | None = None
