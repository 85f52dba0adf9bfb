"""The record of a table's trainings, from a store that several machines wrote to."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import uninas_bench as ub
from uninas_bench import provenance
from uninas_bench.ground_truth.build import build_table
from uninas_bench.ground_truth.retraining import retrain
from uninas_bench.ground_truth.table import GroundTruth, TrainingRecord
from uninas_bench.ground_truth.training import TrainingSettings
from uninas_bench.host import default_host
from uninas_bench.store import open_store
from uninas_bench.tasks import find_task


def build(store: Path, seeds: int, n: int = 3) -> tuple[GroundTruth, TrainingRecord]:
    space = ub.space("nasbench201", channels=2, cells=1)
    table = build_table(
        "tiny", space, space.sample(6, np.random.default_rng(0))[:n], find_task("digits"), seeds=seeds,
        store=store, host=default_host(), settings=TrainingSettings(steps=1),
    )  # fmt: skip
    assert table.info.training is not None
    return table, table.info.training


def test_every_machine_that_took_part_is_named_in_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(provenance, "processor", lambda: "Other 1-2-3")
    _, alone = build(tmp_path / "s.db", 1)
    assert [text.rpartition(", ")[2] for text in alone.made_with] == ["Other 1-2-3"]
    monkeypatch.undo()
    table, both = build(tmp_path / "s.db", 2)
    here = provenance.processor()
    assert [text.rpartition(", ")[2] for text in both.made_with] == ["Other 1-2-3", here]
    found = retrain(table, default_host(), count=1)
    assert found.differences[0].startswith("made with torch")
    assert "Other 1-2-3; torch" in found.differences[0]


def test_cost_is_that_of_the_stored_cells(tmp_path: Path) -> None:
    _, record = build(tmp_path / "s.db", 2)
    with open_store(tmp_path / "s.db", create=False) as store:
        cells = [columns.cells for columns in store.columns(store.configurations()).values()]
    assert record.trainings == sum(map(len, cells)) == 6
    assert record.seconds == pytest.approx(sum(frame["seconds"].sum() for frame in cells), abs=0.06)


def test_a_table_of_part_of_a_store_counts_its_own_part(tmp_path: Path) -> None:
    _, whole = build(tmp_path / "s.db", 2, n=3)
    _, part = build(tmp_path / "s.db", 1, n=2)
    assert (whole.trainings, part.trainings) == (6, 2)
    assert part.seconds <= whole.seconds  # both are kept in tenths, and these trainings take a hundredth
    again = build(tmp_path / "s.db", 2, n=3)[1]
    assert again == whole
