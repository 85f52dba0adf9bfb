"""Figures for papers: every kind, at both widths; nothing overlaps, fonts are embedded, files repeat."""

from __future__ import annotations

import itertools
import re

import pytest

import uninas_bench as ub
from tests.report.evidence import across_of, drawn
from uninas_bench import UserError
from uninas_bench.drawing import save
from uninas_bench.report.plots.evidence import Evidence
from uninas_bench.report.plots.kinds import KINDS, draw
from uninas_bench.report.plots.style import INCHES

OF_TABLE = [name for name, kind in KINDS.items() if kind.of == "table"]


@pytest.fixture(scope="module")
def one():
    return Evidence((drawn("a", count=60, proxies=12),), None)


@pytest.fixture(scope="module")
def several():
    return across_of([drawn("a", count=40, proxies=8), drawn("b", count=40, proxies=8, seed=1)])


def texts(figure):
    from matplotlib.text import Text

    return [text for text in figure.findobj(Text) if text.get_text().strip() and text.get_visible()]


def overlapping(figure):
    """Pairs of texts whose boxes share more than a pixel, those of one axis's far ends aside."""
    figure.draw_without_rendering()
    boxes = [(text.get_text(), text.get_window_extent()) for text in texts(figure)]
    width, height = figure.bbox.width, figure.bbox.height
    outside = [
        name for name, box in boxes
        if box.x0 < -1 or box.y0 < -1 or box.x1 > width + 1 or box.y1 > height + 1
    ]  # fmt: skip
    shared = [
        (a, b)
        for (a, first), (b, second) in itertools.combinations(boxes, 2)
        if min(first.x1, second.x1) - max(first.x0, second.x0) > 1
        and min(first.y1, second.y1) - max(first.y0, second.y0) > 1
    ]
    return outside, shared


@pytest.mark.parametrize("width", INCHES)
@pytest.mark.parametrize("kind", OF_TABLE)
def test_texts_stay_inside_and_apart(one, kind, width):
    figure = draw(kind, one, width=width)
    assert figure.get_figwidth() == INCHES[width]
    assert figure.get_figheight() < 11
    assert overlapping(figure) == ([], [])
    told = " ".join(text.get_text() for text in texts(figure)).replace("\n", " ")
    assert "n = 60" in told
    assert "seed 0" in told


@pytest.mark.parametrize("width", INCHES)
def test_the_matrix_has_a_column_for_each_table(several, width):
    figure = draw("matrix", several, width=width)
    assert overlapping(figure) == ([], [])
    assert len(figure.axes[0].get_xticks()) == 2
    shown = [text.get_text() for text in texts(figure)]
    assert len([text for text in shown if re.fullmatch(r"[-+]\.\d\d", text)]) == 16


def test_panels_hold_every_architecture(one):
    figure = draw("scatter", one)
    for axes, row in zip(figure.axes, one.tables[0].board.itertuples(), strict=False):
        points = sum(len(line.get_xdata()) for line in axes.lines)
        assert points == 60
        assert axes.get_title(loc="left").startswith(f"{row.proxy}\n")


@pytest.mark.parametrize("form", ["svg", "pdf"])
def test_equal_numbers_give_equal_files_with_their_fonts(one, form, tmp_path):
    for name in ("first", "second"):
        save(draw("pareto", one, width="single"), tmp_path / f"{name}.{form}")
    found = (tmp_path / f"first.{form}").read_bytes()
    assert found == (tmp_path / f"second.{form}").read_bytes()
    assert (b"/FontFile2" if form == "pdf" else b"DejaVu Sans") in found


def test_searches_have_a_line_each(tmp_path):
    folders = []
    for seed in (0, 1):
        folders.append(tmp_path / f"run{seed}")
        ub.search(
            "nasbench201", "params", strategy="random", iterations=15, population=3, seed=seed,
            output=folders[-1], store=None,
        )  # fmt: skip
    figure = ub.plot("search", candidates=folders)
    (axes,) = figure.axes
    assert len(axes.lines) == 2
    assert "run0 (random, seed 0)" in [text.get_text() for text in axes.get_legend().get_texts()]


def test_mistakes_are_told(one, several):
    with pytest.raises(UserError, match='no kind of figure "scater"; did you mean "scatter"'):
        draw("scater", one)
    with pytest.raises(UserError, match="a figure of one table"):
        draw("scatter", several)
    with pytest.raises(UserError, match="no search to draw"):
        ub.plot("search")
    with pytest.raises(UserError, match="a figure of one table"):
        ub.plot("pareto", across="all")
    with pytest.raises(UserError, match="they belong to search"):
        ub.plot("scatter", candidates=["x"])
