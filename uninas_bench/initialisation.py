"""The initialisations under which the numbers of published proxies were made."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

_NORMS = (nn.modules.batchnorm._NormBase, nn.GroupNorm)


def initialise_(network: nn.Module, init: str, generator: torch.Generator) -> None:
    """Redraw the weights of ``network`` as the setting ``init`` of a proxy says: not at all for ``model``."""
    if init == "kaiming":
        kaiming_(network, generator)
    elif init == "gaussian":
        gaussian_(network, generator)


def kaiming_(network: nn.Module, generator: torch.Generator) -> None:
    """Redraw Conv and Linear weights from N(0, 2/fan_in), zero their biases, reset batch and group norms.

    Kaiming normal with fan_in and the gain of ReLU, the Linear head included. Layer norms and raw
    parameters (relative position bias, class token) keep the values they have. Running statistics go
    back to mean 0 and variance 1.

    Source: init_model of the AZ-NAS and VKDNW code (specified in VKDNW, CVPR 2025, section 4).
    """
    _redraw(network, lambda weight: math.sqrt(2 / weight[0].numel()), generator)


def gaussian_(network: nn.Module, generator: torch.Generator) -> None:
    """As `kaiming_`, with weights from N(0, 1).

    Source: Lin et al., Zen-NAS, ICCV 2021, section 3, and its code.
    """
    _redraw(network, lambda _: 1.0, generator)


@torch.no_grad()
def _redraw(network: nn.Module, deviation: Callable[[Tensor], float], generator: torch.Generator) -> None:
    for module in network.modules():
        if isinstance(module, nn.modules.conv._ConvNd | nn.Linear):
            draw = torch.empty(module.weight.shape).normal_(0, deviation(module.weight), generator=generator)
            module.weight.copy_(draw)
            if module.bias is not None:
                module.bias.zero_()
        elif isinstance(module, _NORMS):
            if isinstance(module, nn.modules.batchnorm._NormBase):
                module.reset_running_stats()
            if module.weight is not None:
                module.weight.fill_(1)
                module.bias.zero_()
