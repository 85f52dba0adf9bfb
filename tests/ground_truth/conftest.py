"""Fixtures of the ground-truth tests: tiny official files, and a data folder per test."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import nats_bench.api_utils
import pytest

from tests.ground_truth.tiny import CELLS, benchmark, nats_record


@pytest.fixture
def nats_file(tmp_path: Path) -> Path:
    """The single file of the topology space, with three architectures."""
    path = tmp_path / "tiny.pickle.pbz2"
    content = benchmark(CELLS, {i: nats_record(i, cell) for i, cell in enumerate(CELLS)})
    nats_bench.api_utils.pickle_save(content, str(tmp_path / "tiny.pickle"))
    return path


@pytest.fixture
def nats_folder(tmp_path: Path) -> Callable[..., Path]:
    """Writes a ``-simple`` folder."""

    def write(spellings: tuple[str, ...] = CELLS, schedules: tuple[str, ...] = ("12", "200")) -> Path:
        folder = tmp_path / "NATS-tss-v1_0-3ffb9-simple"
        folder.mkdir()
        save = nats_bench.api_utils.pickle_save
        save({**benchmark(spellings, {}), "arch2infos": None}, str(folder / "meta.pickle"))
        for index, spelling in enumerate(spellings):
            save(nats_record(index, spelling, schedules), str(folder / f"{index:06d}.pickle"))
        return folder

    return write


@pytest.fixture(autouse=True)
def data_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fresh_host: None) -> Path:
    """Imported tables go to a folder of this test."""
    folder = tmp_path / "data"
    monkeypatch.setenv("UNINAS_BENCH_DATA", str(folder))
    return folder
