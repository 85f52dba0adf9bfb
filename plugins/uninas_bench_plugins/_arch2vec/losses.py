"""What the autoencoder is trained by: operations, edges, and the distance from the prior.

Source: arch2vec, equation 5, as its released code computes it.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from uninas_bench_plugins._arch2vec.networks import Batch
from uninas_bench_plugins._arch2vec.settings import AutoencoderSettings


def operation_loss(logits: Tensor, batch: Batch, settings: AutoencoderSettings) -> Tensor:
    """Of logits (V, K): the mean over entries for sigmoids, over nodes for softmax."""
    if settings.activation == "softmax":
        return functional.cross_entropy(logits, batch.operations)
    wanted = functional.one_hot(batch.operations, logits.shape[1]).to(logits)
    return functional.binary_cross_entropy_with_logits(logits, wanted)


def edge_loss(logits: Tensor, batch: Batch, settings: AutoencoderSettings) -> Tensor:
    """Of logits (B, N, N): the mean over pairs of nodes of a graph.

    Below the diagonal and on it the released code sets both sides to zero, so that these entries count as
    right: with 8 nodes, 36 of 64.
    """
    if settings.adjacency == "fixed":
        return logits.new_zeros(())
    pairs = batch.there[:, :, None] & batch.there[:, None, :]
    upper = pairs.triu(1).to(logits)
    losses = functional.binary_cross_entropy_with_logits(
        logits, batch.adjacency, weight=upper, reduction="sum"
    )
    return losses / (upper if settings.adjacency == "triangle" else pairs).sum().clamp(min=1)


def divergence(mean: Tensor, log_std: Tensor) -> Tensor:
    """KL(N(mean, std^2) || N(0, 1)) of nodes (V, F): the sum over F, the mean over nodes."""
    return -0.5 * (1 + 2 * log_std - mean**2 - torch.exp(2 * log_std)).sum(1).mean()


def total_loss(
    operations: Tensor,
    edges: Tensor,
    mean: Tensor,
    log_std: Tensor,
    batch: Batch,
    settings: AutoencoderSettings,
) -> Tensor:
    """The three together; the released code divides the divergence by the number of nodes once more."""
    apart = divergence(mean, log_std) * (settings.kl / len(batch.operations))
    return operation_loss(operations, batch, settings) + edge_loss(edges, batch, settings) + apart
