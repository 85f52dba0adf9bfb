"""The table: means, seeds, losses, chance level, subsets, and what it refuses."""

from __future__ import annotations

import math
import pickle
from typing import Any

import pandas as pd
import pytest

from uninas_bench.errors import UserError
from uninas_bench.ground_truth.table import COLUMNS, GroundTruth, GroundTruthInfo

INFO = GroundTruthInfo("t", "nasbench201", "channels=16,cells=5", "cifar10", "protocol", "source")
ROWS = [
    ("b", "888", 1, 90.0, 0.25),
    ("b", "777", 1, 92.0, 0.75),
    ("a", "777", 1, 50.0, math.nan),
    ("a", "1000", 1, 60.0, 1.0),
    ("c", "888", 1, 10.0, 2.5),
]


def table(rows: list[tuple[Any, ...]] = ROWS, task: str = "cifar10") -> GroundTruth:
    info = GroundTruthInfo("t", "nasbench201", "channels=16,cells=5", task, "protocol", "source")
    return GroundTruth(info, pd.DataFrame(rows, columns=list(COLUMNS)))


def test_means_keep_the_tables_order() -> None:
    assert table().accuracies().to_dict() == {"b": 91.0, "a": 55.0, "c": 10.0}
    assert list(table().accuracies().index) == ["b", "a", "c"]
    assert len(table()) == 3


def test_a_loss_known_in_part_is_unknown() -> None:
    losses = table().losses()
    assert losses["b"] == 0.5
    assert math.isnan(losses["a"])


def test_means_are_weighted_by_their_counts() -> None:
    rows = [("a", "first", 3, 90.0, 1.0), ("a", "second", 1, 70.0, 5.0), ("b", "mean", 0, 30.0, 1.0)]
    assert table(rows).accuracies().to_dict() == {"a": 85.0, "b": 30.0}
    assert table(rows).losses()["a"] == 2.0
    assert table(rows).counts().to_dict() == {"a": 4, "b": 0}


def test_means_that_are_equal_in_decimals_tie() -> None:
    """0.1 + 0.2 is not 0.3 in binary; rank statistics must not see it."""
    pairs = [("a", 10.1, 10.2), ("b", 10.3, 10.0), ("c", 10.15, 10.15)]
    rows = [(name, str(k), 1, value, 1.0) for name, *values in pairs for k, value in enumerate(values)]
    assert table(rows).accuracies().nunique() == 1


def test_seeds_are_in_numerical_order() -> None:
    assert table().seeds == ("777", "888", "1000")
    matrix = table().seed_matrix()
    assert matrix.columns.tolist() == ["777", "888", "1000"]
    assert matrix.loc["b"].tolist()[:2] == [92.0, 90.0]
    assert matrix.isna().to_numpy().tolist() == [
        [False, False, True],
        [False, True, False],
        [True, False, True],
    ]


def test_chance_level_depends_on_the_classes() -> None:
    assert table().chance_level.to_dict() == {"b": False, "a": False, "c": True}
    assert not table(task="cifar100-12ep").chance_level.any()
    with pytest.raises(UserError, match='no task "unheard-of"'):
        _ = table(task="unheard-of").chance_level


def test_subset() -> None:
    part = table().subset(["c", "b"])
    assert list(part.accuracies().index) == ["c", "b"]
    assert part.info == table().info
    with pytest.raises(UserError, match="no accuracy for 1 of 2, first z"):
        table().subset(["a", "z"])
    with pytest.raises(UserError, match="an empty choice"):
        table().subset([])


def test_it_cannot_be_changed() -> None:
    frame = pd.DataFrame(ROWS, columns=list(COLUMNS))
    made = GroundTruth(INFO, frame)
    frame.loc[0, "accuracy"] = 0.0
    rows, means = made.rows, made.accuracies()
    rows.loc[0, "accuracy"] = 0.0
    means.iloc[0] = 0.0
    assert made.accuracies()["b"] == 91.0
    with pytest.raises(AttributeError):
        made.info = INFO  # type: ignore[misc]
    with pytest.raises(AttributeError):
        made.anything = 1  # type: ignore[attr-defined]


def test_it_can_be_pickled() -> None:
    copy = pickle.loads(pickle.dumps(table()))
    assert copy.rows.equals(table().rows)
    assert copy.info == table().info


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (("a", "777", 1, 51.0, 0.0), "a occurs twice with seed 777"),
        (("d", "1", 1, 100.5, 0.0), "accuracy 100.5 of d is not in 0..100"),
        (("d", "1", 1, math.nan, 0.0), "accuracy nan of d is not in 0..100"),
        (("a", "mean", 3, 51.0, 0.0), "a has a mean and single seeds"),
    ],
)
def test_refused(row: tuple[Any, ...], message: str) -> None:
    with pytest.raises(UserError, match=message):
        table([*ROWS, row])


def test_a_missing_column_is_named() -> None:
    with pytest.raises(UserError, match='column "loss" is missing'):
        GroundTruth(INFO, pd.DataFrame(ROWS, columns=list(COLUMNS)).drop(columns="loss"))
