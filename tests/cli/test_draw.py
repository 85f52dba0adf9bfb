"""`uninas-bench draw`: files where they were asked for, and one line for every mistake."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from tests.test_imports import imported_by

Run = Callable[..., Result]


def texts(path: Path) -> str:
    return "\n".join("".join(e.itertext()) for e in ET.parse(path).iter("{http://www.w3.org/2000/svg}text"))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nasbench201:6111"], "skip connect"),
        (["6111", "--space", "nasbench201", "--part", "network"], "stage 3"),
        (["nasbench201:6111", "--part", "network", "--scale", "channels=8", "--task", "cifar10"], "8×32×32"),
        (["nats_size:8:16:24:32:64", "--task", "cifar10"], "198,050 parameters"),
        (["uninas:coatnet", "--task", "imagenet1k"], "3.5  T12"),
        (["coatnet", "--space", "uninas", "--block", "3.2"], "× 12"),
        (["uninas:coatnet", "--part", "block", "--block", "4.1", "--task", "imagenet1k@64"], "× 24"),
    ],
)
def test_what_is_drawn(run: Run, tmp_path: Path, arguments: list[str], words: str) -> None:
    output = tmp_path / "new" / "picture.svg"
    result = run("draw", *arguments, "--output", output)
    assert result.stdout == ""
    assert result.stderr == f"wrote {output}\n"
    assert words in texts(output)


@pytest.mark.parametrize("form", ["svg", "png", "pdf"])
def test_the_file_names_its_architecture(run: Run, tmp_path: Path, form: str) -> None:
    output = tmp_path / f"a.{form}"
    run("draw", "nats_size:0", "--output", output, "--dpi", "50")
    assert b"nats_size:8:8:8:8:8" in output.read_bytes()


def test_without_output_the_file_has_the_name_of_the_space(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    run("draw", "nasbench201:0")
    assert [path.name for path in tmp_path.iterdir()] == ["nasbench201.svg"]


@pytest.fixture(scope="module")
def candidates(run: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("search")
    run(
        "search", "--space", "nasbench201", "--scale", "channels=4,cells=2", "--proxy", "params",
        "--strategy", "random", "--iterations", "8", "--population", "4", "--workers", "1",
        "--store", folder / "scores.db", "--output", folder,
    )  # fmt: skip
    return folder / "candidates.json"


def test_the_best_candidates_are_drawn_at_their_scale(run: Run, candidates: Path, tmp_path: Path) -> None:
    run("draw", candidates, "--top", "3", "--output", tmp_path, "--part", "network")
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"candidate-{n}.svg" for n in (1, 2, 3)]
    assert "4 channels" in texts(tmp_path / "candidate-1.svg")
    assert "× 2" in texts(tmp_path / "candidate-1.svg")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["6111"], "no search space is named; write SPACE:ARCHITECTURE, or give --space"),
        (["nasbench210:6111"], "no search space is named"),
        (["6111", "--space", "nasbench210"], 'did you mean "nasbench201"?'),
        (["nasbench201:15625"], "index 15625 out of range"),
        (["nasbench201:0", "--part", "block"], 'nasbench201: no part "block"; known: cell, network'),
        (["nasbench201:0", "--block", "1.1"], "nasbench201: no blocks to choose from"),
        (["uninas:coatnet", "--block", "5.1"], "uninas: no block 5.1; known: 1.1, 1.2, 2.1"),
        (["uninas:coatnet", "--part", "block"], "uninas: no block is named; known: 1.1"),
        (["uninas:coatnet", "--part", "network", "--block", "1.1"], "--block 1.1 belongs to --part block"),
        (["nasbench201:0", "--task", "cifar11"], "cifar11"),
        (["nasbench201:0", "--output", "a.gif"], "--output a.gif: expected a name that ends in .svg"),
        (["nasbench201:0", "--output", "/proc/none/a.svg"], "/proc/none/a.svg"),
        (["nasbench201:0", "--top", "3"], "--top 3: for a file of candidates"),
        (["none.json"], "none.json"),
        (["none.json", "--space", "uninas"], "leave out --space and --scale"),
        (["nasbench201:0", "--scale", "chanels=3"], 'did you mean "channels"'),
        (["nasbench201:0", "--dpi", "0"], "--dpi"),
    ],
)
def test_mistakes(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], words: str
) -> None:
    monkeypatch.chdir(tmp_path)
    result = run("draw", *arguments, code=2)
    assert result.stderr.startswith("error: ")
    assert result.stderr.count("\n") == 1
    assert words in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_more_candidates_than_there_are(run: Run, candidates: Path) -> None:
    assert "--top 9" in run("draw", candidates, "--top", "9", code=2).stderr


def test_help_imports_no_matplotlib() -> None:
    code = "import sys; sys.argv[1:] = ['draw', '--help']\nfrom uninas_bench.cli import main\nmain()"
    assert imported_by(code) == set()
