"""How far trainings of one architecture lie apart that differ in their seed alone."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from uninas_bench.ground_truth.table import MEAN, GroundTruth

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True, eq=False)
class SeedSpread:
    """Standard deviations between seeds, in points of accuracy.

    Attributes:
        each: of every architecture with at least two seeds, by encoding, with n - 1 below.
        pooled: the root of the mean variance, each weighted by its n - 1: a few noisy architectures raise it.
        median: of ``each``.
    """

    each: pd.Series[float]
    pooled: float
    median: float


def seed_spread(table: GroundTruth) -> SeedSpread | None:
    """The spread of a table; None where no architecture has two seeds, as in a table of means."""
    matrix = table.seed_matrix().drop(columns=MEAN, errors="ignore")
    free = matrix.count(axis=1) - 1
    each = matrix.std(axis=1, ddof=1)[free >= 1]
    if each.empty:
        return None
    weight = free[free >= 1]
    pooled = math.sqrt(float((each**2 * weight).sum() / weight.sum()))
    return SeedSpread(each, pooled, float(each.median()))
