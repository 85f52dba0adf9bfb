"""One proxy's scores over a population, with what they cost and how they failed."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from uninas_bench.cells import Status

if TYPE_CHECKING:
    import pandas as pd

    from uninas_bench.architecture import Costs
    from uninas_bench.proxy import Proxy
    from uninas_bench.scores import Scores

BASELINES = ("params", "flops")
"""The proxies that cost nothing: every board shows them, since a proxy below them is worth nothing."""


@dataclass(frozen=True, eq=False)
class ScoreColumn:
    """The scores of one proxy.

    Attributes:
        scores: one per architecture of the population; NaN where the proxy failed, never infinite.
        seconds: mean per architecture, what the proxy requires of others included; NaN where unknown.
        passes: the same as a multiple of a bare forward pass; NaN for a proxy that builds no network.
        failures: how often each reason occurred.
    """

    proxy: str
    version: int
    settings: str
    scores: pd.Series[float]
    seconds: float = math.nan
    passes: float = math.nan
    failures: Mapping[str, int] = field(default_factory=dict)

    @property
    def failed(self) -> int:
        """How many architectures have no score."""
        return int(self.scores.isna().sum())


def score_column(scores: Scores, proxy: Proxy) -> ScoreColumn:
    """Aggregate one proxy over the population; a fault of `aggregate` fails every architecture."""
    import numpy as np

    index = scores.plan.encodings
    reasons: Counter[str] = Counter()
    for part in _parts(scores, [proxy]):
        cells = scores.cells(part.name)
        broken = cells[cells["status"] != Status.OK]
        prefix = "" if part.name == proxy.name else f"{part.name} "
        reasons.update(
            f"{prefix}{status}: {message}".removesuffix(": ")
            for status, message in zip(broken["status"], broken["message"], strict=True)
        )
    try:
        found = proxy.aggregate(scores.population(proxy)).reindex(index).astype("float64")
    except Exception as error:
        found = _nothing(index)
        reasons = Counter({f"aggregate: {type(error).__name__}: {' '.join(str(error).split())}": len(index)})
    found = found.where(np.isfinite(found))
    seconds, passes = expense(scores, [proxy])
    return ScoreColumn(
        proxy.name, proxy.version, str(proxy.settings), found, seconds, passes, dict(reasons.most_common())
    )


def expense(scores: Scores, proxies: Sequence[Proxy]) -> tuple[float, float]:
    """Mean seconds and bare passes per architecture of several proxies, what they share counted once."""
    seconds = passes = math.nan
    for part in _parts(scores, proxies):
        cells = scores.cells(part.name)
        seconds, passes = _plus(seconds, cells["seconds"].mean()), _plus(passes, cells["passes"].mean())
    return seconds, passes


def cost_column(name: str, costs: Mapping[str, Costs]) -> ScoreColumn:
    """A baseline whose plugin is not installed, from the space's closed form."""
    import pandas as pd

    values = {encoding: float(getattr(cost, name)) for encoding, cost in costs.items()}
    return ScoreColumn(name, 0, "closed form of the space", pd.Series(values, dtype="float64"))


def _parts(scores: Scores, proxies: Sequence[Proxy]) -> list[Proxy]:
    """The proxies and all that they require, those with cells, each once."""
    known = {entry.name: entry for entry in scores.plan.proxies}
    parts = list(proxies)
    for part in parts:
        parts += [known[name] for name in part.requires if known[name] not in parts]
    return [part for part in parts if part.components]


def _plus(total: float, more: float) -> float:
    if math.isnan(total) or math.isnan(more):
        return more if math.isnan(total) else total
    return total + more


def _nothing(index: list[str]) -> pd.Series[float]:
    import pandas as pd

    return pd.Series(math.nan, index=index, dtype="float64")
