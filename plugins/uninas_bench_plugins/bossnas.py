"""`bossnas`: how close the blocks of an architecture come, without labels, to what all of them agree on."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Self

from uninas_bench import NotApplicable, Proxy, SearchSpace, UserError, hookimpl
from uninas_bench_plugins._bossnas.settings import BossnasSettings

if TYPE_CHECKING:
    from torch import nn

    from uninas_bench import FitContext, Subject


class Bossnas(Proxy):
    """Minus the sum over blocks of a path's distance to the population's centre (equations 1, 5 and 6).

    A supernet with shared weights is trained block after block by ensemble bootstrapping, and all paths of
    every block are rated; an architecture's rating is the sum of those of its paths. The default settings
    are small enough for minutes on a CPU; `BossnasSettings` states the paper's beside them.

    Where the released code departs from the paper: blocks are trained apart, as the paper says; the necks of
    the target side are averaged too; a block's best path is chosen once, at its end; norms learn from 0.
    """

    name = "bossnas"
    needs = frozenset({"images", "gradients", "fit"})
    on_request = True
    reference = "Li et al., BossNAS: Block-wisely Self-supervised Neural Architecture Search, ICCV 2021"
    Settings = BossnasSettings
    settings: BossnasSettings

    def __init__(self, settings: BossnasSettings | None = None, teacher: nn.Module | None = None) -> None:
        super().__init__(settings)
        self.teacher = teacher

    def distilling(self, teacher: nn.Module) -> Self:
        """A copy that distils a module: from normalised images to feature maps, or to one output."""
        from uninas_bench_plugins._bossnas.teachers import fingerprint

        settings = replace(self.settings, training="distillation", teacher=fingerprint(teacher))
        return type(self)(settings, teacher)

    def _with(self, settings: Any) -> Self:
        return type(self)(settings, self.teacher)

    def fit(self, space: SearchSpace, context: FitContext) -> None:
        """Train and rate the supernet of a space; every minute it is saved, with all that going on needs.

        Raises:
            NotApplicable: no supernet of the space is known, or its blocks have too many paths to rate.
        """
        from uninas_bench_plugins._bossnas.spaces import reading_of, supernet_of
        from uninas_bench_plugins._bossnas.training import fit

        reading_of(space.name, self.settings)
        fit(lambda: supernet_of(space, self.settings), context, self.settings, self._teacher())

    def _teacher(self) -> nn.Module | None:
        if self.settings.training != "distillation":
            return None
        from uninas_bench_plugins._bossnas.teachers import fingerprint, timm_teacher

        teacher, name = self.teacher, self.settings.teacher
        if teacher is None:
            teacher = timm_teacher(name)
        elif fingerprint(teacher) != name:
            raise UserError(f"teacher={name}: the module at hand is {fingerprint(teacher)}")
        return teacher

    def evaluate(self, subject: Subject) -> Mapping[str, float]:
        """The rating of an architecture; no network is run.

        Raises:
            NotApplicable: a bare network, or an architecture with a path that was not rated.
        """
        from uninas_bench_plugins._bossnas.spaces import reading_of
        from uninas_bench_plugins._bossnas.table import rate, read_table

        if subject.architecture is None:
            raise NotApplicable("rates architectures of a space; this is a network without one")
        reading = reading_of(subject.architecture.space, self.settings)
        table = read_table(subject.fitted)
        rating = rate(table, reading, subject.architecture, self.settings.weights)
        if math.isnan(rating):
            raise NotApplicable("one of its paths was not rated with the input that the paths before give it")
        return {self.name: rating}


@hookimpl
def uninas_bench_proxies() -> Iterable[Proxy]:
    """`bossnas` with settings for a CPU."""
    return [Bossnas()]
