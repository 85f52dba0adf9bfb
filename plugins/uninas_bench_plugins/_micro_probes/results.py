"""What an evaluation found."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """How one network did on one probe.

    Attributes:
        score: of the note's formula; NaN for a network that diverged.
        test: the measure on the test examples.
        train: the same on the training examples, for a probe that scores it.
        baselines: what trivial predictors score on the test examples.
        losses: of the training's steps.
        seconds: from the network's making to the score.
        steps: of the optimiser.
        truncated: whether a limit of seconds left out steps or examples.
        predict: inputs (N, V, 3, s, s) to the output of the trained network, where it was kept.
    """

    score: float
    test: float
    train: float | None
    baselines: Mapping[str, float]
    losses: tuple[float, ...]
    seconds: float
    steps: int
    truncated: bool
    predict: Callable[[Tensor], Tensor] | None = None


@dataclass(frozen=True, slots=True)
class Evaluation:
    """How one network did on all probes.

    Attributes:
        results: by the probe's name.
        seconds: of all, the making of the examples included.
        data_seconds: of them, for examples; those that an earlier network was shown take none.
    """

    results: Mapping[str, ProbeResult]
    seconds: float
    data_seconds: float

    @property
    def truncated(self) -> bool:
        """Whether a limit of seconds left out anything."""
        return any(result.truncated for result in self.results.values())
