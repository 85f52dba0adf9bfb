"""The files: well-formed, complete, the same every time, and made without pyplot."""

from __future__ import annotations

import os
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from PIL import Image

import uninas_bench as ub
from tests.drawing.samples import CELLS, of_spaces
from uninas_bench.diagram import Diagram, Edge, Group, Kind, Node
from uninas_bench.drawing import render, save
from uninas_bench.drawing.sizes import natural_layout
from uninas_bench.drawing.style import COLOURS, DETAIL, LABEL, text_width

SVG = "{http://www.w3.org/2000/svg}"


def texts(path: Path) -> list[str]:
    return ["".join(element.itertext()) for element in ET.parse(path).iter(f"{SVG}text")]


@pytest.mark.parametrize("number", [0, CELLS, CELLS + 1, CELLS + 2, CELLS + 5, CELLS + 8, -4])
def test_an_svg_says_everything_that_the_diagram_says(tmp_path: Path, number: int) -> None:
    diagram = of_spaces()[number]
    save(render(diagram), tmp_path / "a.svg")
    found = texts(tmp_path / "a.svg")
    for node in diagram.nodes:
        assert node.label in {*found, ""}
        assert set(filter(None, node.detail.splitlines())) <= set(found)
    for group in diagram.groups:
        assert group.repeat == 1 or f"× {group.repeat}" in found
        assert not group.label or group.label in found
    assert {edge.label for edge in diagram.edges} - {""} <= set(found)
    assert diagram.title in found


@pytest.mark.parametrize("diagram", of_spaces()[CELLS:], ids=lambda d: d.title)
def test_texts_fit_into_their_boxes(diagram: Diagram) -> None:
    layout = natural_layout(diagram)
    for node in diagram.nodes:
        widths = [text_width(node.label, LABEL), *(text_width(t, DETAIL) for t in node.detail.splitlines())]
        assert max(widths) < layout.boxes[node.id].width


def test_the_legend_names_the_kinds_that_occur(tmp_path: Path) -> None:
    nodes = (Node("a", "gelu", Kind.ACTIVATION), Node("b", "input", Kind.TENSOR))
    save(render(Diagram("t", nodes, (Edge("b", "a"),))), tmp_path / "a.svg")
    assert sorted(texts(tmp_path / "a.svg")) == ["activation", "gelu", "input", "t"]


def test_kinds_have_colours_of_their_own() -> None:
    assert set(COLOURS) == set(Kind)
    assert len({colours.fill for kind, colours in COLOURS.items() if kind is not Kind.BLOCK}) == len(Kind) - 1


def test_a_frame_names_its_multiplicity(tmp_path: Path) -> None:
    diagram = Diagram("", (Node("a", "a", group="g"),), (), (Group("g", repeat=12),))
    save(render(diagram), tmp_path / "a.svg")
    assert "× 12" in texts(tmp_path / "a.svg")


def test_files_are_the_same_in_every_process(tmp_path: Path) -> None:
    """Also under another order of sets, and under a user's own settings of matplotlib."""
    code = (
        "import sys, pathlib, matplotlib, uninas_bench as ub; from uninas_bench.drawing import save;"
        "own = {'font.family': 'serif', 'savefig.bbox': 'tight', 'text.usetex': True};"
        "matplotlib.rcParams.update(own if sys.argv[2] == '1' else {});"
        "figure = ub.draw('uninas:coatnet', block='3.2');"
        "[save(figure, pathlib.Path(sys.argv[1], 'a.' + form), 72) for form in ('svg', 'png', 'pdf')];"
        "assert 'matplotlib.pyplot' not in sys.modules; assert 'torch' not in sys.modules"
    )
    for seed in ("1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        subprocess.run([sys.executable, "-c", code, str(tmp_path / seed), seed], check=True, env=environment)
    for form in ("svg", "png", "pdf"):
        assert (tmp_path / "1" / f"a.{form}").read_bytes() == (tmp_path / "2" / f"a.{form}").read_bytes()


def test_a_png_has_the_dots_that_were_asked_for(tmp_path: Path) -> None:
    figure = ub.draw("nasbench201:6111")
    sizes = []
    for dpi in (50, 100):
        save(figure, tmp_path / "a.png", dpi)
        with Image.open(tmp_path / "a.png") as image:
            sizes.append(image.size)
            assert len(image.convert("RGB").getcolors(1 << 20) or ()) > 20
    assert sizes[1][0] == pytest.approx(2 * sizes[0][0], abs=2)


def test_a_drawing_changes_no_settings(tmp_path: Path) -> None:
    import matplotlib

    before = dict(matplotlib.rcParams)
    save(ub.draw("nasbench201:0"), tmp_path / "a.svg")
    assert dict(matplotlib.rcParams) == before


def test_a_picture_that_no_machine_can_hold_is_refused(tmp_path: Path) -> None:
    nodes = tuple(Node(str(n), "gelu") for n in range(150))
    edges = tuple(Edge(str(n), str(n + 1)) for n in range(149))
    figure = render(Diagram("", nodes, edges))
    with pytest.raises(ub.UserError, match="lower --dpi"):
        save(figure, tmp_path / "a.png", 1200)
    save(figure, tmp_path / "a.svg")


def test_titles_that_look_like_mathematics_are_texts(tmp_path: Path) -> None:
    save(render(Diagram("$a_1$ & <b>", (Node("a", "$x^"),), ())), tmp_path / "a.svg")
    assert {"$a_1$ & <b>", "$x^"} <= set(texts(tmp_path / "a.svg"))
