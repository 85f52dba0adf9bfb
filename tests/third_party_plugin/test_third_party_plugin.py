"""Two real distributions, built and installed into an environment of their own: one works, one is broken."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent

pytestmark = pytest.mark.slow


def run(*command: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        list(map(str, command)),
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1", **environment},
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of a fresh environment that has both plugins, on top of what these tests run in."""
    home = tmp_path_factory.mktemp("third-party")
    venv.EnvBuilder(symlinks=True).create(home / "env")
    interpreter = home / "env" / "bin" / "python"
    site = Path(
        run(interpreter, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").stdout.strip()
    )
    below = sysconfig.get_path("purelib")
    (site / "below.pth").write_text(f"import site; site.addsitedir({below!r})\n")
    sources = home / "sources"
    for name in ("activation", "broken"):
        # A build writes beside the sources, which belong to the checkout.
        copy = sources / name
        copy.mkdir(parents=True)
        for file in (HERE / name).glob("*.*"):
            (copy / file.name).write_bytes(file.read_bytes())
    options = ["--no-deps", "--no-build-isolation", "--no-index", "--quiet", "--target", site]
    run(sys.executable, "-m", "pip", "install", *options, sources / "activation", sources / "broken")
    return interpreter


def test_the_new_proxy_is_on_the_board_and_the_broken_one_is_reported(python: Path, tmp_path: Path) -> None:
    done = run(
        python, "-m", "uninas_bench", "leaderboard", "--proxies", "activation,params", "--sample", "12",
        "--workers", "1", "--format", "csv", "--store", tmp_path / "scores.db",
    )  # fmt: skip
    header, *rows = [line for line in done.stdout.splitlines() if "," in line]
    assert "proxy" in header
    assert any("activation" in row.split(",") for row in rows)
    assert any("params" in row.split(",") for row in rows)
    warnings = [line for line in done.stderr.splitlines() if line.startswith("warning: ")]
    assert len(warnings) == 1
    assert "uninas-bench-broken 0.1.0" in warnings[0]
    assert "a_module_that_nobody_has" in warnings[0]


def test_the_listing_of_plugins_names_both(python: Path) -> None:
    rows = json.loads(run(python, "-m", "uninas_bench", "plugins", "--json").stdout)
    states = {row["name"]: row for row in rows}
    assert states["activation"]["state"] == "ok"
    assert states["activation"]["from"] == "uninas-bench-activation 0.1.0"
    assert states["broken"]["state"] == "broken"
    assert "a_module_that_nobody_has" in states["broken"]["reason"]


def test_a_blocked_plugin_is_silent(python: Path) -> None:
    done = run(python, "-m", "uninas_bench", "proxies", UNINAS_BENCH_DISABLE_PLUGINS="broken")
    assert "activation" in done.stdout
    assert done.stderr == ""


def test_the_plugins_own_tests_pass(python: Path, tmp_path: Path) -> None:
    (tmp_path / "test_activation.py").write_bytes((HERE / "activation" / "test_activation.py").read_bytes())
    (tmp_path / "pyproject.toml").write_bytes((HERE / "activation" / "pyproject.toml").read_bytes())
    done = run(python, "-m", "pytest", "-q", "--rootdir", tmp_path, tmp_path)
    assert " passed" in done.stdout
    assert "failed" not in done.stdout


def test_the_plugin_is_fifteen_lines() -> None:
    lines = (HERE / "activation" / "uninas_bench_activation.py").read_text().splitlines()
    assert len(lines) <= 15
