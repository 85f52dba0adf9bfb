"""An endless space of words, one that knows its bounds, and proxies that read the encoding alone."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Self

from uninas_bench import Architecture, Costs, Scale, Subject, Task, simple_proxy
from uninas_bench.bounds import Bounds
from uninas_bench.errors import InvalidArchitecture

if TYPE_CHECKING:
    import numpy as np
    from torch import nn

TASK = Task("toy", "toy", 4, 3)


class Words:
    """Words over a, b and c; ``costs`` are 10 parameters and 1 FLOP a letter, ``canonical`` takes c for b."""

    name = "words"
    version = 1
    size: int | None = None
    tasks = (TASK,)
    scale = Scale()

    def scaled(self, **overrides: object) -> Self:
        assert not overrides
        return self

    def enumerate(self) -> Iterator[Architecture]:
        raise AssertionError("there is no end of words")

    def sample(self, n: int, rng: np.random.Generator) -> list[Architecture]:
        return [self._word("".join(rng.choice(list("abc"), size=int(rng.integers(1, 9))))) for _ in range(n)]

    def mutate(self, architecture: Architecture, rng: np.random.Generator) -> Architecture:
        """Add a letter at the end, or drop the first one of at least two."""
        word = architecture.encoding
        return self._word(word[1:] if len(word) > 1 and rng.random() < 0.4 else word + "abc"[rng.integers(3)])

    def parse(self, text: str) -> Architecture:
        if not text or set(text) - set("abc"):
            raise InvalidArchitecture(f'words: "{text}": expected letters of a, b, c')
        return self._word(text)

    def spellings(self, architecture: Architecture) -> Mapping[str, str]:
        return {"string": architecture.encoding}

    def canonical(self, architecture: Architecture) -> str:
        return architecture.encoding.replace("c", "b")

    def costs(self, architecture: Architecture, task: Task) -> Costs:
        return Costs(10 * len(architecture.encoding), len(architecture.encoding), "letters")

    def build(self, architecture: Architecture, task: Task) -> nn.Module:
        raise AssertionError("nobody needs the network of a word")

    def blocks(self, network: nn.Module) -> Sequence[tuple[str, nn.Module]]:
        return []

    def _word(self, text: str) -> Architecture:
        return Architecture(self.name, text)


class BoundedWords(Words):
    """Words that move within bounds, and remember how they were asked to."""

    name = "bounded-words"

    def __init__(self) -> None:
        self.asked: set[tuple[Bounds, int, float, int]] = set()

    def step(
        self,
        architecture: Architecture,
        rng: np.random.Generator,
        task: Task,
        bounds: Bounds,
        *,
        steps: int = 1,
        p_eliminate: float = 0.3,
        n_try: int = 64,
    ) -> Architecture | None:
        self.asked.add((bounds, steps, p_eliminate, n_try))
        assert bounds.allows(self.costs(architecture, task)), "a parent is within the bounds"
        word = architecture.encoding
        for _ in range(steps):
            shorter = word[1:] if rng.random() < p_eliminate else word + "abc"[int(rng.integers(3))]
            if shorter and bounds.allows(self.costs(replace(architecture, encoding=shorter), task)):
                word = shorter
        return replace(architecture, encoding=word) if word != architecture.encoding else None


def encoding(subject: Subject) -> str:
    assert subject.architecture is not None
    return subject.architecture.encoding


@simple_proxy("bees", version=1)
def bees(subject: Subject) -> float:
    """The share of letters that are no a."""
    word = encoding(subject)
    if "SEARCH_LOG" in os.environ:
        with Path(os.environ["SEARCH_LOG"]).open("a") as log:
            log.write(word + "\n")
    return sum(letter != "a" for letter in word) / len(word)


@simple_proxy("equal", version=1)
def equal(subject: Subject) -> float:
    return 1.0


@simple_proxy("picky", version=1)
def picky(subject: Subject) -> float:
    """Fails where the word begins with a."""
    if encoding(subject).startswith("a"):
        raise ValueError("begins with a")
    return float(len(encoding(subject)))
