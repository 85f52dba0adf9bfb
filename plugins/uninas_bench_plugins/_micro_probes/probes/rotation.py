"""RM, rotation matching: two overlapping crops of a picture, each turned; by how much?"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from uninas_bench import UserError
from uninas_bench_plugins._micro_probes.probes.images import Split
from uninas_bench_plugins._micro_probes.probes.probe import (
    Examples,
    HeadPlan,
    Probe,
    Source,
    Targets,
    normalised,
)
from uninas_bench_plugins._micro_probes.probes.scenes import pictures
from uninas_bench_plugins._micro_probes.probes.shapes import coverage, pixel_centres
from uninas_bench_plugins._micro_probes.probes.streams import Stream


@dataclass(frozen=True)
class Rotation(Probe):
    """Score: the distance between the true and the predicted angle as points of the unit circle.

    Source: the note on TF-NAS, Score_RM, averaged over the two crops. Ours: the crops' centres are at most a
    quarter of a side apart along either axis, so that at least 56% of each is in the other; the picture is of
    twice their side, so that no empty corner is ever seen; both lie under the same round mask, or their
    corners and edges would tell the angle. An output is brought to length 1 for the score, not for the loss.

    Attributes:
        reach: the largest angle in radians, either way; pi takes the whole circle.
        relative: ask for the angle from the first crop to the second alone, which needs no up and down.
    """

    name: ClassVar[str] = "rm"
    title: ClassVar[str] = "rotation matching"
    question: ClassVar[str] = "How far is each crop turned?"
    truth: ClassVar[str] = "angles"
    higher_is_better: ClassVar[bool] = False
    views: ClassVar[int] = 2

    reach: float = math.pi
    relative: bool = False

    def __post_init__(self) -> None:
        if not 0 < self.reach <= math.pi:
            raise UserError(f"rm: reach={self.reach:g}: expected radians above 0, at most pi")

    @property
    def head(self) -> HeadPlan:
        """Cosine and sine of each angle."""
        return HeadPlan("spatial", 2 if self.relative else 4)

    def examples(self, count: int, split: Split, source: Source) -> Examples:
        """Pairs of crops; ``angles`` (N, 2), counter-clockwise in radians, or (N, 1) if ``relative``."""
        side = source.side
        stream = Stream(source.seed, self.name, split, count)
        angles = stream.uniform("angles", -self.reach, self.reach, 2)
        # From the picture's middle in crop sides: a way in common, and half of the way between the crops.
        common = stream.uniform("common", -0.125, 0.125, 2)
        between = stream.uniform("between", -0.125, 0.125, 2)
        centres = torch.stack([common - between, common + between], dim=1)
        crops = turned_crops(pictures(source, stream, 2 * side), centres, angles, side)
        targets = angles[:, 1:] - angles[:, :1] if self.relative else angles
        return Examples(normalised(crops) * round_mask(side), {"angles": targets})

    def answer(self, output: Tensor) -> Tensor:
        """Angles (N, 2) or (N, 1); of an output of length 0, which has no direction, 0."""
        points = output.reshape(len(output), -1, 2)
        return torch.atan2(points[..., 1], points[..., 0])

    def loss(self, output: Tensor, targets: Targets) -> Tensor:
        """Mean square distance to the points of the circle."""
        return functional.mse_loss(output, on_circle(targets["angles"]).flatten(1))

    def measure(self, output: Tensor, targets: Targets) -> float:
        """The mean over examples and crops of the formula."""
        return _distance(self.answer(output), targets["angles"])

    def baselines(self, examples: Examples) -> Mapping[str, float]:
        """The answer "not turned" (``blind``: by symmetry none is better), and a ``random`` angle: 4 / pi."""
        angles = examples.targets["angles"]
        return {"blind": _distance(torch.zeros_like(angles), angles), "random": 4 / math.pi}


def on_circle(angles: Tensor) -> Tensor:
    """Cosine and sine, in a last dimension of 2."""
    return torch.stack([angles.cos(), angles.sin()], dim=-1)


def _distance(some: Tensor, others: Tensor) -> float:
    """The mean distance of angles as points of the unit circle."""
    return float((on_circle(some) - on_circle(others)).norm(dim=-1).mean().item())


def turned_crops(pictures: Tensor, centres: Tensor, angles: Tensor, side: int) -> Tensor:
    """Crops (N, V, 3, side, side) of pictures, turned counter-clockwise, by bilinear sampling.

    Args:
        pictures: (N, 3, S, S).
        centres: (N, V, 2), x and y in sides of a crop from the middle of the picture.
        angles: (N, V) radians.
        side: of the crops, in pixels of the picture.
    """
    n, views = angles.shape
    scale = side / pictures.shape[-1]
    cos, sin, (right, down) = scale * angles.cos(), scale * angles.sin(), (2 * scale * centres).unbind(-1)
    # Where an output's point was before the turn: rows of x and of y, which points down.
    rows = torch.stack([cos, -sin, right, sin, cos, down], dim=-1)
    shape = [n, 3, side, side]
    crops = []
    for view in range(views):
        grid = functional.affine_grid(rows[:, view].reshape(n, 2, 3), shape, align_corners=False)
        crops.append(functional.grid_sample(pictures, grid, mode="bilinear", align_corners=False))
    return torch.stack(crops, dim=1)


def round_mask(side: int) -> Tensor:
    """(side, side): 1 within the largest circle, 0 outside, in between on its edge."""
    x, y = pixel_centres(side)
    return coverage(((x - 0.5).square() + (y - 0.5).square()).sqrt() - 0.5, side)
