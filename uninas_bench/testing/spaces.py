"""Conformance of a search space: subclass `SpaceTestCase`, give the space, run pytest."""

from __future__ import annotations

import itertools
import math
import pickle
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import ClassVar

import numpy as np

from uninas_bench.architecture import Architecture, Task
from uninas_bench.errors import InvalidArchitecture, UserError
from uninas_bench.space import SearchSpace


def _refused(call: Callable[[], object], kind: type[UserError]) -> str:
    """The one-line message of the `UserError` that a call raises."""
    try:
        result = call()
    except kind as error:
        message = str(error)
        assert message, "the error has no message"
        assert "\n" not in message, f"the message is not one line: {message}"
        return message
    raise AssertionError(f"expected {kind.__name__}, got {result!r}")


class SpaceTestCase(ABC):
    """What every `SearchSpace` must keep, as pytest tests.

    Example::

        class TestMySpace(SpaceTestCase):
            malformed = ("conv-conv", "conv-conv-", "9:1")

            def make_space(self):
                return MySpace(channels=4)

    Attributes:
        task: what networks are built for; small, so that the tests are quick.
        samples: architectures that are looked at closely; networks are built for a quarter of them.
        malformed: texts that `parse` must refuse, besides nonsense.
        equivalent: pairs of spellings of architectures in the same canonical class.
        enumerable: the largest size at which the whole space is enumerated.
    """

    task: ClassVar[Task] = Task("conformance", "conformance", 8, 5)
    samples: ClassVar[int] = 32
    malformed: ClassVar[Sequence[str]] = ()
    equivalent: ClassVar[Sequence[tuple[str, str]]] = ()
    enumerable: ClassVar[int] = 100_000

    @abstractmethod
    def make_space(self) -> SearchSpace:
        """A fresh instance of the space, at a scale whose networks are small."""

    def _drawn(self, space: SearchSpace, n: int | None = None) -> list[Architecture]:
        wanted = min(self.samples if n is None else n, space.size or self.samples)
        return space.sample(wanted, np.random.default_rng(0))

    def test_enumeration_is_complete_and_unique(self) -> None:
        """``enumerate`` yields ``size`` different architectures, the same ones each time."""
        space = self.make_space()
        whole = space.size is not None and space.size <= self.enumerable
        architectures = list(itertools.islice(space.enumerate(), None if whole else 1000))
        assert len(set(architectures)) == len(architectures), "enumerate repeats an architecture"
        if whole:
            assert len(architectures) == space.size, f"{len(architectures)} enumerated, size {space.size}"
        assert {a.space for a in architectures} <= {space.name}
        again = list(itertools.islice(self.make_space().enumerate(), 100))
        assert again == architectures[:100], "the order of enumerate changes"

    def test_every_spelling_is_read_back(self) -> None:
        """``parse`` reads the encoding, with and without the space's name, and every other spelling."""
        space = self.make_space()
        for architecture in self._drawn(space):
            spellings = space.spellings(architecture)
            assert spellings["string"] == architecture.encoding
            for text in (str(architecture), f" {architecture.encoding} ", *spellings.values()):
                assert space.parse(text) == architecture, f'"{text}" is not read back'

    def test_official_index_is_the_place_in_the_enumeration(self) -> None:
        """Where the spellings have an ``index``, it counts the enumeration from 0."""
        space = self.make_space()
        for place, architecture in enumerate(itertools.islice(space.enumerate(), 200)):
            assert space.spellings(architecture).get("index", str(place)) == str(place)

    def test_malformed_texts_are_refused_in_one_line(self) -> None:
        """The error names the space."""
        space = self.make_space()
        for text in ("", "?\n?", "?" * 5000, *self.malformed):
            message = _refused(lambda text=text: space.parse(text), InvalidArchitecture)  # type: ignore[misc]
            assert space.name in message, f'the message on "{text}" does not name the space: {message}'
            assert len(message) < 500, f"the message is too long for a line: {message}"

    def test_sampling_is_seeded_and_without_repetition(self) -> None:
        """The same generator gives the same architectures, another one gives others."""
        space = self.make_space()
        drawn = self._drawn(space)
        assert drawn == self._drawn(self.make_space()), "the same seed draws other architectures"
        assert drawn != space.sample(len(drawn), np.random.default_rng(1)), "the seed has no effect"
        assert space.size is None or len(set(drawn)) == len(drawn), "an architecture was drawn twice"
        assert all(space.parse(str(a)) == a for a in drawn)

    def test_impossible_samples_are_refused(self) -> None:
        """``n`` below 1 or above ``size``."""
        space = self.make_space()
        for n in (0, -1, *([] if space.size is None else [space.size + 1])):
            _refused(lambda n=n: space.sample(n, np.random.default_rng(0)), UserError)  # type: ignore[misc]

    def test_mutation_gives_a_legal_neighbour(self) -> None:
        """A mutant differs from its parent, is of the space, and follows from the generator."""
        space = self.make_space()
        for seed, architecture in enumerate(self._drawn(space)):
            mutant = space.mutate(architecture, np.random.default_rng(seed))
            assert mutant != architecture, f"{architecture} mutated into itself"
            assert space.parse(str(mutant)) == mutant
            assert space.mutate(architecture, np.random.default_rng(seed)) == mutant

    def test_canonical_depends_on_the_architecture_alone(self) -> None:
        """Any spelling and any scale give the same canonical text; stated equivalents share theirs."""
        space, other = self.make_space(), self.make_space()
        for architecture in self._drawn(space):
            canonical = space.canonical(architecture)
            for text in space.spellings(architecture).values():
                assert other.canonical(other.parse(text)) == canonical
        for first, second in self.equivalent:
            assert space.canonical(space.parse(first)) == space.canonical(space.parse(second))

    def test_costs_are_those_of_the_network(self) -> None:
        """``costs`` counts exactly the trainable parameters of what ``build`` builds."""
        space = self.make_space()
        for architecture in self._drawn(space):
            costs = space.costs(architecture, self.task)
            network = space.build(architecture, self.task)
            built = sum(p.numel() for p in network.parameters() if p.requires_grad)
            assert costs.params == built, f"{architecture}: {costs.params} priced, {built} built"
            assert costs.flops > 0
            assert costs.convention

    def test_building_follows_from_the_seed(self) -> None:
        """The torch generator in force decides every weight."""
        import torch

        space = self.make_space()
        for architecture in self._drawn(space, self.samples // 4):
            states = []
            for seed in (0, 0, 1):
                with torch.random.fork_rng(devices=[]):
                    torch.manual_seed(seed)
                    states.append(space.build(architecture, self.task).state_dict())
            first, same, other = states
            assert first.keys() == same.keys()
            assert all(torch.equal(first[key], same[key]) for key in first), "the seed does not decide all"
            assert any(not torch.equal(first[key], other[key]) for key in first), "the seed has no effect"

    def test_network_maps_images_to_logits(self) -> None:
        """(B, 3, R, R) -> (B, classes), finite, in both modes; the images stay as they were."""
        import torch

        from uninas_bench.features import logits_of

        space = self.make_space()
        size = self.task.resolution
        images = torch.randn(3, 3, size, size, generator=torch.Generator().manual_seed(0))
        for architecture in self._drawn(space, self.samples // 4):
            network = space.build(architecture, self.task)
            for mode in (True, False):
                before = images.clone()
                logits = logits_of(network.train(mode)(images))
                assert logits.shape == (3, self.task.classes)
                assert torch.isfinite(logits).all()
                assert torch.equal(images, before), "the network writes into its input"

    def test_blocks_can_be_tapped_in_forward_order(self) -> None:
        """The blocks are modules of the network under their own names, and run once each, in order."""
        import torch

        from uninas_bench.features import block_features, hooked

        space = self.make_space()
        size = self.task.resolution
        images = torch.randn(2, 3, size, size, generator=torch.Generator().manual_seed(0))
        for architecture in self._drawn(space, self.samples // 4):
            network = space.build(architecture, self.task)
            blocks = space.blocks(network)
            modules = dict(network.named_modules())
            assert all(modules.get(name) is block for name, block in blocks), "a name is not the module's"
            ran: list[object] = []

            def record(module: object, *_: object, ran: list[object] = ran) -> None:
                ran.append(module)

            expected = [block for _, block in blocks]
            with hooked([block.register_forward_hook(record) for block in expected]):
                tapped = block_features(network, expected, images)
            assert ran == expected, "the blocks do not run once each in the order given"
            assert len(tapped.features) == len(blocks) + 1
            assert all(len(feature) == 2 for feature in tapped.features), "a feature lost its batch"

    def test_space_is_a_value(self) -> None:
        """Spaces and architectures travel between processes; ``scaled`` leaves the original alone."""
        space = self.make_space()
        architecture = self._drawn(space, 1)[0]
        copied, same = pickle.loads(pickle.dumps((space, architecture)))  # noqa: S301  (our own bytes)
        assert same == architecture
        assert hash(same) == hash(architecture)
        assert str(copied.scale) == str(space.scale) == str(space.scaled().scale)
        assert copied.costs(same, self.task) == space.costs(architecture, self.task)
        before = str(space.scale)
        _refused(lambda: space.scaled(no_such_parameter=1), UserError)
        for part in filter(None, before.split(",")):
            name, _, value = part.partition("=")
            if value.isdecimal():
                larger = space.scaled(**{name: int(value) * 2})
                assert str(larger.scale) != before
                assert larger.canonical(architecture) == space.canonical(architecture)
        assert str(space.scale) == before

    def test_tasks_are_priced(self) -> None:
        """Every task that the space names has finite costs, and more classes cost more."""
        space = self.make_space()
        architecture = self._drawn(space, 1)[0]
        assert space.tasks
        for task in space.tasks:
            costs = space.costs(architecture, task)
            assert costs.params > 0
            assert math.isfinite(costs.flops)
            larger = Task(task.name, task.dataset, task.resolution, task.classes + 1)
            assert space.costs(architecture, larger).params > costs.params
