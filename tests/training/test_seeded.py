"""Seeded samples: a function of seed, epoch and index, that leaves every global generator as it was."""

# ruff: noqa: NPY002 -- what libraries draw from is numpy's global generator

from __future__ import annotations

import pickle
import random
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from uninas_bench.training.data.seeded import Seeded, seeded_generators


class Drawn:
    """Samples that are nothing but draws from the three global generators."""

    def __len__(self) -> int:
        return 10

    def __getitem__(self, index: int) -> tuple[Tensor, Any]:
        if index == 9:
            raise ValueError("broken")
        return torch.rand(2), (random.random(), np.random.random(), np.random.standard_normal())


def drawn(sample: tuple[Tensor, Any]) -> tuple[float, ...]:
    return (*sample[0].tolist(), *sample[1])


def states() -> tuple[Any, ...]:
    return random.getstate(), pickle.dumps(np.random.get_state()), torch.get_rng_state().tolist()


def test_a_sample_follows_from_seed_epoch_and_index() -> None:
    samples = Seeded(Drawn(), 1)
    assert len(samples) == 10
    first = drawn(samples[0, 3])
    random.random(), np.random.random(), torch.rand(1)
    assert drawn(samples[0, 3]) == first
    assert drawn(Seeded(Drawn(), 1)[0, 3]) == first
    keys = [(epoch, index) for epoch in range(4) for index in range(9)]
    every = [drawn(Seeded(Drawn(), seed)[key]) for seed in (1, 2) for key in keys]
    for part in zip(*every, strict=True):
        assert len(set(part)) == len(every)


def test_the_global_generators_are_put_back_also_after_an_error() -> None:
    np.random.standard_normal()  # half a pair: numpy keeps the other half in its state
    samples, before = Seeded(Drawn(), 1), states()
    _ = samples[2, 3]
    assert states() == before
    with pytest.raises(ValueError, match="broken"):
        _ = samples[0, 9]
    assert states() == before
    with seeded_generators(5):
        assert states() != before
    assert states() == before


def test_workers_read_what_the_main_process_reads() -> None:
    keys = [(1, index) for index in range(8)]
    loader = torch.utils.data.DataLoader(
        Seeded(Drawn(), 7), sampler=keys, batch_size=None, num_workers=2, generator=torch.Generator()
    )
    assert [drawn(sample) for sample in loader] == [drawn(Seeded(Drawn(), 7)[key]) for key in keys]
