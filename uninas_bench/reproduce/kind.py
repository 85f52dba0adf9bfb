"""The contract of a kind of recipe: how the tables that name it are recomputed."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from uninas_bench.errors import InvalidFile
from uninas_bench.reproduce.published import PublishedTable, complaint
from uninas_bench.reproduce.request import TableRequest


class RowOrColumn(BaseModel):
    """What a row or a column says of its recomputation, checked; a kind subclasses it.

    Attributes:
        needs: what its cells would need that no machine here has; its cells are then
            not computable.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    needs: str = ""


class RecipeFields(RowOrColumn):
    """The fields of a whole recipe.

    Attributes:
        kind, version: of the recipe; a change of what is computed has another version.
        differs: sentences on what is known to be different from the paper's own computation.
    """

    kind: str
    version: int
    differs: tuple[str, ...] = ()


_Model = TypeVar("_Model", bound=BaseModel)


class TableKind(ABC):
    """Recomputes the tables whose recipe has its name; registered by `uninas_bench_recipes`.

    Attributes:
        name: ``kind`` in the file.
        version: of what it computes; recipes name the version that they were written for.
        Recipe, Row, Column: what it asks of ``recipe`` and ``recompute`` in the file.
    """

    name: ClassVar[str]
    version: ClassVar[int] = 1
    Recipe: ClassVar[type[RecipeFields]] = RecipeFields
    Row: ClassVar[type[RowOrColumn]] = RowOrColumn
    Column: ClassVar[type[RowOrColumn]] = RowOrColumn

    @abstractmethod
    def run(self, table: PublishedTable, request: TableRequest) -> None:
        """Give ``request`` what each wanted cell comes to, by `TableRequest.record` or `TableRequest.lack`.

        Cells with ``needs`` of their own, and those that are left without either, are seen to by the
        caller.
        """

    def recipe(self, table: PublishedTable) -> RecipeFields:
        """The recipe of a table, checked.

        Raises:
            InvalidFile: a field is wrong, or the version is not this kind's.
        """
        found = _read(self.Recipe, table.recipe.model_dump(), f"table {table.name}, recipe")
        if found.version != self.version:
            raise InvalidFile(
                f"table {table.name}: recipe {self.name} {found.version}; version {self.version} is installed"
            )
        return found

    def row(self, table: PublishedTable, name: str) -> RowOrColumn:
        """What the file says of recomputing a row, checked."""
        return _read(self.Row, table.row(name).recompute, f"table {table.name}, row {name}")

    def column(self, table: PublishedTable, key: str) -> RowOrColumn:
        """What the file says of recomputing a column, checked."""
        return _read(self.Column, table.column(key).recompute, f"table {table.name}, column {key}")

    def check(self, table: PublishedTable) -> None:
        """Read everything that the file says of a table.

        Raises:
            InvalidFile: what is wrong, and where.
        """
        self.recipe(table)
        for row in table.rows:
            self.row(table, row.name)
        for column in table.columns:
            self.column(table, column.key)

    def wanted(self, table: PublishedTable, request: TableRequest) -> list[tuple[str, str]]:
        """The cells that were asked for, that print something, and that need nothing which is not here."""
        columns = [column.key for column in table.columns if not self.column(table, column.key).needs]
        rows = [row.name for row in table.rows if not self.row(table, row.name).needs]
        return [
            (row, column)
            for row in rows
            for column in columns
            if table.text(row, column) and request.wants(row, column)
        ]


def _read(model: type[_Model], content: Mapping[str, Any], where: str) -> _Model:
    try:
        return model.model_validate(dict(content))
    except ValidationError as error:
        raise InvalidFile(f"{where}: {complaint(error)}") from None


class PrintedOnly(TableKind):
    """Tables of which nothing can be recomputed: rows and columns say what it would need."""

    name = "printed"

    def run(self, table: PublishedTable, request: TableRequest) -> None:
        """Nothing."""
