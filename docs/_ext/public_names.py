"""The reference of Python: every name of ``uninas_bench.__all__``, so that none is forgotten."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

from sphinx.application import Sphinx

import uninas_bench

PAGE = "reference/python"
MARK = "<!-- every public name -->"
_ELSEWHERE = {"__version__", "correlation"}


def _fill(_app: Sphinx, page: str, source: list[str]) -> None:
    if page == PAGE:
        assert MARK in source[0], f"{PAGE} has lost its mark"
        source[0] = source[0].replace(MARK, "\n".join(_sections()))


def _sections() -> Iterator[str]:
    kinds: dict[str, list[str]] = {"function": [], "class": [], "exception": [], "data": []}
    for name in uninas_bench.__all__:
        if name not in _ELSEWHERE:
            kinds[_kind(getattr(uninas_bench, name))].append(name)
    titles = {"function": "Calls", "class": "Classes", "exception": "Exceptions", "data": "Other names"}
    for kind, names in kinds.items():
        members = (
            "\n   :members:\n   :exclude-members: Settings"
            if kind == "class"
            else "\n   :no-value:"
            if kind == "data"
            else ""
        )
        yield f"## {titles[kind]}\n\n```{{eval-rst}}\n.. currentmodule:: uninas_bench\n"
        yield from (f".. auto{kind}:: {name}{members}\n" for name in names)
        yield "```\n"


def _kind(thing: Any) -> str:
    if inspect.isclass(thing):
        return "exception" if issubclass(thing, Exception) else "class"
    return "function" if inspect.isfunction(thing) else "data"


def setup(app: Sphinx) -> dict[str, Any]:
    """Fill the page before it is parsed."""
    app.connect("source-read", _fill)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
