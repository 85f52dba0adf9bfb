"""What people and machines are told: every form, JUnit's XML, GitHub's annotations."""

from __future__ import annotations

import csv
import io
import json
from xml.etree import ElementTree

import pytest

from tests.baseline.plugin import host
from uninas_bench.baseline.checking import check
from uninas_bench.baseline.files import read_baseline
from uninas_bench.baseline.measuring import Running
from uninas_bench.report.baseline import render_baseline, render_check
from uninas_bench.report.baseline_ci import github_lines, junit

FORMS = ("table", "csv", "json", "markdown", "latex")


@pytest.fixture(scope="module")
def flipped(folder, tmp_path_factory):
    plugins = host(tmp_path_factory.mktemp("flipped"), sign=-1)
    return check(folder / "baseline.json", host=plugins, running=Running(cost=False))


@pytest.fixture(scope="module")
def bumped(folder, tmp_path_factory):
    plugins = host(tmp_path_factory.mktemp("bumped"), version=2)
    return check(folder / "baseline.json", host=plugins, running=Running(cost=False))


@pytest.mark.parametrize("form", FORMS)
def test_every_form_names_the_regression(flipped, form):
    text = render_check(flipped, form)
    assert text.endswith("\n")
    assert "\x1b" not in text
    assert "spread" in text
    assert "significantly worse" in text
    assert "sign is flipped" in text


def test_the_table(flipped):
    lines = render_check(flipped, "table").splitlines()
    assert lines[0].startswith("nasbench201 [channels=8, cells=1] on mnist-hard · ground truth: toy, 30 ")
    (line,) = [line for line in lines if line.split()[:2] == ["-", "spread"]]
    assert "0/30 equal" in line
    assert sum(line.startswith("regression: ") for line in lines) == len(flipped.regressions) == 2


def test_rows_agree_between_csv_and_json(flipped):
    rows = list(csv.DictReader(io.StringIO(render_check(flipped, "csv"))))
    found = json.loads(render_check(flipped, "json"))
    assert not found["passed"]
    assert found["regressions"] == list(flipped.regressions)
    assert [row["proxy"] for row in rows] == [row["proxy"] for row in found["rows"]]
    for row, other in zip(rows, found["rows"], strict=True):
        assert float(row["tau_now"]) == other["tau_now"]
        assert row["mark"] == other["mark"]
    assert found["inversions"][0]["below"] == "skips"


def test_junit(flipped, bumped):
    suite = ElementTree.fromstring(junit(flipped)).find("testsuite")
    assert (suite.get("tests"), suite.get("failures"), suite.get("skipped")) == ("5", "2", "0")
    cases = {case.get("name"): case for case in suite.iter("testcase")}
    assert set(cases) == {"spread", "skips", "params", "flops", "ranking"}
    assert cases["spread"].get("classname") == "nasbench201.mnist-hard"
    assert "significantly worse" in cases["spread"].find("failure").get("message")
    assert cases["ranking"].find("failure") is not None
    skipped = ElementTree.fromstring(junit(bumped)).find("testsuite")
    assert (skipped.get("failures"), skipped.get("skipped")) == ("0", "1")


def test_junit_holds_no_character_that_xml_forbids(flipped):
    from dataclasses import replace

    odd = replace(flipped.findings[0], regressions=("bad \x00 <&> \ud800 \x1b[0m",))
    text = junit(replace(flipped, findings=(odd,), inversions=()))
    (failure,) = ElementTree.fromstring(text).iter("failure")
    assert failure.get("message").endswith("bad ? <&> ? ?[0m (the sign is flipped?)")


def test_github(flipped, bumped):
    lines = github_lines(flipped)
    assert [line.partition("::spread")[0] for line in lines[:1]] == ["::error title=uninas-bench"]
    assert len(lines) == 2
    assert github_lines(bumped) == ["::notice title=uninas-bench::spread not comparable: version 1 -> 2"]
    assert "100%25" in github_lines_of("100% \n worse", flipped)


def github_lines_of(text, result):
    from dataclasses import replace

    odd = replace(result.findings[0], regressions=(text,))
    (line,) = github_lines(replace(result, findings=(odd,), inversions=()))
    assert "\n" not in line
    return line


@pytest.mark.parametrize("form", FORMS)
def test_a_recorded_board_in_every_form(folder, form):
    text = render_baseline(read_baseline(folder / "baseline.json"), form)
    assert "spread" in text
    if form == "json":
        assert json.loads(text)["rows"][0]["tau"] == read_baseline(folder / "baseline.json").proxies[0].tau
    if form == "csv":
        rows = list(csv.DictReader(io.StringIO(text)))
        assert [int(row["rank"]) for row in rows] == [1, 2, 3, 4]
        assert {row["n"] for row in rows} == {"30"}
