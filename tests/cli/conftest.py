"""Run a command in this process, and a small table and store to run it on."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

import uninas_bench as ub
from uninas_bench.cli import main

Run = Callable[..., Result]


@pytest.fixture(scope="session")
def run() -> Run:
    """``run("spaces", "--json")`` -> its result, with ``stdout`` and ``stderr`` apart."""

    def run(*arguments: object, code: int = 0) -> Result:
        result = CliRunner().invoke(main, list(map(str, arguments)))
        said = f"{arguments}: exit {result.exit_code}\n{result.stdout}\n{result.stderr}"
        assert result.exit_code == code, said
        return result

    return run


@pytest.fixture(scope="session")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ground-truth file of 16 architectures at a tiny scale, with three made-up seeds each."""
    space = ub.space("nasbench201", channels=4, cells=1)
    rng = np.random.default_rng(5)
    info = {
        "name": "tiny", "space": "nasbench201", "scale": str(space.scale), "task": "mnist-hard",
        "protocol": "drawn from a normal distribution", "source": "this test",
    }  # fmt: skip
    lines = ["# " + json.dumps(info), "architecture,seed,count,accuracy,loss"]
    for architecture in space.sample(16, np.random.default_rng(3)):
        quality = rng.uniform(40, 90)
        lines += [f"{architecture.encoding},{seed},1,{quality + rng.normal():.3f}," for seed in range(3)]
    path = tmp_path_factory.mktemp("table") / "tiny.csv.gz"
    path.write_bytes(gzip.compress(("\n".join(lines) + "\n").encode()))
    return path


@pytest.fixture(scope="session")
def store(run: Run, table: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with the scores of two proxies on that table."""
    path = tmp_path_factory.mktemp("store") / "scores.db"
    run(
        "leaderboard", "--ground-truth", table, "--proxies", "params,nwot", "--workers", "1",
        "--set", "nwot.batch=8", "--store", path, "--intervals", "none",
    )  # fmt: skip
    return path
