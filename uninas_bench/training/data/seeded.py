"""Samples whose augmentation follows from a seed, an epoch and a number, and from nothing else."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from uninas_bench.seeds import derive_seed
from uninas_bench.training.objective import Samples


class Seeded(Dataset[tuple[Tensor, Any]]):
    """One training split as a loader reads it, by keys ``(epoch, index)``.

    The libraries that augment draw from the global generators. Those are seeded for every sample and put
    back behind it, so that a sample is the same in whichever process, worker or resumed run it is read,
    and that reading in the main process does not disturb what the network draws there.
    """

    def __init__(self, samples: Samples, seed: int) -> None:
        self.samples = samples
        self.seed = seed

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, key: tuple[int, int]) -> tuple[Tensor, Any]:
        """The sample ``index`` as epoch ``epoch`` sees it.

        Raises:
            InvalidFile: a file of the sample is missing or damaged.
        """
        epoch, index = key
        with seeded_generators(derive_seed(self.seed, "sample", epoch, index)):
            return self.samples[index]


@contextmanager
def seeded_generators(seed: int) -> Iterator[None]:
    """Python's, numpy's and torch's (CPU) global generators under a seed; as they were afterwards."""
    python, arrays, tensors = random.getstate(), np.random.get_state(), torch.get_rng_state()  # noqa: NPY002
    try:
        random.seed(seed)
        # numpy takes 32 bits; torch.manual_seed would touch the GPUs' generators too.
        np.random.seed(seed & 0xFFFF_FFFF)  # noqa: NPY002
        torch.default_generator.manual_seed(seed)
        yield
    finally:
        random.setstate(python)
        np.random.set_state(arrays)  # noqa: NPY002
        torch.set_rng_state(tensors)
