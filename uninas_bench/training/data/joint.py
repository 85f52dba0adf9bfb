"""What is done to an image and its labels together, and to the image's colours alone.

Images are (3, H, W), labels (1, H, W), uint8 both. What is drawn comes from torch's global generator.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import torch
from torch import Tensor
from torch.nn.functional import pad
from torchvision.transforms import InterpolationMode
from torchvision.transforms.v2 import functional

if TYPE_CHECKING:
    from collections.abc import Callable

_LONGEST = 4
"""The long side in multiples of the short one that is asked for: 2048 with 512, as published."""
_BRIGHTNESS = (0.875, 1.125)
_CONTRAST = (0.5, 1.5)
_SATURATION = (0.5, 1.5)
_HUE = (-0.05, 0.05)

Labels = TypeVar("Labels", Tensor, None)


def scaled(image: Tensor, labels: Labels, short: float) -> tuple[Tensor, Labels]:
    """Resized to a short side of so many pixels, the ratio kept; less where the other would be too long.

    Images bilinearly with antialiasing, labels by the nearest pixel.

    Source: the resizing of the published UperNet recipes for ADE20K, (2048, 512) with factors 0.5 to 2.
    """
    height, width = image.shape[-2:]
    factor = min(short / min(height, width), _LONGEST * short / max(height, width))
    size = [max(1, int(side * factor + 0.5)) for side in (height, width)]
    if size == [height, width]:
        return image, labels
    resized = functional.resize(image, size, interpolation=InterpolationMode.BILINEAR, antialias=True)
    if labels is None:
        return resized, labels
    return resized, functional.resize(labels, size, interpolation=InterpolationMode.NEAREST_EXACT)


def cropped(image: Tensor, labels: Tensor, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """A random part of that size, or less where image and labels are smaller."""
    top, left = (
        int(torch.randint(max(0, have - want) + 1, ()))
        for have, want in zip(image.shape[-2:], size, strict=True)
    )
    height, width = size
    rows, columns = slice(top, top + height), slice(left, left + width)
    return image[..., rows, columns], labels[..., rows, columns]


def filled(values: Tensor, size: tuple[int, int], value: float) -> Tensor:
    """Padded at the right and at the bottom to that size."""
    bottom, right = (want - have for have, want in zip(values.shape[-2:], size, strict=True))
    return pad(values, (0, right, 0, bottom), value=value) if bottom or right else values


def distorted(values: Tensor) -> Tensor:
    """Brightness, contrast, saturation and hue changed, each with probability 1/2; values are in 0..1.

    Contrast comes before the two of colour or after them. Channels are not permuted: the recipes for
    segmentation do not, other than torchvision's transform of that name.

    Source: Liu et al., "SSD", ECCV 2016, with the ranges of the published recipes for ADE20K.
    """
    steps: list[tuple[Callable[[Tensor, float], Tensor], tuple[float, float]]] = [
        (functional.adjust_brightness, _BRIGHTNESS),
        (functional.adjust_saturation, _SATURATION),
        (functional.adjust_hue, _HUE),
    ]
    steps.insert(1 if float(torch.rand(())) < 0.5 else 3, (functional.adjust_contrast, _CONTRAST))
    for change, (low, high) in steps:
        if float(torch.rand(())) < 0.5:
            values = change(values, low + (high - low) * float(torch.rand(())))
    return values
