"""Kind ``operations``: printed formulas of costs against those that the space prices its operations by."""

from __future__ import annotations

import math
from typing import Literal

from uninas_bench.reproduce.formula import evaluate
from uninas_bench.reproduce.kind import RecipeFields, RowOrColumn, TableKind
from uninas_bench.reproduce.outcome import Measured
from uninas_bench.reproduce.published import PublishedTable
from uninas_bench.reproduce.request import TableRequest


class OperationsRecipe(RecipeFields):
    """Where the formulas are held against each other.

    Attributes:
        shapes: (C, H, W), squares, so that a bias of positions exists.
    """

    shapes: tuple[tuple[int, int, int], ...] = ((96, 4, 4), (192, 9, 9), (384, 16, 16))


class OperationsRow(RowOrColumn):
    """An operation of `uninas`.

    Attributes:
        operation: its name there.
        tokens: its input is a map between positions: H and W are numbers of positions.
        pooled: its input is one pixel: H and W are the height and width that it is spread over.
    """

    operation: str = ""
    tokens: bool = False
    pooled: bool = False


class OperationsColumn(RowOrColumn):
    """A quantity: parameters or FLOPs."""

    quantity: Literal["params", "flops"] = "params"


class Operations(TableKind):
    """Evaluates every printed formula at a few shapes, and the space's own price there."""

    name = "operations"
    Recipe = OperationsRecipe
    Row = OperationsRow
    Column = OperationsColumn

    def run(self, table: PublishedTable, request: TableRequest) -> None:
        """Every wanted cell."""
        recipe = self.recipe(table)
        assert isinstance(recipe, OperationsRecipe)
        for row, column in self.wanted(table, request):
            entry, asked = self.row(table, row), self.column(table, column)
            assert isinstance(entry, OperationsRow)
            assert isinstance(asked, OperationsColumn)
            request.record(
                row, column, _compared(table.text(row, column), entry, asked.quantity, recipe.shapes)
            )
        shapes = ", ".join(str(shape) for shape in recipe.shapes)
        request.fact(f"formulas of the space uninas, convention exact, evaluated at (C, H, W) = {shapes}")


def _compared(
    formula: str, entry: OperationsRow, quantity: str, shapes: tuple[tuple[int, int, int], ...]
) -> Measured:
    differences = []
    for shape in shapes:
        channels, height, width = shape
        letters = {"C": channels, "H": height, "W": width}
        printed, ours = evaluate(formula, letters), _price(entry, quantity, shape)
        if not math.isclose(printed, ours, rel_tol=1e-12):
            differences.append(f"at {shape} {ours:,.0f}, the formula gives {printed:,.6g}")
    if differences:
        return Measured(math.nan, agrees=False, text="differs", note=differences[0])
    return Measured(math.nan, agrees=True, text="equal")


def _price(entry: OperationsRow, quantity: str, shape: tuple[int, int, int]) -> float:
    from uninas_bench.spaces.uninas.costs import node_cost
    from uninas_bench.spaces.uninas.operations import read_operation
    from uninas_bench.spaces.uninas.tensor_type import POOLED, TOKENS, TensorType

    channels, height, width = shape
    operation = read_operation(entry.operation)
    if entry.tokens:
        # H and W count the positions of the block, which is so much smaller.
        block = (math.isqrt(height), math.isqrt(width))
        inputs: tuple[TensorType, ...] = (TensorType(channels, TOKENS),)
        return node_cost(operation, inputs, block, "exact")[quantity == "flops"]
    plain = TensorType(channels)
    if operation.kind == "matmul2":
        inputs = (TensorType(1, TOKENS), plain)
    elif entry.pooled:
        inputs = (TensorType(channels, POOLED),)
    else:
        inputs = (plain,) * operation.inputs
    return node_cost(operation, inputs, (height, width), "exact")[quantity == "flops"]
