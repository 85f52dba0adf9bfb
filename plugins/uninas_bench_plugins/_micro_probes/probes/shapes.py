"""Flat shapes by their signed distance, and colours by hue: what the procedural pictures are painted with.

Lengths are in image sides, x to the right and y down, from 0 to 1 over the picture.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

Distance = Callable[[Tensor, Tensor], Tensor]


def pixel_centres(side: int) -> tuple[Tensor, Tensor]:
    """Coordinates x (1, side) and y (side, 1)."""
    places = (torch.arange(side, dtype=torch.float32) + 0.5) / side
    return places[None, :], places[:, None]


def coverage(distance: Tensor, side: int) -> Tensor:
    """How much of a pixel is inside, 0 to 1, from the signed distance of its centre, negative inside."""
    return (distance * -side).add_(0.5).clamp_(0, 1)


def paint_(picture: Tensor, colour: Tensor, cover: Tensor) -> Tensor:
    """Paint over a picture (N, 3, s, s), in place, where ``cover`` (N, s, s) is, with a colour (N, 3, ..)."""
    return picture.lerp_(colour.expand_as(picture), cover[:, None].expand_as(picture))


def turned(x: Tensor, y: Tensor, angle: Tensor) -> tuple[Tensor, Tensor]:
    """Coordinates in a frame that is turned by ``angle`` radians, clockwise as y points down."""
    cos, sin = angle.cos(), angle.sin()
    return x * cos + y * sin, y * cos - x * sin


def rgb(hue: Tensor, saturation: Tensor | float, value: Tensor | float) -> Tensor:
    """Colours (..., 3) in 0..1 from hue in turns, saturation and value (...)."""
    sixth = (torch.tensor([5.0, 3.0, 1.0]) + 6 * hue[..., None]) % 6
    chroma = torch.minimum(sixth, 4 - sixth).clamp(0, 1)
    saturation = torch.as_tensor(saturation, dtype=hue.dtype).expand_as(hue)[..., None]
    value = torch.as_tensor(value, dtype=hue.dtype).expand_as(hue)[..., None]
    return value * (1 - saturation * chroma)


def circle(x: Tensor, y: Tensor) -> Tensor:
    return (x.square() + y.square()).sqrt() - 1


def square(x: Tensor, y: Tensor) -> Tensor:
    return torch.maximum(x.abs(), y.abs()) - 0.85


def triangle(x: Tensor, y: Tensor) -> Tensor:
    """Equilateral, one corner up, its centroid at the origin."""
    return torch.maximum(y, x.abs() * math.cos(math.pi / 6) - y * 0.5) - 0.66


def cross(x: Tensor, y: Tensor) -> Tensor:
    """Two bars."""
    across, down = x.abs(), y.abs()
    upright = torch.maximum(across - 0.34, down - 1)
    return torch.minimum(upright, torch.maximum(down - 0.34, across - 1))


def ring(x: Tensor, y: Tensor) -> Tensor:
    return ((x.square() + y.square()).sqrt() - 0.75).abs() - 0.25


def diamond(x: Tensor, y: Tensor) -> Tensor:
    """A rhombus taller than wide: no small turn makes it a square."""
    return (x.abs() / 0.8 + y.abs() / 1.15 - 1) * 0.657


SHAPES: dict[str, Distance] = {
    "circle": circle, "square": square, "triangle": triangle,
    "cross": cross, "ring": ring, "diamond": diamond,
}  # fmt: skip
"""Signed distances, or bounds of them near the edge, in units of the shape's radius."""

HUES: dict[str, float] = {
    "red": 0.0, "green": 1 / 3, "blue": 2 / 3, "yellow": 1 / 6, "magenta": 5 / 6, "cyan": 1 / 2,
}  # fmt: skip
"""In turns."""
