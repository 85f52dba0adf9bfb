"""Published tables: TOML files, checked when they are read; see docs/reproduce.md for the format."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from uninas_bench.errors import InvalidFile, UnknownName
from uninas_bench.reproduce.printed import Printed, read_printed

FORMAT = 1
_ROMAN = {"i": "1", "ii": "2", "iii": "3", "iv": "4", "v": "5", "vi": "6", "vii": "7"}
CORRELATIONS = ("tau", "rho", "pearson", "ndcg")
NUMBERS = (*CORRELATIONS, "accuracy", "error", "params", "flops", "weight", "count", "cost", "claim")
Kind = Literal[
    "tau", "rho", "pearson", "ndcg", "accuracy", "error", "params", "flops", "weight", "count", "cost",
    "claim", "formula", "setting", "text",
]  # fmt: skip


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Column(_Strict):
    """A column of a printed table.

    Attributes:
        key: its name in the file.
        group, title: what stands above it.
        kind: of the numbers or texts in it.
        unit: what they are counted in: ``percent``, ``points``, ``GPU hours``; empty for none.
        recompute: how its cells are recomputed, as the recipe's kind asks for.
    """

    key: str
    title: str
    group: str = ""
    kind: Kind
    unit: str = ""
    recompute: Mapping[str, Any] = Field(default_factory=dict)

    @property
    def name(self) -> str:
        """``CIFAR-10 tau``."""
        return f"{self.group} {self.title}".strip()


class Row(_Strict):
    """A row of a printed table.

    Attributes:
        name: as it is printed.
        cells: one text per column, as printed; empty where nothing is.
        uncertain: by the key of a column: why the number may not be what is printed; ``*`` for all.
        note: what the paper says of the row.
        recompute: how it is recomputed, as the recipe's kind asks for.
    """

    name: str
    cells: tuple[str, ...]
    uncertain: Mapping[str, str] = Field(default_factory=dict)
    note: str = ""
    recompute: Mapping[str, Any] = Field(default_factory=dict)


class RecipeHead(BaseModel):
    """The fields that every recipe has; the others belong to its kind."""

    model_config = ConfigDict(extra="allow", frozen=True)

    kind: str
    version: int = Field(ge=1)


class PublishedTable(_Strict):
    """One table of a paper.

    Attributes:
        name: ``1`` in ``vkdnw-1``.
        printed: what the paper calls it.
        caption: what it shows, in a sentence.
        read_from: how the numbers came here.
        rows_are: what a row is.
        recipe: how it is recomputed.
    """

    name: str
    printed: str
    caption: str
    read_from: str
    rows_are: str
    columns: tuple[Column, ...] = Field(min_length=1)
    rows: tuple[Row, ...] = Field(min_length=1)
    recipe: RecipeHead

    @model_validator(mode="after")
    def _is_whole(self) -> PublishedTable:
        keys = [column.key for column in self.columns]
        names = [row.name for row in self.rows]
        for what, entries in (("column", keys), ("row", names)):
            twice = sorted({entry for entry in entries if entries.count(entry) > 1})
            if twice:
                raise ValueError(f"{what} {twice[0]} is there twice")
        for row in self.rows:
            if len(row.cells) != len(keys):
                raise ValueError(f"row {row.name} has {len(row.cells)} cells for {len(keys)} columns")
            unknown = sorted(set(row.uncertain) - {*keys, "*"})
            if unknown:
                raise ValueError(f"row {row.name}: uncertain names no column {unknown[0]}")
            for column, text in zip(self.columns, row.cells, strict=True):
                if column.kind in NUMBERS and text and read_printed(text) is None:
                    raise ValueError(f"row {row.name}, column {column.key}: {text!r} is no number")
        return self

    def column(self, key: str) -> Column:
        """The column of that key."""
        return next(column for column in self.columns if column.key == key)

    def row(self, name: str) -> Row:
        """The row of that name."""
        return next(row for row in self.rows if row.name == name)

    def text(self, row: str, column: str) -> str:
        """What is printed in a cell."""
        place = [entry.key for entry in self.columns].index(column)
        return self.row(row).cells[place]

    def printed_number(self, row: str, column: str) -> Printed | None:
        """The number in a cell; None where there is none."""
        text = self.text(row, column)
        return read_printed(text) if text and self.column(column).kind in NUMBERS else None

    def doubt(self, row: str, column: str) -> str:
        """Why a printed number is uncertain; empty where it is not."""
        doubts = self.row(row).uncertain
        return doubts.get(column, doubts.get("*", ""))


class Paper(_Strict):
    """A file of published tables.

    Attributes:
        format: of the file.
        key: ``vkdnw`` in ``vkdnw-1``.
        paper: short name.
        citation: authors, title, where.
        link: address of the paper; empty where it has none.
    """

    format: Literal[1]
    key: str = Field(pattern=r"[a-z0-9]+(-[a-z0-9]+)*")
    paper: str
    citation: str
    link: str = ""
    tables: tuple[PublishedTable, ...] = Field(min_length=1)


def read_paper(path: Path) -> Paper:
    """The tables of a file.

    Raises:
        InvalidFile: in one line what is wrong, and where.
    """
    try:
        with path.open("rb") as file:
            content = tomllib.load(file)
    except OSError as error:
        raise InvalidFile(f"{path}: cannot be read: {error.strerror or error}") from None
    except ValueError as error:
        raise InvalidFile(f"{path}: no TOML: {' '.join(str(error).split())}") from None
    try:
        return Paper.model_validate(content)
    except ValidationError as error:
        raise InvalidFile(f"{path}: {complaint(error)}") from None


def complaint(error: ValidationError) -> str:
    """The first fault that pydantic found, in one line."""
    first = error.errors(include_url=False)[0]
    place = ".".join(str(part) for part in first["loc"])
    return f"{place}: {first['msg']}" if place else str(first["msg"])


@cache
def papers() -> Mapping[str, Paper]:
    """The shipped papers by key."""
    folder = Path(str(resources.files("uninas_bench_tables"))) / "published"
    found = [read_paper(path) for path in sorted(folder.glob("*.toml")) if path.name not in _OTHERS]
    return {paper.key: paper for paper in found}


_OTHERS = {"timm_zoo.toml"}
"""What lies there and is no table of a paper: read elsewhere."""


def table_names() -> list[str]:
    """Every published table: ``uninas-4``, ``vkdnw-1``, in the order of the files."""
    return [f"{paper.key}-{table.name}" for paper in papers().values() for table in paper.tables]


def find_table(name: str) -> tuple[Paper, PublishedTable]:
    """A table by its name; ``UniNAS-IV`` is ``uninas-4``.

    Raises:
        UnknownName: there is none.
    """
    wanted = name.strip().lower().replace("_", "-").replace(" ", "-")
    head, _, tail = wanted.rpartition("-")
    wanted = f"{head}-{_ROMAN.get(tail, tail)}"
    for paper in papers().values():
        for table in paper.tables:
            if wanted == f"{paper.key}-{table.name}":
                return paper, table
    raise UnknownName("published table", name, table_names(), "uninas-bench reproduce list")
