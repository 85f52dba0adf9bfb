"""`az_nas`: expressivity, progressivity, trainability and complexity, ranked together."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Literal

from uninas_bench import NotApplicable, Proxy, Settings, hookimpl

if TYPE_CHECKING:
    import pandas as pd
    from torch import nn

    from uninas_bench import Subject


@dataclass(frozen=True, kw_only=True)
class AzNasSettings(Settings):
    """Settings of `AzNas`.

    Attributes:
        style: ``robust`` takes eigenvalues below 0 for the rounding that they are, leaves blocks out
            that return their input unchanged, and declines a network or block that nothing passes;
            ``reference`` gives minus infinity or -999998 there, as the published code does.
        scope: expressivity summed over all features of the ``network``, as published, or its mean over
            the outputs of the ``blocks``. The other components are the same.
    """

    style: Literal["robust", "reference"] = "robust"
    scope: Literal["network", "blocks"] = "network"


class AzNas(Proxy):
    """Four statistics of one forward and one blockwise backward pass, aggregated by rank.

    Lee and Ham, AZ-NAS: Assembling Zero-Cost Proxies for Network Architecture Search, CVPR 2024,
    equations 2 to 8. Kaiming initialisation, Gaussian images, train mode; features are the input of
    the first block and the output of every block. The score of an architecture is the sum over the
    components of ln(rank / m) in the population of m.
    """

    name = "az_nas"
    components = ("expressivity", "progressivity", "trainability", "complexity")
    reference = "Lee and Ham, AZ-NAS: Assembling Zero-Cost Proxies, CVPR 2024"
    needs = frozenset({"images", "gradients"})
    Settings = AzNasSettings
    settings: AzNasSettings

    def evaluate(self, subject: Subject) -> Mapping[str, float]:
        """The four components; NaN where the features leave one undefined."""
        from uninas_bench_plugins._networks import private_network

        statistics = self._statistics(subject, private_network(subject))
        return {**statistics, "complexity": float(subject.costs.flops)}

    def _statistics(self, subject: Subject, network: nn.Module) -> dict[str, float]:
        from uninas_bench_plugins._features import entropies, trainability
        from uninas_bench_plugins._networks import require_connected

        robust = self.settings.style == "robust"
        network.requires_grad_(False)
        images = subject.batch()[0].detach().requires_grad_()
        features = subject.features(images, network)
        if len(features) < 2:
            raise NotApplicable("one feature has no progress and no gain")
        if robust:
            require_connected(features[-1])
        entropy = entropies(features, clamp=robust)
        steps = [after - before for before, after in pairwise(entropy)]
        least = math.nan if any(map(math.isnan, steps)) else min(steps)
        total = sum(entropy) if self.settings.scope == "network" else sum(entropy[1:]) / (len(entropy) - 1)
        return {
            "expressivity": total if robust else _lowest_if_nan(total),
            "progressivity": least if robust else _lowest_if_nan(least),
            "trainability": trainability(features, subject.generator(), robust=robust),
        }

    def aggregate(self, components: pd.DataFrame) -> pd.Series[float]:
        """`rank_sum` of the four components."""
        return rank_sum(components[list(self.components)])


def rank_sum(components: pd.DataFrame) -> pd.Series[float]:
    """Sum over the columns of ln(rank / m), ranks ascending; ties share their mean rank.

    A missing component ranks below all that are there; an architecture without any has no score.
    """
    import numpy as np

    ranks = components.fillna(-np.inf).rank(method="average")
    logs = (ranks / len(components)).map(np.log)
    return logs.sum(axis=1).where(components.notna().any(axis=1))


def _lowest_if_nan(value: float) -> float:
    return -math.inf if math.isnan(value) else value


@hookimpl
def uninas_bench_proxies() -> list[Proxy]:
    """`az_nas` at its published settings."""
    return [AzNas()]
