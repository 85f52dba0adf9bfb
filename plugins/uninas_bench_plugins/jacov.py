"""`jacov`: how little the gradients with respect to different images resemble each other."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from uninas_bench import Proxy, Settings, Source, hookimpl

if TYPE_CHECKING:
    from torch import Tensor

    from uninas_bench import Subject


@dataclass(frozen=True, kw_only=True)
class JacovSettings(Settings):
    """Settings of `Jacov`.

    Attributes:
        source: the task's images by default, as in the published tables.
        scope: the gradient with respect to the image (``network``), or the mean score of the gradients
            with respect to the input of each of the ``blocks``.
    """

    source: Source = "task"
    scope: Literal["network", "blocks"] = "network"


class Jacov(Proxy):
    """-sum_i ( ln(v_i + k) + 1 / (v_i + k) ), v the eigenvalues of the gradients' correlations, k = 1e-5.

    Mellor et al., Neural Architecture Search without Training, first version (arXiv 2006.04647v1),
    equation 4, as in zero-cost-nas and the VKDNW tables: row b of the matrix that is correlated is the
    gradient of all logits' sum with respect to image b. Kaiming initialisation, train mode. At best
    -B, where no two gradients correlate; one dependent pair costs 1e5. A sample whose gradient is
    constant has no correlation, and the proxy then does not apply. `EpeNas` reads the same correlations.
    """

    name = "jacov"
    version = 2
    group = "input-gradients"
    reference = "Mellor et al., Neural Architecture Search without Training, arXiv 2006.04647v1"
    needs = frozenset({"images", "gradients"})
    Settings = JacovSettings
    settings: JacovSettings

    def evaluate(self, subject: Subject) -> Mapping[str, float]:
        """The score of one batch."""
        from uninas_bench_plugins._input_gradients import shared_correlations

        if self.settings.scope == "blocks":
            return {self.name: self._blocks(subject)}
        return {self.name: spectrum_score(shared_correlations(subject, self.name).matrix)}

    def _blocks(self, subject: Subject) -> float:
        from uninas_bench_plugins._input_gradients import correlations, input_gradients
        from uninas_bench_plugins._networks import private_network

        network = private_network(subject)
        blocks = [block for _, block in subject.blocks(network)]
        found = input_gradients(network, subject.batch()[0], blocks)
        scores = [spectrum_score(correlations(gradient)) for gradient in found.gradients]
        return sum(scores) / len(scores)


def spectrum_score(correlations: Tensor, k: float = 1e-5) -> float:
    """The score of a matrix of correlations (B, B), from its eigenvalues; NaN where it is not finite."""
    import torch

    if not correlations.isfinite().all():
        return math.nan
    eigenvalues = torch.linalg.eigvalsh(correlations).clamp(min=0) + k
    return -float((eigenvalues.log() + 1 / eigenvalues).sum())


@hookimpl
def uninas_bench_proxies() -> list[Proxy]:
    """`jacov` at its published settings."""
    return [Jacov()]
