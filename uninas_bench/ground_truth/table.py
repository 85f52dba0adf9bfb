"""A ground-truth table: measured accuracies per architecture and seed, with what they were measured under."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from uninas_bench.errors import UserError
from uninas_bench.tasks import find_task

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = ("architecture", "seed", "count", "accuracy", "loss")
MEAN = "mean"
"""The seed of a row that averages several trainings."""
_DIGITS = 12
"""Of means: far below what any accuracy is written with, and above the rounding errors of a sum."""
CHANCE_MARGIN = 1.2
"""Up to this multiple of 100 / classes an accuracy counts as chance level."""


@dataclass(frozen=True, slots=True)
class TrainingRecord:
    """What it takes to train a table's architectures again, and what it took; of tables made here.

    Attributes:
        settings: of the protocol, as the score store names them: ``batch=32,source=task,...``.
        version: of the protocol.
        space_version: of the space.
        images: fingerprint of the image source.
        made_with: every combination of libraries and processor that trainings ran on, first run first.
        trainings: how many were run; those that failed have no row.
        seconds: they took together, each on one thread or device.
    """

    settings: str
    version: int
    space_version: int
    images: str
    made_with: tuple[str, ...]
    trainings: int
    seconds: float


@dataclass(frozen=True, slots=True)
class GroundTruthInfo:
    """What a table was measured under; stands in the first line of its file."""

    name: str
    space: str
    scale: str
    task: str
    """A task's name, split and epochs included: ``cifar10``, ``cifar10-valid-12ep``."""
    protocol: str
    """One sentence, or the recipe's name: how the accuracies were measured."""
    source: str
    """Where they come from: the file's name, with its sha256, or the command that made them."""
    training: TrainingRecord | None = None
    """Of a table that this program trained: how to do it again. None of printed and imported accuracies."""


class GroundTruth:
    """Accuracies in percent, per architecture and seed; immutable.

    Args:
        info: what was measured.
        rows: columns ``architecture`` (encoding), ``seed`` (text: a number, or ``mean``), ``count`` (how
            many trainings the row averages; 0 where unknown), ``accuracy`` (percent), ``loss`` (NaN where
            unknown).

    Raises:
        UserError: there is no row, a column is missing, an accuracy is not in 0..100, a row occurs twice, or
            an architecture has a mean beside single seeds.
    """

    __slots__ = ("_info", "_rows")

    def __init__(self, info: GroundTruthInfo, rows: pd.DataFrame) -> None:
        self._info = info
        self._rows = _checked(info.name, rows)

    def __repr__(self) -> str:
        return f"GroundTruth({self._info.name}: {len(self)} architectures, seeds {', '.join(self.seeds)})"

    def __len__(self) -> int:
        """How many architectures it has."""
        return int(self._rows["architecture"].nunique())

    @property
    def info(self) -> GroundTruthInfo:
        """What was measured, how, and where the numbers come from."""
        return self._info

    @property
    def rows(self) -> pd.DataFrame:
        """A copy of the rows as they were measured."""
        return self._rows.copy()

    @property
    def seeds(self) -> tuple[str, ...]:
        """Every seed that occurs, numbers first; ``("mean",)`` where only means are known."""
        return tuple(sorted(self._rows["seed"].unique(), key=_seed_order))

    def accuracies(self) -> pd.Series[float]:
        """Percent, the mean over each architecture's trainings; index: encodings in the table's order."""
        return self._means("accuracy")

    def losses(self) -> pd.Series[float]:
        """The mean loss of each architecture, NaN where one of its rows has none."""
        return self._means("loss")

    def counts(self) -> pd.Series[int]:
        """How many trainings stand behind each accuracy; 0 where the source did not say."""
        return self._rows.groupby("architecture", sort=False)["count"].sum()

    def seed_matrix(self) -> pd.DataFrame:
        """Percent, one row per encoding and one column per seed; NaN where a seed is missing."""
        wide = self._rows.pivot(index="architecture", columns="seed", values="accuracy")
        matrix = wide.loc[self._rows["architecture"].unique(), list(self.seeds)]
        return matrix.rename_axis(index=None, columns=None)

    @property
    def chance_level(self) -> pd.Series[bool]:
        """True where the mean accuracy is at most `CHANCE_MARGIN` times chance, 100 / classes percent.

        NAS-Bench-201 has 341 such cells, those that do not connect input to output; on ImageNet16-120 one
        connected cell joins them.

        Raises:
            UnknownName: the table's task is not in the catalogue, so its classes are unknown.
        """
        return self.accuracies() <= CHANCE_MARGIN * 100 / find_task(self._info.task).classes

    def subset(self, encodings: Iterable[str]) -> GroundTruth:
        """The same table for some of its architectures, in the given order.

        Raises:
            UserError: an architecture is not in the table, or none is given.
        """
        wanted = list(dict.fromkeys(encodings))
        known = set(self._rows["architecture"])
        missing = [encoding for encoding in wanted if encoding not in known]
        if missing or not wanted:
            lacking = f"{len(missing)} of {len(wanted)}, first {missing[0]}" if missing else "an empty choice"
            raise UserError(f"ground truth {self._info.name} has no accuracy for {lacking}")
        position = {encoding: i for i, encoding in enumerate(wanted)}
        chosen = self._rows[self._rows["architecture"].isin(wanted)]
        order = chosen["architecture"].map(position).to_numpy().argsort(kind="stable")
        return GroundTruth(self._info, chosen.iloc[order])

    def _means(self, column: str) -> pd.Series[float]:
        import numpy as np
        import pandas as pd

        codes, encodings = pd.factorize(self._rows["architecture"])
        weight = self._rows["count"].clip(lower=1).to_numpy()
        # Unlike a group's sum in pandas, bincount keeps a NaN: a loss known in part is no mean.
        sums = np.bincount(codes, weight * self._rows[column].to_numpy())
        # Means that are equal in decimals must tie, or the last bits of their sums would rank them.
        means = np.round(sums / np.bincount(codes, weight), _DIGITS)
        return pd.Series(means, index=pd.Index(encodings), name=column)


