"""`walk` from the outside: what it prints, what it leaves, and what it says of mistakes."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result
from rich.console import Console

from uninas_bench.cli.walk import _WalkProgress
from uninas_bench.search.walk_files import read_header, read_walk
from uninas_bench.search.walking import WalkEvent

Run = Callable[..., Result]

SCALE = "widths=32:32:64:64,depths=1:1:1:1,stem=8:8"
START = "E | T1 | R | [conv3 gelu / zero]"


def arguments(folder: Path, *more: object) -> tuple[object, ...]:
    return (
        "walk", "--scale", SCALE, "--task", "cifar10", "--start", START, "--params", "..1M",
        "--flops", "0..", "--steps", 2000, "--output", folder / "run", *more,
    )  # fmt: skip


def test_a_walk_shows_shares_and_leaves_figures(run: Run, tmp_path: Path) -> None:
    result = run(*arguments(tmp_path))
    record = read_walk(tmp_path / "run")
    counts = [(record.outcome == number).sum() for number in range(3)]
    text = result.stdout
    assert f"2,000 steps: {counts[0]:,} failed, {counts[1]:,} additions, {counts[2]:,} eliminations" in text
    assert f"params {record.params.min():,} to {record.params.max():,} · FLOPs" in text
    assert "2 networks 1,000 steps apart: mean" in text
    rows = [line.split() for line in text.splitlines()]
    (head,) = (place for place, words in enumerate(rows) if words[:1] == ["operation"])
    table = rows[head + 1 : rows.index([], head)]
    first = [float(words[1]) for words in table if words[1] != "<0.001"]
    assert sum(first) == pytest.approx(100, abs=1)
    assert {"conv3", "gelu"} <= {words[0] for words in table}
    (figures,) = (line for line in text.splitlines() if line.startswith("figures "))
    paths = [Path(path) for path in figures.removeprefix("figures ").split(" · ")]
    assert [path.name for path in paths] == ["costs.svg", "costs.png", "operations.svg", "operations.png"]
    assert all(path.stat().st_size > 5000 for path in paths)
    again = run(*arguments(tmp_path, "--no-figures"))
    assert "nothing to walk: all steps were there" in again.stdout
    assert "figures" not in again.stdout


def test_options_are_the_walks(run: Run, tmp_path: Path) -> None:
    run(
        *arguments(
            tmp_path, "--no-figures", "--every", 100, "--seed", 3, "--p-eliminate", 0.5, "--tries", 9,
            "--semantics", "toolkit", "--coupled", "each", "--max-nodes", 20, "--convention", "toolkit",
            "--steps", 300,
        )
    )  # fmt: skip
    header = read_header(tmp_path / "run")
    found = header.settings
    assert (header.every, header.seed, header.scale) == (100, 3, SCALE)
    assert (found.p_eliminate, found.n_try, found.semantics, found.coupled) == (0.5, 9, "toolkit", "each")
    assert (found.max_nodes, found.convention, found.live) == (20, "toolkit", False)
    assert (header.bounds.params_max, header.bounds.flops_min, header.bounds.flops_max) == (10**6, 0, None)


def test_the_defaults_are_the_papers_walk(run: Run, tmp_path: Path) -> None:
    result = run("walk", "--steps", 40, "--output", tmp_path / "run", "--no-figures")
    header = read_header(tmp_path / "run")
    assert str(header.bounds) == "params 22M..28M, flops 6G..20G"
    assert header.scale == "widths=96:192:384:768,depths=2:3:5:2,stem=32:64"
    assert header.start.startswith("E, E | E, E, E | T12")
    assert header.settings.p_eliminate == 0.3
    assert "dead work: no network is stored at a multiple of 1,000 steps" in result.stdout


def test_a_live_walk_says_that_nothing_is_dead(run: Run, tmp_path: Path) -> None:
    result = run(*arguments(tmp_path, "--no-figures", "--live", "--steps", 1000))
    assert re.search(r"1 networks 1,000 steps apart: mean 0 %, median 0 %, largest 0 %", result.stdout)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (
            ("--space", "nasbench201", "--scale", ""),
            "nasbench201: no walk through this space; expected uninas",
        ),
        (("--space", "uninass"), 'no search space "uninass"; did you mean "uninas"?'),
        (("--params", "1k..2k"), "are outside the bounds (params 1k..2k, flops 0..)"),
        (("--params", "28M..22M"), "params 28M..22M: the minimum exceeds the maximum"),
        (("--flops", "20G"), 'flops "20G": expected a range such as'),
        (("--start", "coatnet"), "block"),
        (("--start", "E | R"), '2 stages, expected 4 with "|" between them'),
        (("--task", "imagenet"), 'no task "imagenet"'),
        (("--p-eliminate", 2), "--p-eliminate"),
        (("--semantics", "mine"), "--semantics"),
        (("--steps", 0), "--steps"),
    ],
)
def test_mistakes_give_one_line(run: Run, tmp_path: Path, more: tuple[object, ...], message: str) -> None:
    result = run(*arguments(tmp_path, *more), code=2)
    (line,) = (line for line in result.stderr.splitlines() if line.startswith("error: "))
    assert message in line
    assert not (tmp_path / "run").exists()


def test_another_walk_is_not_written_over(run: Run, tmp_path: Path) -> None:
    run(*arguments(tmp_path, "--no-figures"))
    result = run(*arguments(tmp_path, "--seed", 8), code=2)
    assert "walk.json is of another walk (seed differs); name another folder" in result.stderr


def test_the_bar_shows_the_costs() -> None:
    file = io.StringIO()
    progress = _WalkProgress(Console(file=file, force_terminal=True, width=120))
    progress.update(WalkEvent(30_000, 500_000, 27_123_456, 19_876_000_000))
    progress.close()
    assert "30000/500000" in file.getvalue()
    assert "params 27.12M, FLOPs 19.88G" in file.getvalue()


def test_without_a_terminal_there_is_a_line_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    file = io.StringIO()
    progress = _WalkProgress(Console(file=file, width=120))
    event = WalkEvent(30_000, 500_000, 27_123_456, 19_876_000_000)
    progress.update(event)
    assert file.getvalue() == ""
    monkeypatch.setattr("uninas_bench.cli.walk.EVERY", 0.0)
    progress.update(event)
    assert file.getvalue() == "walk: step 30,000 of 500,000, params 27.12M, FLOPs 19.88G\n"
