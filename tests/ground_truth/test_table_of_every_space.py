"""A tiny table of every space that can be trained here: built, written, described, trained again."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

import uninas_bench as ub
from uninas_bench.ground_truth.build import build_table
from uninas_bench.ground_truth.facts import table_facts
from uninas_bench.ground_truth.files import read_table, write_table
from uninas_bench.ground_truth.retraining import retrain
from uninas_bench.ground_truth.training import TrainingSettings
from uninas_bench.ground_truth.verification import checks
from uninas_bench.host import default_host
from uninas_bench.report.table_sheet import sheet_text
from uninas_bench.tasks import find_task

SMALL: Mapping[str, tuple[dict[str, str], str]] = {
    "nasbench201": ({"channels": "2", "cells": "1"}, "digits"),
    "nats_size": ({}, "digits"),
    "hytra": ({"blocks": "1:1:1:1", "widths": "8:8:8:8", "stem": "8", "head": "8"}, "digits@32"),
    "mbconv": (
        {"depths": "1:1:1:1:1", "widths": "8:8:8:8:8", "stem": "8:8", "final": "8", "head": "8"}, "digits@32",
    ),
    "uninas": ({"widths": "8:8:8:8", "depths": "1:1:1:1", "stem": "8:8"}, "digits@32"),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("name", SMALL)
def test_from_training_to_training_again(name: str, tmp_path: Path) -> None:
    scale, task = SMALL[name]
    host = default_host()
    space = ub.space(name, **scale)
    built = build_table(
        f"{name}-tiny", space, space.sample(4, np.random.default_rng(1)), find_task(task), seeds=2, host=host,
        store=tmp_path / "s.db", settings=TrainingSettings(steps=2, batch=8),
    )  # fmt: skip
    write_table(built, tmp_path / "t.csv.gz")
    table = read_table(tmp_path / "t.csv.gz")
    assert table.info == built.info
    assert [check for check in checks(table, host) if check.passed is False] == []
    facts = table_facts(table, host)
    assert facts.lacking == ""
    assert set(facts.ranks) == {"params", "flops"}
    assert f"{name} [" in sheet_text(facts)
    found = retrain(table, host, count=1)
    assert found.differences == ()
    assert all(outcome.equal for outcome in found.outcomes())
