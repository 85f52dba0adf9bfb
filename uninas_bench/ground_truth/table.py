"""A ground-truth table: measured accuracies per architecture and seed, with what they were measured under."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True)
class GroundTruthInfo:
    """What a table was measured under; stands in the first line of its file."""

    name: str
    space: str
    scale: str
    task: str
    """A task's name, split and epochs included: ``cifar10``, ``cifar10-valid-12ep``."""
    protocol: str
    """One sentence, or the recipe's name: how the accuracies were measured."""
    source: str
    """Where they come from: the file's name, with its sha256, or the command that made them."""


@dataclass(frozen=True, slots=True, eq=False)
class GroundTruth:
    """Accuracies in percent.

    Attributes:
        info: what was measured.
        rows: columns ``architecture`` (encoding), ``seed`` (text: a number, or ``mean``), ``count`` (how many
            trainings the row averages), ``accuracy`` (percent), ``loss`` (NaN where unknown).
    """

    info: GroundTruthInfo
    rows: pd.DataFrame


@dataclass(frozen=True, slots=True)
class GroundTruthEntry:
    """A table that is registered but not yet read."""

    name: str
    info: Callable[[], GroundTruthInfo]
    load: Callable[[], GroundTruth]
