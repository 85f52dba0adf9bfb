"""The board across tables as a reader sees it: in every form, at every width, and as a figure."""

from __future__ import annotations

import csv
import io
import json
import math

import pytest
from rich.console import Console

import uninas_bench as ub
from tests import toy
from uninas_bench.across import build, matrix
from uninas_bench.drawing import save
from uninas_bench.ground_truth.table import GroundTruth, GroundTruthInfo
from uninas_bench.report.across import (
    CEILING,
    foot_lines,
    head_lines,
    matrices,
    print_across,
    render_across,
)  # fmt: skip
from uninas_bench.report.across_figure import draw_across
from uninas_bench.report.cells import share, signed
from uninas_bench.report.tables import GAP


@ub.simple_proxy("nowhere", version=4)
def nowhere(subject):
    raise ub.NotApplicable("never")


def table(name, seed, task="cifar10"):
    found = toy.table(toy.architectures(20, seed=seed), task=task)
    info = found.info
    return GroundTruth(GroundTruthInfo(name, info.space, info.scale, task, "made up", "tests"), found.rows)


TABLES = [
    table(f"t{seed}", seed, task) for seed, task in enumerate(("cifar10", "cifar100", "imagenet16-120"))
]


@pytest.fixture(scope="module")
def frame():
    return build(TABLES, [toy.fussy, toy.opposite, nowhere], store=None, packed=None)


def printed(frame, width=None, **options):
    file = io.StringIO()
    console = Console(
        file=file, width=width or 80, force_terminal=width is not None, no_color=True, highlight=False
    )
    print_across(frame, console, **options)
    return file.getvalue().replace("\x1b[1m", "").replace("\x1b[2m", "").replace("\x1b[0m", "")


def test_the_numbers_of_the_matrix_are_those_of_the_frame(frame):
    lines = {line.split()[1]: line for line in printed(frame).splitlines() if line[:3].strip()}
    taus = matrix(frame)
    for proxy in ("fussy", "opposite", "flops"):
        for tau in taus.loc[proxy]:
            assert signed(tau) in lines[proxy], (proxy, tau)
    ceiling = next(line for line in printed(frame).splitlines() if CEILING in line)
    for facts in frame.attrs["tables"].values():
        assert share(facts["noise_ceiling"]["corrected"]) in ceiling
    # Baselines have no number, but a place.
    assert lines["flops"].startswith(" ·") or lines["flops"].lstrip().startswith("·")


def test_heads_and_feet_say_what_the_numbers_rest_on(frame):
    heads = head_lines(frame)
    assert [line[0] for line in heads] == ["1", "2", "3"]
    assert all("noise ceiling tau" in line and "n = 20" in line for line in heads)
    feet = "\n".join(foot_lines(frame))
    assert "asymptotic" in feet
    assert "share its last places" in feet
    assert "failed architectures rank last" in feet
    assert "\n1, 2, 3: no tau for nowhere: not-applicable: never" in feet


class Learned(ub.Proxy):
    """Learns nothing; needs a fit all the same."""

    name = "learned"
    needs = frozenset({"fit"})

    def fit(self, space, context):
        context.write("nothing", b"")

    def evaluate(self, subject):
        return {"learned": float(len(subject.architecture.encoding))}


def test_the_foot_names_proxies_whose_fit_is_not_in_their_costs(tmp_path, monkeypatch):
    monkeypatch.setenv("UNINAS_BENCH_CACHE", str(tmp_path))
    frame = build(TABLES, [Learned()], store=None, packed=None)
    said = [line for line in foot_lines(frame) if "without the fit" in line]
    assert said == ["learned: costs of a score, without the fit before the first one"]


@pytest.mark.parametrize("width", [60, 80, 100, 140, 200])
def test_a_matrix_fits_the_terminal(frame, width):
    whole = matrices(frame, given_size=True)
    for found in whole:
        fitting = found.fitting(width)
        assert sum(column.width for column in fitting.columns) + GAP * (len(fitting.columns) - 1) <= width
        # Every table keeps its column, whatever goes.
        assert sum(column.key == "tau" for column in fitting.columns) == len(TABLES)
    body = printed(frame, width).split("\nseed ")[0]
    assert max(len(line.rstrip()) for line in body.splitlines()) <= width


