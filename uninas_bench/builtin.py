"""The harness's own plugin: its spaces, image sources, ground-truth tables and executors."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from uninas_bench.hookspecs import hookimpl

if TYPE_CHECKING:
    from uninas_bench.data.source import ImageSource
    from uninas_bench.executors.executor import ExecutorFactory
    from uninas_bench.ground_truth.table import GroundTruthEntry
    from uninas_bench.reproduce.kind import TableKind
    from uninas_bench.space import SearchSpace


@hookimpl
def uninas_bench_spaces() -> Iterable[SearchSpace]:
    """The benchmark spaces at the scale of their tables, the others at their papers'."""
    from uninas_bench.spaces.hytra.space import Hytra
    from uninas_bench.spaces.mbconv.space import Mbconv
    from uninas_bench.spaces.nasbench201 import NasBench201
    from uninas_bench.spaces.nats_size import NatsSize
    from uninas_bench.spaces.timm_zoo.space import TimmZoo
    from uninas_bench.spaces.uninas.space import Uninas

    return [NasBench201(), NatsSize(), Uninas(), Hytra(), Mbconv(), TimmZoo()]


@hookimpl
def uninas_bench_data() -> Iterable[ImageSource]:
    """The images that come with a dependency."""
    from uninas_bench.data.catalogue import image_sources

    return image_sources()


@hookimpl
def uninas_bench_ground_truth() -> Iterable[GroundTruthEntry]:
    """The shipped tables and the imported ones."""
    from uninas_bench.ground_truth.catalogue import ground_truth_entries

    return ground_truth_entries()


@hookimpl
def uninas_bench_executors() -> Iterable[ExecutorFactory]:
    """This process, or processes of one thread each."""
    from uninas_bench.executors.processes import processes
    from uninas_bench.executors.serial import serial

    return [serial, processes]


@hookimpl
def uninas_bench_recipes() -> Iterable[TableKind]:
    """Kinds of recipes that no plugin's own mathematics is needed for."""
    from uninas_bench.reproduce.kinds import builtin_kinds

    return builtin_kinds()
