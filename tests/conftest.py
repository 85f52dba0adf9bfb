"""What every test stands on: no store, cache or data of the user's, and a host of its own where asked."""

from __future__ import annotations

import os

# Before anything imports torch: a test that needs threads must say so.
os.environ.setdefault("OMP_NUM_THREADS", "1")

from collections.abc import Iterator
from pathlib import Path

import pytest

from uninas_bench.host import default_host

ROOT = Path(__file__).resolve().parent.parent

# Distributions of their own, whose tests run where they are installed.
collect_ignore_glob = ["third_party_plugin/*/*"]


@pytest.fixture(scope="session", autouse=True)
def _isolated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Point every path that the package takes from the environment into a temporary folder."""
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("UNINAS_BENCH_STORE", str(home / "scores.db"))
        patch.setenv("UNINAS_BENCH_CACHE", str(home / "cache"))
        patch.setenv("UNINAS_BENCH_DATA", str(home / "data"))
        patch.delenv("UNINAS_BENCH_DISABLE_PLUGINS", raising=False)
        patch.delenv("UNINAS_BENCH_TRACE_PLUGINS", raising=False)
        (home / "cache").mkdir()
        (home / "data").mkdir()
        yield


@pytest.fixture
def fresh_host() -> Iterator[None]:
    """Build the default host anew in this test and in those after it."""
    default_host.cache_clear()
    yield
    default_host.cache_clear()


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of ground-truth tables and images that are not part of this project."""
    folder = Path(os.environ.get("UNINAS_BENCH_TEST_DATA", ROOT.parent / "shared" / "data"))
    if not (folder / "ground_truth").is_dir():
        pytest.skip(f"{folder} is absent; UNINAS_BENCH_TEST_DATA names another folder")
    return folder
