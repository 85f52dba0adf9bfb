"""`uninas-bench report` and `uninas-bench plot`: files, and mistakes in one line."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from tests.test_imports import imported_by
from uninas_bench.cli import main

TABLE = ("--ground-truth", "nasbench201-mnist-hard", "--proxies", "nwot,zico", "--stored-only")


def run(*arguments, code=0):
    result = CliRunner().invoke(main, list(map(str, arguments)))
    assert result.exit_code == code, f"{result.stdout}\n{result.stderr}"
    return result


@pytest.mark.parametrize("command", ["report --help", "plot --help", "plot --list", "plot scater"])
def test_what_draws_nothing_is_light(command):
    code = f"import sys; sys.argv[1:] = {command.split()!r}\nfrom uninas_bench.cli import main\n"
    code += "try: main()\nexcept SystemExit: pass"
    assert imported_by(code) == set()


def test_a_page_is_written_whole(tmp_path):
    page = tmp_path / "new" / "page.html"
    result = run("report", *TABLE, "--pictures", 1, "--output", page)
    assert result.stderr.endswith(f"wrote {page}\n")
    text = page.read_text(encoding="utf-8")
    assert text.startswith("<!doctype html>")
    assert text.endswith("</html>\n")
    assert "uninas-bench report --ground-truth nasbench201-mnist-hard" in text or "<code>uninas-bench" in text
    assert [file.name for file in page.parent.iterdir()] == ["page.html"]


@pytest.mark.parametrize("form", ["pdf", "svg", "png"])
def test_a_figure_is_written(tmp_path, form):
    file = tmp_path / f"figure.{form}"
    run("plot", "ceiling", *TABLE, "--width", "single", "--dpi", 72, "--output", file)
    assert file.read_bytes()[:5] in (b"%PDF-", b"<?xml", b"\x89PNG\r")


def test_the_kinds_are_listed():
    lines = run("plot", "--list").stdout.splitlines()
    assert [line.split()[0] for line in lines] == [
        "scatter",
        "ceiling",
        "pareto",
        "agreement",
        "matrix",
        "search",
    ]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("plot",), "no kind of figure: name one of scatter"),
        (("plot", "scater"), 'did you mean "scatter"?'),
        (
            ("plot", "scatter", "--output", "x.gif"),
            "--output x.gif: expected a name that ends in .pdf, .svg, .png",
        ),
        (("plot", "search"), "no search to draw"),
        (("plot", "search", "--candidates", "nowhere"), "nowhere"),
        (("plot", "pareto", "--candidates", "x"), "--candidates with pareto: it belongs to search"),
        (("plot", "pareto", "--across", "all"), "a figure of one table"),
        (
            ("report", "--across", "all", "--task", "cifar10"),
            "--across all with --task: give one or the other",
        ),
        (("report", "--across", ","), "expected names of tables"),
        (("report", "--scale", "cells=1"), "--scale without --space"),
        (("report", "--space", "nasbench20"), 'did you mean "nasbench201"?'),
        (("report", "--ground-truth", "nothing"), "nothing"),
        (("report", "--candidates", "nowhere"), "nowhere"),
        (("report", "--reproduced", "nowhere.json"), "nowhere.json: No such file"),
        (("report", *TABLE, "--output", "/"), "--output /: it is a folder"),
    ],
)
def test_mistakes_are_one_line(arguments, told, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as stopped:
        main(list(map(str, arguments)))
    said = capsys.readouterr().err
    assert (stopped.value.code, said.count("\n")) == (2, 1), said
    assert said.startswith("error: ")
    assert told in said
    assert list(Path().iterdir()) == []
