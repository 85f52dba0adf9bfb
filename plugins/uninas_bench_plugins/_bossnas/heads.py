"""Projector, predictor and the loss between them (Grill et al., "Bootstrap your own latent", 2020)."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional


def projector(features: int, hidden: int, out: int) -> nn.Sequential:
    """Linear, norm, ReLU, linear: what follows a supernet's neck; 4096 hidden and 256 out in the paper."""
    layers = nn.Sequential(
        nn.Linear(features, hidden), nn.BatchNorm1d(hidden), nn.ReLU(inplace=True), nn.Linear(hidden, out)
    )
    for module in layers:
        if isinstance(module, nn.Linear):
            nn.init.kaiming_normal_(module.weight, mode="fan_in", nonlinearity="relu")
            nn.init.zeros_(module.bias)
    return layers


def predictor(out: int, hidden: int) -> nn.Sequential:
    """A second such head on the online side alone, from N(0, 0.01^2)."""
    layers = projector(out, hidden, out)
    for module in layers:
        if isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, std=0.01)
    return layers


def cosine_loss(predicted: Tensor, target: Tensor) -> Tensor:
    """-2 <a, b> of the unit vectors, mean over the batch: their squared distance less 2.

    Twice this, once for each order of the views, lies in [-4, 4].
    """
    return -2 * functional.cosine_similarity(predicted, target, dim=1, eps=1e-12).mean()
