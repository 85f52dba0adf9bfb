"""Seeds for what is the same for every network: heads, order of the examples, dropout."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch


def numpy_generator(seed: int, *names: str) -> np.random.Generator:
    """A generator of its own for every sequence of names."""
    return np.random.default_rng(_sequence(seed, names))


@contextmanager
def torch_seed(device: torch.device, seed: int, *names: str) -> Iterator[None]:
    """Seed torch's global generators for the while: initialisations and dropout draw from them alone."""
    state = int(_sequence(seed, names).generate_state(1, np.uint64)[0] >> np.uint64(1))
    devices = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(state)
        yield


def _sequence(seed: int, names: tuple[str, ...]) -> np.random.SeedSequence:
    return np.random.SeedSequence([seed, *(int.from_bytes(name.encode(), "little") for name in names)])
