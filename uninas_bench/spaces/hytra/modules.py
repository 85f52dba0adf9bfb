"""The two candidate blocks of HyTra, ResConv and ResAtt, with the names of their parts as the paper has them.

Both project to fewer channels, pass a position encoding generator (a depthwise convolution, which also does
all down-sampling), mix, project back, and add a shortcut. Tensors are (B, C, H, W).

Source: BossNAS, section 4.1 and Fig. 3.
"""

from __future__ import annotations

from collections import OrderedDict
from math import sqrt

from torch import Tensor, nn
from torch.nn import init
from torchvision.ops import StochasticDepth

from uninas_bench.spaces.hytra.macro import HytraScale, Place, squeezed


class FanOutConv2d(nn.Conv2d):
    """A convolution with weights from N(0, 2 / (k k Cout)) and zero biases, and padding that keeps sizes."""

    def __init__(
        self, channels_in: int, channels: int, kernel: int = 1, stride: int = 1, *, groups: int = 1,
        bias: bool = False,
    ) -> None:  # fmt: skip
        super().__init__(channels_in, channels, kernel, stride, padding=kernel // 2, groups=groups, bias=bias)

    def reset_parameters(self) -> None:
        """Draw the weights."""
        init.kaiming_normal_(self.weight, mode="fan_out", nonlinearity="relu")
        if self.bias is not None:
            init.zeros_(self.bias)


def activation(scale: HytraScale) -> nn.Module:
    """ReLU or SiLU."""
    return nn.SiLU() if scale.style == "se" else nn.ReLU()


class Attention(nn.Module):
    """Self-attention of all pixels in several heads, without position terms: (B, C, H, W) -> the same."""

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = FanOutConv2d(channels, 3 * channels)

    def forward(self, x: Tensor) -> Tensor:
        """Every query gets the mean of the values, weighted by a softmax over the keys."""
        batch, channels, height, width = x.shape
        width_of_head = channels // self.heads
        qkv = self.qkv(x).reshape(batch, 3, self.heads, width_of_head, height * width)
        queries, keys, values = qkv.unbind(1)
        weights = (queries.transpose(2, 3) @ keys / sqrt(width_of_head)).softmax(-1)
        out: Tensor = values @ weights.transpose(2, 3)
        return out.reshape(batch, channels, height, width)

    def extra_repr(self) -> str:
        """The number of heads."""
        return f"heads={self.heads}"


class SqueezeExcitation(nn.Module):
    """Weighs every channel by a function of all channels' means: (B, C, H, W) -> the same."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        inside = squeezed(channels)
        self.reduce = FanOutConv2d(channels, inside, bias=True)
        self.act = nn.ReLU()
        self.expand = FanOutConv2d(inside, channels, bias=True)
        self.gate = nn.Sigmoid()

    def forward(self, x: Tensor) -> Tensor:
        """The map times its weights, which are between 0 and 1."""
        out: Tensor = x * self.gate(self.expand(self.act(self.reduce(x.mean((2, 3), keepdim=True)))))
        return out


class HytraBlock(nn.Module):
    """ResConv or ResAtt: act(residual(x) + shortcut(x)); (B, Cin, H, W) -> (B, 4 p, H', W').

    The residual: convolution 1x1 to p channels, position encoding generator, batch norm, activation, the
    mixing (convolution 3x3 or attention), batch norm, activation, convolution 1x1 to 4 p channels, batch norm
    whose gain begins at 0. ResConv has squeeze-and-excitation and stochastic depth, where they are asked for.
    """

    def __init__(self, place: Place, scale: HytraScale) -> None:
        super().__init__()
        planes, channels = place.planes, place.channels
        convolves = place.kind == "convolution"
        self.reduce = FanOutConv2d(place.channels_in, planes)
        self.position = FanOutConv2d(planes, planes, 3, place.stride, groups=planes, bias=True)
        self.norm1 = nn.BatchNorm2d(planes)
        self.act1 = activation(scale)
        self.mix = FanOutConv2d(planes, planes, 3) if convolves else Attention(planes, place.heads)
        self.norm2 = nn.BatchNorm2d(planes)
        self.act2 = activation(scale)
        self.expand = FanOutConv2d(planes, channels)
        self.norm3 = nn.BatchNorm2d(channels)
        init.zeros_(self.norm3.weight)
        self.excitation = SqueezeExcitation(channels) if convolves and scale.style == "se" else nn.Identity()
        self.drop_path = StochasticDepth(0.0, "row") if convolves else nn.Identity()
        self.shortcut = _shortcut(place)
        self.act3 = activation(scale)

    def forward(self, x: Tensor) -> Tensor:
        """Add the residual to the shortcut."""
        y = self.act1(self.norm1(self.position(self.reduce(x))))
        y = self.act2(self.norm2(self.mix(y)))
        y = self.drop_path(self.excitation(self.norm3(self.expand(y))))
        out: Tensor = self.act3(y + self.shortcut(x))
        return out


class Bridge(nn.Sequential):
    """A stage without layers: convolution 3x3 with the stage's stride, batch norm, activation.

    There is no network with an empty stage that costs what the paper's Table 1 says; see `costs`.
    """

    def __init__(self, place: Place, scale: HytraScale) -> None:
        super().__init__(
            FanOutConv2d(place.channels_in, place.channels, 3, place.stride),
            nn.BatchNorm2d(place.channels),
            activation(scale),
        )


def _shortcut(place: Place) -> nn.Module:
    if not place.projects:
        return nn.Identity()
    steps: list[tuple[str, nn.Module]] = []
    if place.stride == 2:
        steps.append(("pool", nn.AvgPool2d(2, ceil_mode=True, count_include_pad=False)))
    steps.append(("conv", FanOutConv2d(place.channels_in, place.channels)))
    steps.append(("norm", nn.BatchNorm2d(place.channels)))
    return nn.Sequential(OrderedDict(steps))
