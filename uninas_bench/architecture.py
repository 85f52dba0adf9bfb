"""The three values that travel through the harness: an architecture, a task, and the costs of the former."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class Architecture:
    """One point of a search space: an immutable, hashable, picklable value without tensors.

    ``encoding`` is canonical as a spelling: equal architectures have equal encodings. Architectures
    that compute the same function may differ here; `SearchSpace.canonical` brings those together.
    """

    space: str
    encoding: str

    def __str__(self) -> str:
        return f"{self.space}:{self.encoding}"


@dataclass(frozen=True, slots=True, order=True)
class Task:
    """What networks are built for: a data set at a resolution, with its classes.

    ``name`` adds the split and, for ground truth, the epochs (``cifar10-valid-12ep``);
    ``dataset`` alone decides the images that a proxy sees, so scores are keyed by it.
    """

    name: str
    dataset: str
    resolution: int
    classes: int

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True)
class Costs:
    """Trainable parameters (a count) and FLOPs of one image (a count, in the named convention).

    ``convention`` says what was counted: ``macs`` is one multiply-accumulate = 1 as in the
    NATS-Bench counter; other spaces name their own.
    """

    params: int
    flops: int
    convention: str = "macs"
