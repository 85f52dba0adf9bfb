"""Four maps, each of half the resolution of the one before, from whatever maps a network has."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor
from torch.nn import functional

LEVELS = 4
REDUCTIONS = (4, 8, 16, 32)
"""Of the maps that heads are made for: height and width of the image over those of the map."""


def padded(images: Tensor, multiple: int) -> Tensor:
    """Images (B, C, H, W) with zeros at the right and at the bottom, up to a multiple of pixels."""
    height, width = images.shape[-2:]
    bottom, right = -height % multiple, -width % multiple
    return functional.pad(images, (0, right, 0, bottom)) if bottom or right else images


def cut(maps: Sequence[Tensor], reductions: Sequence[int], size: tuple[int, int]) -> list[Tensor]:
    """The parts of maps of padded images that belong to the images, of that size, themselves."""
    height, width = size
    return [
        found[..., : -(-height // reduction), : -(-width // reduction)]
        for found, reduction in zip(maps, reductions, strict=True)
    ]


def completed(maps: Sequence[Tensor]) -> list[Tensor]:
    """Four maps: those of further levels are the last one's maxima over 2 x 2 pixels."""
    found = list(maps)
    while len(found) < LEVELS:
        found.append(functional.max_pool2d(found[-1], 2, ceil_mode=True))
    return found


def resampled(maps: Sequence[Tensor], size: tuple[int, int]) -> list[Tensor]:
    """Four maps of one resolution, at the resolutions of `REDUCTIONS`: of a plain transformer's blocks.

    Larger maps are interpolated bilinearly, smaller ones are maxima; no parameters, so that a head is all
    that a task adds.

    Source: Li et al., "Exploring Plain Vision Transformer Backbones for Object Detection", ECCV 2022, with
    resampling for their deconvolutions.

    Args:
        maps: four of (B, C, h, w).
        size: height and width of the images.
    """
    found = []
    for values, reduction in zip(maps, REDUCTIONS, strict=True):
        wanted = tuple(-(-side // reduction) for side in size)
        if wanted == tuple(values.shape[-2:]):
            found.append(values)
        elif wanted[0] > values.shape[-2] or wanted[1] > values.shape[-1]:
            found.append(functional.interpolate(values, wanted, mode="bilinear", align_corners=False))
        else:
            found.append(functional.adaptive_max_pool2d(values, wanted))
    return found
