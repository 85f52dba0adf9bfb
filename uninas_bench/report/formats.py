"""A board as CSV, JSON, Markdown and LaTeX: the first two in full precision, the others as one reads them."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

from uninas_bench.report.cells import Column, board_columns
from uninas_bench.report.sentences import foot_lines, subject_line, versions_line

if TYPE_CHECKING:
    import pandas as pd

_CONTEXT = ("space", "scale", "task")
_LATEX = str.maketrans(
    {
        "\\": r"\textbackslash{}", "_": r"\_", "%": r"\%", "&": r"\&", "#": r"\#", "$": r"\$", "{": r"\{",
        "}": r"\}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "·": r"\textperiodcentered{}",
        "<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}",
    }
)  # fmt: skip


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
    rows = [{name: _plain(value) for name, value in row.items()} for row in frame.to_dict(orient="records")]
    board = {"board": _plain(frame.attrs), "rows": rows}
    return json.dumps(board, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def to_markdown(frame: pd.DataFrame) -> str:
    """A table in GitHub's flavour, then the foot lines."""
    columns = _printed(frame)
    lines = [
        _markdown_row([_heading(column) for column in columns]),
        _markdown_row([":---" if column.left else "---:" for column in columns]),
        *(_markdown_row([column.cells[row] for column in columns]) for row in range(len(frame))),
        "",
        *(f"- {_markdown(line)}" for line in _notes(frame)),
    ]
    return "\n".join(lines) + "\n"


def to_latex(frame: pd.DataFrame) -> str:
    """A table for the package booktabs; its caption says what the numbers rest on."""
    columns = _printed(frame)
    body = [
        " & ".join(_latex(column.cells[row]).replace("-.", "$-$.") for column in columns) + r" \\"
        for row in range(len(frame))
    ]
    caption = ". ".join(_latex(line) for line in _notes(frame)) + "."
    lines = [
        "% needs \\usepackage{booktabs}",
        r"\begin{table}",
        r"\centering",
        rf"\begin{{tabular}}{{{''.join('l' if column.left else 'r' for column in columns)}}}",
        r"\toprule",
        " & ".join(_latex(_heading(column)) for column in columns) + r" \\",
        r"\midrule",
        *body,
        r"\bottomrule",
        r"\end{tabular}",
        rf"\caption{{{caption}}}",
        r"\end{table}",
    ]
    return "\n".join(lines) + "\n"


def _printed(frame: pd.DataFrame) -> list[Column]:
    return [column for column in board_columns(frame) if column.key != "bar"]


def _heading(column: Column) -> str:
    return f"{column.group} {column.title}".strip()


def _notes(frame: pd.DataFrame) -> list[str]:
    return [subject_line(frame.attrs), *foot_lines(frame), versions_line(frame)]


def _markdown(text: str) -> str:
    for character in "\\|*_<>":
        text = text.replace(character, "\\" + character)
    return text


def _markdown_row(cells: list[str]) -> str:
    return f"| {' | '.join(_markdown(cell) if set(cell) - set(':-') else cell for cell in cells)} |"


def _latex(text: str) -> str:
    return text.translate(_LATEX)


def _plain(value: Any) -> Any:
    """Types that JSON knows; NaN, which it does not know, is None."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if hasattr(value, "item"):
        value = value.item()
    return None if isinstance(value, float) and math.isnan(value) else value
