"""The contract of a micro-probe: where its examples come from, what head it needs, its loss and its score."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor

from uninas_bench import UserError
from uninas_bench_plugins._micro_probes.probes.images import ImagePool, Split

HeadKind = Literal["vector", "spatial", "slots", "pixels"]
Targets = Mapping[str, Tensor]

SMALLEST_SIDE = 16
MEAN, STD = 0.5, 0.25
"""Inputs are (x - MEAN) / STD of intensities x in 0..1."""


def normalised(images: Tensor) -> Tensor:
    """From intensities in 0..1 to the unit of inputs and of pixel outputs."""
    return (images - MEAN) / STD


def intensities(images: Tensor) -> Tensor:
    """From the unit of inputs and of pixel outputs back to intensities."""
    return images * STD + MEAN


@dataclass(frozen=True, slots=True)
class HeadPlan:
    """What the head on a network's features must give.

    Attributes:
        kind: ``vector``: (N, outputs), where position does not matter; ``spatial``: (N, outputs), where it
            does; ``slots``: (N, outputs, grid, grid), slot i at row i // grid and column i % grid;
            ``pixels``: (N, outputs, s, s), normalised as inputs are.
        outputs: numbers per image, per slot or per pixel.
        grid: slots per side.
    """

    kind: HeadKind
    outputs: int
    grid: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Examples:
    """What a network is shown, and what it should say.

    Attributes:
        inputs: (N, V, 3, s, s) float32, normalised; V is the probe's ``views``.
        targets: by name, each with N first.
    """

    inputs: Tensor
    targets: Targets

    def __len__(self) -> int:
        return len(self.inputs)

    def __getitem__(self, indices: Tensor | slice) -> Examples:
        return Examples(
            self.inputs[indices], {name: values[indices] for name, values in self.targets.items()}
        )

    def to(self, device: torch.device | str) -> Examples:
        """The same on a device."""
        targets = {name: values.to(device) for name, values in self.targets.items()}
        return Examples(self.inputs.to(device), targets)


@dataclass(frozen=True, slots=True, eq=False)
class Source:
    """Where examples come from.

    Attributes:
        seed: at least 0; fixes every example.
        side: of the images, in pixels, at least 16.
        images: real ones instead of procedural ones, for the probes that can use them; those of training
            examples are not in test examples.
    """

    seed: int
    side: int = 32
    images: ImagePool | None = None

    def __post_init__(self) -> None:
        if self.side < SMALLEST_SIDE:
            raise UserError(f"side={self.side}: expected at least {SMALLEST_SIDE} pixels")
        if self.seed < 0:
            raise UserError(f"seed={self.seed}: expected 0 or more")


class Probe(ABC):
    """One task. A probe is an immutable value; its options are the fields of the subclass.

    Attributes:
        name: short, a component of the proxy.
        title: in words.
        question: that a network is asked, in words.
        higher_is_better: of the score.
        views: images per example.
        truth: the target that `answer` has the form of.
        scores_training: whether `score` needs the measure on the training examples too.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    question: ClassVar[str]
    truth: ClassVar[str]
    higher_is_better: ClassVar[bool]
    views: ClassVar[int] = 1
    scores_training: ClassVar[bool] = False

    @property
    @abstractmethod
    def head(self) -> HeadPlan:
        """What the head must give."""

    @abstractmethod
    def examples(self, count: int, split: Split, source: Source) -> Examples:
        """The first ``count`` examples of a split.

        Example i depends on the source, the probe, the split and i alone: fewer examples are a prefix of
        more, and every network sees the same.

        Raises:
            UserError: the source's side or images do not suit the probe.
        """

    def answer(self, output: Tensor) -> Tensor:
        """What a head's output says, in the form of the target `truth`."""
        return output

    @abstractmethod
    def loss(self, output: Tensor, targets: Targets) -> Tensor:
        """What training minimises: a differentiable scalar, the mean over the examples."""

    @abstractmethod
    def measure(self, output: Tensor, targets: Targets) -> float:
        """The note's formula, its mean over all the examples of a set; NaN where it is defined on none."""

    def score(self, test: float, train: float | None = None) -> float:
        """The probe's score from `measure` on the test examples and, if it asks for it, the training ones."""
        del train
        return test

    @abstractmethod
    def baselines(self, examples: Examples) -> Mapping[str, float]:
        """What trivial predictors score on these examples.

        ``blind`` is always there: what the best answer that is the same for every image scores. A network
        that does no better has learned nothing of the images.
        """
