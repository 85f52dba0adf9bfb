"""What a reader sees of a board: numbers rounded once, columns that fit, no colours in files."""

from __future__ import annotations

import csv
import io
import json
import math

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from uninas_bench.ranking import COLUMNS
from uninas_bench.report import cells, formats, sentences
from uninas_bench.report.board import print_board


def frame(**changes):
    rows = [
        ["vkdnw_agg", 2, False, 0.7123456, 0.65, 0.7654321, 0.88, 0.8, 0.9, 0.61, 0.75, 0.95, 0.25, 0.31,
         0.32, 0.3, 0.2, 0.4, 300, 0, 0.1234, 12.34, 0.34, "batch=64"],
        ["params", 1, True, 0.601, 0.55, 0.64, 0.79, 0.7, 0.8, 0.5, 0.6, 0.9, 1.5, math.nan, 0.01,
         math.nan, math.nan, math.nan, 300, 0, 0.00002, math.nan, 0.001, ""],
        ["az_nas", 1, False, -0.0504, -0.1, 0.01, -0.07, -0.2, 0.1, 0.0, 0.0, 0.2, 11.0, -0.2, -0.2,
         -0.2, -0.3, -0.1, 300, 3, 1.5, 2.5, math.nan, "batch=64"],
    ]  # fmt: skip
    board = pd.DataFrame(rows, columns=list(COLUMNS))
    board.attrs = {
        "space": "nasbench201",
        "scale": "channels=8,cells=1",
        "task": "mnist-hard",
        "ground_truth": {
            "name": "some_table", "task": "mnist-hard", "architectures": 318, "seeds": 8,
            "protocol": "8 epochs", "source": "here",
        },
        "noise_ceiling": {"split_half": 0.7, "corrected": 0.8123, "corrected_low": 0.79,
                          "corrected_high": 0.83, "low": 0.68, "high": 0.72, "seeds": 8},
        "n": 300,
        "proxies": 3,
        "sample": 300,
        "seed": 5,
        "dedup": "isomorphic",
        "chance": "exclude",
        "failed": "last",
        "k": 10,
        "intervals": {"method": "bootstrap", "level": 0.95, "resamples": 1000},
        "cells": 900,
        "fitted": [],
        "failures": {"az_nas": {"not-applicable: no path": 2, "error: odd": 1}},
        "versions": {"uninas-bench": "0.1.0", "torch": "2.6"},
        **changes,
    }  # fmt: skip
    return board


def printed(board, width=None):
    file = io.StringIO()
    options = {"force_terminal": True, "color_system": None, "width": width} if width else {}
    print_board(board, Console(file=file, highlight=False, **options), ("a hint",))
    return file.getvalue()


def test_numbers_are_rounded_and_signed():
    assert cells.signed(0.7126) == "+.713"
    assert cells.signed(-0.0504) == "-.050"
    assert cells.signed(1.0) == "+1.000"
    assert cells.signed(math.nan) == "-"
    assert cells.share(0.9555, 2) == ".96"
    assert cells.number(11.0, 2) == "11.00"
    assert cells.interval(0.65, 0.7654) == "[+.650, +.765]"
    assert cells.interval(math.nan, math.nan) == "-"
    assert [cells.milliseconds(s) for s in (0.00002, 0.0013, 0.058, 1.2041)] == ["0.02", "1.3", "58", "1,204"]


@pytest.mark.parametrize(("value", "length"), [(-0.4, 0), (0.0, 0), (0.5, 4), (1.0, 8), (math.nan, 0)])
def test_bars_are_as_long_as_the_correlation(value, length):
    assert len(cells.bar(value)) == length


def test_a_pipe_gets_every_column_and_no_control_characters():
    text = printed(frame())
    assert "\x1b" not in text
    lines = text.splitlines()
    for title in ("tau-b", "[95% interval]", "rho", "nDCG@10", "regret@10", "x forward", "failed"):
        assert any(title in line for line in lines[:2])
    first = next(line for line in lines if "vkdnw_agg" in line)
    for number in ("+.712", "[+.650, +.765]", "+.880", ".950", "0.25", "+.310", "123", "12.3"):
        assert number in first
    assert first.split()[0] == "1"
    assert next(line for line in lines if " params " in line and "+.601" in line).split()[0] == "·"
    assert next(line for line in lines if "az_nas" in line and "-.050" in line).split()[0] == "2"
    assert lines[-1] == "a hint"


@pytest.mark.parametrize("width", [50, 80, 100, 140])
def test_a_terminal_is_never_overrun_and_keeps_what_matters(width):
    columns = cells.narrowed(cells.board_columns(frame()), width)
    assert sum(column.width for column in columns) + 2 * (len(columns) - 1) <= width
    assert {"place", "proxy", "tau", "failed"} <= {column.key for column in columns}
    lines = printed(frame(), width).splitlines()
    table = lines[: next(i for i, line in enumerate(lines) if line.startswith("n = "))]
    assert len(table) == 5
    assert all(len(line.rstrip()) <= width for line in table)
    assert "+.712" in table[2]


