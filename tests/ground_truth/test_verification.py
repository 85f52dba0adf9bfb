"""The checks of a table that trained nothing again."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests import toy
from uninas_bench.ground_truth.table import GroundTruth, TrainingRecord
from uninas_bench.ground_truth.verification import checks
from uninas_bench.host import default_host

RECORD = TrainingRecord("steps=7", 1, 1, "digits", ("torch 2, cpu",), 180, 1.0)


def found(record: TrainingRecord | None) -> dict[str, bool | None]:
    table = toy.table()
    made = GroundTruth(replace(table.info, training=record), table.rows)
    return {check.name: check.passed for check in checks(made, default_host())}


@pytest.mark.parametrize(
    ("trainings", "passed"),
    [(180, True), (181, None), (179, False)],
    ids=["whole", "failed", "too many rows"],
)
def test_every_training_has_a_row_and_every_row_a_training(trainings: int, passed: bool | None) -> None:
    results = found(replace(RECORD, trainings=trainings))
    assert results["training"] is passed
    assert results["rows"] is results["encodings"] is results["seeds"] is True


def test_without_a_record_nothing_is_claimed() -> None:
    assert found(None)["training"] is None
