"""Which architectures a board rests on: those of a table, sampled, with or without isomorphic twins."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from uninas_bench.architecture import Architecture
from uninas_bench.errors import UserError
from uninas_bench.seeds import derive_seed

if TYPE_CHECKING:
    import pandas as pd

    from uninas_bench.ground_truth.table import GroundTruth
    from uninas_bench.space import SearchSpace

Dedup = Literal["none", "isomorphic"]
Chance = Literal["include", "exclude"]


def draw_population(
    table: GroundTruth,
    space: SearchSpace,
    *,
    sample: int | None = None,
    seed: int = 0,
    dedup: Dedup = "none",
    chance: Chance = "include",
) -> pd.Series[float]:
    """The accuracies, in percent, of the architectures that are correlated together.

    In this order: chance-level architectures go if ``chance`` says so; of each isomorphism class the first
    in the table's order stays if ``dedup`` says so; then ``sample`` are drawn uniformly without replacement
    and put back into the table's order. A class keeps its first member's accuracy, never a mean.

    Args:
        table: its encodings must be of ``space``.
        space: knows the isomorphism classes.
        sample: how many to draw; None takes all.
        seed: of the sample.
        dedup: ``isomorphic`` keeps one of each class of `SearchSpace.canonical`.
        chance: ``exclude`` leaves out what the table flags as chance level.

    Returns:
        Index: encodings; at least 2.

    Raises:
        UserError: fewer than 2 architectures are left, or ``sample`` exceeds what is there.
    """
    import numpy as np

    accuracies = table.accuracies()
    if chance == "exclude":
        accuracies = accuracies[~table.chance_level.reindex(accuracies.index)]
    if dedup == "isomorphic":
        first: dict[str, str] = {}
        for encoding in accuracies.index:
            first.setdefault(space.canonical(Architecture(space.name, str(encoding))), str(encoding))
        accuracies = accuracies.loc[list(first.values())]
    if sample is not None:
        if not 2 <= sample <= len(accuracies):
            raise UserError(
                f"sample={sample}: expected 2 to {len(accuracies)}, "
                f"what ground truth {table.info.name} leaves"
            )
        rng = np.random.default_rng(derive_seed("population", space.name, seed))
        chosen = np.sort(rng.choice(len(accuracies), sample, replace=False))
        accuracies = accuracies.iloc[chosen]
    if len(accuracies) < 2:
        raise UserError(
            f"ground truth {table.info.name} leaves {len(accuracies)} architectures; a board needs 2"
        )
    return accuracies
