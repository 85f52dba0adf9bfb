"""A part of a data set, the same on every machine and in every run: what ``training_images`` asks for."""

from __future__ import annotations

import numpy as np

from uninas_bench.errors import UserError
from uninas_bench.seeds import derive_seed


def subset(available: int, wanted: int, *what: object) -> list[int]:
    """Which of ``available`` samples to use, ascending; all of them where ``wanted`` is 0.

    Drawn by ``what``, such as the data set and the split, not by a run's seed: runs that differ in their
    seed alone see the same images. A smaller part lies inside a larger one.

    Raises:
        UserError: there are fewer samples than are wanted.
    """
    if wanted > available:
        where = " ".join(str(part) for part in what)
        raise UserError(f"{where}: {wanted} images wanted, but there are {available}")
    if not wanted:
        return list(range(available))
    order = np.random.default_rng(derive_seed("subset", *what)).permutation(available)
    return sorted(int(number) for number in order[:wanted])
