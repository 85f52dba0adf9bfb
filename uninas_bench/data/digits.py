"""scikit-learn's digits: 1,797 real 8x8 images that come inside its wheel."""

from __future__ import annotations

from functools import cache

import numpy as np

from uninas_bench.data.arrays import image_set
from uninas_bench.data.source import ImageSet, Split
from uninas_bench.errors import UserError

TRAIN = 1_500


class Digits:
    """The first 1,500 images train, the other 297 test; grey repeated to three channels."""

    name = "digits"
    fingerprint = "sklearn-digits"

    def load(self, split: Split, resolution: int) -> ImageSet:
        """One split; a multiple of 8 as ``resolution`` repeats the pixels.

        Raises:
            UserError: the resolution is no multiple of 8.
        """
        return _load(split, resolution)


@cache
def _load(split: Split, resolution: int) -> ImageSet:
    from sklearn.datasets import load_digits

    if resolution % 8:
        raise UserError(f"digits: resolution {resolution} is no multiple of 8")
    bunch = load_digits()
    grey = np.rint(bunch.images * (255 / 16)).astype(np.uint8)
    factor = resolution // 8
    grey = grey.repeat(factor, axis=1).repeat(factor, axis=2)
    part = slice(None, TRAIN) if split == "train" else slice(TRAIN, None)
    return image_set(np.repeat(grey[part, ..., None], 3, axis=3), bunch.target[part])