def test_eighty_columns_keep_interval_and_cost():
    keys = {column.key for column in cells.narrowed(cells.board_columns(frame()), 80)}
    assert {"interval", "ms", "regret"} <= keys


def test_a_wide_terminal_drops_nothing():
    everything = cells.board_columns(frame())
    assert cells.narrowed(everything, 400) == everything


def test_the_foot_says_what_the_numbers_rest_on():
    text = " ".join(sentences.foot_lines(frame()))
    for part in (
        "n = 300", "seed 5", "sampled from 318", "one of each isomorphism class", "chance-level",
        "1,000 resamples", "1-params (p = .34)", "the other neighbours separable", "rank last",
        "az_nas failed: 2 not-applicable: no path, 1 error: odd",
    ):  # fmt: skip
        assert part in text


def test_proxies_that_failed_for_the_same_reasons_share_a_line():
    failures = {"nwot": {"no path": 2}, "zico": {"odd": 1}, "zen": {"no path": 2}}
    lines = sentences.foot_lines(frame(failures=failures))
    assert [line for line in lines if "failed: " in line] == [
        "nwot, zen failed: each 2 no path",
        "zico failed: 1 odd",
    ]


def test_costs_of_fitted_proxies_are_said_to_be_without_their_fit():
    assert not any("fit" in line for line in sentences.foot_lines(frame()))
    lines = sentences.foot_lines(frame(fitted=["az_nas", "bossnas"]))
    assert "az_nas, bossnas: costs of a score, without the fit before the first one" in lines


def test_the_head_names_table_and_ceiling():
    line = sentences.subject_line(frame().attrs)
    for part in ("nasbench201 [channels=8, cells=1] on mnist-hard", "x 8 seeds", ".812 [.790, .830]"):
        assert part in line
    unknown = sentences.subject_line(frame(noise_ceiling=None).attrs)
    assert "noise ceiling unknown (no accuracies per seed)" in unknown


def test_the_head_of_a_table_of_single_trainings_at_another_resolution():
    attrs = frame(scale="", task="mnist-hard@24", noise_ceiling=None).attrs
    attrs["ground_truth"] |= {"seeds": 1}
    assert sentences.subject_line(attrs) == (
        "nasbench201 on mnist-hard@24 · ground truth: some_table, 318 architectures x 1 seed on mnist-hard, "
        "noise ceiling unknown (one training each)"
    )


def test_boards_without_intervals_say_nothing_of_them():
    board = frame(intervals={"method": "none", "level": 0.95, "resamples": None})
    assert "interval" not in printed(board)


def test_csv_holds_every_digit():
    rows = list(csv.DictReader(io.StringIO(formats.render(frame(), "csv"))))
    assert [row["proxy"] for row in rows] == ["vkdnw_agg", "params", "az_nas"]
    assert float(rows[0]["tau"]) == 0.7123456
    assert rows[0]["scale"] == "channels=8,cells=1"
    assert rows[0]["ground_truth"] == "some_table"
    assert rows[1]["tau_given_params"] == ""
    assert set(COLUMNS) <= set(rows[0])


def test_json_holds_every_digit_and_the_context():
    found = json.loads(formats.render(frame(seed=np.int64(5)), "json"))
    assert found["rows"][0]["tau"] == 0.7123456
    assert found["rows"][1]["passes"] is None
    assert found["rows"][1]["baseline"] is True
    assert found["board"]["noise_ceiling"]["corrected"] == 0.8123
    assert found["board"]["seed"] == 5
    assert found["board"]["failures"]["az_nas"] == {"not-applicable: no path": 2, "error: odd": 1}


def test_markdown_is_a_table_with_its_notes():
    lines = formats.render(frame(), "markdown").splitlines()
    widths = {line.count("|") - line.count("\\|") for line in lines[:5]}
    assert len(widths) == 1
    assert set(lines[1]) <= set("|:- ")
    assert "vkdnw\\_agg" in lines[2]
    notes = "\n".join(lines[6:])
    for part in ("n = 300", "8 seeds", "some\\_table", "uninas-bench 0.1.0", "az\\_nas 1"):
        assert part in notes


def test_latex_escapes_and_names_its_sources():
    text = formats.render(frame(), "latex")
    assert text.count(r"\begin{") == text.count(r"\end{") == 2
    body = text.split(r"\midrule")[1].split(r"\bottomrule")[0].strip().splitlines()
    columns = text.split(r"\begin{tabular}{")[1].split("}")[0]
    assert len(body) == 3
    assert {line.count(" & ") + 1 for line in body} == {len(columns)}
    assert r"vkdnw\_agg" in body[0]
    caption = text.split(r"\caption{")[1]
    for part in ("n = 300", "8 seeds", r"some\_table", "uninas-bench 0.1.0", r"95\%"):
        assert part in caption + text
    assert "_" not in text.replace(r"\_", "").replace("%", "")
