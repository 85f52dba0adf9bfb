"""The GitHub action: its script, run as a runner does."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.baseline.plugin import write_plugin

ROOT = Path(__file__).resolve().parents[2]
ACTION = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))


def steps() -> dict[str, dict[str, object]]:
    return {step["name"]: step for step in ACTION["runs"]["steps"]}


def test_inputs_reach_scripts_by_the_environment_alone():
    for step in steps().values():
        assert "${{" not in step["run"]
    used = {
        name
        for step in steps().values()
        for value in step["env"].values()
        for name in ACTION["inputs"]
        if f"inputs.{name} " in value
    }
    assert used == set(ACTION["inputs"])


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash")
def test_a_regression_ends_the_step_with_1_and_leaves_reports(folder, tmp_path):
    plugin = write_plugin(tmp_path, sign=-1)
    tools = tmp_path / "bin"
    tools.mkdir()
    (tools / "python").symlink_to(sys.executable)
    environment = {
        **os.environ,
        "PATH": f"{tools}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
        "BASELINES": f"{folder / 'baseline.json'}\n\n",
        "ARGUMENTS": f"--plugin {plugin} --workers 1 --no-cost",
        "REPORTS": str(tmp_path / "reports"),
        "GITHUB_OUTPUT": str(tmp_path / "output"),
        "GITHUB_STEP_SUMMARY": str(tmp_path / "summary.md"),
    }
    done = subprocess.run(
        ["bash", "-c", steps()["Check"]["run"]], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1, done.stderr
    assert "::error title=uninas-bench::spread on nasbench201" in done.stdout
    assert (tmp_path / "output").read_text() == "passed=false\n"
    assert "regression: spread" in (tmp_path / "summary.md").read_text()
    assert not json.loads((tmp_path / "reports" / "baseline.check.json").read_text())["passed"]
    assert (tmp_path / "reports" / "baseline.xml").exists()
