"""How good an autoencoder is: reconstruction, and validity and uniqueness of what its prior gives.

Source: arch2vec, section 4.1 and Table 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from uninas_bench import Architecture
from uninas_bench_plugins._arch2vec.autoencoder import Autoencoder
from uninas_bench_plugins._arch2vec.graphs import PADDING, RULES, Rule

SAMPLES = 10_000
"""Graphs that are drawn from the prior."""


@dataclass(frozen=True)
class Figures:
    """Fractions between 0 and 1.

    Attributes:
        reconstruction: held-out architectures whose every operation and every edge comes back.
        operations: held-out architectures whose every operation comes back.
        validity: by rule, latents drawn from the prior whose decoded graphs are valid.
        uniqueness: by rule, different ones among the valid, by their operations.
    """

    reconstruction: float
    operations: float
    validity: dict[Rule, float]
    uniqueness: dict[Rule, float]

    def __str__(self) -> str:
        validity = ", ".join(f"{rule} {value:.1%}" for rule, value in self.validity.items())
        return f"reconstruction {self.reconstruction:.2%}; valid prior samples: {validity}"


def evaluate(
    autoencoder: Autoencoder,
    held_out: Sequence[Architecture],
    generator: torch.Generator,
    samples: int = SAMPLES,
) -> Figures:
    """All figures; NaN for the reconstruction of nothing.

    Args:
        autoencoder: that is trained.
        held_out: architectures that it was not trained on.
        generator: draws from the prior.
        samples: how many graphs; an architecture can be several.
    """
    exact, operations = _reconstruction(autoencoder, held_out)
    samples //= autoencoder.encoding.graphs
    valid, different = _prior(autoencoder, generator, samples)
    return Figures(
        exact,
        operations,
        {rule: count / samples for rule, count in valid.items()},
        {rule: different[rule] / count if count else float("nan") for rule, count in valid.items()},
    )


def _reconstruction(autoencoder: Autoencoder, held_out: Sequence[Architecture]) -> tuple[float, float]:
    if not held_out:
        return float("nan"), float("nan")
    exact = right = 0
    decoded = autoencoder.graphs(autoencoder.encode(held_out))
    for architecture, found in zip(held_out, decoded, strict=True):
        own = autoencoder.encoding.encode(architecture)
        there = own.operations != PADDING
        pairs = there[:, :, None] & there[:, None, :]
        same = bool((found.operations[there] == own.operations[there]).all())
        right += same
        exact += same and bool((found.adjacency[pairs] == own.adjacency[pairs]).all())
    return exact / len(held_out), right / len(held_out)


def _prior(
    autoencoder: Autoencoder, generator: torch.Generator, samples: int
) -> tuple[dict[Rule, int], dict[Rule, int]]:
    valid = dict.fromkeys(RULES, 0)
    seen: dict[Rule, set[bytes]] = {rule: set() for rule in RULES}
    for start in range(0, samples, 1000):
        drawn = autoencoder.sample(min(1000, samples - start), generator)
        for graphs in autoencoder.graphs(drawn):
            for rule in RULES:
                # Each asks for more than the one before.
                if not autoencoder.encoding.valid(graphs.operations, graphs.adjacency, rule):
                    break
                valid[rule] += 1
                seen[rule].add(graphs.operations.tobytes())
    return valid, {rule: len(found) for rule, found in seen.items()}
