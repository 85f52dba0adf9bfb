"""From the scores of the probes to one number: z-scores with signs, summed.

Source: the note on TF-NAS (CVPR 2026): each probe's scores are standardised over the candidates, those of
which lower is better are negated, and the sum is S. Weights, stored statistics, and that a missing score
leaves an architecture without S instead of counting as 0, are ours.
"""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from uninas_bench import UserError

if TYPE_CHECKING:
    import pandas as pd

_log = logging.getLogger(__name__)

SIGNS = {"lgj": -1, "oip": -1, "rm": -1, "csb": 1, "mf": -1, "vm": 1}
"""+1 where higher is better."""
LEAST_STD = 1e-12
"""Below it a probe says nothing of the population, and contributes nothing."""
_FORMAT = "micro-probes reference 1"


@dataclass(frozen=True, slots=True)
class Reference:
    """Means and deviations of probes over a population: scores standardised by the same one are comparable.

    Attributes:
        mean: by probe.
        std: by probe, of the population, not of a sample (ddof 0).
        count: architectures.
    """

    mean: Mapping[str, float]
    std: Mapping[str, float]
    count: int

    @classmethod
    def of(cls, scores: pd.DataFrame) -> Reference:
        """The statistics of a frame with a row per architecture and a column per probe; NaN are left out."""
        columns = [name for name in SIGNS if name in scores]
        mean, std = scores[columns].mean(), scores[columns].std(ddof=0)
        return cls(
            {name: float(mean[name]) for name in columns},
            {name: float(std[name]) for name in columns},
            len(scores),
        )

    def write(self, path: str | Path) -> None:
        """Store it, for the setting ``reference``."""
        probes = {name: {"mean": self.mean[name], "std": self.std[name]} for name in self.mean}
        content = {"format": _FORMAT, "architectures": self.count, "probes": probes}
        Path(path).write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")

    @classmethod
    def read(cls, path: str | Path) -> Reference:
        """What `write` stored.

        Raises:
            UserError: there is no such file, or it is another.
        """
        try:
            content: Any = json.loads(Path(path).read_text(encoding="utf-8"))
            if content["format"] != _FORMAT:
                raise ValueError(content["format"])
            mean = {name: float(found["mean"]) for name, found in content["probes"].items()}
            std = {name: float(found["std"]) for name, found in content["probes"].items()}
            return cls(mean, std, int(content["architectures"]))
        except OSError as error:
            raise UserError(f"reference={path}: {error.strerror or error}") from None
        except (ValueError, KeyError, TypeError, AttributeError):
            raise UserError(f'reference={path}: expected a file of format "{_FORMAT}"') from None


def z_scores(scores: pd.DataFrame, reference: Reference | None = None) -> pd.DataFrame:
    """Standardised, and negated where lower is better: of every column, higher is better.

    Args:
        scores: a row per architecture, a column per probe; NaN where there is no score.
        reference: default the statistics of ``scores``.

    Raises:
        UserError: the reference lacks a probe.
    """
    known = reference if reference is not None else Reference.of(scores)
    lacking = [name for name in scores.columns if name not in known.mean]
    if lacking:
        raise UserError(f"the reference has no statistics of {lacking[0]}; it has {', '.join(known.mean)}")
    standard = scores.copy()
    for name in scores.columns:
        std = known.std[name]
        if not std >= LEAST_STD:
            if len(scores) > 1 and not math.isnan(std):
                _log.warning("%s scores all architectures the same and has no say", name)
            standard[name] = (scores[name] * 0).astype(float)
        else:
            standard[name] = SIGNS[name] * (scores[name] - known.mean[name]) / std
    return standard


def total(
    scores: pd.DataFrame, weights: Mapping[str, float] | None = None, reference: Reference | None = None
) -> pd.Series[float]:
    """S of every architecture: the weighted sum of its `z_scores`; NaN where one of them is missing.

    Args:
        scores: a row per architecture, a column per probe.
        weights: by probe, default 1 for each column; a probe of weight 0 may be missing.
        reference: default the statistics of ``scores``.
    """
    weighted = {name: (weights or {}).get(name, 1.0) for name in scores.columns}
    used = [name for name, weight in weighted.items() if weight]
    standard = z_scores(scores[used], reference)
    return (standard * [weighted[name] for name in used]).sum(axis=1, skipna=False)
