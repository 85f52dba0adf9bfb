"""Pictures with an up and a down: real ones, or landscapes of sky, ground and lit things that stand on it.

The landscapes are ours: the note names no data for its tasks. Without sky, horizon and light from one side,
nobody could say which way a turned picture was up, and patches would have no place to go back to.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from uninas_bench_plugins._micro_probes.probes.images import Split
from uninas_bench_plugins._micro_probes.probes.probe import Source
from uninas_bench_plugins._micro_probes.probes.shapes import coverage, paint_, pixel_centres, rgb
from uninas_bench_plugins._micro_probes.probes.streams import Stream

THINGS = 4
"""At most; two to four stand in a landscape."""


def pictures(source: Source, stream: Stream, side: int) -> Tensor:
    """As many pictures as the stream has examples: (N, 3, side, side) float32 in 0..1."""
    if source.images is None:
        return landscapes(stream, side)
    mine = part(len(source.images), source.seed, stream.split)
    return source.images.take(mine[torch.arange(stream.count) % len(mine)], side)


def part(count: int, seed: int, split: Split) -> Tensor:
    """Which half of ``count`` images is a split's, in random order; the other half is the other's."""
    order = np.random.default_rng(np.random.SeedSequence([seed])).permutation(count)
    return torch.from_numpy(order[0 if split == "train" else 1 :: 2])


def landscapes(stream: Stream, side: int) -> Tensor:
    """Procedural pictures (N, 3, side, side) float32 in 0..1; the same landscapes at any side."""
    horizon = stream.uniform("horizon", 0.3, 0.7)
    picture = _sky_and_ground(stream, side, horizon)
    for cover, colour in _things(stream, side, horizon):
        paint_(picture, colour, cover)
    return picture.add_(stream.normal("pixel noise", 0.02, 3, side, side)).clamp_(0, 1)


def _sky_and_ground(stream: Stream, side: int, horizon: Tensor) -> Tensor:
    """A sky that grows lighter towards the horizon; a ground with waves and grain."""
    x, y = pixel_centres(side)
    above = coverage(y - horizon[:, None, None], side).expand(-1, side, side)
    zenith = rgb(
        stream.uniform("sky hue", 0.5, 0.72), stream.uniform("sky saturation", 0.2, 0.7),
        stream.uniform("sky value", 0.35, 0.7),
    )  # fmt: skip
    haze = zenith + stream.uniform("haze", 0.5, 0.85)[:, None] * (1 - zenith)
    height = (y / horizon[:, None, None]).clamp(max=1)[:, None]
    sky = torch.lerp(_everywhere(zenith), _everywhere(haze), height)
    ground = rgb(
        stream.uniform("ground hue", 0.04, 0.4), stream.uniform("ground saturation", 0.25, 0.7),
        stream.uniform("ground value", 0.3, 0.65),
    )  # fmt: skip
    slope, pitch = stream.angle("slope"), stream.uniform("pitch", 3, 9)
    across, down = _column(pitch * slope.cos()), _column(pitch * slope.sin())
    waves = torch.sin(2 * math.pi * (x * across + y * down) + _column(stream.angle("phase")))
    relief = _column(stream.uniform("relief", 0.1, 0.22)) * waves + stream.normal("grain", 0.06, side, side)
    return paint_(_everywhere(ground) + relief[:, None], sky, above)


def _things(stream: Stream, side: int, horizon: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """Cover (N, s, s) and colour (N, 3, 1, s) of each thing, the far ones first, lit from the left."""
    x, y = pixel_centres(side)
    depth = stream.uniform("depth", 0, 0.8, THINGS).sort(dim=1).values
    foot = horizon[:, None] + depth * (1 - horizon[:, None])
    tall = stream.uniform("height", 0.25, 0.52, THINGS)
    wide = tall * stream.uniform("width", 0.22, 0.42, THINGS)
    place, kind = stream.uniform("place", 0.08, 0.92, THINGS), stream.integers("kind", len(_OUTLINES), THINGS)
    there = torch.arange(THINGS) < 2 + stream.integers("how many", THINGS - 1, 1)
    colour = rgb(
        stream.uniform("hue", 0, 1, THINGS), stream.uniform("saturation", 0.3, 0.9, THINGS),
        stream.uniform("value", 0.45, 0.95, THINGS),
    )  # fmt: skip
    shade = stream.uniform("shade", 0.25, 0.45, THINGS)
    for i in range(THINGS):
        up = (_column(foot[:, i]) - y) / _column(tall[:, i])
        outline = torch.stack([outline(up) for outline in _OUTLINES], dim=1)[
            torch.arange(len(up)), kind[:, i]
        ]
        aside = (x - _column(place[:, i])) / _column(wide[:, i])
        standing = coverage(torch.maximum(-up, up - 1) * _column(tall[:, i]), side) * _column(there[:, i])
        cover = coverage((aside.abs() - outline) * _column(wide[:, i]), side) * standing
        light = 1 - _column(shade[:, i]) * aside.clamp(-1, 1)
        yield cover, colour[:, i, :, None, None] * light[:, None]


def _house(up: Tensor) -> Tensor:
    return torch.where(up < 0.6, 0.8, (1 - up) / 0.4)


def _fir(up: Tensor) -> Tensor:
    return torch.where(up < 0.2, 0.2, (1 - up) / 0.8)


def _tree(up: Tensor) -> Tensor:
    return torch.where(up < 0.35, 0.16, (1 - ((up - 0.65) / 0.35).square()).clamp(min=0).sqrt())


def _tower(up: Tensor) -> Tensor:
    return torch.where(up < 0.85, 0.6, 0.8)


_OUTLINES = (_house, _fir, _tree, _tower)
"""Half the width of a thing at each height from 0 to 1, in units of half its greatest width."""


def _everywhere(colour: Tensor) -> Tensor:
    return colour[:, :, None, None]


def _column(values: Tensor) -> Tensor:
    return values[:, None, None]
