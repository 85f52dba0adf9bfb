"""Whether the precision that a network runs in settles its logits, or leaves them to rounding."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from uninas_bench import NotApplicable
from uninas_bench.features import logits_of

TOLERANCE = 1e-5
"""By how much of the greatest logit the last bit of the pixels may move one. About 1e-6 in float32 for
networks of convolutions, and of attentions behind a norm; up to 1 where scores of a million enter softmax."""


class Unsettled(NotApplicable):
    """Rounding decides what a network says, and far more so what its derivatives are."""


@torch.no_grad()
def check_settled(network: nn.Module, images: Tensor, logits: Tensor) -> None:
    """Nudge every pixel by one unit in the last place and see what moves.

    Args:
        network: in evaluation mode.
        images: (B, 3, R, R).
        logits: (B, C), what it says of them.

    Raises:
        Unsettled: the logits move, or are not finite.
    """
    dtype = str(images.dtype).removeprefix("torch.")
    if not bool(logits.isfinite().all()):
        raise Unsettled(f"the logits are not finite in {dtype}")
    draw = torch.Generator().manual_seed(0)
    signs = torch.empty(images.shape).bernoulli_(0.5, generator=draw).mul_(2).sub_(1).to(images)
    moved = (logits_of(network(images + images * signs * torch.finfo(images.dtype).eps)) - logits).abs()
    if not bool(moved.max() <= TOLERANCE * logits.abs().max()):
        raise Unsettled(f"rounding decides the logits in {dtype}: maps or attention scores are too large")
