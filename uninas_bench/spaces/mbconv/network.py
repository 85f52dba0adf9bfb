"""Networks of MBConv, as EfficientNet-B0 is built: (B, 3, H, W) -> (B, classes), for any H and W.

Every halving rounds up, so that no resolution is too small or odd; the paper's is 224.
"""

from __future__ import annotations

from collections import OrderedDict
from math import sqrt

from torch import Tensor, nn
from torch.nn import init
from torchvision.ops import StochasticDepth

from uninas_bench.spaces.mbconv.macro import STRIDES, MbconvScale, Place, places

_ANY_RESOLUTION = 224
"""Nothing that is built depends on it."""


class EfficientConv2d(nn.Conv2d):
    """A convolution with weights from N(0, 2 / fan_out) and zero biases, and padding that keeps sizes.

    The fan of a depthwise convolution is that of one group, k k: as EfficientNet draws its weights.
    """

    def __init__(
        self,
        channels_in: int,
        channels: int,
        kernel: int = 1,
        stride: int = 1,
        *,
        groups: int = 1,
        bias: bool = False,
    ) -> None:
        super().__init__(channels_in, channels, kernel, stride, padding=kernel // 2, groups=groups, bias=bias)

    def reset_parameters(self) -> None:
        """Draw the weights."""
        fan_out = self.kernel_size[0] * self.kernel_size[1] * self.out_channels // self.groups
        init.normal_(self.weight, 0, sqrt(2 / fan_out))
        if self.bias is not None:
            init.zeros_(self.bias)


class SqueezeExcitation(nn.Module):
    """Weighs every channel by a function of all channels' means: (B, C, H, W) -> the same."""

    def __init__(self, channels: int, inside: int) -> None:
        super().__init__()
        self.reduce = EfficientConv2d(channels, inside, bias=True)
        self.act = nn.SiLU()
        self.expand = EfficientConv2d(inside, channels, bias=True)
        self.gate = nn.Sigmoid()

    def forward(self, x: Tensor) -> Tensor:
        """The map times its weights, which are between 0 and 1."""
        out: Tensor = x * self.gate(self.expand(self.act(self.reduce(x.mean((2, 3), keepdim=True)))))
        return out


class InvertedResidual(nn.Module):
    """A layer: (B, Cin, H, W) -> (B, C, H', W'), with a skip where the shapes are equal.

    Convolution 1x1 to e Cin channels (not with e = 1), depthwise convolution, squeeze-and-excitation,
    convolution 1x1; each convolution is followed by a batch norm, the first two by SiLU besides.
    """

    def __init__(self, place: Place) -> None:
        super().__init__()
        expanded, operation = place.expanded, place.operation
        steps: dict[str, nn.Module] = {}
        if operation.expansion > 1:
            steps["expand"] = EfficientConv2d(place.channels_in, expanded)
            steps["norm1"] = nn.BatchNorm2d(expanded)
            steps["act1"] = nn.SiLU()
        steps["depthwise"] = EfficientConv2d(
            expanded, expanded, operation.kernel, place.stride, groups=expanded
        )
        steps["norm2"] = nn.BatchNorm2d(expanded)
        steps["act2"] = nn.SiLU()
        steps["excitation"] = SqueezeExcitation(expanded, place.squeezed)
        steps["project"] = EfficientConv2d(expanded, place.channels)
        steps["norm3"] = nn.BatchNorm2d(place.channels)
        self.residual = nn.Sequential(OrderedDict(steps))
        self.drop_path = StochasticDepth(0.0, "row")
        self.skips = place.skips

    def forward(self, x: Tensor) -> Tensor:
        """The residual, on what comes in where the shapes allow it."""
        out: Tensor = self.residual(x)
        return x + self.drop_path(out) if self.skips else out

    def extra_repr(self) -> str:
        """Whether it skips."""
        return f"skips={self.skips}"


class MbconvNetwork(nn.Module):
    """The network of a string of digits.

    Args:
        digits: one for each searched layer.
        scale: widths, depths, stem and head.
        classes: outputs of the head.
        drop_path: rate of stochastic depth; see `set_drop_path`.
        drop_rate: of the dropout before the head.
    """

    def __init__(
        self,
        digits: str,
        scale: MbconvScale,
        classes: int,
        *,
        drop_path: float = 0.0,
        drop_rate: float = 0.0,
    ) -> None:
        super().__init__()
        self.stem = _convolution(3, scale.stem[0], 3, 2)
        stages: dict[int, list[nn.Module]] = {}
        for place in places(digits, scale, _ANY_RESOLUTION):
            stages.setdefault(place.block, []).append(InvertedResidual(place))
        self.stages = nn.ModuleList(nn.Sequential(*layers) for layers in stages.values())
        self.final = _convolution(scale.final, scale.head)
        self.dropout = nn.Dropout(drop_rate)
        self.head = nn.Linear(scale.head, classes)
        self.set_drop_path(drop_path)

    def forward(self, images: Tensor) -> Tensor:
        """The logits of a batch."""
        pooled = self.final(self.features(images)[-1]).mean((2, 3))
        logits: Tensor = self.head(self.dropout(pooled))
        return logits

    def features(self, images: Tensor) -> list[Tensor]:
        """The last maps at 1/4, 1/8, 1/16 and 1/32 of the resolution."""
        x: Tensor = self.stem(images)
        maps = []
        for number, stage in enumerate(self.stages):
            if 1 < number <= len(STRIDES) and STRIDES[number - 1] == 2:
                maps.append(x)
            x = stage(x)
        return [*maps, x]

    def blocks(self) -> list[tuple[str, nn.Module]]:
        """The layers in forward order, named as in ``named_modules``; the two fixed ones too."""
        return [
            (f"stages.{stage}.{number}", layer)
            for stage, layers in self.stages.named_children()
            for number, layer in layers.named_children()
        ]

    def set_drop_path(self, rate: float) -> None:
        """Let layer i of n drop its residual for an image at i / (n - 1) of ``rate``, where it has one."""
        layers = [layer for _, layer in self.blocks() if isinstance(layer, InvertedResidual)]
        for number, layer in enumerate(layers):
            layer.drop_path.p = rate * number / max(len(layers) - 1, 1)


def _convolution(channels_in: int, channels: int, kernel: int = 1, stride: int = 1) -> nn.Sequential:
    steps: dict[str, nn.Module] = {
        "conv": EfficientConv2d(channels_in, channels, kernel, stride),
        "norm": nn.BatchNorm2d(channels),
        "act": nn.SiLU(),
    }
    return nn.Sequential(OrderedDict(steps))
