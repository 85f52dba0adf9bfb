"""Networks of HyTra: stem, four stages of blocks, head; (B, 3, H, W) -> (B, classes), for any H and W.

Every halving rounds up, so that no resolution is too small or odd; the paper's is 224.
"""

from __future__ import annotations

from collections import OrderedDict

from torch import Tensor, nn
from torchvision.ops import StochasticDepth

from uninas_bench.spaces.hytra.macro import HytraScale, places
from uninas_bench.spaces.hytra.modules import Bridge, FanOutConv2d, HytraBlock, activation

_ANY_RESOLUTION = 224
"""Nothing that is built depends on it."""


class HytraNetwork(nn.Module):
    """The network of a path through the fabric.

    Args:
        digits: one for each layer.
        scale: widths, strides, stem and style.
        classes: outputs of the head.
        drop_path: rate of stochastic depth; see `set_drop_path`.
        drop_rate: of the dropout before the head.
    """

    def __init__(
        self,
        digits: str,
        scale: HytraScale,
        classes: int,
        *,
        drop_path: float = 0.0,
        drop_rate: float = 0.0,
    ) -> None:
        super().__init__()
        steps: dict[str, nn.Module] = {
            "conv": FanOutConv2d(3, scale.stem, 7, 2),
            "norm": nn.BatchNorm2d(scale.stem),
            "act": activation(scale),
            "pool": nn.MaxPool2d(3, 2, 1),
        }
        self.stem = nn.Sequential(OrderedDict(steps))
        stages: list[list[nn.Module]] = [[] for _ in scale.widths]
        for place in places(digits, scale, _ANY_RESOLUTION):
            made = Bridge(place, scale) if place.kind == "empty" else HytraBlock(place, scale)
            stages[place.stage].append(made)
        self.stages = nn.ModuleList(nn.Sequential(*stage) for stage in stages)
        self.dropout = nn.Dropout(drop_rate)
        self.head = nn.Linear(place.channels, classes)
        self.set_drop_path(drop_path)

    def forward(self, images: Tensor) -> Tensor:
        """The logits of a batch."""
        logits: Tensor = self.head(self.dropout(self.features(images)[-1].mean((2, 3))))
        return logits

    def features(self, images: Tensor) -> list[Tensor]:
        """The maps at the ends of the four stages: at 1/4, 1/8, 1/16 and 1/32 unless the strides differ."""
        x: Tensor = self.stem(images)
        maps = []
        for stage in self.stages:
            x = stage(x)
            maps.append(x)
        return maps

    def blocks(self) -> list[tuple[str, nn.Module]]:
        """The layers of the fabric in forward order, named as in ``named_modules``; no bridges."""
        return [
            (f"stages.{stage}.{number}", block)
            for stage, blocks in self.stages.named_children()
            for number, block in blocks.named_children()
            if isinstance(block, HytraBlock)
        ]

    def set_drop_path(self, rate: float) -> None:
        """Let block i of n drop its residual for an image at i / (n - 1) of ``rate``; ResAtt never does."""
        blocks = [block for _, block in self.blocks() if isinstance(block, HytraBlock)]
        for number, block in enumerate(blocks):
            if isinstance(block.drop_path, StochasticDepth):
                block.drop_path.p = rate * number / max(len(blocks) - 1, 1)
