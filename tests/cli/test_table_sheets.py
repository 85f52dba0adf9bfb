"""`ground-truth sheet`, `compare` and `verify --retrain` from the outside."""

from __future__ import annotations

import gzip
import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from uninas_bench.ground_truth.files import content_sha256, read_table

Run = Callable[..., Result]


@pytest.fixture(scope="module")
def built(run: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A table of a few architectures, two seeds, two steps."""
    folder = tmp_path_factory.mktemp("built")
    run(
        "ground-truth", "build", "--space", "nasbench201", "--scale", "channels=2,cells=1",
        "--task", "digits", "--sample", 4, "--seeds", 2, "--set", "steps=2", "--workers", 1, "--name", "tiny",
        "--store", folder / "trainings.db", "--output", folder / "tiny.csv.gz",
    )  # fmt: skip
    return folder / "tiny.csv.gz"


def altered(path: Path, target: Path, change: Callable[[str], str]) -> Path:
    """A copy whose text was changed."""
    target.write_bytes(gzip.compress(change(gzip.decompress(path.read_bytes()).decode()).encode()))
    return target


def test_a_sheet_and_its_figure(run: Run, built: Path, tmp_path: Path) -> None:
    done = run("ground-truth", "sheet", built, "--output", tmp_path / "deep")
    assert done.stdout.startswith("data sheet of tiny\n")
    assert "process-hours" in done.stdout
    page = (tmp_path / "deep" / "tiny.md").read_text(encoding="utf-8")
    assert content_sha256(read_table(built)) in page
    assert "--set steps=2" in page
    assert (tmp_path / "deep" / "tiny.png").read_bytes().startswith(b"\x89PNG")
    assert done.stderr.splitlines() == [
        f"wrote {tmp_path / 'deep' / name}" for name in ("tiny.md", "tiny.png")
    ]
    assert run("ground-truth", "sheet", built).stdout == done.stdout


def test_a_sheet_needs_no_torch_and_without_output_no_matplotlib(built: Path) -> None:
    code = (
        "import sys; from uninas_bench.cli import main\n"
        f"try: main(['ground-truth', 'sheet', {str(built)!r}])\n"
        "except SystemExit: pass\n"
        "print([name for name in ('torch', 'scipy', 'matplotlib') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_compare(run: Run, table: Path, tmp_path: Path) -> None:
    other = altered(table, tmp_path / "other.csv.gz", lambda text: text.replace('"tiny"', '"other"'))
    said = run("ground-truth", "compare", table, other).stdout
    assert "in common: 16" in said
    assert "agreement: Kendall's tau-b +1.000" in said
    assert "noise ceiling of tiny: tau" in said
    assert "only the noise of both tables stood between them" in said
    values = json.loads(run("ground-truth", "compare", table, other, "--json").stdout)
    assert (values["tau"], values["n"], values["tables"]) == (1.0, 16, ["tiny", "other"])
    error = run("ground-truth", "compare", table, table, code=2).stderr
    assert error == "error: ground truth tiny is given twice; name two tables\n"


def test_retraining_on_this_machine_gives_every_digit_again(run: Run, built: Path) -> None:
    said = run("ground-truth", "verify", built, "--retrain", 2, "--workers", 1).stdout
    lines = [line for line in said.splitlines() if " retrained " in line]
    assert len(lines) == 2
    for line in lines:
        assert re.match(r"ok +retrained +\|.*\| seed [01]: [\d.]+ stored, [\d.]+ here: equal$", line), line
    assert "made by what runs here: every digit must come out again" in said
    assert run("ground-truth", "verify", built, "--retrain", 2, "--workers", 1).stdout == said
    others = run("ground-truth", "verify", built, "--retrain", 2, "--seed", 1, "--workers", 1).stdout
    assert [line for line in others.splitlines() if " retrained " in line] != lines


def test_a_table_that_lies_fails(run: Run, built: Path, tmp_path: Path) -> None:
    def worse(text: str) -> str:
        lines = text.splitlines()
        cells = [line.split(",") for line in lines[2:]]
        return "\n".join(
            [*lines[:2], *(",".join([*c[:3], f"{float(c[3]) / 2:.4f}", c[4]]) for c in cells), ""]
        )

    lying = altered(built, tmp_path / "lying.csv.gz", worse)
    done = run("ground-truth", "verify", lying, "--retrain", 1, "--workers", 1, code=2)
    assert "FAILED retrained" in done.stdout
    assert done.stderr == "error: ground truth tiny: failed retrained\n"
    elsewhere = altered(
        lying, tmp_path / "elsewhere.csv.gz", lambda text: text.replace("torch 2.", "torch 1.")
    )
    done = run("ground-truth", "verify", elsewhere, "--retrain", 4, "--workers", 1, code=2)
    assert re.search(r"here: z = [+-][\d.]+ from [\d.]+, the mean of 2 seeds", done.stdout)
    assert "together" in done.stdout


def test_what_cannot_be_trained_again_says_so(run: Run, table: Path) -> None:
    done = run("ground-truth", "verify", table, "--retrain", 1, code=2)
    assert done.stderr.startswith("error: ground truth tiny has no record of its training")
    assert done.stderr.count("\n") == 1


def test_show_names_the_check_and_json_has_the_record(run: Run, built: Path) -> None:
    assert "ground-truth verify tiny --retrain 2" in run("ground-truth", "show", built).stdout
    facts = json.loads(run("ground-truth", "show", built, "--json").stdout)
    assert facts["training"]["trainings"] == facts["rows"]
    assert "steps=2" in facts["training"]["settings"]
