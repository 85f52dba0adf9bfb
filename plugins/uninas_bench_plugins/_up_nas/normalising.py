"""Scores of proxies made comparable, by what was seen of them when the estimator was trained.

The paper does not say how. Raw scales run from hundredths to millions, so that without any normalisation one
proxy is all that the estimator learns; and weights mean something only with the normaliser that they were
found with, which is therefore kept beside them.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Literal, Protocol, Self

import numpy as np

from uninas_bench import RankNormaliser, UserError

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

Kind = Literal["rank", "z", "minmax", "log", "raw"]
"""``rank``: the share of the training scores below, by `RankNormaliser`; ``z``: (x - mean) / deviation;
``minmax``: (x - min) / (max - min); ``log``: ``z`` of sign(x) ln(1 + abs(x)); ``raw``: as they are."""


class Normaliser(Protocol):
    """Fitted to training scores; a value."""

    @property
    def proxies(self) -> tuple[str, ...]:
        """The columns that it was fitted to."""
        ...

    def transform(self, scores: pd.DataFrame) -> pd.DataFrame:
        """Scores (architectures, proxies), larger is better; a missing one becomes the worst of training."""
        ...

    def to_json(self) -> str:
        """A text that `read_normaliser` makes the same value of."""
        ...


def fit_normaliser(kind: Kind, scores: pd.DataFrame) -> Normaliser:
    """To training scores (architectures, proxies), NaN where one is missing.

    Raises:
        UserError: a proxy has no score at all, or the same for all.
    """
    return RankNormaliser.fit(scores) if kind == "rank" else Affine.fit(kind, scores)


def read_normaliser(kind: Kind, text: str) -> Normaliser:
    """What `Normaliser.to_json` gave."""
    return RankNormaliser.from_json(text) if kind == "rank" else Affine(**json.loads(text)).frozen()


@dataclass(frozen=True)
class Affine:
    """(f(x) - shift) / scale for each proxy, where f is a logarithm or nothing.

    Attributes:
        kind: of normalisation.
        proxies: the columns.
        shift: of each.
        scale: of each.
        worst: normalised training score of each.
    """

    kind: Kind
    proxies: tuple[str, ...]
    shift: tuple[float, ...]
    scale: tuple[float, ...]
    worst: tuple[float, ...]

    @classmethod
    def fit(cls, kind: Kind, scores: pd.DataFrame) -> Self:
        """As `fit_normaliser`."""
        fitted = []
        for name, column in scores.items():
            values = _read(kind, column.dropna().to_numpy("float64"))
            if not len(values):
                raise UserError(f"{name} has no score to normalise by")
            low, high = float(values.min()), float(values.max())
            if low == high:
                raise UserError(f"{name} is {column.max():g} for all {len(values)} architectures")
            shift, scale = {"raw": (0.0, 1.0), "minmax": (low, high - low)}.get(
                kind, (float(values.mean()), float(values.std()))
            )
            fitted.append((shift, scale, (low - shift) / scale))
        return cls(kind, tuple(map(str, scores.columns)), *zip(*fitted, strict=True))

    def frozen(self) -> Self:
        """With tuples in place of the lists that JSON knows."""
        return type(self)(
            self.kind, tuple(self.proxies), tuple(self.shift), tuple(self.scale), tuple(self.worst)
        )

    def transform(self, scores: pd.DataFrame) -> pd.DataFrame:
        """As `Normaliser.transform`."""
        import pandas as pd

        values = _read(self.kind, scores[list(self.proxies)].to_numpy("float64"))
        found = (values - np.array(self.shift)) / np.array(self.scale)
        filled = np.where(np.isnan(found), np.array(self.worst), found)
        return pd.DataFrame(filled, index=scores.index, columns=list(self.proxies))

    def to_json(self) -> str:
        """As `Normaliser.to_json`."""
        return json.dumps(asdict(self))


def _read(kind: Kind, scores: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.sign(scores) * np.log1p(np.abs(scores)) if kind == "log" else scores
