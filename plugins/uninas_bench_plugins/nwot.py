"""`nwot`: how differently a network's units respond to different images."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from uninas_bench import NotApplicable, Proxy, Settings, hookimpl

if TYPE_CHECKING:
    from torch import Tensor, nn

    from uninas_bench import Subject


@dataclass(frozen=True, kw_only=True)
class NwotSettings(Settings):
    """Settings of `Nwot`.

    Attributes:
        activations: which count: every ``pointwise`` one with the code input > 0, or ``relu`` alone. The
            same for networks whose only activation is ReLU.
        scope: one kernel of the ``network``, or one for each of its ``blocks`` and their mean score.
        style: ``robust`` declines a network whose logits do not depend on the image; ``reference``
            scores it by the units before the gap, as the published code does.
    """

    activations: Literal["relu", "pointwise"] = "pointwise"
    scope: Literal["network", "blocks"] = "network"
    style: Literal["robust", "reference"] = "robust"


class Nwot(Proxy):
    """log |det K| of the kernel K_ij = N_A - d_H(c_i, c_j) of activation codes.

    Mellor et al., Neural Architecture Search without Training, ICML 2021, equation 2, in the form of the
    AZ-NAS and VKDNW tables: Kaiming initialisation, one batch of 64 Gaussian images, train mode. c_i is
    the code input > 0 of all N_A units for image i, d_H the Hamming distance. Images that share a code
    make K singular: minus infinity. Per block, log det(K / N_A) is averaged, which takes out the
    block's size.
    """

    name = "nwot"
    reference = "Mellor et al., Neural Architecture Search without Training, ICML 2021"
    needs = frozenset({"images"})
    Settings = NwotSettings
    settings: NwotSettings

    def evaluate(self, subject: Subject) -> Mapping[str, float]:
        """The score; minus infinity where two images share every code."""
        from uninas_bench_plugins._networks import private_network

        return {self.name: self._score(subject, private_network(subject))}

    def _score(self, subject: Subject, network: nn.Module) -> float:
        from uninas_bench_plugins._activations import POINTWISE, RELU, code_kernel
        from uninas_bench_plugins._networks import require_connected

        names = RELU if self.settings.activations == "relu" else POINTWISE
        blocks = subject.blocks(network) if self.settings.scope == "blocks" else ()
        found, logits = code_kernel(network, subject.batch()[0], names, blocks)
        if not logits.isfinite().all():
            return math.nan
        if self.settings.style == "robust":
            require_connected(logits)
        if blocks:
            scores = [log_det(k / found.units[b]) for b, k in found.kernels.items() if b is not None]
        else:
            scores = [log_det(kernel) for kernel in found.kernels.values()]
        if not scores:
            raise NotApplicable(f"no {self.settings.activations} activation was met in the forward pass")
        return sum(scores) / len(scores)


def log_det(kernel: Tensor) -> float:
    """Log-determinant of a kernel (B, B) float64; minus infinity where two samples share every code."""
    import torch

    equal = (kernel >= kernel.diagonal()[:, None]).sum() > len(kernel)
    return -math.inf if equal else float(torch.linalg.slogdet(kernel).logabsdet)


@hookimpl
def uninas_bench_proxies() -> list[Proxy]:
    """`nwot` at its published settings."""
    return [Nwot()]
