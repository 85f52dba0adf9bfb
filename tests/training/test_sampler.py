"""The order of images: whole, without repeats, the same for every number of processes and any first step."""

from __future__ import annotations

from itertools import chain

import pytest

from uninas_bench.training.loop.sampler import TrainingBatches, evaluation_batches


def sampler(**changes: int) -> TrainingBatches:
    settings = {
        "images": 53, "seed": 1, "steps_per_epoch": 4, "batch": 4, "accumulate": 3, "rank": 0, "processes": 1,
        "first_step": 0, "last_step": 12,
    }  # fmt: skip
    return TrainingBatches(**{**settings, **changes})


def steps(batches: TrainingBatches) -> list[list[tuple[int, int]]]:
    """The keys of each step, in order."""
    made = list(batches)
    passes = batches.accumulate
    return [list(chain(*made[start : start + passes])) for start in range(0, len(made), passes)]


def test_an_epoch_repeats_nothing_and_epochs_differ() -> None:
    made = steps(sampler())
    assert len(made) == 12
    epochs = [list(chain(*made[start : start + 4])) for start in (0, 4, 8)]
    for number, keys in enumerate(epochs):
        assert {epoch for epoch, _ in keys} == {number}
        assert len({index for _, index in keys}) == len(keys) == 48
        assert all(0 <= index < 53 for _, index in keys)
    orders = [[index for _, index in keys] for keys in epochs]
    assert orders[0] != orders[1] != orders[2] != orders[0]
    # What is left over is not the same images again and again.
    assert len({frozenset(range(53)) - set(order) for order in orders}) == 3


def test_the_length_is_that_of_the_iteration() -> None:
    for first in (0, 5, 12, 14):
        assert len(sampler(first_step=first)) == len(list(sampler(first_step=first)))
    assert all(len(batch) == 4 for batch in sampler())


@pytest.mark.parametrize("first", range(13))
def test_any_step_can_be_the_first(first: int) -> None:
    assert steps(sampler(first_step=first)) == steps(sampler())[first:]


@pytest.mark.parametrize(("processes", "batch", "accumulate"), [(2, 2, 3), (3, 4, 1), (2, 6, 1), (6, 1, 2)])
def test_processes_share_the_very_images_of_one(processes: int, batch: int, accumulate: int) -> None:
    """In consecutive parts, by rank: 2 x 24 are 1 x 48."""
    shares = [
        steps(sampler(processes=processes, rank=rank, batch=batch, accumulate=accumulate))
        for rank in range(processes)
    ]
    assert [list(chain(*parts)) for parts in zip(*shares, strict=True)] == steps(sampler())


def test_another_seed_is_another_order() -> None:
    assert steps(sampler(seed=2)) != steps(sampler())


@pytest.mark.parametrize("processes", [1, 2, 3, 8])
@pytest.mark.parametrize("images", [1, 7, 45, 48])
def test_evaluation_shows_every_image_once(images: int, processes: int) -> None:
    shares = [evaluation_batches(images, 4, rank, processes) for rank in range(processes)]
    keys = [key for batches in shares for batch in batches for key in batch]
    assert sorted(keys) == [(0, index) for index in range(images)]
    for batches in shares:
        assert all(len(batch) == 4 for batch in batches[:-1])
    sizes = [sum(map(len, batches)) for batches in shares]
    assert max(sizes) - min(sizes) <= 1
