"""What a printed and a recomputed number come to, and the forms of a reproduction."""

from __future__ import annotations

import json
import math

import pytest

from uninas_bench.errors import UserError
from uninas_bench.report.reproduction import render_reproduction
from uninas_bench.reproduce.outcome import (
    Cell,
    ColumnHead,
    Measured,
    Reproduction,
    Verdict,
    read_reproduction,
)
from uninas_bench.reproduce.printed import read_printed


@pytest.mark.parametrize(
    ("text", "measured", "verdict"),
    [
        ("0.62", Measured(0.60, 0.55, 0.65), Verdict.INSIDE),
        ("0.62", Measured(0.60, 0.55, 0.615), Verdict.INSIDE),
        ("0.62", Measured(0.60, 0.55, 0.614), Verdict.OUTSIDE),
        ("0.62", Measured(0.70, 0.626, 0.75), Verdict.OUTSIDE),
        ("0.65", Measured(0.6468, 0.3, 0.8, exact=True), Verdict.INSIDE),
        ("0.65", Measured(0.6443, 0.3, 0.8, exact=True), Verdict.OUTSIDE),
        ("24.8M", Measured(24_817_416), Verdict.INSIDE),
        ("24.0M", Measured(23_864_136), Verdict.OUTSIDE),
        ("0.62", Measured(0.62, 0.6, 0.7, incomparable="scaled down"), Verdict.INCOMPARABLE),
        ("C*H*W", Measured(math.nan, agrees=True), Verdict.INSIDE),
        ("C*H*W", Measured(math.nan, agrees=False), Verdict.OUTSIDE),
        ("> 0", Measured(0.1, 0.05, 0.2), Verdict.INSIDE),
        ("> 0", Measured(0.1, -0.05, 0.2), Verdict.UNDECIDED),
        ("> 0", Measured(-0.1, -0.2, -0.01), Verdict.OUTSIDE),
        ("text", Measured(1.0), Verdict.INCOMPARABLE),
    ],
)
def test_verdicts(text, measured, verdict):
    assert measured.verdict(read_printed(text)) is verdict


def reproduction() -> Reproduction:
    cells = (
        Cell(
            "a|<b>", "tau", "0.62", 0.62, 0.005, "", Measured(0.6, 0.5, 0.7, n=40), Verdict.INSIDE, "1 failed"
        ),
        Cell("a|<b>", "acc", "80.5", 80.5, 0.05, "", None, Verdict.IMPOSSIBLE, "needs ImageNet"),
        Cell("c_d", "tau", "0.10", 0.1, 0.005, "recalled", Measured(-0.2, -0.3, -0.1, n=40), Verdict.OUTSIDE),
    )
    heads = (
        ColumnHead("tau", "CIFAR-10", "tau", "tau", ""),
        ColumnHead("acc", "", "top-1", "accuracy", "percent"),
    )
    about = {"seed": 0, "seconds": 1.0, "versions": {"torch": "2"}}
    return Reproduction(
        "x-1",
        "X",
        "X et al., 2024",
        "Table 1",
        "a caption",
        "correlation",
        1,
        "proxy",
        heads,
        cells,
        ("a fact",),
        about,
    )


def test_the_json_form_is_read_back_to_the_same():
    found = reproduction()
    again = read_reproduction(json.loads(render_reproduction(found, "json")))
    assert render_reproduction(again, "json") == render_reproduction(found, "json")
    assert again.cells[0] == found.cells[0]
    assert again.counts() == {Verdict.INSIDE: 1, Verdict.OUTSIDE: 1, Verdict.IMPOSSIBLE: 1}


@pytest.mark.parametrize("content", [[], {}, {"format": 2}, {"format": 1, "table": "x"}])
def test_what_is_no_reproduction_is_refused(content):
    with pytest.raises(UserError, match="no reproduction"):
        read_reproduction(content, "file.json")


def test_printed_and_recomputed_numbers_share_no_column():
    frame = reproduction().frame()
    assert list(frame["published_value"]) == [0.62, 80.5, 0.1]
    assert list(frame["recomputed"])[::2] == [0.6, -0.2]
    assert math.isnan(frame["recomputed"][1])
    assert list(frame["verdict"]) == ["inside", "not computable", "outside"]


def test_markdown_escapes_and_says_why_a_cell_has_no_number():
    text = render_reproduction(reproduction(), "markdown")
    assert "a\\|\\<b\\>" in text
    assert "| 0.62 |" in text
    assert "| +.600 |" in text
    assert "needs ImageNet" in text
    assert "uncertain (?): c\\_d tau: recalled" in text
    assert "| 0.10? |" in text


def test_latex_escapes():
    text = render_reproduction(reproduction(), "latex")
    assert r"c\_d" in text
    assert r"\toprule" in text


def test_csv_has_every_cell():
    lines = render_reproduction(reproduction(), "csv").splitlines()
    assert len(lines) == 4
    assert lines[0].startswith("table,row,column,group,title,kind,unit,published,published_value")
