"""Real images that take the place of procedural ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from uninas_bench import UserError

if TYPE_CHECKING:
    from numpy.typing import NDArray

Split = Literal["train", "test"]


@dataclass(frozen=True, slots=True, eq=False)
class ImagePool:
    """Images for the probes' examples, perhaps labelled.

    Attributes:
        pixels: (M, 3, H, W), uint8 in 0..255 or float32 in 0..1.
        labels: (M,) int64, or None.
        name: for messages.
    """

    pixels: Tensor
    labels: Tensor | None = None
    name: str = "images"

    @classmethod
    def of(cls, pixels: NDArray[Any], labels: NDArray[Any] | None = None, name: str = "images") -> ImagePool:
        """From arrays: pixels (M, 3, H, W), uint8 in 0..255 or floating point in 0..1, and labels (M,).

        Raises:
            UserError: other shapes or values.
        """
        if pixels.ndim != 4 or pixels.shape[1] != 3 or len(pixels) < 2:
            raise UserError(f"{name}: pixels of shape {pixels.shape}, expected (M, 3, H, W) with M > 1")
        if labels is not None and labels.shape != pixels.shape[:1]:
            raise UserError(f"{name}: labels of shape {labels.shape}, expected ({len(pixels)},)")
        if pixels.dtype != np.uint8:
            low, high = float(pixels.min()), float(pixels.max())
            if not (low >= 0 and high <= 1):
                raise UserError(f"{name}: values from {low:g} to {high:g}, expected uint8 or floats in 0..1")
            pixels = pixels.astype(np.float32)
        known = None if labels is None else torch.from_numpy(np.ascontiguousarray(labels, dtype=np.int64))
        return cls(torch.from_numpy(np.ascontiguousarray(pixels)), known, name)

    def __len__(self) -> int:
        return len(self.pixels)

    def take(self, indices: Tensor, side: int) -> Tensor:
        """Images (N, 3, side, side) float32 in 0..1: the largest centred square, resampled."""
        height, width = self.pixels.shape[2:]
        square = min(height, width)
        top, left = (height - square) // 2, (width - square) // 2
        images = self.pixels[indices, :, top : top + square, left : left + square]
        values = images.float() / 255 if images.dtype == torch.uint8 else images
        if square == side:
            return values
        shape = (side, side)
        return functional.interpolate(values, shape, mode="bilinear", align_corners=False, antialias=True)
