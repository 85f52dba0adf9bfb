"""`l2_norm`: how large the weights of a network are at initialisation, a baseline of its size."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from uninas_bench import Init, Proxy, Settings, hookimpl

if TYPE_CHECKING:
    from uninas_bench import Subject


@dataclass(frozen=True, kw_only=True)
class L2NormSettings(Settings):
    """Settings of `L2Norm`, which sees no images: ``batch`` and ``source`` play no part.

    Attributes:
        init: the network's own weights by default, as in the published scores.
    """

    init: Init = "model"


class L2Norm(Proxy):
    """sum_l ||w_l||_2 over the weights of all convolutions and linear maps, the classifier included.

    A baseline of Abdelfattah et al., Zero-Cost Proxies for Lightweight NAS, ICLR 2021, as in
    NAS-Bench-Suite-Zero. Nothing passes through the network, so a disconnected one has a score too.
    """

    name = "l2_norm"
    reference = "Abdelfattah et al., Zero-Cost Proxies for Lightweight NAS, ICLR 2021"
    Settings = L2NormSettings
    settings: L2NormSettings

    def evaluate(self, subject: Subject) -> Mapping[str, float]:
        """The sum of the norms."""
        import torch

        from uninas_bench_plugins._layers import counted_layers, weights_of

        weights = weights_of(counted_layers(subject.network()))
        with torch.no_grad():
            norms = [torch.linalg.vector_norm(weight, dtype=torch.float64) for weight in weights]
        return {self.name: sum(norm.item() for norm in norms)}


@hookimpl
def uninas_bench_proxies() -> list[Proxy]:
    """`l2_norm` at its published settings."""
    return [L2Norm()]
