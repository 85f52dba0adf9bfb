"""Scores to [0, 1] by their place among the scores of training architectures."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from uninas_bench.errors import UserError

if TYPE_CHECKING:
    import pandas as pd

FORMAT = "uninas-bench rank normaliser"
SCHEMA_VERSION = 1


@dataclass(frozen=True, slots=True)
class RankNormaliser:
    """The distributions of several proxies' scores over the architectures that it was fitted on.

    Weights found on normalised scores mean nothing without it, so it is kept with them; a value, equal to
    the one that is read back from its JSON.

    Attributes:
        proxies: names, in the order that they were fitted in.
        scores: for each of them the training scores, ascending.
    """

    proxies: tuple[str, ...]
    scores: tuple[tuple[float, ...], ...]

    @classmethod
    def fit(cls, scores: pd.DataFrame) -> Self:
        """Keep the distributions of ``scores`` (architectures, proxies), higher is better, NaN where missing.

        Raises:
            UserError: a proxy that has no score, an infinite one, or the same for every architecture.
        """
        fitted: dict[str, tuple[float, ...]] = {}
        for name, column in scores.items():
            values = sorted(float(value) for value in column.dropna())
            _check(str(name), values)
            fitted[str(name)] = tuple(values)
        return cls(tuple(fitted), tuple(fitted.values()))

    def transform(self, scores: pd.DataFrame) -> pd.DataFrame:
        """The place of every score among the training scores, from 0, the worst, to 1.

        The share of training scores below it and half the share of those equal to it. Monotone; what is
        below or above all of them gets 0 or 1, and a missing score the worst there is, 0.

        Args:
            scores: (architectures, proxies); columns that were not fitted are left out.

        Returns:
            (architectures, ``proxies``), without NaN.

        Raises:
            UserError: no column for a proxy.
        """
        import numpy as np
        import pandas as pd

        lacking = [name for name in self.proxies if name not in scores.columns]
        if lacking:
            raise UserError(f"no scores of {', '.join(lacking)}, which the normaliser was fitted to")
        columns = {}
        for name, fitted in zip(self.proxies, self.scores, strict=True):
            known, values = np.asarray(fitted), scores[name].to_numpy("float64")
            below, upto = np.searchsorted(known, values, "left"), np.searchsorted(known, values, "right")
            columns[name] = np.where(np.isnan(values), 0.0, (below + upto) / (2 * len(known)))
        return pd.DataFrame(columns, index=scores.index)

    def to_json(self) -> str:
        """A text that `from_json` makes the same value of."""
        scores = dict(zip(self.proxies, self.scores, strict=True))
        content = {"format": FORMAT, "schema_version": SCHEMA_VERSION, "scores": scores}
        return json.dumps(content, allow_nan=False)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read what `to_json` wrote.

        Raises:
            UserError: it is something else, of a newer version, or damaged.
        """
        try:
            content = json.loads(text)
        except ValueError as error:
            raise UserError(f"rank normaliser: not JSON: {' '.join(str(error).split())}") from None
        if not isinstance(content, dict) or content.get("format") != FORMAT:
            raise UserError(f'rank normaliser: expected a JSON object of the format "{FORMAT}"')
        if content.get("schema_version") != SCHEMA_VERSION:
            raise UserError(
                f"rank normaliser: schema_version is {content.get('schema_version')!r}, "
                f"this uninas-bench reads {SCHEMA_VERSION}"
            )
        scores = content.get("scores")
        if not isinstance(scores, dict):
            raise UserError("rank normaliser: scores: expected an object of lists by proxy")
        for name, values in scores.items():
            numbers = isinstance(values, list) and all(type(value) in (int, float) for value in values)
            if not numbers or values != sorted(values):
                raise UserError(f"rank normaliser: scores.{name}: expected a list of ascending numbers")
            _check(name, values)
        return cls(tuple(scores), tuple(tuple(map(float, values)) for values in scores.values()))


def _check(name: str, values: list[float]) -> None:
    if not values:
        raise UserError(f"{name} has no score to rank by")
    if not all(map(math.isfinite, values)):
        raise UserError(f"{name} has an infinite score")
    if values[0] == values[-1]:
        raise UserError(f"{name} is {values[0]:g} for all {len(values)} architectures: it ranks nothing")
