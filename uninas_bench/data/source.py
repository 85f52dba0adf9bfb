"""The contract of an image source and the arrays it yields."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

Split = Literal["train", "test"]


@dataclass(frozen=True, slots=True, eq=False)
class ImageSet:
    """Labelled images of one split.

    Attributes:
        pixels: (N, 3, R, R), uint8 in 0..255 or float32; not normalised.
        labels: (N,) int64.
        mean: per channel, in the unit of ``pixels``.
        std: per channel, in the unit of ``pixels``.
    """

    pixels: NDArray[np.uint8] | NDArray[np.float32]
    labels: NDArray[np.int64]
    mean: tuple[float, float, float]
    std: tuple[float, float, float]

    def __len__(self) -> int:
        return len(self.labels)

    def batch(self, indices: NDArray[np.int64] | slice) -> tuple[Tensor, Tensor]:
        """Normalised float32 images (B, 3, R, R) and int64 labels (B,)."""
        import torch

        mean = np.asarray(self.mean, dtype=np.float32)[:, None, None]
        std = np.asarray(self.std, dtype=np.float32)[:, None, None]
        images = (self.pixels[indices].astype(np.float32) - mean) / std
        return torch.from_numpy(images), torch.from_numpy(np.ascontiguousarray(self.labels[indices]))


class ImageSource(Protocol):
    """Images of a data set, from wherever they are; loading is lazy and never touches the network."""

    @property
    def name(self) -> str:
        """The data set whose images these are: `Task.dataset`."""
        ...

    @property
    def fingerprint(self) -> str:
        """Part of a cell's key: changes whenever a pixel could."""
        ...

    def load(self, split: Split, resolution: int) -> ImageSet:
        """One split at a resolution.

        Raises:
            UserError: the files are missing or malformed, or the resolution cannot be made.
        """
        ...
