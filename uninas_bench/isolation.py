"""A closed room for an evaluation: nothing global leaks in, and nothing leaks out."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from threadpoolctl import ThreadpoolController

from uninas_bench.seeds import derive_seed


@contextmanager
def single_thread() -> Iterator[None]:
    """One thread for torch and for the BLAS libraries that are loaded, as many as before afterwards.

    Sums split over threads round differently, so the number of threads would show in the values.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with ThreadpoolController().limit(limits=1):
            yield
    finally:
        torch.set_num_threads(threads)


@contextmanager
def isolated(seed: int) -> Iterator[None]:
    """Seed every global generator for the time being, with gradients on and float32 as default type.

    Networks with dropout and libraries draw from the global generators; seeding them makes such draws
    a property of the cell. Generators, gradient mode and default type are as before afterwards.
    """
    python, dtype = random.getstate(), torch.get_default_dtype()
    legacy = np.random.get_state()  # noqa: NPY002  (the global generator is what must not change)
    try:
        with torch.random.fork_rng(devices=[]), torch.enable_grad():
            torch.manual_seed(derive_seed(seed, "global"))
            random.seed(derive_seed(seed, "python"))
            np.random.seed(derive_seed(seed, "numpy") % 2**32)  # noqa: NPY002
            torch.set_default_dtype(torch.float32)
            yield
    finally:
        random.setstate(python)
        np.random.set_state(legacy)  # noqa: NPY002
        torch.set_default_dtype(dtype)
