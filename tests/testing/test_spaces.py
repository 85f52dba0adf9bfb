"""The conformance suite must catch a space that breaks the contract."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import pytest
import torch
from torch import nn

from uninas_bench.architecture import Architecture, Costs, Task
from uninas_bench.space import SearchSpace
from uninas_bench.spaces.nasbench201 import CellScale, NasBench201
from uninas_bench.testing.spaces import SpaceTestCase


class Sound(NasBench201):
    def __init__(self, scale: CellScale | None = None) -> None:
        super().__init__(scale or CellScale(channels=4, cells=1))


class Repeats(Sound):
    def sample(self, n: int, rng: np.random.Generator) -> list[Architecture]:
        return super().sample(1, rng) * n


class Unseeded(Sound):
    def sample(self, n: int, rng: np.random.Generator) -> list[Architecture]:
        return super().sample(n, np.random.default_rng(5))


class Clamps(Sound):
    def sample(self, n: int, rng: np.random.Generator) -> list[Architecture]:
        return super().sample(min(max(n, 1), 15625), rng)


class Incomplete(Sound):
    def enumerate(self) -> Iterator[Architecture]:
        return filter(lambda a: "skip" in a.encoding, super().enumerate())


class Stays(Sound):
    def mutate(self, architecture: Architecture, rng: np.random.Generator) -> Architecture:
        return architecture


class Lenient(Sound):
    def parse(self, text: str) -> Architecture:
        return super().parse(text or "0")


class Forgetful(Sound):
    def parse(self, text: str) -> Architecture:
        return super().parse("0" if text.startswith("(") else text)


class Miscounts(Sound):
    def costs(self, architecture: Architecture, task: Task) -> Costs:
        right = super().costs(architecture, task)
        return Costs(right.params + 1, right.flops)


class Frozen(Sound):
    def build(self, architecture: Architecture, task: Task) -> nn.Module:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(7)
            return super().build(architecture, task)


class Reversed(Sound):
    def blocks(self, network: nn.Module) -> Sequence[tuple[str, nn.Module]]:
        return list(super().blocks(network))[::-1]


class TooManyClasses(Sound):
    def build(self, architecture: Architecture, task: Task) -> nn.Module:
        return super().build(architecture, Task(task.name, task.dataset, task.resolution, task.classes + 1))


def suite(space: Callable[[], SearchSpace]) -> SpaceTestCase:
    class Case(SpaceTestCase):
        samples = 8

        def make_space(self) -> SearchSpace:
            return space()

    return Case()


CHECKS = [name for name in dir(SpaceTestCase) if name.startswith("test_")]


@pytest.mark.parametrize("name", CHECKS)
def test_sound_space_passes(name: str) -> None:
    getattr(suite(Sound), name)()


@pytest.mark.parametrize(
    ("space", "name"),
    [
        (Repeats, "test_sampling_is_seeded_and_without_repetition"),
        (Unseeded, "test_sampling_is_seeded_and_without_repetition"),
        (Clamps, "test_impossible_samples_are_refused"),
        (Incomplete, "test_enumeration_is_complete_and_unique"),
        (Incomplete, "test_official_index_is_the_place_in_the_enumeration"),
        (Stays, "test_mutation_gives_a_legal_neighbour"),
        (Lenient, "test_malformed_texts_are_refused_in_one_line"),
        (Forgetful, "test_every_spelling_is_read_back"),
        (Forgetful, "test_canonical_depends_on_the_architecture_alone"),
        (Miscounts, "test_costs_are_those_of_the_network"),
        (Frozen, "test_building_follows_from_the_seed"),
        (Reversed, "test_blocks_can_be_tapped_in_forward_order"),
        (TooManyClasses, "test_network_maps_images_to_logits"),
    ],
)
def test_broken_space_is_caught(space: Callable[[], SearchSpace], name: str) -> None:
    with pytest.raises(AssertionError):
        getattr(suite(space), name)()