def test_the_second_matrix_holds_size(frame):
    text = printed(frame, given_size=True)
    assert "what is not size: partial tau-b given parameters and FLOPs" in text
    second = text.split("what is not size")[1]
    given = matrix(frame, "tau_given_size")
    assert signed(given.loc["fussy", "t0"]) in second
    assert math.isnan(given.loc["flops", "t0"])
    assert CEILING not in second.split("\nseed ")[0]
    assert "what is not size" not in printed(frame)


def test_families_have_a_matrix_with_their_sizes(monkeypatch):
    space = ub.space("hytra")
    import numpy as np
    import pandas as pd

    points = space.sample(60, np.random.default_rng(0))
    rows = [
        {
            "architecture": p.encoding,
            "seed": str(s),
            "count": 1,
            "accuracy": 50 + i / 10 + s / 100,
            "loss": math.nan,
        }
        for i, p in enumerate(points)
        for s in range(2)
    ]
    info = GroundTruthInfo("hybrids", "hytra", str(space.scale), "cifar10", "made up", "tests")
    frame = build([GroundTruth(info, pd.DataFrame(rows))], ["params"], strata=True, store=None, packed=None)
    sizes = {name: facts["n"] for name, facts in frame.attrs["tables"]["hybrids"]["strata"].items()}
    text = printed(frame)
    assert sizes
    for name, n in sizes.items():
        assert name.split(": ")[1] in text
        assert str(n) in next(line for line in text.splitlines() if line.split()[:1] == ["n"])
    none = build(TABLES[:1], ["params"], strata=True, store=None, packed=None)
    assert "no family of 20 architectures or more is known" in printed(none)


def test_every_form_holds_the_board(frame):
    rows = list(csv.DictReader(io.StringIO(render_across(frame, "csv"))))
    assert len(rows) == len(frame)
    assert {row["ground_truth"] for row in rows} == {"t0", "t1", "t2"}
    assert float(rows[0]["tau"]) == frame["tau"].iloc[0]
    found = json.loads(render_across(frame, "json"))
    assert len(found["rows"]) == len(frame)
    assert found["board"]["tables"]["t1"]["noise_ceiling"]["corrected"] > 0.9
    assert found["rows"][0]["tau_low"] is not None
    markdown = render_across(frame, "markdown", given_size=True)
    assert markdown.count("| :--- |") >= 2
    assert "3 nasbench201 imagenet16-120" in markdown
    assert "nowhere 4" in markdown
    latex = render_across(frame, "latex", given_size=True)
    assert latex.count(r"\begin{tabular}") == latex.count(r"\end{table}") == 2
    assert "noise ceiling" in latex
    assert "_" not in latex.replace(r"\_", "")


def test_no_intervals_leave_no_empty_columns():
    frame = build(TABLES[:2], ["params"], store=None, packed=None, intervals="none")
    assert all(column.key != "interval" for column in matrices(frame, given_size=False)[0].columns)


def texts(figure):
    return [text.get_text() for axes in figure.axes for text in axes.texts]


@pytest.mark.parametrize("given_size", [False, True])
def test_the_figure_has_every_number(frame, given_size, tmp_path):
    figure = draw_across(frame, given_size=given_size)
    shown = texts(figure)
    for tau in matrix(frame).stack().dropna():
        assert signed(tau, 2) in shown
    for facts in frame.attrs["tables"].values():
        assert share(facts["noise_ceiling"]["corrected"]) in shown
    expected = matrix(frame).notna().sum().sum()
    if given_size:
        expected += matrix(frame, "tau_given_size").notna().sum().sum()
    assert len(shown) == expected + len(TABLES)
    names = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert names[0] == "noise ceiling"
    assert [name.split(" ")[0] for name in names[1:]] == list(matrix(frame).index)
    for name in ("one.png", "two.png"):
        save(draw_across(frame, given_size=given_size), tmp_path / name)
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "two.png").read_bytes()


def test_no_text_of_the_figure_leaves_it_or_covers_another(frame):
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    figure = draw_across(frame, given_size=True)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    page = figure.bbox
    found = [text for axes in figure.axes[:2] for text in (*axes.get_yticklabels(), *axes.get_xticklabels())]
    found += [text for text in figure.texts if text.get_text()]
    boxes = [text.get_window_extent() for text in found if text.get_text()]
    for box in boxes:
        assert box.x0 >= page.x0
        assert box.x1 <= page.x1
        assert box.y0 >= page.y0
        assert box.y1 <= page.y1
    for i, first in enumerate(boxes):
        for second in boxes[:i]:
            assert not first.overlaps(second)
