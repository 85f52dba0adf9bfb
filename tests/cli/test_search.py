"""`search` from the outside: what it prints, what it leaves, and what it says of mistakes."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result
from rich.console import Console

from uninas_bench.cli.progress import SearchProgress
from uninas_bench.search.candidates import read_candidates
from uninas_bench.search.driver import SearchEvent

Run = Callable[..., Result]


def arguments(folder: Path, *more: object) -> tuple[object, ...]:
    return (
        "search", "--space", "nasbench201", "--scale", "channels=2,cells=1", "--task", "digits",
        "--workers", 1, "--store", folder / "scores.db", "--output", folder / "run", *more,
    )  # fmt: skip


def test_a_search_shows_its_best_and_how_to_go_on(run: Run, tmp_path: Path) -> None:
    words = (
        "--proxy",
        "flops",
        "--iterations",
        20,
        "--population",
        6,
        "--steps",
        2,
        "--top",
        3,
        "--params",
        "..5k",
    )
    result = run(*arguments(tmp_path, *words))
    found = read_candidates(tmp_path / "run" / "candidates.json")
    assert found.scale == "channels=2,cells=1"
    assert found.search.steps == 2
    assert len(found.candidates) == 6
    lines = result.stdout.splitlines()
    (head,) = (place for place, line in enumerate(lines) if line.split()[:2] == ["#", "score"])
    for line, entry in zip(lines[head + 1 : head + 4], found.candidates, strict=False):
        rank, score, params, flops, iteration, architecture = line.split()
        assert (int(rank), float(score)) == (entry.rank, entry.score)
        assert (params, flops) == (f"{entry.costs.params:,}", f"{entry.costs.flops:,}")
        assert int(iteration) == entry.iteration
        assert entry.architecture.startswith(architecture.removesuffix("…"))
    assert not lines[head + 4]
    text = result.stdout
    assert "params ..5k · 21 scored, 21 scores computed now · scores among 6, FLOPs counted as macs" in text
    assert f"uninas-bench draw {tmp_path / 'run' / 'candidates.json'} --top 3" in text
    again = run(*arguments(tmp_path, *words))
    assert "21 scored, 0 scores computed now" in again.stdout


def test_settings_and_start_are_passed_on(run: Run, tmp_path: Path) -> None:
    run(
        *arguments(
            tmp_path, "--proxy", "nwot", "--aggregate", "block-mean", "--set", "nwot.batch=2", "--seed", 3,
            "--iterations", 2, "--children", 2, "--p-eliminate", 0.5, "--start", 6111,
            "--start", "nasbench201:11",
        )
    )  # fmt: skip
    found = read_candidates(tmp_path / "run" / "candidates.json")
    assert "batch=2" in found.proxy.settings
    assert "scope=blocks" in found.proxy.settings
    assert (found.seed, found.search.children, found.search.p_eliminate, found.scored) == (3, 2, 0.5, 6)
    assert len(found.search.start) == 2


def test_a_search_that_runs_dry_says_so(run: Run, tmp_path: Path) -> None:
    result = run(*arguments(tmp_path, "--proxy", "params", "--params", "..1.4k", "--strategy", "random"))
    assert "of 1,024: nothing new within reach" in result.stdout


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (("--proxy", "nwott"), 'no proxy "nwott"; did you mean "nwot"?'),
        (("--proxy", "nwot", "--params", "27M..22M"), "params 27M..22M: the minimum exceeds the maximum"),
        (("--proxy", "nwot", "--flops", "20G"), 'flops "20G": expected a range such as'),
        (("--proxy", "nwot", "--params", "1M.."), "no architecture of nasbench201 has params 1M.."),
        (("--proxy", "nwot", "--params", "..2k", "--start", 10702), "are outside the bounds (params ..2k)"),
        (("--proxy", "params", "--aggregate", "block-mean"), 'params has no setting "scope"'),
        (("--proxy", "nwot", "--strategy", "exhaustive", "--iterations", 5), "exhaustive search ends with"),
        (("--proxy", "nwot", "--set", "zico.batch=2"), "settings of zico: this search scores with nwot"),
        (("--proxy", "nwot", "--p-eliminate", 2), "--p-eliminate"),
        (("--proxy", "nwot", "--start", "|a"), 'unknown operation "a" at position 2'),
        ((), "Missing option '--proxy'"),
    ],
)
def test_mistakes_give_one_line(run: Run, tmp_path: Path, more: tuple[object, ...], message: str) -> None:
    result = run(*arguments(tmp_path, *more), code=2)
    (line,) = (line for line in result.stderr.splitlines() if line.startswith("error: "))
    assert message in line
    assert not (tmp_path / "run").exists()


def test_another_search_is_not_written_over(run: Run, tmp_path: Path) -> None:
    run(*arguments(tmp_path, "--proxy", "params", "--iterations", 2))
    result = run(*arguments(tmp_path, "--proxy", "flops", "--iterations", 2), code=2)
    assert "candidates.json is of another search (proxy differs)" in result.stderr


def test_the_bar_shows_the_best_score() -> None:
    file = io.StringIO()
    progress = SearchProgress(Console(file=file, force_terminal=True, width=120), "evolution with vkdnw")
    progress.update(SearchEvent(3, 8, 4, 1, 4, 1.23456789))
    progress.close()
    text = file.getvalue()
    assert "evolution with vkdnw" in text
    assert "3/8" in text
    assert "best 1.23457" in text
    assert "1 failed" in text


def test_without_a_terminal_there_is_a_line_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    file = io.StringIO()
    progress = SearchProgress(Console(file=file, width=120), "random with nwot")
    progress.update(SearchEvent(1, 8, 1, 0, 1, 0.5))
    assert file.getvalue() == ""
    monkeypatch.setattr("uninas_bench.cli.progress.EVERY", 0.0)
    progress.update(SearchEvent(2, 8, 2, 0, 1, 0.5))
    assert file.getvalue() == "random with nwot: iteration 2 of 8, best 0.5 · 2 scored, 1 scores new\n"
