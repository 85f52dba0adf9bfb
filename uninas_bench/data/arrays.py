"""Images in one .npz file: arrays ``train_x``, ``train_y`` and, for trainings, ``test_x``, ``test_y``."""

from __future__ import annotations

import hashlib
import zipfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from uninas_bench.data.source import ImageSet, Split
from uninas_bench.errors import InvalidFile, UserError


@dataclass(frozen=True, slots=True)
class NpzSource:
    """A .npz file: images (N, H, W, 3) uint8, labels (N,) integers; statistics are computed from it."""

    name: str
    path: Path

    @property
    def fingerprint(self) -> str:
        """``npz:`` and the start of the file's sha256."""
        return f"npz:{_sha256(self.path)[:16]}"

    def load(self, split: Split, resolution: int) -> ImageSet:
        """One split; images of another size than ``resolution`` are box-averaged down by a whole factor.

        Raises:
            InvalidFile: the file is missing or has no such arrays, or the sizes do not fit.
        """
        return _load(self.path, split, resolution)


@cache
def _sha256(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise InvalidFile(f"{path}: {error.strerror or error}") from None


@cache
def _load(path: Path, split: Split, resolution: int) -> ImageSet:
    try:
        # Opened here, so that a damaged file is closed whatever numpy makes of it.
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            missing = [key for key in (f"{split}_x", f"{split}_y") if key not in arrays]
            if missing:
                raise InvalidFile(f'{path}: no array "{missing[0]}" (found: {", ".join(arrays.files)})')
            pixels, labels = arrays[f"{split}_x"], arrays[f"{split}_y"]
    except (OSError, ValueError, zipfile.BadZipFile, EOFError) as error:
        raise InvalidFile(f"{path}: not a readable .npz file: {error}") from None
    if pixels.ndim != 4 or pixels.shape[3] != 3 or pixels.dtype != np.uint8:
        raise InvalidFile(f"{path}: {split}_x is {pixels.dtype}{pixels.shape}, expected uint8 (N, H, W, 3)")
    if labels.shape != pixels.shape[:1] or not np.issubdtype(labels.dtype, np.integer):
        found = f"{labels.dtype}{labels.shape}"
        raise InvalidFile(f"{path}: {split}_y is {found}, expected {len(pixels)} integers")
    return image_set(shrink(pixels, resolution, str(path)), labels)


def shrink(pixels: NDArray[np.uint8], resolution: int, where: str) -> NDArray[np.uint8]:
    """Average (N, H, W, C) images over whole squares of pixels until they are ``resolution`` wide.

    Raises:
        UserError: the images are not square, or the resolution does not divide their size.
    """
    n, height, width, channels = pixels.shape
    if height != width or width % resolution:
        raise UserError(f"{where}: images of {height}x{width} cannot be brought to {resolution} by averaging")
    factor = width // resolution
    if factor == 1:
        return pixels
    squares = pixels.reshape(n, resolution, factor, resolution, factor, channels)
    means: NDArray[np.float32] = squares.mean(axis=(2, 4), dtype=np.float32)
    return np.rint(means).astype(np.uint8)


def square_images(
    pixels: NDArray[np.uint8], labels: NDArray[np.integer], resolution: int, where: str
) -> ImageSet:
    """An `ImageSet` of grey images (N, H, H) or coloured ones (N, H, H, 3), averaged down to a resolution.

    MNIST's 28 pixels are padded with 2 black ones on every side, to 32, where 28 cannot be averaged.

    Raises:
        UserError: the resolution does not divide the images' size.
    """
    if pixels.shape[1] == 28 and 28 % resolution:
        pixels = np.pad(pixels, ((0, 0), (2, 2), (2, 2), *((0, 0),) * (pixels.ndim - 3)))
    if pixels.ndim == 4:
        return image_set(shrink(pixels, resolution, where), labels)
    grey = shrink(pixels[..., None], resolution, where)[..., 0]
    mean, std = _statistics(grey)
    three = np.repeat(grey[:, None], 3, axis=1)
    return ImageSet(three, labels.astype(np.int64), (mean, mean, mean), (std, std, std))


def _statistics(grey: NDArray[np.uint8]) -> tuple[float, float]:
    """Mean and standard deviation by the histogram: without a copy of the images in float64."""
    counts = np.zeros(256, dtype=np.int64)
    for part in np.array_split(grey.ravel(), 1 + grey.size // 2**22):
        counts += np.bincount(part, minlength=256)
    values = np.arange(256, dtype=np.float64)
    mean = counts @ values / grey.size
    return float(mean), float(np.sqrt(counts @ (values - mean) ** 2 / grey.size))


def image_set(pixels: NDArray[np.uint8], labels: NDArray[np.integer]) -> ImageSet:
    """An `ImageSet` of (N, H, W, 3) uint8 images with the statistics of exactly these pixels."""
    flat = pixels.reshape(-1, 3)
    mean = flat.mean(axis=0, dtype=np.float64)
    std = flat.std(axis=0, dtype=np.float64)
    channels_first = np.ascontiguousarray(pixels.transpose(0, 3, 1, 2))
    return ImageSet(
        channels_first,
        labels.astype(np.int64),
        (float(mean[0]), float(mean[1]), float(mean[2])),
        (float(std[0]), float(std[1]), float(std[2])),
    )
