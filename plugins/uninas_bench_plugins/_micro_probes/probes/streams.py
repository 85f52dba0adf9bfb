"""Random numbers that are a value of what they are for: nothing that was drawn before has a say."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from uninas_bench_plugins._micro_probes.probes.images import Split


@dataclass(frozen=True, slots=True)
class Stream:
    """The random quantities of the first ``count`` examples of a probe's split.

    Each quantity has a name and, by it, a generator of its own, which fills the examples one after the other:
    fewer examples are a prefix of more, and one more quantity changes no other.
    """

    seed: int
    probe: str
    split: Split
    count: int

    def uniform(self, what: str, low: float, high: float, *shape: int) -> Tensor:
        """(count, *shape) float32, uniform between two numbers."""
        draws = self._generator(what).random((self.count, *shape), dtype=np.float32)
        return torch.from_numpy(draws * np.float32(high - low) + np.float32(low))

    def angle(self, what: str, *shape: int) -> Tensor:
        """(count, *shape) float32, uniform over the circle, in radians from -pi to pi."""
        return self.uniform(what, -math.pi, math.pi, *shape)

    def normal(self, what: str, std: float, *shape: int) -> Tensor:
        """(count, *shape) float32, normal around 0."""
        draws = self._generator(what).standard_normal((self.count, *shape), dtype=np.float32)
        return torch.from_numpy(draws * np.float32(std))

    def integers(self, what: str, below: int, *shape: int) -> Tensor:
        """(count, *shape) int64, uniform in 0..below-1."""
        return torch.from_numpy(self._generator(what).integers(0, below, (self.count, *shape)))

    def permutations(self, what: str, length: int) -> Tensor:
        """(count, length) int64, each row a uniform permutation of 0..length-1."""
        draws = self._generator(what).random((self.count, length))
        return torch.from_numpy(draws.argsort(axis=1, kind="stable"))

    def _generator(self, what: str) -> np.random.Generator:
        names = (self.probe, self.split, what)
        words = [self.seed, *(int.from_bytes(name.encode(), "little") for name in names)]
        return np.random.default_rng(np.random.SeedSequence(words))
