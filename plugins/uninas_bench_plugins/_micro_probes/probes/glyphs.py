"""Classes that nobody has seen before: patterned polygons, of which no two instances are alike."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from uninas_bench_plugins._micro_probes.probes.shapes import coverage, paint_, pixel_centres, turned
from uninas_bench_plugins._micro_probes.probes.streams import Stream

_CORNERS = 7
_TERMS = 8
_TILT = math.pi / 12
_RADIUS = 0.36
"""Of a glyph at scale 1, in image sides."""


@dataclass(frozen=True, slots=True, eq=False)
class Glyphs:
    """What classes look like.

    Attributes:
        corners: (K, 7, 2) of a polygon around the origin, in radii, by increasing angle.
        frequencies: (K, 8, 2) of the pattern's waves, in cycles per radius.
        phases: (K, 8) of the waves.
        colours: (K, 8, 3): the wave's amplitudes in red, green and blue.
        ground: (K, 3): the pattern's mean colour.
    """

    corners: Tensor
    frequencies: Tensor
    phases: Tensor
    colours: Tensor
    ground: Tensor

    @classmethod
    def drawn(cls, stream: Stream) -> Glyphs:
        """As many classes as the stream has examples."""
        # Corners that keep away from each other: no sector of the polygon is as wide as half a turn.
        steps = torch.arange(_CORNERS) + stream.uniform("corner angles", -0.35, 0.35, _CORNERS)
        angles = steps * (2 * math.pi / _CORNERS)
        radii = stream.uniform("corner radii", 0.45, 1.0, _CORNERS)
        return cls(
            corners=torch.stack([angles.cos(), angles.sin()], dim=2) * radii[:, :, None],
            frequencies=stream.uniform("frequencies", -1.2, 1.2, _TERMS, 2),
            phases=stream.angle("phases", _TERMS),
            colours=stream.normal("colours", 0.13, _TERMS, 3),
            ground=stream.uniform("ground", 0.25, 0.75, 3),
        )

    def of(self, classes: Tensor) -> Glyphs:
        """The glyphs of instances of ``classes`` (N,)."""
        return Glyphs(
            self.corners[classes], self.frequencies[classes], self.phases[classes],
            self.colours[classes], self.ground[classes],
        )  # fmt: skip


def instances(glyphs: Glyphs, stream: Stream, side: int) -> Tensor:
    """Pictures (N, 3, side, side) float32 in 0..1 of each of ``glyphs``.

    Turned by up to 15 degrees, scaled by 0.8 to 1.2, shifted by up to a tenth of the side along both axes,
    with other contrast and brightness per channel, on another background, under a small box and noise.
    """
    across, down = _own_frame(stream, side)
    phase = torch.einsum("ntc,cnyx->ntyx", glyphs.frequencies, torch.stack([across, down]))
    waves = (2 * math.pi * phase + glyphs.phases[:, :, None, None]).sin_()
    pattern = glyphs.ground[:, :, None, None] + torch.einsum("ntc,ntyx->ncyx", glyphs.colours, waves)
    contrast, brightness = (
        stream.uniform("contrast", 0.85, 1.15, 3),
        stream.uniform("brightness", -0.08, 0.08, 3),
    )
    pattern = pattern * contrast[:, :, None, None] + brightness[:, :, None, None]
    cover = coverage(outside(glyphs.corners, across, down) * _RADIUS, side)
    picture = paint_(_background(stream, side), pattern, cover)
    paint_(picture, stream.uniform("box colour", 0, 1, 3)[:, :, None, None], _box(stream, side))
    return picture.add_(stream.normal("noise", 0.03, 3, side, side)).clamp_(0, 1)


def _own_frame(stream: Stream, side: int) -> tuple[Tensor, Tensor]:
    """Coordinates (N, s, s) of the pixels in the frame of each instance's glyph, in its radii."""
    x, y = pixel_centres(side)
    shift = stream.uniform("shift", 0.4, 0.6, 2)[:, :, None, None]
    size = _RADIUS * stream.uniform("scale", 0.8, 1.2)[:, None, None]
    tilt = stream.uniform("tilt", -_TILT, _TILT)[:, None, None]
    return turned((x - shift[:, 0]) / size, (y - shift[:, 1]) / size, tilt)


def outside(corners: Tensor, across: Tensor, down: Tensor) -> Tensor:
    """Distance (N, s, s) to the line of the edge in whose sector a point lies, negative inside, in radii."""
    distance = torch.zeros_like(across)
    for here, there in zip(corners.unbind(1), corners.roll(-1, dims=1).unbind(1), strict=True):
        (x0, y0), (x1, y1) = here[:, :, None, None].unbind(1), there[:, :, None, None].unbind(1)
        within = (x0 * down - y0 * across >= 0) & (x1 * down - y1 * across < 0)
        length = ((x1 - x0).square() + (y1 - y0).square()).sqrt()
        distance += within * (((y1 - y0) * (across - x0) - (x1 - x0) * (down - y0)) / length)
    return distance


def _background(stream: Stream, side: int) -> Tensor:
    """A dull colour with a slope of brightness."""
    x, y = pixel_centres(side)
    slope = stream.uniform("background slope", -0.3, 0.3, 2)[:, :, None, None]
    light = slope[:, 0] * (x - 0.5) + slope[:, 1] * (y - 0.5)
    return stream.uniform("background", 0.3, 0.7, 3)[:, :, None, None] + light[:, None]


def _box(stream: Stream, side: int) -> Tensor:
    """What an upright box somewhere covers: (N, s, s)."""
    x, y = pixel_centres(side)
    place = stream.uniform("box place", 0.15, 0.85, 2)[:, :, None, None]
    half = stream.uniform("box size", 0.06, 0.12, 2)[:, :, None, None]
    return coverage(
        torch.maximum((x - place[:, 0]).abs() - half[:, 0], (y - place[:, 1]).abs() - half[:, 1]), side
    )
