"""The kinds of recipes of the harness; plugins add theirs by `uninas_bench_recipes`."""

from __future__ import annotations

from uninas_bench.reproduce.ablation_kind import Ablation
from uninas_bench.reproduce.correlation_kind import Correlation
from uninas_bench.reproduce.costs_kind import CostTable
from uninas_bench.reproduce.kind import PrintedOnly, TableKind
from uninas_bench.reproduce.operations_kind import Operations
from uninas_bench.reproduce.protocol_kind import Protocol


def builtin_kinds() -> list[TableKind]:
    """One of each."""
    return [Correlation(), CostTable(), Operations(), Protocol(), Ablation(), PrintedOnly()]
