"""`zen`: how far a network's last map moves when its input moves a little."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from uninas_bench import Init, NotApplicable, Proxy, Settings, hookimpl

if TYPE_CHECKING:
    from torch import Tensor, nn

    from uninas_bench import Subject

STEP = 0.01


@dataclass(frozen=True, kw_only=True)
class ZenSettings(Settings):
    """Settings of `Zen`.

    Attributes:
        init: ``gaussian`` weights from N(0, 1), as published.
        variances: of batch norms. ``running`` is what the published code reads: the running variance of a
            fresh network after the two passes, 0.81 + 0.09 v1 + 0.1 v2 at the usual momentum. ``batch`` is
            the variance v1 itself, as in the paper: higher by up to 0.83 per norm, so that the two rank
            networks of different depth differently. A constant input has none and then drops out.
        style: ``robust`` declines a network whose map does not move; ``reference`` gives minus infinity,
            as the published code does.
    """

    init: Init = "gaussian"
    variances: Literal["running", "batch"] = "running"
    style: Literal["robust", "reference"] = "robust"


class Zen(Proxy):
    """ln E_x || f(x) - f(x + 0.01 e) ||_1 + sum_l ln sqrt(mean_c v_lc), x and e standard normal.

    Lin et al., Zen-NAS: A Zero-Shot NAS for High-Performance Deep Image Recognition, ICCV 2021,
    algorithm 1, in the form of the AZ-NAS and VKDNW tables: one draw of weights and one pair of batches
    (average over seeds for more), train mode. f is the last map before global pooling, see `last_map`;
    v_lc is the variance of channel c of the input of batch norm l, which gives back the scale that the norm
    takes away. Layer and group norms get nothing back, so compare within a family. Links past the weights
    (residuals) are kept; ZenNAS takes them out in its own space.

    Of a bare network with ``source=gaussian`` the first batch is x and the second one is e.
    """

    name = "zen"
    reference = "Lin et al., Zen-NAS: A Zero-Shot NAS for High-Performance Image Recognition, ICCV 2021"
    needs = frozenset({"images"})
    Settings = ZenSettings
    settings: ZenSettings

    def evaluate(self, subject: Subject) -> Mapping[str, float]:
        """The score of one pair of batches."""
        from uninas_bench_plugins._networks import private_network

        images = subject.batch()[0]
        noise = self._noise(subject, images)
        return {self.name: self._score(private_network(subject), images, noise, subject.seed)}

    def _noise(self, subject: Subject, images: Tensor) -> Tensor:
        import torch

        if self.settings.source == "gaussian":
            return subject.batch(1)[0]
        return torch.randn(images.shape, generator=subject.generator("noise")).to(images)

    def _score(self, network: nn.Module, images: Tensor, noise: Tensor, seed: int) -> float:
        import torch

        from uninas_bench_plugins._last_map import last_map
        from uninas_bench_plugins._networks import require_connected

        robust = self.settings.style == "robust"
        norms = fresh_norms(network, momentum=1.0 if self.settings.variances == "batch" else None)
        with torch.no_grad(), torch.random.fork_rng(devices=[]):
            # Both passes drop out the same, or the map would move by what they draw.
            torch.manual_seed(seed)
            first, logits = last_map(network, images)
            if robust:
                require_connected(logits)
            variances = tracked(norms)
            torch.manual_seed(seed)
            second, _ = last_map(network, images + STEP * noise)
            if self.settings.variances == "running":
                variances = tracked(norms)
            moved = (first - second).abs().flatten(1).sum(1, dtype=torch.float64).mean().item()
        if moved == 0 and robust:
            raise NotApplicable("the last map does not depend on the input")
        return _log(moved) + sum(_log(variance) / 2 for variance in variances if variance != 0)


def fresh_norms(network: nn.Module, momentum: float | None = None) -> list[nn.BatchNorm2d]:
    """The batch norms of maps, made to track their variance from 1 on.

    So the network's past, and norms that were built to track nothing, make no difference.

    Args:
        network: to be changed.
        momentum: of the running variance; None leaves each norm its own.
    """
    import torch
    from torch import nn

    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    for norm in norms:
        like = next(network.parameters())
        norm.track_running_stats = True
        norm.running_mean = torch.zeros(norm.num_features).to(like)
        norm.running_var = torch.ones(norm.num_features).to(like)
        norm.num_batches_tracked = torch.tensor(0, device=like.device)
        if momentum is not None:
            norm.momentum = momentum
    return norms


def tracked(norms: Iterable[nn.BatchNorm2d]) -> list[float]:
    """The running variance of each norm, averaged over its channels."""
    return [norm.get_buffer("running_var").double().mean().item() for norm in norms]


def _log(value: float) -> float:
    return math.log(value) if value > 0 else (-math.inf if value == 0 else math.nan)


@hookimpl
def uninas_bench_proxies() -> list[Proxy]:
    """`zen` at its published settings."""
    return [Zen()]
