"""The command: exit codes, files, and mistakes in one line."""

from __future__ import annotations

import json
import subprocess
import sys
from xml.etree import ElementTree

import pytest
from click.testing import CliRunner

from tests.baseline.plugin import write_plugin
from uninas_bench.cli import main


@pytest.fixture
def run():
    def run(*arguments, code=0):
        result = CliRunner().invoke(main, ["baseline", *map(str, arguments)])
        said = f"{arguments}: exit {result.exit_code}\n{result.stdout}\n{result.stderr}"
        assert result.exit_code == code, said
        return result

    return run


@pytest.fixture
def checking(folder, tmp_path, run):
    def checking(*arguments, code=0, baseline=folder / "baseline.json", **changes):
        plugin = write_plugin(tmp_path, **changes)
        return run("check", baseline, "--plugin", plugin, "--workers", 1, "--no-cost", *arguments, code=code)

    return checking


def test_record_check_show(folder, tmp_path, run, checking):
    path = tmp_path / "new.json"
    made = run(
        "record", "--ground-truth", folder / "toy.csv.gz", "--plugin", write_plugin(tmp_path), "--proxies",
        "spread", "--sample", 12, "--workers", 1, "--no-cost", "--tolerance", "spread=0.5", "--output", path,
    )  # fmt: skip
    assert "spread" in made.stdout
    assert f"wrote {path}" in made.stderr
    assert "no regression on nasbench201" in checking(baseline=path).stdout
    shown = run("show", path, "--format", "json")
    assert json.loads(shown.stdout)["baseline"]["n"] == 12
    assert "spread 0.5" in run("show", path).stdout
    run("show", path, "--format", "csv", "--output", tmp_path / "shown.csv")
    assert (tmp_path / "shown.csv").read_text().startswith("space,")


def test_a_regression_exits_with_1_and_is_written_everywhere(checking, tmp_path, monkeypatch):
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary.md"))
    result = checking(
        "--junit", tmp_path / "j.xml", "--json", tmp_path / "j.json", "--github", code=1, sign=-1
    )
    assert "regression: spread on nasbench201" in result.stdout
    assert "::error title=uninas-bench::spread on nasbench201" in result.stdout
    assert ElementTree.parse(tmp_path / "j.xml").find("testsuite").get("failures") == "2"
    assert not json.loads((tmp_path / "j.json").read_text())["passed"]
    assert "| proxy |" in (tmp_path / "summary.md").read_text()


def test_forms_that_programs_read_stand_alone_on_stdout(checking, tmp_path):
    found = json.loads(checking("--format", "json", "--github", code=1, sign=-1).stdout)
    assert found["rows"]
    result = checking("--format", "markdown", "--output", tmp_path / "r.md", code=1, sign=-1)
    assert "regression: spread" in result.stderr
    assert "| proxy |" in (tmp_path / "r.md").read_text()
    assert not result.stdout


def test_strict(checking):
    result = checking(version=2)
    assert (
        "not compared: spread; to have them compared from now on, record the baseline again" in result.stdout
    )
    assert "not comparable: version 1 -> 2" in checking("--strict", version=2, code=1).stdout


def test_some_proxies(checking):
    result = checking("--proxies", "skips", sign=-1)
    assert "spread" not in result.stdout


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("check", "none.json"), "none.json: no such file; make one"),
        (("check", "{baseline}", "--proxies", "spred"), 'in the baseline "spred"; did you mean "spread"'),
        (("check", "{baseline}", "--ground-truth", "embedded"), "has no accuracy for"),
        (("check", "{baseline}", "--alpha", "0"), "--alpha"),
        (("record", "--output", "o.json", "--sample", "0"), "--sample 0: expected"),
        (("record", "--output", "o.json", "--tolerance", "zico"), "--tolerance zico: expected PROXY=NUMBER"),
        (("record", "--output", "o.json", "--proxies", "zicoo"), 'did you mean "zico"'),
        (("record", "--output", "o.json", "--scale", "cells=1"), "--scale without --space"),
        (("record",), "--output"),
        (("show", "none.json"), "none.json: no such file"),
    ],
)  # fmt: skip
def test_mistakes(folder, tmp_path, monkeypatch, run, arguments, says):
    monkeypatch.chdir(tmp_path)
    given = [text.format(baseline=folder / "baseline.json") for text in arguments]
    result = run(*given, code=2)
    assert says in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1


def test_stored_scores_alone_need_no_torch_and_make_no_store(tmp_path, monkeypatch):
    """Of the whole embedded table, from the scores of the package."""
    monkeypatch.setenv("UNINAS_BENCH_STORE", str(tmp_path / "scores.db"))
    code = (
        "import sys\nfrom uninas_bench.cli import main\n"
        "try:\n    main(sys.argv[1:])\nfinally:\n    assert 'torch' not in sys.modules\n"
    )
    path = str(tmp_path / "all.json")
    for call in (["record", "--stored-only", "--sample", "all", "--output", path], ["check", path]):
        arguments = ["baseline", *call, *(["--stored-only"] if call[0] == "check" else [])]
        done = subprocess.run(
            [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
    assert "nothing was computed" in done.stdout
    assert json.loads((tmp_path / "all.json").read_text())["made_with"]["scores"] == "stored before"
    assert not (tmp_path / "scores.db").exists()
