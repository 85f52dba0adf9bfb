"""A board as CSV, JSON, Markdown and LaTeX: the first two in full precision, the others as one reads them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from uninas_bench.report.cells import Column, board_columns
from uninas_bench.report.sentences import foot_lines, subject_line, versions_line
from uninas_bench.report.tables import latex_table, markdown_table, plain

if TYPE_CHECKING:
    import pandas as pd

_CONTEXT = ("space", "scale", "task")


def render(frame: pd.DataFrame, form: str) -> str:
    """The text of a board in ``csv``, ``json``, ``markdown`` or ``latex``, with a final line end."""
    return {"csv": to_csv, "json": to_json, "markdown": to_markdown, "latex": to_latex}[form](frame)


def to_csv(frame: pd.DataFrame) -> str:
    """One row per proxy; space, scale, task, table and seed are columns, so that boards can be joined."""
    whole = frame.copy()
    for name in reversed(_CONTEXT):
        whole.insert(0, name, frame.attrs[name])
    whole["ground_truth"] = frame.attrs["ground_truth"]["name"]
    whole["seed"] = frame.attrs["seed"]
    text: str = whole.to_csv(index=False, lineterminator="\n")
    return text


def to_json(frame: pd.DataFrame) -> str:
    """``{"board": what the numbers rest on, "rows": [...]}``; what is unknown is null."""
    rows = [{name: plain(value) for name, value in row.items()} for row in frame.to_dict(orient="records")]
    board = {"board": plain(frame.attrs), "rows": rows}
    return json.dumps(board, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def to_markdown(frame: pd.DataFrame) -> str:
    """A table in GitHub's flavour, then the foot lines."""
    return markdown_table(_printed(frame), _notes(frame))


def to_latex(frame: pd.DataFrame) -> str:
    """A table for the package booktabs; its caption says what the numbers rest on."""
    return latex_table(_printed(frame), _notes(frame), lambda cell: cell.replace("-.", "$-$."))


def _printed(frame: pd.DataFrame) -> list[Column]:
    return [column for column in board_columns(frame) if column.key != "bar"]


def _notes(frame: pd.DataFrame) -> list[str]:
    return [subject_line(frame.attrs), *foot_lines(frame), versions_line(frame)]
