"""A closed room for an evaluation: nothing global leaks in, and nothing leaks out."""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache

import numpy as np
import torch
from threadpoolctl import ThreadpoolController

from uninas_bench.seeds import derive_seed


@contextmanager
def isolated(seed: int) -> Iterator[None]:
    """Run on one thread, with every global generator seeded, gradients on and float32 as default type.

    One thread, because sums that are split over threads round differently. Seeded, because networks with
    dropout and libraries draw from the global generators: such draws become a property of the cell. All
    of it is as before afterwards, whatever was done inside.
    """
    threads, dtype = torch.get_num_threads(), torch.get_default_dtype()
    python = random.getstate()
    legacy = np.random.get_state()  # noqa: NPY002  (the global generator is what must not change)
    torch.set_num_threads(1)
    try:
        with (
            _thread_pools(len(sys.modules)).limit(limits=1),
            torch.random.fork_rng(devices=[]),
            torch.enable_grad(),
        ):
            _seed_torch(derive_seed(seed, "global"))
            random.seed(derive_seed(seed, "python"))
            np.random.seed(derive_seed(seed, "numpy") % 2**32)  # noqa: NPY002
            torch.set_default_dtype(torch.float32)
            yield
    finally:
        random.setstate(python)
        np.random.set_state(legacy)  # noqa: NPY002
        torch.set_default_dtype(dtype)
        torch.set_num_threads(threads)


@lru_cache(maxsize=1)
def _thread_pools(modules: int) -> ThreadpoolController:
    """The libraries with threads that are loaded; finding them takes a millisecond, so not for every cell.

    Args:
        modules: how many are imported: a library that comes later comes with one.
    """
    del modules
    return ThreadpoolController()


def _seed_torch(seed: int) -> None:
    """As `torch.manual_seed`, which also keeps a call and its traceback for every kind of device there is."""
    torch.default_generator.manual_seed(seed)
    if torch.cuda.is_available():
        torch.cuda.manual_seed_all(seed)
