"""The neural tangent kernel of a network's weights on a batch."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from uninas_bench.features import logits_of


def tangent_kernel(network: nn.Module, images: Tensor, weights: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """Products of the gradients of every two images' summed logits with respect to the weights.

    In train mode batch norm lets all images take part in the gradient of each, so nothing less than one
    backward pass per image is exact. Products are taken tensor by tensor in float64, which keeps small
    eigenvalues from drowning.

    Args:
        network: in the mode that the gradients are to be of; which of its parameters need them is changed.
        images: (B, 3, R, R).
        weights: parameters of the network.

    Returns:
        The kernel (B, B), float64, and the logits (B, C). It is 0 where the weights play no part.
    """
    network.requires_grad_(False)
    for weight in weights:
        weight.requires_grad_()
    logits = logits_of(network(images))
    kernel = torch.zeros(len(images), len(images), dtype=torch.float64, device=images.device)
    if logits.requires_grad:
        targets = logits.flatten(1).sum(1)
        rows = [weight.new_zeros(len(images), weight.numel()) for weight in weights]
        last = len(images) - 1
        for index, target in enumerate(targets.unbind()):
            # The graph goes with its last row.
            found = torch.autograd.grad(target, weights, retain_graph=index < last, allow_unused=True)
            for row, gradient in zip(rows, found, strict=True):
                if gradient is not None:
                    row[index] = gradient.flatten()
        for part in rows:
            exact = part.double()
            kernel += exact @ exact.T
    return kernel, logits.detach()
