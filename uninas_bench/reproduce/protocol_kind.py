"""Kind ``protocol``: a printed training protocol against the recipe that `uninas-bench train` trains by."""

from __future__ import annotations

import math
from collections.abc import Mapping

from uninas_bench.reproduce.kind import RowOrColumn, TableKind
from uninas_bench.reproduce.outcome import Measured
from uninas_bench.reproduce.published import PublishedTable
from uninas_bench.reproduce.request import TableRequest


class ProtocolRow(RowOrColumn):
    """A setting.

    Attributes:
        field: of the recipes, dotted.
        written: what a printed text stands for, where it is not the field's own value: by the text.
    """

    field: str = ""
    written: Mapping[str, str | float | tuple[int, ...]] = {}


class ProtocolColumn(RowOrColumn):
    """A training recipe: its name."""

    recipe: str = ""


class Protocol(TableKind):
    """Nothing is trained: what `uninas-bench train` would train by is held against the printed protocol."""

    name = "protocol"
    Row = ProtocolRow
    Column = ProtocolColumn

    def run(self, table: PublishedTable, request: TableRequest) -> None:
        """Every wanted cell."""
        from uninas_bench.training.recipes.consistency import value_of
        from uninas_bench.training.recipes.reading import load_recipe

        for row, column in self.wanted(table, request):
            entry, asked = self.row(table, row), self.column(table, column)
            assert isinstance(entry, ProtocolRow)
            assert isinstance(asked, ProtocolColumn)
            ours = value_of(load_recipe(asked.recipe), entry.field)
            printed = table.text(row, column)
            agrees = _same(entry.written.get(printed, printed), ours)
            shown = f"{ours:g}" if isinstance(ours, float) else str(ours)
            request.record(row, column, Measured(math.nan, agrees=agrees, text=shown, note=f"{entry.field}"))
        request.fact("the recipes of uninas-bench train; nothing is trained")


def _same(printed: object, ours: object) -> bool:
    if isinstance(ours, int | float) and not isinstance(ours, bool):
        try:
            return math.isclose(float(str(printed)), ours)
        except ValueError:
            return False
    if isinstance(ours, tuple):
        return isinstance(printed, tuple | list) and tuple(printed) == ours
    return str(printed) == str(ours)
