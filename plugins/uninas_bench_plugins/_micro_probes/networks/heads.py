"""The small heads that make of a network's features what a probe asks for.

TF-NAS does not say what they are: all of this is our choice. They are as plain as the answer allows, so that
what they do well the network has done. They count neither as parameters nor as FLOPs of an architecture.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from uninas_bench_plugins._micro_probes.networks.extraction import Extractor, Features
from uninas_bench_plugins._micro_probes.probes.probe import HeadPlan

CELLS = 4
"""Position is read off a map that is pooled to 4 x 4: a global mean would hide it."""
WIDEST = 256
"""Channels of the map that stands in for the one that a network lacks."""


class VectorHead(nn.Module):
    """A linear map of the vectors of all views: (N, outputs)."""

    def __init__(self, plan: HeadPlan, features: Extractor, views: int) -> None:
        super().__init__()
        self.views = views
        self.linear = nn.Linear(_joint(features.width, views), plan.outputs)

    def forward(self, features: Features) -> Tensor:
        """(N, outputs)."""
        out: Tensor = self.linear(_joined(features.vector, self.views))
        return out


class MapHead(nn.Module):
    """What has places: of a map, or of one that a linear map makes of the vector where there is none."""

    def __init__(self, features: Extractor) -> None:
        super().__init__()
        self.lift: nn.Module | None = None
        self.channels, self.size = features.channels, features.size
        if not features.channels:
            self.channels, self.size = min(features.width, WIDEST), (CELLS, CELLS)
            self.lift = nn.Sequential(
                nn.Linear(features.width, self.channels * CELLS**2),
                nn.Unflatten(1, (self.channels, CELLS, CELLS)),
            )

    def map(self, features: Features) -> Tensor:
        """(B, C, h, w)."""
        if self.lift is not None:
            lifted: Tensor = self.lift(features.vector)
            return lifted
        assert features.map is not None, "the first run has found one"
        return features.map


class SpatialHead(MapHead):
    """A linear map of 4 x 4 places of all views: (N, outputs)."""

    def __init__(self, plan: HeadPlan, features: Extractor, views: int) -> None:
        super().__init__(features)
        self.views = views
        self.linear = nn.Linear(_joint(self.channels, views) * CELLS**2, plan.outputs)

    def forward(self, features: Features) -> Tensor:
        """(N, outputs)."""
        pooled = functional.adaptive_avg_pool2d(self.map(features), CELLS)
        out: Tensor = self.linear(_joined(pooled, self.views).flatten(1))
        return out


class SlotHead(MapHead):
    """The same linear map at each of g x g places: (N, outputs, g, g)."""

    def __init__(self, plan: HeadPlan, features: Extractor) -> None:
        super().__init__(features)
        self.grid = plan.grid
        self.classify = nn.Conv2d(self.channels, plan.outputs, 1)

    def forward(self, features: Features) -> Tensor:
        """(N, outputs, g, g)."""
        out: Tensor = self.classify(functional.adaptive_avg_pool2d(self.map(features), self.grid))
        return out


class PixelHead(MapHead):
    """A linear map of every place to the pixels under it: (N, outputs, side, side)."""

    def __init__(self, plan: HeadPlan, features: Extractor, side: int) -> None:
        super().__init__(features)
        self.side = side
        under = math.ceil(side / min(self.size))
        self.paint = nn.Conv2d(self.channels, plan.outputs * under**2, 1)
        self.spread = nn.PixelShuffle(under)

    def forward(self, features: Features) -> Tensor:
        """(N, outputs, side, side)."""
        pixels: Tensor = self.spread(self.paint(self.map(features)))
        if pixels.shape[2:] == (self.side, self.side):
            return pixels
        return functional.interpolate(pixels, (self.side, self.side), mode="bilinear", align_corners=False)


def make_head(plan: HeadPlan, features: Extractor, *, views: int, side: int) -> nn.Module:
    """The head of a plan for a network's features, with PyTorch's own initialisation.

    Args:
        plan: what it must give.
        features: their shapes.
        views: images per example, 1 or 2; only vector and spatial heads look at two.
        side: of the images.
    """
    if plan.kind == "vector":
        return VectorHead(plan, features, views)
    if plan.kind == "spatial":
        return SpatialHead(plan, features, views)
    if views != 1:
        raise ValueError(f"a head of {plan.kind} looks at one image, not at {views}")
    return SlotHead(plan, features) if plan.kind == "slots" else PixelHead(plan, features, side)


def _joint(channels: int, views: int) -> int:
    return channels if views == 1 else 3 * channels


def _joined(features: Tensor, views: int) -> Tensor:
    """(N V, C, ...) -> (N, C, ...); of two views both and their difference, (N, 3 C, ...)."""
    if views == 1:
        return features
    first, second = features.reshape(-1, views, *features.shape[1:]).unbind(1)
    return torch.cat([first, second, first - second], dim=1)
