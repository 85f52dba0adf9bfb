"""Convolutions of many widths in one weight (Yu et al., "Slimmable Neural Networks", ICLR 2019)."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn


class SlimmableConv2d(nn.Conv2d):
    """A convolution without bias whose first channels in and out serve every narrower one."""

    def __init__(self, channels: int, channels_out: int, kernel: int, stride: int = 1) -> None:
        super().__init__(channels, channels_out, kernel, stride, padding=kernel // 2, bias=False)

    def forward(self, x: Tensor, width: int | None = None) -> Tensor:
        """(B, Cin, R, R) -> (B, width, R/stride, R/stride); all channels without ``width``."""
        weight = self.weight[:width, : x.shape[1]]
        out: Tensor = self._conv_forward(x, weight, None)
        return out


class SwitchableNorm(nn.ModuleDict):
    """One batch norm for each width: narrow and wide paths have other statistics."""

    def __init__(self, widths: Sequence[int], channels: int | None = None) -> None:
        super().__init__({str(width): nn.BatchNorm2d(channels or width) for width in widths})

    def forward(self, x: Tensor, width: int | None = None) -> Tensor:
        """Normalise by the norm of ``width``, by default the number of channels of ``x``."""
        out: Tensor = self[str(width or x.shape[1])](x)
        return out
