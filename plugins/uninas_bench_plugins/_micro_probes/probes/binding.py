"""CSB, colour-shape binding: which colour and which shape has the largest thing in sight?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from uninas_bench import UserError
from uninas_bench_plugins._micro_probes.probes.images import Split
from uninas_bench_plugins._micro_probes.probes.labels import LabelProbe
from uninas_bench_plugins._micro_probes.probes.probe import (
    Examples,
    HeadPlan,
    Source,
    normalised,
)
from uninas_bench_plugins._micro_probes.probes.shapes import (
    HUES,
    SHAPES,
    coverage,
    paint_,
    pixel_centres,
    rgb,
    turned,
)
from uninas_bench_plugins._micro_probes.probes.streams import Stream

COLOURS = tuple(HUES)
FORMS = tuple(SHAPES)

_TILT = 0.35
"""Radians either way: 20 degrees."""
_HUE_JITTER = 1 / 36
"""Turns either way: 10 degrees."""
_TRIES = 8
"""Places that are tried for a distractor that should cover nothing else."""


@dataclass(frozen=True)
class Binding(LabelProbe):
    """Score: the share of pictures whose colour and shape are both named; one of them alone counts nothing.

    Source: the note on TF-NAS, Score_CSB. Ours: two smaller distractors, neither of the target's colour nor
    of its shape. With a single thing in sight, colour and shape could be read one by one, and nothing be
    bound.

    Attributes:
        colours: how many of red, green, blue, yellow, magenta, cyan.
        shapes: how many of circle, square, triangle, cross, ring, diamond.
        distractors: smaller things beside the target.
    """

    name: ClassVar[str] = "csb"
    title: ClassVar[str] = "colour-shape binding"
    question: ClassVar[str] = "Which colour and shape is the largest?"
    truth: ClassVar[str] = "label"
    higher_is_better: ClassVar[bool] = True

    colours: int = 4
    shapes: int = 4
    distractors: int = 2

    def __post_init__(self) -> None:
        for option, known in (("colours", COLOURS), ("shapes", FORMS)):
            if not 2 <= getattr(self, option) <= len(known):
                raise UserError(f"csb: {option}={getattr(self, option)}: expected 2 to {len(known)}")
        if not 0 <= self.distractors <= 4:
            raise UserError(f"csb: distractors={self.distractors}: expected 0 to 4")

    @property
    def head(self) -> HeadPlan:
        """A logit per pair of colour and shape."""
        return HeadPlan("vector", self.colours * self.shapes)

    def examples(self, count: int, split: Split, source: Source) -> Examples:
        """Pictures; ``label`` (N,) is colour * shapes + shape. All labels take turns, colours first."""
        stream = Stream(source.seed, self.name, split, count)
        turn = torch.arange(count)
        colour, shape = turn % self.colours, (turn // self.colours + turn % self.colours) % self.shapes
        label = colour * self.shapes + shape
        colours, shapes = self._things(stream, colour, shape)
        radius, centre = self._places(stream)
        picture = _background(stream, source.side)
        # The target, which is first, is painted last.
        for i in reversed(range(1 + self.distractors)):
            cover = _cover(stream, source.side, i, shapes[:, i], radius[:, i], centre[:, i])
            hue = torch.tensor(list(HUES.values()))[colours[:, i]]
            hue = hue + stream.uniform(f"hue {i}", -_HUE_JITTER, _HUE_JITTER)
            paint = rgb(hue, stream.uniform(f"saturation {i}", 0.7, 1), stream.uniform(f"value {i}", 0.7, 1))
            paint_(picture, paint[:, :, None, None], cover)
        noise = stream.normal("noise", 0.02, 3, source.side, source.side)
        return Examples(normalised(picture.add_(noise).clamp_(0, 1))[:, None], {"label": label})

    def baselines(self, examples: Examples) -> Mapping[str, float]:
        """Always the same pair (``blind``); colour or shape known, the other one guessed."""
        del examples
        return {
            "blind": 1 / self.head.outputs,
            "colour alone": 1 / self.shapes,
            "shape alone": 1 / self.colours,
        }

    def words(self, label: int) -> str:
        """A label in words: ``red circle``."""
        return f"{COLOURS[label // self.shapes]} {FORMS[label % self.shapes]}"

    def _things(self, stream: Stream, colour: Tensor, shape: Tensor) -> tuple[Tensor, Tensor]:
        """Colours and shapes (N, 1 + distractors), the target's first, which none of the others have."""
        other_colour = 1 + stream.integers("other colours", self.colours - 1, self.distractors)
        other_shape = 1 + stream.integers("other shapes", self.shapes - 1, self.distractors)
        colour, shape = colour[:, None], shape[:, None]
        colours = torch.cat([colour, (colour + other_colour) % self.colours], dim=1)
        return colours, torch.cat([shape, (shape + other_shape) % self.shapes], dim=1)

    def _places(self, stream: Stream) -> tuple[Tensor, Tensor]:
        """Radii (N, 1 + distractors), and centres (..., 2) that keep clear of each other if there is room."""
        radius = torch.cat(
            [
                stream.uniform("radius", 0.18, 0.28, 1),
                stream.uniform("other radii", 0.08, 0.12, self.distractors),
            ],
            dim=1,
        )
        rows = torch.arange(stream.count)
        centres = [radius[:, :1] + (1 - 2 * radius[:, :1]) * stream.uniform("centre", 0, 1, 2)]
        for i in range(1, 1 + self.distractors):
            mine = radius[:, i, None, None]
            tries = mine + (1 - 2 * mine) * stream.uniform(f"centre {i}", 0, 1, _TRIES, 2)
            placed = torch.stack(centres, dim=1)
            gaps = (tries[:, :, None] - placed[:, None]).norm(dim=3) - 1.1 * (mine + radius[:, None, :i])
            gap = gaps.amin(dim=2)
            # The first try that is clear; where none is, the one that is nearest to it.
            best = torch.where((gap > 0).any(dim=1), (gap > 0).float().argmax(dim=1), gap.argmax(dim=1))
            centres.append(tries[rows, best])
        return radius, torch.stack(centres, dim=1)


def _background(stream: Stream, side: int) -> Tensor:
    """Grey with two crossing waves."""
    x, y = pixel_centres(side)
    grey = stream.uniform("grey", 0.35, 0.65)[:, None, None].expand(-1, side, side)
    for i in range(2):
        across, down = stream.uniform(f"wave {i}", -4, 4, 2)[:, :, None, None].unbind(1)
        phase = stream.angle(f"phase {i}")[:, None, None]
        grey = grey + 0.05 * torch.sin(2 * torch.pi * (x * across + y * down) + phase)
    return grey[:, None].repeat(1, 3, 1, 1)


def _cover(stream: Stream, side: int, i: int, shape: Tensor, radius: Tensor, centre: Tensor) -> Tensor:
    """What thing ``i`` of each picture covers: (N, s, s)."""
    x, y = pixel_centres(side)
    tilt = stream.uniform(f"tilt {i}", -_TILT, _TILT)[:, None, None]
    size = radius[:, None, None]
    across, down = turned((x - centre[:, 0, None, None]) / size, (y - centre[:, 1, None, None]) / size, tilt)
    distance = torch.empty_like(across)
    for kind, form in enumerate(SHAPES.values()):
        mine = shape == kind
        distance[mine] = form(across[mine], down[mine])
    return coverage(distance * size, side)
