"""``{store-schema}``: the tables of a score store, from the SQLAlchemy metadata that makes them."""

from __future__ import annotations

from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective
from sqlalchemy import Column, Table, UniqueConstraint

from uninas_bench.store.schema import SCHEMA_VERSION, metadata


class Schema(SphinxDirective):
    """A section per table, a row per column."""

    def run(self) -> list[nodes.Node]:
        """The sections, in the order in which the tables depend on each other."""
        version = nodes.paragraph("", f"Schema version {SCHEMA_VERSION}.")
        return [version, *(_section(table) for table in metadata.sorted_tables)]


def _section(table: Table) -> nodes.section:
    section = nodes.section(ids=[nodes.make_id(f"table-{table.name}")], names=[table.name])
    section += nodes.title("", "", nodes.literal("", table.name))
    for constraint in table.constraints:
        if isinstance(constraint, UniqueConstraint):
            names = ", ".join(column.name for column in constraint.columns)
            section += nodes.paragraph("", f"One row for each {names}.")
    section += _rows(["column", "type", "", "meaning"], [_cells(column) for column in table.columns])
    return section


def _cells(column: Column[Any]) -> list[str]:
    marks = ["key"] if column.primary_key else []
    marks += [f"of {key.target_fullname}" for key in column.foreign_keys]
    marks += ["may be empty"] if column.nullable else []
    return [column.name, str(column.type), ", ".join(marks), column.doc or ""]


def _rows(header: list[str], rows: list[list[str]]) -> nodes.table:
    group = nodes.tgroup(cols=len(header))
    group += [nodes.colspec(colwidth=1) for _ in header]
    group += nodes.thead("", _row(header))
    group += nodes.tbody("", *[_row(row, code=True) for row in rows])
    return nodes.table("", group)


def _row(cells: list[str], *, code: bool = False) -> nodes.row:
    def text(place: int, cell: str) -> nodes.Node:
        return nodes.literal("", cell) if code and place == 0 else nodes.inline("", cell)

    return nodes.row(
        "", *[nodes.entry("", nodes.paragraph("", "", text(i, cell))) for i, cell in enumerate(cells)]
    )


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the directive."""
    app.add_directive("store-schema", Schema)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
