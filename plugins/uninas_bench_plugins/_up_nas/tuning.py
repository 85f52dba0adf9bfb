"""Weights whose sum ranks some accuracies best (section 3.5 of the paper)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import uninas_bench as ub
from uninas_bench import UserError, search_weights

if TYPE_CHECKING:
    import pandas as pd

FEWEST = 10
"""Architectures with an accuracy; of fewer any weights rank them well."""


def tuned(targets: pd.DataFrame, accuracies: Mapping[str, float], trials: int, seed: int) -> dict[str, Any]:
    """Weights in [-1, 1] by the search that ensembles have, and the tau that they reach where they are from.

    Args:
        targets: (architectures, members), normalised scores.
        accuracies: by encoding, of some of them.
        trials: of the search.
        seed: of the search.

    Raises:
        UserError: there are hardly any architectures with both.
    """
    both = [encoding for encoding in targets.index if encoding in accuracies]
    if len(both) < FEWEST:
        raise UserError(
            f"accuracies: of {len(accuracies)} architectures {len(both)} have scores of the members; weights "
            f"need at least {FEWEST}"
        )
    scores, truth = targets.loc[both], [accuracies[encoding] for encoding in both]
    weights = search_weights(scores, truth, trials=trials, seed=seed)
    return {
        "weights": {str(name): float(weight) for name, weight in weights.items()},
        "architectures": len(both),
        "tau": ub.correlation.kendall(scores @ weights, truth),
    }
