"""Data sheets: the terminal and the page say the same, and what they say is in the table."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests import toy
from uninas_bench.drawing.render import save
from uninas_bench.ground_truth.comparison import compare
from uninas_bench.ground_truth.facts import TableFacts, table_facts
from uninas_bench.ground_truth.table import GroundTruth, GroundTruthInfo, TrainingRecord
from uninas_bench.host import default_host
from uninas_bench.report.table_comparison import comparison_text, comparison_values
from uninas_bench.report.table_figure import draw_facts
from uninas_bench.report.table_sheet import sheet_markdown, sheet_text

RECORD = TrainingRecord(
    "steps=7,rate=0.1", 1, 2, "digits-1", ("torch 2.6.0, this", "torch 2.7.0, that"), 240, 7200.0
)


def table(seeds: int = 4, bad: int = 2) -> GroundTruth:
    """Sixty cells whose accuracies go with their operations; the first few are at chance level."""
    rng = np.random.default_rng(2)
    rows = [
        (
            point.encoding,
            str(seed),
            1,
            (10.0 if i < bad else toy.truth_of(point)) + rng.normal(0, 0.5),
            math.nan,
        )
        for i, point in enumerate(toy.architectures())
        for seed in range(seeds)
    ]
    info = GroundTruthInfo(
        "toy", "nasbench201", str(toy.SPACE.scale), "cifar10", "7 steps", "uninas-bench made it", RECORD
    )
    columns = ["architecture", "seed", "count", "accuracy", "loss"]
    return GroundTruth(info, pd.DataFrame(rows, columns=columns))


@pytest.fixture(scope="module")
def facts() -> TableFacts:
    return table_facts(table(), default_host())


def test_the_text_says_all_that_a_data_sheet_has(facts: TableFacts) -> None:
    text = sheet_text(facts)
    assert facts.ceiling is not None
    assert facts.spread is not None
    for expected in (
        "nasbench201 [channels=8, cells=1]",
        "240, 4 of each architecture; seeds 0 to 3",
        "at chance level  2 of 60",
        f"{facts.percentiles[2]:.2f}",
        f"tau {facts.ceiling.split_half:.3f}".replace(" 0.", " ."),
        f"{facts.spread.pooled:.2f} points pooled",
        f"tau +{facts.ranks['params'].tau:.3f}".replace("+0.", "+."),
        "n = 60",
        "percentile bootstrap",
        "7 steps",
        "uninas-bench made it",
        "2.00 process-hours by the clock, 240 trainings of 30.0 s on average",
        "torch 2.6.0, this; torch 2.7.0, that",
        "uninas-bench ground-truth verify toy --retrain 2",
    ):
        assert expected in text, expected
    assert max(map(len, text.splitlines())) < 140


def test_the_histogram_counts_every_architecture(facts: TableFacts) -> None:
    rows = re.findall(
        r"^ *(?:below [\d.]+|[\d.]+ to [\d.]+) % +(\d+)(?:  (█*))?$", sheet_text(facts), re.MULTILINE
    )
    counts = [int(count) for count, _ in rows]
    assert sum(counts) == 60
    assert counts[0] == 2
    bars = [len(bar) for _, bar in rows]
    assert max(bars) == bars[counts.index(max(counts))] == 40


def test_edges_have_the_digits_that_they_need() -> None:
    rows = table(bad=0).rows
    rows["accuracy"] = 80 + rows["accuracy"] / 40
    narrow = table_facts(GroundTruth(table().info, rows), default_host())
    edges = re.findall(r"^ *([\d.]+) to ([\d.]+) %", sheet_text(narrow), re.MULTILINE)
    assert len(edges) > 3
    assert [float(high) for _, high in edges][:-1] == [float(low) for low, _ in edges][1:]
    widths = {round(float(high) - float(low), 6) for low, high in edges}
    assert len(widths) == 1


def test_the_page_is_the_text_in_markdown(facts: TableFacts) -> None:
    page = sheet_markdown(facts, "0" * 64, "toy.png")
    assert page.startswith("# Data sheet of toy\n")
    assert "`" + "0" * 64 + "`" in page
    assert "![Accuracies, noise and size](toy.png)" in page
    headings = re.findall(r"^## (.*)$", page, re.MULTILINE)
    text = sheet_text(facts)
    assert [heading.lower() for heading in headings] == [
        line for line in text.splitlines() if line in {h.lower() for h in headings}
    ]
    # Every value of the text is a cell of the page: backslashes aside.
    plain = page.replace("\\", "")
    for line in text.splitlines():
        if match := re.match(r"^  \S.*?  (\S.*)$", line):
            assert match[1].strip() in plain, line
    for row in re.findall(r"^\|.*$", page, re.MULTILINE):
        assert len(re.findall(r"(?<!\\)\|", row)) == 3, row


def test_failed_trainings_are_counted() -> None:
    part = table()
    info = replace(part.info, training=replace(RECORD, trainings=243))
    assert "3 failed and have no row" in sheet_text(table_facts(GroundTruth(info, part.rows), default_host()))
    assert "failed" not in sheet_text(table_facts(part, default_host()))


def test_means_alone_say_what_is_unknown() -> None:
    info = replace(table().info, training=None, source="printed: a paper")
    rows = table(seeds=1).rows.assign(seed="mean", count=0)
    means = table_facts(GroundTruth(info, rows), default_host())
    text = sheet_text(means)
    assert "means of an unknown number of trainings" in text
    assert "noise ceiling  unknown: it takes at least two seeds" in text
    assert "printed: a paper" in text
    assert "process-hours" not in text
    figure = draw_facts(means)
    assert len([axes for axes in figure.axes if axes.axison]) == 3


def test_without_the_space_nothing_is_said_of_size() -> None:
    info = replace(table().info, space="elsewhere")
    lone = table_facts(GroundTruth(info, table().rows), default_host())
    assert 'unknown  no search space "elsewhere"' in sheet_text(lone)
    assert len([axes for axes in draw_facts(lone).axes if axes.axison]) == 2


def test_the_figure_shows_every_architecture(facts: TableFacts) -> None:
    figure = draw_facts(facts)
    histogram, seeds, params, flops = figure.axes
    for axes in (seeds, params, flops):
        inside, under = axes.collections
        assert len(inside.get_offsets()) == 58
        assert len(under.get_offsets()) == 2
    assert "2 below" in histogram.get_title(loc="left")
    assert figure.get_suptitle() == "toy: nasbench201 [channels=8, cells=1] on cifar10, 60 architectures"
    assert params.get_xlabel() == "parameters"
    assert flops.get_xlabel() == "FLOPs (macs)"


def test_the_same_table_is_the_same_file(tmp_path: Path) -> None:
    for name in ("a", "b"):
        save(draw_facts(table_facts(table(), default_host())), tmp_path / f"{name}.png")
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_a_comparison_in_words_and_values() -> None:
    ours = table()
    means = ours.accuracies().to_frame("accuracy").rename_axis("architecture").reset_index()
    rows = means.assign(seed="mean", count=1, loss=math.nan)
    theirs = GroundTruth(
        GroundTruthInfo("large", "nasbench201", "channels=16,cells=5", "cifar100", "long", ""), rows
    )
    found = compare(ours, theirs, default_host())
    text = comparison_text(found)
    assert "toy: nasbench201 [channels=8, cells=1] on cifar10, 60 architectures; 7 steps" in text
    assert "in common: 60\n" in text
    assert "agreement: Kendall's tau-b +1.000 [+1.000, +1.000]" in text
    assert "noise ceiling of large: unknown: no single seeds" in text
    assert "noise of the one whose seeds are known" in text
    values = comparison_values(found)
    assert values["tables"] == ["toy", "large"]
    assert values["tau"] == pytest.approx(1)
    assert values["n"] == 60
    assert values["noise_ceilings"][1] is None
    assert values["attainable"] == pytest.approx(values["noise_ceilings"][0]["corrected"])
