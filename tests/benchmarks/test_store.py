"""How long a full store takes to read: 15,625 architectures, 10 proxies, 15 components."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from uninas_bench.cells import Configuration, Outcome, Status
from uninas_bench.spaces.nasbench201 import NasBench201
from uninas_bench.store import ScoreStore, open_store
from uninas_bench.testing.stores import PROVENANCE

COMPONENTS = {f"proxy{i}": count for i, count in enumerate([4, 2, 2, 1, 1, 1, 1, 1, 1, 1])}
ENCODINGS = [architecture.encoding for architecture in NasBench201().enumerate()]
# Processor time: the bounds hold on a busy machine, too.
pytestmark = [pytest.mark.slow, pytest.mark.benchmark(timer=time.process_time)]


def configuration(proxy: str) -> Configuration:
    return Configuration(
        "nasbench201", 1, "channels=16,cells=5", "cifar10", 32, 10, proxy, 1, "batch=64", "", 0
    )


def fill(store: ScoreStore) -> None:
    """A cell for every architecture and proxy, with random values; one proxy in one write."""
    rng = np.random.default_rng(0)
    run = store.begin_run(PROVENANCE)
    for proxy, count in COMPONENTS.items():
        key, names = configuration(proxy), [f"{proxy}_{number}" for number in range(count)]
        rows = rng.standard_normal((len(ENCODINGS), count)).tolist()
        store.write(
            (
                Outcome(key, encoding, Status.OK, "", dict(zip(names, row, strict=True)), 0.1, 2**20, 1.2)
                for encoding, row in zip(ENCODINGS, rows, strict=True)
            ),
            run,
        )
    store.end_run(run)


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("full") / "scores.db"
    with open_store(path) as store:
        fill(store)
    return path


def test_read_component_frames(benchmark: Any, full: Path) -> None:
    def read() -> int:
        with open_store(full, create=False) as store:
            columns = store.columns(store.configurations(), ENCODINGS)
            return sum(block.values.size for block in columns.values())

    assert benchmark.pedantic(read, rounds=5, warmup_rounds=1) == 15 * 15_625
    assert benchmark.stats.stats.min < 1.0


def test_read_a_sample(benchmark: Any, full: Path) -> None:
    """What a board over a few hundred architectures reads of a store that holds all of them."""

    def read() -> int:
        with open_store(full, create=False) as store:
            columns = store.columns(store.configurations(), ENCODINGS[::50])
            return sum(block.values.size for block in columns.values())

    assert benchmark.pedantic(read, rounds=5, warmup_rounds=1) == 15 * 313
    assert benchmark.stats.stats.min < 0.3


def test_commit_one_unit(benchmark: Any, tmp_path: Path) -> None:
    """Ten cells of one architecture, as they arrive during a run."""
    with open_store(tmp_path / "scores.db") as store:
        run = store.begin_run(PROVENANCE)
        encodings = iter(ENCODINGS)

        def commit() -> None:
            encoding = next(encodings)
            store.write(
                [
                    Outcome(configuration(proxy), encoding, Status.OK, "", {proxy: 1.0})
                    for proxy in COMPONENTS
                ],
                run,
            )

        benchmark.pedantic(commit, rounds=300, warmup_rounds=5)
    assert benchmark.stats.stats.median < 0.01
