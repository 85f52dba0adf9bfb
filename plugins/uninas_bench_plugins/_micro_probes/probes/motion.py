"""MF, motion forecasting: a ball bounces between walls; where is it in the next frame?"""

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
from uninas_bench_plugins._micro_probes.probes.shapes import coverage, pixel_centres
from uninas_bench_plugins._micro_probes.probes.streams import Stream

_DARK, _BRIGHT, _NOISE = 0.25, 0.8, 0.05


@dataclass(frozen=True)
class Motion(Probe):
    """Score: the distance between the ball's centre and where it is said to be, in image sides.

    Source: the note on TF-NAS, Score_MF. Ours: with the default four frames, the three that are shown are the
    three channels of an image, so that no network's stem is changed. Other numbers of frames are projected to
    three channels by the first three cosines of a discrete cosine transform over time.

    Attributes:
        frames: T; the first T - 1 are shown, the last is asked for.
        radius: of the ball, in image sides.
        slowest: speed in image sides per frame.
        fastest: likewise; speeds are uniform between the two, as directions are over the circle.
    """

    name: ClassVar[str] = "mf"
    title: ClassVar[str] = "motion forecasting"
    question: ClassVar[str] = "Where is the ball in the next frame?"
    truth: ClassVar[str] = "centre"
    higher_is_better: ClassVar[bool] = False

    frames: int = 4
    radius: float = 0.1
    slowest: float = 0.1
    fastest: float = 0.25

    def __post_init__(self) -> None:
        if self.frames < 3:
            raise UserError(f"mf: frames={self.frames}: expected at least 3, as one frame shows no motion")
        if not 0 < self.radius < 0.5:
            raise UserError(f"mf: radius={self.radius:g}: expected image sides between 0 and 0.5")
        if not 0 <= self.slowest <= self.fastest:
            speeds = f"slowest={self.slowest:g}, fastest={self.fastest:g}"
            raise UserError(f"mf: {speeds}: expected 0 <= slowest <= fastest")

    @property
    def head(self) -> HeadPlan:
        """Coordinates x and y."""
        return HeadPlan("spatial", 2)

    def examples(self, count: int, split: Split, source: Source) -> Examples:
        """Frames as channels; ``centre`` (N, 2) in the last frame, x and y, and ``before`` (N, T-1, 2)."""
        stream = Stream(source.seed, self.name, split, count)
        centres = self._centres(stream)
        before, centre = centres[:, :-1], centres[:, -1]
        x, y = pixel_centres(source.side)
        away = (x - before[..., 0, None, None]).square() + (y - before[..., 1, None, None]).square()
        ball = coverage(away.sqrt() - self.radius, source.side)
        noise = stream.normal("noise", _NOISE, self.frames - 1, source.side, source.side)
        shown = normalised((_DARK + (_BRIGHT - _DARK) * ball + noise).clamp(0, 1))
        if self.frames != 4:
            shown = torch.einsum("ct,nthw->nchw", _cosines(self.frames - 1), shown)
        return Examples(shown[:, None], {"centre": centre, "before": before})

    def loss(self, output: Tensor, targets: Targets) -> Tensor:
        """Mean square distance per coordinate."""
        return functional.mse_loss(output, targets["centre"])

    def measure(self, output: Tensor, targets: Targets) -> float:
        """The mean over examples of the formula."""
        return float((output - targets["centre"]).norm(dim=1).mean().item())

    def baselines(self, examples: Examples) -> Mapping[str, float]:
        """The image's middle (``blind``), the ``last`` centre shown, a ``straight`` line through walls."""
        centre, before = examples.targets["centre"], examples.targets["before"]
        answers = {
            "blind": torch.full_like(centre, 0.5),
            "last": before[:, -1],
            "straight": 2 * before[:, -1] - before[:, -2],
        }
        return {name: self.measure(answer, examples.targets) for name, answer in answers.items()}

    def _centres(self, stream: Stream) -> Tensor:
        """(N, T, 2): an even motion, folded at walls that the ball's rim rebounds from."""
        room = 1 - 2 * self.radius
        direction = stream.angle("direction")
        velocity = torch.stack([direction.cos(), direction.sin()], dim=1)
        velocity = velocity * stream.uniform("speed", self.slowest, self.fastest)[:, None]
        start = stream.uniform("start", 0, room, 2)
        free = start[:, None] + torch.arange(self.frames)[:, None] * velocity[:, None]
        return self.radius + room - (free % (2 * room) - room).abs()


def _cosines(frames: int) -> Tensor:
    """(3, frames): the first rows of the orthonormal cosine transform; zeros where there are fewer."""
    time = (torch.arange(frames) + 0.5) * math.pi / frames
    rows = torch.cos(torch.arange(3)[:, None] * time)
    lengths = rows.norm(dim=1, keepdim=True)
    return torch.where(lengths > 1e-6, rows / lengths.clamp(min=1e-6), 0.0)
