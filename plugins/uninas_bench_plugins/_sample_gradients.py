"""Gradients of single images' losses with respect to the weights of layers, a batch at a time.

Batch norm in train mode ties the images of a batch together. Of a batch of one it normalises by the
statistics of that image: done so for every image, each stands alone in a batch of many. One backward pass
through the data then gives what arrives at the output of every layer, and one convolution with the images as
groups turns it into a gradient of the weight for each of them, at the price of the one for all.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.grad import conv1d_weight, conv2d_weight, conv3d_weight
from torch.overrides import TorchFunctionMode

from uninas_bench import NotApplicable
from uninas_bench.features import hooked, logits_of
from uninas_bench_plugins._layers import weights_of

PIXELS = 16 * 32 * 32
"""Of the images of one pass: more of them leave the cache."""
_WEIGHT_GRADIENTS: dict[type[nn.Module], Any] = {
    nn.Conv1d: conv1d_weight,
    nn.Conv2d: conv2d_weight,
    nn.Conv3d: conv3d_weight,
}


class Gradients(NamedTuple):
    """Of some images: their logits (b, C), and for every weight its gradients (b, *shape), None if unused."""

    logits: Tensor
    of_weights: list[Tensor | None]


def sample_gradients(
    network: nn.Module, images: Tensor, labels: Tensor, layers: Sequence[nn.Module], *, together: bool = True
) -> Iterator[Gradients]:
    """Gradients of each image's own cross-entropy, as train mode gives them for batches of one.

    What a batch of two gives is first compared with a batch of one. Where it differs (weights used outside of
    their layer, images that are tied by more than batch norms), all images go through alone.

    Args:
        network: in train mode; which of its parameters need gradients is changed.
        images: (B, 3, R, R).
        labels: (B,).
        layers: of the network; the gradients are those of their weights, in the order of `weights_of`.
        together: whether images may share a pass.

    Raises:
        NotApplicable: a batch norm has a single value per channel and image, hence no variance.
    """
    network.requires_grad_(False)
    for weight in weights_of(layers):
        weight.requires_grad_()
    together = together and _separable(network, images[:2], labels[:2], layers)
    step = max(1, PIXELS // images[0, 0].numel()) if together else 1
    for start in range(0, len(images), step):
        part = slice(start, start + step)
        yield (_together if together else _alone)(network, images[part], labels[part], layers)


def _separable(network: nn.Module, images: Tensor, labels: Tensor, layers: Sequence[nn.Module]) -> bool:
    with _steady(network):
        one = _alone(network, images[:1], labels[:1], layers)
        try:
            two = _together(network, images, labels, layers)
        # How torch, and the rules here, say that the images cannot be told apart.
        except (RuntimeError, ValueError):
            return False
    return _agree(two, one)


@contextmanager
def _steady(network: nn.Module) -> Iterator[None]:
    """What draws random numbers keeps still: parts without state that know a train mode are of that kind."""
    norms = nn.modules.batchnorm._NormBase
    parts = [
        module
        for module in network.modules()
        if module.training
        and not (isinstance(module, norms) or module._modules or module._parameters or module._buffers)
    ]
    for part in parts:
        part.training = False
    try:
        yield
    finally:
        for part in parts:
            part.training = True


def _alone(network: nn.Module, image: Tensor, label: Tensor, layers: Sequence[nn.Module]) -> Gradients:
    weights = weights_of(layers)
    try:
        logits = logits_of(network(image))
    except ValueError as error:
        if "more than 1" not in str(error):
            raise
        raise NotApplicable("a batch norm has one value per channel and image, hence no variance") from None
    loss = functional.cross_entropy(logits, label)
    if not loss.requires_grad:
        return Gradients(logits, [None] * len(weights))
    found = torch.autograd.grad(loss, weights, allow_unused=True)
    return Gradients(logits.detach(), [None if gradient is None else gradient[None] for gradient in found])


def _together(network: nn.Module, images: Tensor, labels: Tensor, layers: Sequence[nn.Module]) -> Gradients:
    calls: list[tuple[nn.Module, Tensor, Tensor]] = []

    def record(layer: nn.Module, inputs: tuple[Any, ...], output: Tensor) -> None:
        calls.append((layer, inputs[0].detach(), output))

    with hooked([layer.register_forward_hook(record) for layer in layers]), ImagewiseNorms(len(images)):
        logits = logits_of(network(images))
    loss = functional.cross_entropy(logits, labels, reduction="sum")
    arrived = torch.autograd.grad(loss, [output for _, _, output in calls], allow_unused=True)
    found: dict[int, Tensor] = {}
    for (layer, inputs, _), gradient in zip(calls, arrived, strict=True):
        if gradient is not None:
            key = id(layer.get_parameter("weight"))
            of_call = weight_gradients(layer, inputs, gradient, len(images))
            found[key] = found[key] + of_call if key in found else of_call
    return Gradients(logits.detach(), [found.get(id(weight)) for weight in weights_of(layers)])


def _agree(many: Gradients, first: Gradients) -> bool:
    pairs = list(zip(many.of_weights, first.of_weights, strict=True))
    if any((one is None) != (other is None) for one, other in pairs):
        return False
    known = [(one[0], other[0]) for one, other in pairs if one is not None and other is not None]
    norms = [float(other.norm()) for _, other in known]
    # Rounding is relative to what is summed: a gradient that cancels to nothing is all rounding.
    least = 1e-4 * sum(norm**2 for norm in norms) ** 0.5
    return all(
        float((one - other).norm()) <= 1e-3 * (norm + least)
        for (one, other), norm in zip(known, norms, strict=True)
    )


def weight_gradients(layer: nn.Module, inputs: Tensor, gradient: Tensor, batch: int) -> Tensor:
    """Gradients (B, *weight) of a layer's weight, of each image, from one call.

    Args:
        layer: a convolution or linear map.
        inputs: its input, the images being the slowest part of the first dimension.
        gradient: with respect to its output.
        batch: B.

    Raises:
        ValueError: a layer that computes something of its own.
    """
    if type(layer).forward is nn.Linear.forward:
        outputs = gradient.reshape(batch, -1, gradient.shape[-1])
        return outputs.transpose(1, 2) @ inputs.reshape(batch, -1, inputs.shape[-1])
    kind = next((kind for kind in _WEIGHT_GRADIENTS if type(layer).forward is kind.forward), None)
    if not isinstance(layer, nn.modules.conv._ConvNd) or kind is None or len(inputs) != batch:
        raise ValueError(f"no rule for {type(layer).__name__}")
    padding = layer.padding
    if layer.padding_mode != "zeros" or isinstance(padding, str):
        mode = "constant" if layer.padding_mode == "zeros" else layer.padding_mode
        inputs = functional.pad(inputs, layer._reversed_padding_repeated_twice, mode)
        padding = (0,) * len(layer.stride)
    shape = layer.weight.shape
    found: Tensor = _WEIGHT_GRADIENTS[kind](
        inputs.reshape(1, -1, *inputs.shape[2:]), (batch * shape[0], *shape[1:]),
        gradient.reshape(1, -1, *gradient.shape[2:]), layer.stride, padding, layer.dilation,
        batch * layer.groups,
    )  # fmt: skip
    return found.view(batch, *shape)


class ImagewiseNorms(TorchFunctionMode):
    """Every batch norm in train mode normalises by the statistics of single images."""

    def __init__(self, batch: int) -> None:
        super().__init__()
        self.batch = batch

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        call = self._batch_norm if func is functional.batch_norm else func
        return call(*args, **(kwargs or {}))

    def _batch_norm(
        self, input: Tensor, running_mean: Tensor | None, running_var: Tensor | None,
        weight: Tensor | None = None, bias: Tensor | None = None, training: bool = False,
        momentum: float = 0.1, eps: float = 1e-5,
    ) -> Tensor:  # fmt: skip
        if not training:
            return functional.batch_norm(input, running_mean, running_var, weight, bias, eps=eps)
        # (B N, C, ...): N parts of an image, one after the other, as its tokens may be.
        parts = input.reshape(self.batch, -1, *input.shape[1:]).transpose(1, 2)
        normed = functional.instance_norm(parts.flatten(2), weight=weight, bias=bias, eps=eps)
        return normed.view(parts.shape).transpose(1, 2).reshape(input.shape)
