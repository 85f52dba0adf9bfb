"""Pictures of architectures that stand in the page itself, small enough to be many."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path
from xml.etree import ElementTree

from markupsafe import Markup

from uninas_bench.architecture import Architecture
from uninas_bench.errors import UserError
from uninas_bench.space import SearchSpace

SVG = "http://www.w3.org/2000/svg"
LARGEST = 120_000
"""Bytes of a picture; a larger one is left to `uninas-bench draw`."""
_NUMBER = re.compile(r"-?\d+\.\d+")
_BESIDE_LETTER = re.compile(r" ?([A-Za-z]) ?")
_KEPT = ("fill", "stroke", "stroke-width", "stroke-dasharray", "font", "text-anchor", "opacity")


def picture(space: SearchSpace, architecture: Architecture) -> tuple[Markup | None, str]:
    """The picture that ``uninas-bench draw`` makes, as SVG; or None and why there is none."""
    from uninas_bench.drawing import diagram_of, render, save

    try:
        figure = render(diagram_of(space, architecture))
    except UserError:
        return None, f"{space.name} draws no pictures"
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "picture.svg"
        save(figure, file)
        drawing = slim(file.read_text(encoding="utf-8"))
    if len(drawing) > LARGEST:
        return None, f"too large to stand here: uninas-bench draw '{architecture}'"
    return Markup(drawing), ""  # noqa: S704 - matplotlib escaped its texts, and they were escaped again


def slim(text: str) -> str:
    """Of matplotlib's SVG what is seen: no metadata, no ids that others of the page have, round numbers.

    Its width in points becomes ``--w``, which the page makes a width of.
    """
    root = ElementTree.fromstring(text)  # noqa: S314 - written by matplotlib a moment ago
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag.rpartition("}")[2] in ("metadata", "defs", "style"):
                parent.remove(child)
        for name in ("id", "clip-path"):
            parent.attrib.pop(name, None)
        for name in ("d", "style", "transform", "x", "y"):
            if name in parent.attrib:
                parent.attrib[name] = " ".join(_NUMBER.sub(_rounded, parent.attrib[name]).split())
        if "d" in parent.attrib:
            parent.attrib["d"] = _BESIDE_LETTER.sub(r"\1", parent.attrib["d"])
        if "style" in parent.attrib:
            parent.attrib["style"] = _style(parent.attrib["style"])
        parent.text = (parent.text or "").strip() or None
        parent.tail = (parent.tail or "").strip() or None
    _unwrap(root)
    box = root.attrib["viewBox"]
    root.attrib.clear()
    root.attrib["viewBox"] = box
    # The style sheet makes it as wide as its letters want; what is too large scrolls.
    root.attrib["style"] = f"--w:{float(box.split()[2]):.0f}"
    root.attrib["aria-hidden"] = "true"
    root.attrib["stroke-linejoin"] = "round"
    ElementTree.register_namespace("", SVG)
    return ElementTree.tostring(root, encoding="unicode").replace(f' xmlns="{SVG}"', "", 1)


def _unwrap(parent: ElementTree.Element) -> None:
    """Put what is in groups that say nothing into what they are in."""
    for child in list(parent):
        _unwrap(child)
        if child.tag.endswith("}g") and not child.attrib:
            place = list(parent).index(child)
            parent.remove(child)
            for offset, inner in enumerate(child):
                parent.insert(place + offset, inner)


def _rounded(match: re.Match[str]) -> str:
    return f"{float(match[0]):.1f}".removesuffix(".0")


def _style(text: str) -> str:
    """Without what is the default anyway."""
    parts = [part.strip().replace(": ", ":", 1) for part in text.split(";")]
    return ";".join(part for part in parts if part.startswith(_KEPT))
