"""What a baseline holds: the board that was recorded, with every score behind it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

SCORE_TOLERANCE = 1e-3
"""Up to this, in units of the proxy's spread, a score counts as the same."""
ELSEWHERE = 0.1
"""The least tolerance with other libraries or on another processor, which add in another order.

Convolutions without oneDNN, more than another processor does, move scores of the embedded table by up to
.06 (zico), .04 (gradsign), .03 (epe_nas) and less than .01 (all others), and no tau by more than .009.
"""
_STRICT: dict[str, Any] = {"extra": "forbid", "allow_inf_nan": False}
"""How pydantic reads these from a file; it is imported only then."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """One proxy of a baseline.

    Attributes:
        version: of the proxy.
        parts: versions of the proxies that it requires.
        settings: all of them, as text: ``batch=64,source=gaussian``.
        plugin: who registered it.
        rank: its place by tau, from 1.
        tau: Kendall's tau-b with the accuracies; None where it is not defined.
        tau_low: lower end of its interval.
        tau_high: upper end.
        passes: what an evaluation costs, in bare forward passes; None where it was not measured.
        failures: how often each reason occurred.
        tolerance: of its scores, in units of their spread; None stands for `SCORE_TOLERANCE`.
        scores: one per architecture of the baseline; None where it failed.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = _STRICT

    name: str
    version: int
    parts: Mapping[str, int]
    settings: str
    plugin: str
    rank: int
    tau: float | None
    tau_low: float | None
    tau_high: float | None
    passes: float | None
    failures: Mapping[str, int]
    tolerance: float | None
    scores: tuple[float | None, ...]


@dataclass(frozen=True, slots=True)
class Baseline:
    """A recorded board.

    Attributes:
        space_version: of the space; another one builds other networks.
        scale: of the space, as text.
        task: that networks were built and scored for.
        ground_truth: name of the table.
        ground_truth_file: where the table lies as seen from the baseline's folder; empty for one that is
            known by its name.
        accuracies: checksum of the accuracies of the architectures, see `measuring.checksum`.
        images: fingerprint of the task's images; empty where no proxy sees them.
        sample: how many architectures were drawn; None for all.
        seed: of the sample, the scores and the bootstrap.
        settings: that were given for the occasion, by proxy; all others are the proxies' defaults.
        made_with: versions of libraries, the processor and the like.
        architectures: encodings, in the order of the scores.
        proxies: best tau first.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = _STRICT

    space: str
    space_version: int
    scale: str
    task: str
    ground_truth: str
    ground_truth_file: str
    accuracies: str
    images: str
    sample: int | None
    seed: int
    settings: Mapping[str, Mapping[str, str]]
    made_with: Mapping[str, str]
    architectures: tuple[str, ...]
    proxies: tuple[Recorded, ...] = field(default=())

    @property
    def subject(self) -> str:
        """Space, scale and task in words."""
        scale = f" [{self.scale.replace(',', ', ')}]" if self.scale else ""
        return f"{self.space}{scale} on {self.task}"

    def proxy(self, name: str) -> Recorded:
        """The proxy of that name, which must be there."""
        return next(proxy for proxy in self.proxies if proxy.name == name)
