"""Kind ``costs``: parameters and FLOPs of named architectures, in closed form."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Literal

from uninas_bench.reproduce.kind import RecipeFields, RowOrColumn, TableKind
from uninas_bench.reproduce.outcome import Measured
from uninas_bench.reproduce.published import PublishedTable
from uninas_bench.reproduce.request import TableRequest
from uninas_bench.tasks import find_task


class CostsRecipe(RecipeFields):
    """Where the architectures are.

    Attributes:
        space, scale: of them.
        task: that they are priced for.
    """

    space: str
    scale: Mapping[str, str] = {}
    task: str = "imagenet1k"


class CostsRow(RowOrColumn):
    """An architecture.

    Attributes:
        architecture: in any spelling of the space; empty where nobody knows it.
        scale, task: where they are not the recipe's.
    """

    architecture: str = ""
    scale: Mapping[str, str] = {}
    task: str = ""


class CostsColumn(RowOrColumn):
    """A quantity.

    Attributes:
        quantity: which.
        convention: of FLOPs, one of the space's; ``products`` are those of convolutions, linear maps and
            matrix products alone (`uninas`).
        beside: other conventions, told beside it where the paper does not say which is its own.
    """

    quantity: Literal["params", "flops"] = "params"
    convention: str = ""
    beside: tuple[str, ...] = ()


class CostTable(TableKind):
    """Prices every row; nothing is built and nothing has chance in it."""

    name = "costs"
    Recipe = CostsRecipe
    Row = CostsRow
    Column = CostsColumn

    def run(self, table: PublishedTable, request: TableRequest) -> None:
        """Every wanted cell."""
        recipe = self.recipe(table)
        assert isinstance(recipe, CostsRecipe)
        for row, column in self.wanted(table, request):
            entry, asked = self.row(table, row), self.column(table, column)
            assert isinstance(entry, CostsRow)
            assert isinstance(asked, CostsColumn)
            space = request.space(recipe.space, {**recipe.scale, **entry.scale})
            task = find_task(entry.task or recipe.task)
            architecture = space.parse(entry.architecture)

            def price(
                convention: str, space: Any = space, architecture: Any = architecture, task: Any = task
            ) -> Any:
                return _flops(space, architecture, task, convention)

            if asked.quantity == "params":
                value: float = space.costs(architecture, task).params
                note = ""
            else:
                value = price(asked.convention)
                note = ", ".join(f"{name} {price(name) / 1e9:.3f} G" for name in asked.beside)
            request.record(row, column, Measured(float(value), math.nan, math.nan, exact=True, note=note))
        request.fact(
            f"closed forms of the space {recipe.space}: no network is built, nothing has chance in it"
        )


def _flops(space: Any, architecture: Any, task: Any, convention: str) -> int:
    costs = space.costs(architecture, task, convention) if convention else space.costs(architecture, task)
    return int(costs.flops)
