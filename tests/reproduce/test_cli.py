"""`uninas-bench reproduce`: every form, files, mistakes."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys

import pytest
from click.testing import CliRunner, Result

from uninas_bench.cli import main
from uninas_bench.reproduce.outcome import read_reproduction
from uninas_bench.reproduce.published import table_names


def run(*arguments: object, code: int = 0) -> Result:
    result = CliRunner().invoke(main, ["reproduce", *map(str, arguments)])
    assert result.exit_code == code, result.output
    return result


def test_list_has_every_table():
    rows = json.loads(run("list", "--format", "json").stdout)
    assert [row["table"] for row in rows] == table_names()
    assert all(name in run("list").stdout for name in table_names())


def test_listing_and_showing_import_nothing_heavy():
    code = (
        "import sys; sys.argv[1:] = {!r}\nfrom uninas_bench.cli import main\n"
        "try:\n    main()\n"
        "finally:\n    heavy = [m for m in ('torch', 'pandas', 'matplotlib') if m in sys.modules]\n"
        "    print(heavy, file=sys.stderr)"
    )
    for arguments in (
        ["reproduce", "list"],
        ["reproduce", "show", "vkdnw-1"],
        ["reproduce", "run", "--help"],
    ):
        done = subprocess.run(
            [sys.executable, "-c", code.format(arguments)], check=True, capture_output=True, text=True
        )
        assert done.stderr.strip().endswith("[]")


def test_show_marks_what_is_uncertain():
    printed = run("show", "az-nas-1").stdout
    assert "0.741" in printed
    assert "0.723?" in printed
    assert "0.741?" not in printed
    rows = list(csv.DictReader(io.StringIO(run("show", "az-nas-1", "--format", "csv").stdout)))
    assert [row["uncertain"] != "" for row in rows] == [False, False, True, True, True, True]


@pytest.mark.parametrize("form", ["table", "csv", "json", "markdown", "latex"])
def test_run_has_every_form_with_printed_and_recomputed_numbers(form):
    text = run("run", "uninas-4", "--format", form).stdout
    assert "24.8M" in text
    assert ("24817416" in text) if form in {"csv", "json"} else ("24.817M" in text)


@pytest.mark.parametrize("form", ["csv", "json", "markdown", "latex", "table"])
def test_list_and_show_have_every_form(form):
    assert run("list", "--format", form).stdout
    assert "24.8M" in run("show", "uninas-4", "--format", form).stdout


def test_a_file_is_written_whole_and_read_back(tmp_path):
    path = tmp_path / "deep" / "uninas-4.json"
    assert "wrote" in run("run", "uninas-4", "--format", "json", "--output", path).stderr
    found = read_reproduction(json.loads(path.read_text()))
    assert found.table == "uninas-4"
    assert found.cells[0].measured.value == 24_817_416
    assert [entry.name for entry in path.parent.iterdir()] == ["uninas-4.json"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["uninas-9"], 'no published table "uninas-9"; did you mean "uninas-'),
        (["uninas-4", "--rows", "ResNte"], 'no row "ResNte"; did you mean "ResNet"'),
        (["uninas-4", "--columns", "colour"], 'no column "colour"'),
        (["uninas-4", "--rows", ","], "expected names with commas"),
        (["uninas-4", "--sample", "few"], "--sample few"),
        (["uninas-4", "--budget", "30"], "expected a time such as 30m"),
        (["uninas-4", "--set", "vkdnw"], "expected name=value"),
    ],
)
def test_mistakes_are_one_line(arguments, message):
    result = run("run", *arguments, code=2)
    assert result.stdout == ""
    assert message in result.stderr
    assert result.stderr.startswith("error: ")
    assert result.stderr.count("\n") == 1
