"""The initialisation under which AZ-NAS, VKDNW and the published NWOT and jacov numbers were made."""

from __future__ import annotations

import math

import torch
from torch import nn

_NORMS = (nn.modules.batchnorm._NormBase, nn.GroupNorm)


@torch.no_grad()
def kaiming_(network: nn.Module, generator: torch.Generator) -> None:
    """Redraw Conv and Linear weights from N(0, 2/fan_in), zero their biases, reset batch and group norms.

    Kaiming normal with fan_in and the gain of ReLU, the Linear head included. Layer norms and raw
    parameters (relative position bias, class token) keep the values they have. Running statistics go
    back to mean 0 and variance 1.

    Source: init_model of the AZ-NAS and VKDNW code (specified in VKDNW, CVPR 2025, section 4).
    """
    for module in network.modules():
        if isinstance(module, nn.modules.conv._ConvNd | nn.Linear):
            fan_in = module.weight[0].numel()
            draw = torch.empty(module.weight.shape).normal_(0, math.sqrt(2 / fan_in), generator=generator)
            module.weight.copy_(draw)
            if module.bias is not None:
                module.bias.zero_()
        elif isinstance(module, _NORMS):
            if isinstance(module, nn.modules.batchnorm._NormBase):
                module.reset_running_stats()
            if module.weight is not None:
                module.weight.fill_(1)
                module.bias.zero_()
