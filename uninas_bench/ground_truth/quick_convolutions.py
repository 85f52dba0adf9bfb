"""Convolutions of small maps as matrix products: the same sums, added up in another order, in less time.

oneDNN's kernels are made for large maps. On maps of a few pixels, as the small networks of this project's
own tables have them, a pointwise convolution is one product over all pixels, and a depthwise one a product
for each channel with the matrix between all pixels that come in and all that go out. A depthwise 5x5 on 2x2
pixels takes a third of the time that way, backward included; most of its kernel never meets a pixel.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

MOST_ENTRIES = {(3, 3): 16, (5, 5): 1296}
"""For each kernel, up to how many entries of the matrix between pixels the products are faster.

Measured on one thread with AVX-512: 2x2 pixels to 2x2 for 3x3, and 6x6 to 6x6 for 5x5, whose backward pass
oneDNN is slow in.
"""


def quicken_(network: nn.Module) -> None:
    """Let the convolutions of a network on the CPU compute by products where those are faster.

    Parameters, their names and their gradients stay what they are, up to rounding.
    """
    for module in network.modules():
        if not isinstance(module, nn.Conv2d) or module.padding_mode != "zeros":
            continue
        if not all(isinstance(padding, int) for padding in module.padding) or set(module.dilation) != {1}:
            continue
        if _is_pointwise(module):
            setattr(module, "_conv_forward", _pointwise)  # noqa: B010  (a method, as mypy sees it)
        elif _is_depthwise(module):
            setattr(module, "_conv_forward", _Depthwise(module))  # noqa: B010


def _is_pointwise(module: nn.Conv2d) -> bool:
    return module.kernel_size == module.stride == (1, 1) and module.padding == (0, 0) and module.groups == 1


def _is_depthwise(module: nn.Conv2d) -> bool:
    return module.groups == module.in_channels == module.out_channels > 1


def _pointwise(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """(B, C, H, W) -> (B, C', H, W); without a copy where the memory is channels-last."""
    return functional.linear(x.permute(0, 2, 3, 1), weight.flatten(1), bias).permute(0, 3, 1, 2)


class _Depthwise:
    """A depthwise convolution that looks at the size of the map before it chooses its way."""

    def __init__(self, module: nn.Conv2d) -> None:
        self.kernel = (module.kernel_size[0], module.kernel_size[1])
        self.stride = (module.stride[0], module.stride[1])
        padding = module.padding
        self.padding = (int(padding[0]), int(padding[1]))

    def __call__(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        batch, channels, *size = x.shape
        out = [
            (length + 2 * padding - kernel) // stride + 1
            for length, padding, kernel, stride in zip(
                size, self.padding, self.kernel, self.stride, strict=True
            )
        ]
        if size[0] * size[1] * out[0] * out[1] > MOST_ENTRIES.get(self.kernel, 0):
            return functional.conv2d(x, weight, bias, self.stride, self.padding, 1, channels)
        taps = _taps((size[0], size[1]), (out[0], out[1]), self.kernel, self.stride, self.padding)
        between = (weight.flatten(1) @ taps.to(weight.dtype)).view(
            channels, size[0] * size[1], out[0] * out[1]
        )
        pixels = x.permute(1, 0, 2, 3).reshape(channels, batch, size[0] * size[1])
        y: Tensor = _Products.apply(pixels, between)
        y = y.view(channels, batch, *out).permute(1, 2, 3, 0).contiguous()
        return (y if bias is None else y + bias).permute(0, 3, 1, 2)


class _Products(torch.autograd.Function):
    """``torch.bmm`` that hands on nothing but contiguous factors.

    For others it has no kernel and goes through the matrices one by one, and so would its own backward pass.
    """

    @staticmethod
    def forward(ctx: Any, left: Tensor, right: Tensor) -> Tensor:
        left, right = left.contiguous(), right.contiguous()
        ctx.save_for_backward(left, right)
        return torch.bmm(left, right)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor]:
        left, right = ctx.saved_tensors
        (gradient,) = (given.contiguous() for given in gradients)
        return torch.bmm(gradient, right.mT), torch.bmm(left.mT, gradient)


@lru_cache(maxsize=256)
def _taps(
    size: tuple[int, int],
    out: tuple[int, int],
    kernel: tuple[int, int],
    stride: tuple[int, int],
    padding: tuple[int, int],
) -> Tensor:
    """Which tap lies between which pixels: (kernel's taps, pixels in x pixels out), of zeros and ones."""
    taps = torch.zeros(*kernel, *size, *out)
    for down in range(out[0]):
        for right in range(out[1]):
            for y in range(kernel[0]):
                for x in range(kernel[1]):
                    row = down * stride[0] + y - padding[0]
                    column = right * stride[1] + x - padding[1]
                    if 0 <= row < size[0] and 0 <= column < size[1]:
                        taps[y, x, row, column, down, right] = 1
    return taps.view(kernel[0] * kernel[1], -1)
