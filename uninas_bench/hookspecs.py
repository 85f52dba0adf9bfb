"""Every extension point on one page. A plugin implements any of these under `hookimpl`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    from collections.abc import Iterable

    import click

    from uninas_bench.data.source import ImageSource
    from uninas_bench.executors.executor import ExecutorFactory
    from uninas_bench.ground_truth.table import GroundTruthEntry
    from uninas_bench.proxy import Proxy
    from uninas_bench.reproduce.kind import TableKind
    from uninas_bench.space import SearchSpace

hookspec = pluggy.HookspecMarker("uninas_bench")
hookimpl = pluggy.HookimplMarker("uninas_bench")


@hookspec
def uninas_bench_spaces() -> Iterable[SearchSpace]:  # type: ignore[empty-body]
    """Return search spaces at their default scale."""


@hookspec
def uninas_bench_proxies() -> Iterable[Proxy]:  # type: ignore[empty-body]
    """Return proxies with their default settings."""


@hookspec
def uninas_bench_data() -> Iterable[ImageSource]:  # type: ignore[empty-body]
    """Return image sources, each named after the data set whose images it holds."""


@hookspec
def uninas_bench_ground_truth() -> Iterable[GroundTruthEntry]:  # type: ignore[empty-body]
    """Return ground-truth tables as entries that load on demand."""


@hookspec
def uninas_bench_executors() -> Iterable[ExecutorFactory]:  # type: ignore[empty-body]
    """Return executors that run work units: named factories taking the number of workers."""


@hookspec
def uninas_bench_recipes() -> Iterable[TableKind]:  # type: ignore[empty-body]
    """Return kinds of recipes, each of which recomputes the published tables that name it."""


@hookspec
def uninas_bench_commands(cli: click.Group) -> None:
    """Add commands to the command line."""


__all__ = [
    "hookimpl",
    "hookspec",
    "uninas_bench_commands",
    "uninas_bench_data",
    "uninas_bench_executors",
    "uninas_bench_ground_truth",
    "uninas_bench_proxies",
    "uninas_bench_recipes",
    "uninas_bench_spaces",
]
