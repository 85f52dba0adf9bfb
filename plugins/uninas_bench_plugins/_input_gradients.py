"""Gradients of the logits with respect to the input, and how they correlate: for `jacov` and `epe_nas`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from uninas_bench import NotApplicable, Subject
from uninas_bench.features import block_features, logits_of
from uninas_bench_plugins._networks import private_network


@dataclass(frozen=True, slots=True)
class InputGradients:
    """``gradients`` (B, ...) of the sum of ``classes`` logits with respect to each input."""

    gradients: list[Tensor]
    classes: int


@dataclass(frozen=True, slots=True)
class Correlations:
    """``matrix`` (B, B), float64, of the gradients with respect to the images; ``classes`` logits."""

    matrix: Tensor
    classes: int


def shared_correlations(subject: Subject, name: str) -> Correlations:
    """The correlations of the images' gradients, once for the group; ``name`` is the proxy that asks.

    Raises:
        NotApplicable: a gradient is constant, or nothing leads from the input to the output.
    """

    def compute(_members: frozenset[str]) -> Correlations:
        found = input_gradients(private_network(subject), subject.batch()[0])
        return Correlations(correlations(found.gradients[0]), found.classes)

    return subject.shared(name, compute)


def input_gradients(network: nn.Module, images: Tensor, blocks: Sequence[nn.Module] = ()) -> InputGradients:
    """Gradients of the logits' sum with respect to the images, or to the input of each block.

    Weights take no part, so one backward pass goes through the data alone.
    """
    network.requires_grad_(False)
    images = images.detach().requires_grad_()
    if blocks:
        tapped = block_features(network, blocks, images)
        inputs, output = tapped.features[:-1], tapped.output
    else:
        inputs, output = [images], logits_of(network(images))
    if not output.requires_grad:
        raise NotApplicable("no path leads from the input to the output")
    gradients = torch.autograd.grad(output.sum(), inputs, allow_unused=True)
    if any(gradient is None for gradient in gradients):
        raise NotApplicable("no path leads from the input to the output")
    return InputGradients(list(gradients), output.shape[-1])


def correlations(gradients: Tensor) -> Tensor:
    """Pearson's correlation of every two samples' gradients (B, ...), in float64: (B, B).

    Raises:
        NotApplicable: a sample's gradient is constant, so it has no correlation.
    """
    rows = gradients.flatten(1).double()
    rows = rows - rows.mean(1, keepdim=True)
    norms = rows.norm(dim=1, keepdim=True)
    if (norms == 0).any():
        raise NotApplicable("the gradient with respect to a sample is constant: it has no correlation")
    rows = rows / norms
    products: Tensor = rows @ rows.T
    return products.clamp(-1, 1)
