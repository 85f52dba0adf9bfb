"""Plain forward passes with cheap backwards by data, for as long as one Jacobian takes.

The forward is the network's own, bit by bit, as plain contiguous tensors give it: rounding decides the
gates of activations near zero, and the gates are what all backwards share. The backwards are linear, so
there the fast forms lose nothing. Convolutions hand on channels-last tensors, which all later steps of the
backward keep. An evaluation-mode batch norm is a factor per channel: its own backward would also sum over
all positions for gradients nobody asked for, and the factor moves into the weights of the convolution
before it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any, TypeGuard

import torch
from torch import Tensor, nn

from uninas_bench_plugins._fisher.taps import Tap, Wanted, normalised, taps_of

Pairs = Mapping[nn.Module, nn.Module]
"""Convolutions with the batch norm that alone consumes their output."""


@contextmanager
def cheap_backwards(network: nn.Module, pairs: Pairs) -> Iterator[None]:
    """Let ``network`` run as written and differentiate cheaply by its inputs, never by its parameters.

    Between a convolution of ``pairs`` and its norm flows the gradient by the norm's output.
    """
    inside = set(pairs.values())
    patched: list[nn.Module] = []

    def patch(module: nn.Module, forward: Callable[[Tensor], Tensor]) -> None:
        module.__dict__["forward"] = forward
        patched.append(module)

    try:
        for module in network.modules():
            if is_plain_convolution(module):
                norm = pairs.get(module)
                weight = module.weight.detach()
                if norm is not None:
                    weight = weight * norm_scale(norm).view(-1, 1, 1, 1)
                weight = weight.contiguous(memory_format=torch.channels_last)
                patch(module, partial(_convolve, module, weight))
            elif (
                isinstance(module, nn.modules.batchnorm._BatchNorm)
                and type(module).forward is nn.modules.batchnorm._BatchNorm.forward
            ):
                scale = None if module in inside else norm_scale(module)
                patch(module, partial(_normalise, module, scale))
        yield
    finally:
        for module in patched:
            del module.__dict__["forward"]


def is_plain_convolution(module: nn.Module) -> TypeGuard[nn.Conv2d]:
    """Whether the backward below holds for a module: torch's own 2-D convolution with zero padding."""
    return (
        isinstance(module, nn.Conv2d)
        and type(module).forward is nn.Conv2d.forward
        and module.padding_mode == "zeros"
        and not isinstance(module.padding, str)
    )


def norm_scale(norm: nn.Module) -> Tensor:
    """What an evaluation-mode batch norm multiplies each channel with, (C,)."""
    assert isinstance(norm, nn.modules.batchnorm._BatchNorm)
    assert norm.running_var is not None
    scale = torch.rsqrt(norm.running_var + norm.eps)
    return scale if norm.weight is None else scale * norm.weight.detach()


def paired_taps(
    convolution: nn.Module,
    norm: nn.Module,
    wanted: Wanted,
    inputs: Tensor,
    output: Tensor,
) -> list[Tap]:
    """The taps of a pair, at the convolution's output, where the gradient by the norm's output flows."""
    assert isinstance(norm, nn.modules.batchnorm._BatchNorm)
    scale = norm_scale(norm)
    columns: dict[int, list[int]] = {}
    factors: dict[int, list[Tensor]] = {}
    for tap in taps_of(convolution, wanted.get(convolution, {}), inputs, output):
        channel = tap.unit[1]
        columns.setdefault(channel, []).extend(tap.columns)
        factors.setdefault(channel, []).append(tap.factors * scale[channel])
    for attribute, pairs in wanted.get(norm, {}).items():
        for channel, column in pairs:
            plane = normalised(norm, output, channel).reshape(len(output), 1, -1)
            columns.setdefault(channel, []).append(column)
            factors.setdefault(channel, []).append(torch.ones_like(plane) if attribute == "bias" else plane)
    return [
        Tap((slice(None), channel), columns[channel], torch.cat(factors[channel], 1)) for channel in columns
    ]


class _Convolution(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, inputs: Tensor, module: nn.Conv2d, weight: Tensor) -> Tensor:
        ctx.module, ctx.weight = module, weight
        ctx.save_for_backward(inputs)
        plain: Tensor = module._conv_forward(inputs.contiguous(), module.weight, module.bias)
        return plain.contiguous(memory_format=torch.channels_last)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        (inputs,) = ctx.saved_tensors
        module: nn.Conv2d = ctx.module
        by_input, _, _ = torch.ops.aten.convolution_backward(
            gradients[0],
            inputs,
            ctx.weight,
            None,
            module.stride,
            module.padding,
            module.dilation,
            False,
            [0, 0],
            module.groups,
            [True, False, False],
        )
        return by_input, None, None


class _Norm(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, inputs: Tensor, module: nn.modules.batchnorm._BatchNorm, scale: Tensor | None
    ) -> Tensor:
        ctx.scale = scale
        normalised: Tensor = nn.functional.batch_norm(
            inputs,
            module.running_mean,
            module.running_var,
            module.weight,
            module.bias,
            False,
            0.0,
            module.eps,
        )
        return normalised

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        gradient = gradients[0]
        if ctx.scale is not None:
            gradient = gradient * ctx.scale.view(1, -1, *[1] * (gradient.dim() - 2))
        return gradient, None, None


def _convolve(module: nn.Conv2d, weight: Tensor, inputs: Tensor) -> Tensor:
    output: Tensor
    if inputs.dim() == 4:
        output = _Convolution.apply(inputs, module, weight)
    else:
        output = module._conv_forward(inputs, module.weight, module.bias)
    return output


def _normalise(module: nn.modules.batchnorm._BatchNorm, scale: Tensor | None, inputs: Tensor) -> Tensor:
    output: Tensor = _Norm.apply(inputs, module, scale)
    return output
