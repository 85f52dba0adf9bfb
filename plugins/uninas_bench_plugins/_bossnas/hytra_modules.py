"""The candidates of HyTra with shared weights: an entry for each way in, one body behind all of them.

The blocks are those of the space's networks (BossNAS, section 4.1 and Fig. 3); a test compares them. Only
what changes channels or resolution on the way in differs, as it does in the authors' supernet.
"""

from __future__ import annotations

from math import sqrt
from typing import Literal

from torch import Tensor, nn
from torch.nn import functional

from uninas_bench_plugins._bossnas.layers import SqueezeExcitation, convolution

EXPANSION = 4
"""Channels between blocks are this multiple of the channels inside."""
SQUEEZE = 16
"""Squeeze-and-excitation has this fraction of the channels that it weighs."""
Style = Literal["plain", "se"]


def activation(style: Style) -> nn.Module:
    """ReLU, or SiLU."""
    return nn.SiLU() if style == "se" else nn.ReLU()


class Shrink(nn.Module):
    """Maps of one stage as those of a later one: depthwise convolution, convolution 1x1, batch norm.

    The depthwise kernel is as large as its stride; with stride 1 there is none. Sizes that the stride does
    not divide are filled up with zeros: as in the space's networks halvings round up, no map is too small.
    """

    def __init__(self, channels_in: int, channels: int, stride: int) -> None:
        super().__init__()
        self.stride = stride
        self.depthwise = nn.Sequential()
        if stride > 1:
            self.depthwise.append(
                nn.Conv2d(channels_in, channels_in, stride, stride, groups=channels_in, bias=False)
            )
        self.project = nn.Sequential(convolution(channels_in, channels), nn.BatchNorm2d(channels))

    def forward(self, x: Tensor) -> Tensor:
        """(B, Cin, H, W) -> (B, C, H / stride, W / stride)."""
        height, width = x.shape[2:]
        x = functional.pad(x, (0, -width % self.stride, 0, -height % self.stride))
        out: Tensor = self.project(self.depthwise(x))
        return out


class Attention(nn.Module):
    """Self-attention of all pixels in several heads, without position terms: (B, C, H, W) -> the same."""

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = convolution(channels, 3 * channels)

    def forward(self, x: Tensor) -> Tensor:
        """Every query gets the mean of the values, weighted by a softmax over the keys."""
        batch, channels, height, width = x.shape
        width_of_head = channels // self.heads
        qkv = self.qkv(x).reshape(batch, 3, self.heads, width_of_head, height * width)
        queries, keys, values = qkv.unbind(1)
        weights = (queries.transpose(2, 3) @ keys / sqrt(width_of_head)).softmax(-1)
        out: Tensor = values @ weights.transpose(2, 3)
        return out.reshape(batch, channels, height, width)


class Entry(nn.Module):
    """One way into a candidate: its shortcut, and the beginning of its residual.

    The residual begins with a convolution 1x1, the position encoding generator (depthwise, with the stride)
    and batch norm. The shortcut is the identity where nothing changes, else a convolution (3x3 with stride 2,
    1x1 with stride 1), batch norm and activation.

    Args:
        channels_in: of what comes in.
        planes: inside; four times as many come out.
        stride: 1 or 2.
        style: of the activation.
        adapt: what the input meets before all that.
    """

    def __init__(
        self, channels_in: int, planes: int, stride: int, style: Style, adapt: nn.Module | None = None
    ) -> None:
        super().__init__()
        channels = EXPANSION * planes
        self.adapt = nn.Identity() if adapt is None else adapt
        self.reduce = convolution(channels_in, planes)
        self.position = nn.Conv2d(planes, planes, 3, stride, 1, groups=planes)
        self.norm1 = nn.BatchNorm2d(planes)
        self.shortcut: nn.Module = nn.Identity()
        if stride == 2 or channels_in != channels:
            kernel = 3 if stride == 2 else 1
            self.shortcut = nn.Sequential(
                convolution(channels_in, channels, kernel, stride),
                nn.BatchNorm2d(channels),
                activation(style),
            )

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(B, Cin, H, W) -> residual (B, p, H', W') and shortcut (B, 4 p, H', W')."""
        x = self.adapt(x)
        return self.norm1(self.position(self.reduce(x))), self.shortcut(x)


class Candidate(nn.Module):
    """ResConv or ResAtt: act(residual(x) + shortcut(x)), from any of its entries.

    Args:
        planes: channels inside.
        heads: of attention; 0 for ResConv.
        style: ``se`` gives SiLU, and squeeze-and-excitation to ResConv.
        entries: by name.
    """

    def __init__(self, planes: int, heads: int, style: Style, entries: dict[str, Entry]) -> None:
        super().__init__()
        channels = EXPANSION * planes
        self.entries = nn.ModuleDict(entries)
        self.mix = Attention(planes, heads) if heads else convolution(planes, planes, 3)
        self.norm2 = nn.BatchNorm2d(planes)
        self.expand = convolution(planes, channels)
        self.norm3 = nn.BatchNorm2d(channels)
        # A residual begins at 0. Its gain learns: `Lars` tells norms by their shape (the authors' holds it).
        nn.init.zeros_(self.norm3.weight)
        weighed = style == "se" and not heads
        inside = max(1, channels // SQUEEZE)
        self.excitation = SqueezeExcitation(channels, inside, nn.ReLU()) if weighed else nn.Identity()
        self.act = activation(style)

    def forward(self, x: Tensor, entry: str) -> Tensor:
        """(B, Cin, H, W) -> (B, 4 p, H', W')."""
        y, shortcut = self.entries[entry](x)
        y = self.norm2(self.mix(self.act(y)))
        y = self.excitation(self.norm3(self.expand(self.act(y))))
        out: Tensor = self.act(y + shortcut)
        return out
