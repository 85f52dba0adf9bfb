"""The supernet of MBConv: in every layer the four operations side by side, with one shortcut for all.

The operations are the inverted residuals of the space's networks; a test compares them. In those a layer that
changes channels or resolution has no shortcut; in the authors' supernet every layer has one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor, nn

from uninas_bench_plugins._bossnas.layers import SqueezeExcitation, convolution, draw_fan_out
from uninas_bench_plugins._bossnas.mbconv_plan import OPERATIONS, MbconvPlan
from uninas_bench_plugins._bossnas.supernet import IMAGE_CHANNELS, Supernet

if TYPE_CHECKING:
    from uninas_bench.spaces.mbconv.macro import MbconvScale

STRIDES = (2, 2, 2, 1, 2)
"""At the first layer of each block."""
SQUEEZE = 4
"""Squeeze-and-excitation has this fraction of the channels that come into a layer."""


class MbconvSupernet(Supernet):
    """All networks of a scale up to the last searched layer.

    Its necks have no weights, they give the mean of each channel: all paths of a block have equally many.

    Args:
        scale: depths, widths and stem.
    """

    def __init__(self, scale: MbconvScale) -> None:
        super().__init__()
        self.plan: MbconvPlan = MbconvPlan(scale.depths)
        self.features = scale.widths
        self.bodies = nn.ModuleList()
        channels = scale.stem[1]
        for block, (depth, width) in enumerate(zip(scale.depths, scale.widths, strict=True)):
            stem = None if block else _Stem(*scale.stem)
            layers = [_Layer(channels, width, STRIDES[block], stem)]
            layers += (_Layer(width, width, 1) for _ in range(depth - 1))
            self.bodies.append(nn.ModuleList(layers))
            channels = width
        self.necks = nn.ModuleList(nn.Identity() for _ in scale.depths)
        draw_fan_out(self)

    def neck(self, block: int, choice: int, x: Tensor) -> Tensor:
        """(B, channels of the block)."""
        del choice
        out: Tensor = self.necks[block](x)
        return out.mean((2, 3))


class _Layer(nn.Module):
    """The operations side by side, and what is before them: (B, Cin, H, W) -> (B, C, H', W')."""

    def __init__(self, channels_in: int, channels: int, stride: int, stem: nn.Module | None = None) -> None:
        super().__init__()
        self.stem = nn.Identity() if stem is None else stem
        self.operations = nn.ModuleList(
            _residual(channels_in, channels, stride, *operation) for operation in OPERATIONS
        )
        self.shortcut = nn.Sequential()
        if stride == 2:
            self.shortcut.append(nn.AvgPool2d(2, ceil_mode=True, count_include_pad=False))
        if channels_in != channels:
            self.shortcut.extend((convolution(channels_in, channels), nn.BatchNorm2d(channels)))

    def forward(self, x: Tensor, choice: int) -> Tensor:
        """One of them, added to the shortcut."""
        x = self.stem(x)
        out: Tensor = self.operations[choice](x) + self.shortcut(x)
        return out


class _Stem(nn.Module):
    """The stem and the fixed layer behind it, MB1_3x3, as the space's networks have them."""

    def __init__(self, width: int, channels: int) -> None:
        super().__init__()
        self.stem = nn.Sequential(convolution(IMAGE_CHANNELS, width, 3, 2), nn.BatchNorm2d(width), nn.SiLU())
        self.fixed = _residual(width, channels, 1, 1, 3)
        self.skips = width == channels

    def forward(self, x: Tensor) -> Tensor:
        """Images (B, 3, R, R) -> (B, C, R / 2, R / 2)."""
        x = self.stem(x)
        out: Tensor = self.fixed(x)
        return x + out if self.skips else out


def _residual(channels_in: int, channels: int, stride: int, expansion: int, kernel: int) -> nn.Sequential:
    """Expand (not by 1), convolve every channel, weigh, project; norms behind, SiLU behind the first two."""
    expanded = expansion * channels_in
    steps: list[nn.Module] = []
    if expansion > 1:
        steps += [convolution(channels_in, expanded), nn.BatchNorm2d(expanded), nn.SiLU()]
    steps += [convolution(expanded, expanded, kernel, stride, groups=expanded)]
    steps += [nn.BatchNorm2d(expanded), nn.SiLU()]
    steps += [SqueezeExcitation(expanded, max(1, channels_in // SQUEEZE), nn.SiLU())]
    steps += [convolution(expanded, channels), nn.BatchNorm2d(channels)]
    return nn.Sequential(*steps)