@dataclass(frozen=True, slots=True)
class GroundTruthEntry:
    """A table that is registered but not yet read."""

    name: str
    info: Callable[[], GroundTruthInfo]
    load: Callable[[], GroundTruth]


def _seed_order(seed: str) -> tuple[bool, int, str]:
    number = int(seed) if seed.isdecimal() else 0
    return (not seed.isdecimal(), number, seed)


def _checked(name: str, rows: pd.DataFrame) -> pd.DataFrame:
    missing = [column for column in COLUMNS if column not in rows.columns]
    if missing:
        raise UserError(
            f'ground truth {name}: column "{missing[0]}" is missing; needed: {", ".join(COLUMNS)}'
        )
    checked = (
        rows.loc[:, list(COLUMNS)]
        .astype({"architecture": str, "seed": str, "count": "int64", "accuracy": float, "loss": float})
        .reset_index(drop=True)
    )
    if checked.empty:
        raise UserError(f"ground truth {name}: it has no row")
    accuracy = checked["accuracy"]
    outside = checked.index[~accuracy.between(0, 100)]
    if len(outside):
        first = outside[0]
        raise UserError(
            f"ground truth {name}: accuracy {accuracy[first]} of {checked['architecture'][first]} "
            "is not in 0..100 percent"
        )
    twice = checked.index[checked.duplicated(["architecture", "seed"])]
    if len(twice):
        row = checked.loc[twice[0]]
        raise UserError(f"ground truth {name}: {row['architecture']} occurs twice with seed {row['seed']}")
    means = set(checked["architecture"][checked["seed"] == MEAN])
    mixed = checked["architecture"][(checked["seed"] != MEAN) & checked["architecture"].isin(means)]
    if len(mixed):
        raise UserError(f"ground truth {name}: {mixed.iloc[0]} has a mean and single seeds; give one of them")
    return checked
