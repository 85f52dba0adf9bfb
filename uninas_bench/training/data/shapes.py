"""The data set ``shapes``: drawn, not read, so that all three tasks can be tried without any file.

Rectangles, ellipses, triangles, crosses and rings, turned and coloured at random, on a textured ground. An
image is a pure function of its split and number and of the size asked for; nothing is stored. Classes:

- classification: the five shapes, 0 to 4, one per image;
- detection: 1 to 5, 0 being "no object" as in COCO, so a detector has six classes;
- segmentation: 1 to 5 and 0 for the ground, so six classes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from uninas_bench.errors import UserError
from uninas_bench.seeds import derive_seed

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from uninas_bench.data.source import Split

SHAPES = ("rectangle", "ellipse", "triangle", "cross", "ring")
COUNTS: dict[Split, int] = {"train": 4096, "test": 512}
FINGERPRINT = "shapes:1"
MINIMAL_SIZE = 16

_MOST = 4
_HIDDEN = 0.5
_PATCHES = 8


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """An image and all that is known about it.

    Attributes:
        image: (H, W, 3) uint8.
        labels: (N,) int64, 0 to 4: places in `SHAPES`. N is at least 1.
        masks: (N, H, W) bool, what is visible of each object; they do not overlap.
    """

    image: NDArray[np.uint8]
    labels: NDArray[np.int64]
    masks: NDArray[np.bool_]

    @property
    def boxes(self) -> NDArray[np.float32]:
        """(N, 4): left, top, right and bottom edge of what is visible, in pixels; a pixel is 1 wide."""
        corners = []
        for mask in self.masks:
            rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
            corners.append((columns[0], rows[0], columns[-1] + 1, rows[-1] + 1))
        return np.asarray(corners, dtype=np.float32)

    @property
    def label_map(self) -> NDArray[np.uint8]:
        """(H, W): 0 on the ground, label + 1 on the objects."""
        numbers = (self.labels + 1).astype(np.uint8)
        return np.tensordot(numbers, self.masks, axes=1).astype(np.uint8)


def draw_scene(split: Split, index: int, size: tuple[int, int]) -> Scene:
    """One to four objects, 1/4 to 1/2 of the image wide, none more than half hidden by those above it.

    Args:
        split: the two have no image in common.
        index: any number from 0 on; the data set is said to have `COUNTS`.
        size: height and width.

    Raises:
        UserError: a side below 16 pixels.
    """
    return _draw(split, index, size, "scene", 1 + index % _MOST, (1 / 8, 1 / 4))


def draw_single(split: Split, index: int, size: tuple[int, int]) -> tuple[NDArray[np.uint8], int]:
    """One large object for classification: the image (H, W, 3) uint8, and the label, 0 to 4.

    Raises:
        UserError: a side below 16 pixels.
    """
    scene = _draw(split, index, size, "single", 1, (1 / 5, 2 / 5))
    return scene.image, int(scene.labels[0])


def _draw(
    split: Split, index: int, size: tuple[int, int], what: str, objects: int, radii: tuple[float, float]
) -> Scene:
    if min(size) < MINIMAL_SIZE:
        raise UserError(f"shapes: images of {size[0]} x {size[1]} pixels: expected at least {MINIMAL_SIZE}")
    random = np.random.default_rng(derive_seed(FINGERPRINT, what, split, index))
    height, width = size
    ground = 64 + 128 * random.random(3, dtype=np.float32)
    patches = 48 * random.random((_PATCHES, _PATCHES, 1), dtype=np.float32) - 24
    rows, columns = np.arange(height) * _PATCHES // height, np.arange(width) * _PATCHES // width
    image = ground + patches[rows][:, columns]
    owner = np.zeros(size, dtype=np.uint8)
    areas: list[int] = []
    labels: list[int] = []
    for _ in range(objects):
        label = int(len(SHAPES) * random.random())
        # Far from the ground in every channel, so no colour gives a shape away or hides it.
        colour = (ground + 80 + 96 * random.random(3, dtype=np.float32)) % 256
        mask, window = _outline(label, size, radii, random)
        part = owner[window]
        hidden = np.bincount(part[mask], minlength=len(areas) + 1)[1:]
        visible = np.bincount(owner.ravel(), minlength=len(areas) + 1)[1:] - hidden
        if any(left < (1 - _HIDDEN) * area for left, area in zip(visible, areas, strict=True)):
            continue
        labels.append(label)
        areas.append(int(mask.sum()))
        part[mask] = len(areas)
        image[window][mask] = colour
    image += 24 * random.random((height, width, 1), dtype=np.float32) - 12
    masks = owner == np.arange(1, len(areas) + 1, dtype=np.uint8)[:, None, None]
    return Scene(np.clip(image, 0, 255).astype(np.uint8), np.asarray(labels, dtype=np.int64), masks)


def _outline(
    label: int, size: tuple[int, int], radii: tuple[float, float], random: np.random.Generator
) -> tuple[NDArray[np.bool_], tuple[slice, slice]]:
    """A shape somewhere inside: the pixels of a window that it covers, and where the window is."""
    stretch, turn, *centre = random.random(4)
    radius = min(size) * (radii[0] + (radii[1] - radii[0]) * random.random())
    half = (radius, radius * (0.75 + 0.25 * stretch))
    angle = math.pi / 9 * (2 * turn - 1)
    reach = radius * 1.15
    middle = [reach + (side - 2 * reach) * place for side, place in zip(size, centre, strict=True)]
    window = tuple(
        slice(max(0, int(at - 1.5 * radius)), min(side, int(at + 1.5 * radius) + 1))
        for side, at in zip(size, middle, strict=True)
    )
    y, x = (np.arange(cut.start, cut.stop) + 0.5 - at for cut, at in zip(window, middle, strict=True))
    cosine, sine = math.cos(angle), math.sin(angle)
    u = np.abs(cosine * x + sine * y[:, None]) / half[0]
    v = (cosine * y[:, None] - sine * x) / half[1]
    return _covers(SHAPES[label], u, v), (window[0], window[1])


def _covers(shape: str, u: NDArray[np.float64], v: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Where a shape lies in its own coordinates; ``u`` is the distance from its axis of symmetry."""
    w = np.abs(v)
    if shape == "rectangle":
        return (u <= 1) & (w <= 1)
    if shape == "triangle":
        return (2 * u <= v + 1) & (v <= 1)
    if shape == "cross":
        return (np.minimum(u, w) <= 1 / 3) & (np.maximum(u, w) <= 1)
    square = u**2 + v**2
    return (square <= 1) & (square >= 0.36) if shape == "ring" else square <= 1
