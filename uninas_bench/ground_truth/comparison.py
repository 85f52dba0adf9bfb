"""How far two tables of one space agree, and how far their noise lets them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from uninas_bench.architecture import Architecture
from uninas_bench.errors import UserError
from uninas_bench.ground_truth.facts import Rank, rank_of
from uninas_bench.ground_truth.noise import noise_ceiling
from uninas_bench.ground_truth.table_space import table_space

if TYPE_CHECKING:
    import pandas as pd

    from uninas_bench.ground_truth.noise import NoiseCeiling
    from uninas_bench.ground_truth.table import GroundTruth, GroundTruthInfo
    from uninas_bench.host import Host
    from uninas_bench.space import SearchSpace

Chance = Literal["include", "exclude"]
_FEWEST = 3


@dataclass(frozen=True, slots=True, eq=False)
class Comparison:
    """Two tables over what both have.

    Attributes:
        infos: of the first table and the second.
        sizes: architectures of each.
        pairs: accuracies, columns ``first`` and ``second``; index: encodings of the first table.
        by_class: how many of the pairs are of isomorphism classes, not of equal encodings.
        rank: correlation of the two columns.
        ceilings: of each table over the pairs; None where it has no single seeds.
        attainable: tau that noise would leave if the true accuracies of both had one order; see `attainable`.
            Counts the noise of the tables whose ceiling is known; NaN where neither is.
    """

    infos: tuple[GroundTruthInfo, GroundTruthInfo]
    sizes: tuple[int, int]
    pairs: pd.DataFrame
    by_class: int
    rank: Rank
    ceilings: tuple[NoiseCeiling | None, NoiseCeiling | None]
    attainable: float


def compare(first: GroundTruth, second: GroundTruth, host: Host, *, chance: Chance = "include") -> Comparison:
    """Rank correlation between the accuracies of two tables, architecture by architecture.

    Equal encodings are pairs. Of what is left, every isomorphism class that both tables have and that no
    pair is of gives one more, of the means over the class's encodings.

    Args:
        first: of any scale and task.
        second: of the same space.
        host: knows the space, whose `canonical` names the classes.
        chance: ``exclude`` leaves out what either table has at chance level.

    Raises:
        UserError: other spaces, or fewer than three architectures that both have.
    """
    if first.info.space != second.info.space:
        raise UserError(
            f"ground truth {first.info.name} is of {first.info.space}, {second.info.name} of "
            f"{second.info.space}; compare tables of one space"
        )
    left, right = _accuracies(first, chance), _accuracies(second, chance)
    members = _matches(left, right, (table_space(first.info, host), table_space(second.info, host)))
    if len(members) < _FEWEST:
        raise UserError(
            f"ground truths {first.info.name} and {second.info.name} have {len(members)} architectures in "
            f"common; a correlation needs {_FEWEST}"
        )
    pairs = _means(left, right, members)
    ceilings = (
        noise_ceiling(first, [encoding for each, _ in members for encoding in each]),
        noise_ceiling(second, [encoding for _, each in members for encoding in each]),
    )
    known = [ceiling.corrected for ceiling in ceilings if ceiling is not None]
    return Comparison(
        infos=(first.info, second.info),
        sizes=(len(first), len(second)),
        pairs=pairs,
        by_class=sum(a != b for a, b in members),
        rank=rank_of(pairs["first"], pairs["second"]),
        ceilings=ceilings,
        attainable=attainable(*known) if known else math.nan,
    )


def attainable(*ceilings: float) -> float:
    r"""Tau between two noisy columns whose true values have one order, from tau of each with its own truth.

    Noise of the two tables is independent, so on the scale of Pearson's correlation, to which Greiner's
    :math:`\rho = \sin(\pi\tau/2)` leads, their factors multiply (Spearman 1904, attenuation). An estimate
    under the assumptions of `noise.corrected_ceiling`.
    """
    return 2 / math.pi * math.asin(math.prod(math.sin(math.pi / 2 * tau) for tau in ceilings))


_Members = list[tuple[tuple[str, ...], tuple[str, ...]]]
"""Of every pair the encodings in the first table and in the second."""


def _accuracies(table: GroundTruth, chance: Chance) -> pd.Series[float]:
    accuracies = table.accuracies()
    if chance == "include":
        return accuracies
    return accuracies[~table.chance_level.reindex(accuracies.index)]


def _matches(
    left: pd.Series[float], right: pd.Series[float], spaces: tuple[SearchSpace, SearchSpace]
) -> _Members:
    """``spaces`` are at the scales of the tables: in some spaces other scales have other encodings."""
    shared = set(left.index) & set(right.index)
    members: _Members = [((encoding,), (encoding,)) for encoding in left.index if encoding in shared]
    rests = [[encoding for encoding in side.index if encoding not in shared] for side in (left, right)]
    if not all(rests):
        return members
    taken = {_class(spaces[0], encoding) for encoding in shared}
    classes: list[dict[str, list[str]]] = []
    for rest, space in zip(rests, spaces, strict=True):
        groups: dict[str, list[str]] = {}
        for encoding in rest:
            groups.setdefault(_class(space, encoding), []).append(encoding)
        classes.append(groups)
    ours, theirs = classes
    members += [
        (tuple(ours[name]), tuple(theirs[name])) for name in ours if name in theirs and name not in taken
    ]
    return members


def _class(space: SearchSpace, encoding: str) -> str:
    return space.canonical(Architecture(space.name, encoding))


def _means(left: pd.Series[float], right: pd.Series[float], members: _Members) -> pd.DataFrame:
    import pandas as pd

    ours, theirs = left.to_dict(), right.to_dict()
    return pd.DataFrame(
        {
            "first": [sum(ours[name] for name in a) / len(a) for a, _ in members],
            "second": [sum(theirs[name] for name in b) / len(b) for _, b in members],
        },
        index=[a[0] for a, _ in members],
    )
