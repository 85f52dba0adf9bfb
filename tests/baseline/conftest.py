"""A baseline of the toy plugin, recorded once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.baseline.plugin import NAMES, host, write_toy_table
from uninas_bench.baseline.checking import check
from uninas_bench.baseline.measuring import Running
from uninas_bench.baseline.recording import record
from uninas_bench.baseline.verdict import Check


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With ``toy.csv.gz``, ``baseline.json`` and the plugin that it was recorded with."""
    folder = tmp_path_factory.mktemp("gate")
    table = write_toy_table(folder)
    record(folder / "baseline.json", host=host(folder), ground_truth=str(table), proxies=NAMES, sample=30)
    return folder


@pytest.fixture
def checked(folder: Path, tmp_path: Path) -> Callable[..., Check]:
    """``checked(batch=4)``: the baseline against the plugin with that change; not timed unless asked."""

    def run(*, cost: bool = False, **changes: object) -> Check:
        return check(folder / "baseline.json", host=host(tmp_path, **changes), running=Running(cost=cost))

    return run
