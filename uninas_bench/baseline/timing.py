"""What proxies cost, in bare forward passes: timed in turns, without the time spent waiting for a core."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from uninas_bench.architecture import Architecture
from uninas_bench.cells import Status
from uninas_bench.evaluate import Evaluator, attempt, cell_seed, pass_seconds
from uninas_bench.proxy import Settings
from uninas_bench.subject import CellSubject

if TYPE_CHECKING:
    from torch import Tensor, nn

    from uninas_bench.plan import Plan

ARCHITECTURES = 3
ROUNDS = 3
_SCHEDULER = Path("/proc/thread-self/schedstat")


class Stopwatch:
    """Times every proxy of a plan against the bare pass of the same network, round after round.

    A pass and an evaluation are taken in turns and the fastest of each is kept. So what slows a machine down
    for a while slows both, and more rounds can only bring a cost down to what it is.

    Args:
        plan: its proxies are timed on all its architectures.
        device: where networks run.
    """

    def __init__(self, plan: Plan, device: str) -> None:
        self._plan = plan
        self._evaluator = Evaluator(plan, device)
        self._device = device
        self._fastest: dict[tuple[int, str], float] = {}
        self._bare: dict[tuple[int, str], float] = {}
        self._failed: set[tuple[int, str]] = set()
        self._passes: dict[tuple[int, str], tuple[nn.Module, Tensor]] = {}

    def measure(self, rounds: int = ROUNDS, names: Sequence[str] | None = None) -> None:
        """Some more rounds, of all proxies or of some."""
        jobs = [job for job, proxy in enumerate(self._plan.scored) if names is None or proxy.name in names]
        for _ in range(rounds):
            for encoding in self._plan.encodings:
                for job in jobs:
                    if (job, encoding) not in self._failed:
                        self._bare_pass(job, encoding)
                        self._evaluation(job, encoding)

    def passes(self) -> dict[str, float]:
        """The cost of every proxy with cells of its own: the geometric mean over the architectures.

        NaN for a proxy that failed on all of them.
        """
        found = {}
        for job, proxy in enumerate(self._plan.scored):
            batch = proxy.settings.batch
            logs = [
                math.log(seconds / self._bare[batch, encoding])
                for (timed, encoding), seconds in self._fastest.items()
                if timed == job
            ]
            found[proxy.name] = math.exp(sum(logs) / len(logs)) if logs else math.nan
        return found

    def _bare_pass(self, job: int, encoding: str) -> None:
        import torch

        from uninas_bench.isolation import isolated

        key = self._plan.scored[job].settings.batch, encoding
        with isolated(self._plan.seed), torch.no_grad():
            if key not in self._passes:
                subject = self._subject(job, encoding, Settings(batch=key[0], init="model"))
                self._passes[key] = subject.network(), subject.batch()[0]
                pass_seconds(*self._passes[key])  # the first one is slow
            start = _Clock()
            pass_seconds(*self._passes[key])
            self._bare[key] = min(start.seconds(), self._bare.get(key, math.inf))

    def _evaluation(self, job: int, encoding: str) -> None:
        from uninas_bench.isolation import isolated

        proxy, configuration = self._plan.scored[job], self._plan.configurations[job]
        subject = self._subject(job, encoding, proxy.settings)
        with isolated(cell_seed(proxy, configuration, encoding)):
            start = _Clock()
            status, _, _ = attempt(proxy, subject)
            seconds = start.seconds()
        if status is not Status.OK:
            self._failed.add((job, encoding))
            self._fastest.pop((job, encoding), None)
        else:
            self._fastest[job, encoding] = min(seconds, self._fastest.get((job, encoding), math.inf))

    def _subject(self, job: int, encoding: str, settings: Settings) -> CellSubject:
        plan, configuration = self._plan, self._plan.configurations[job]
        return CellSubject(
            plan.space,
            Architecture(plan.space.name, encoding),
            plan.task,
            settings,
            cell_seed=cell_seed(plan.scored[job], configuration, encoding),
            run_seed=plan.seed,
            images=self._evaluator.load_images() if configuration.images else None,
            fitted=self._evaluator.folders[job],
            device=self._device,
        )


class _Clock:
    """Wall time less the time for which the thread was ready to run and another one had its core."""

    def __init__(self) -> None:
        # The outer one of two clocks is the wall's: no wait is taken off that was not in it.
        self._start = time.perf_counter()
        self._waited = _waited()

    def seconds(self) -> float:
        waited = _waited() - self._waited
        return time.perf_counter() - self._start - waited


def _waited() -> float:
    """Seconds that this thread has waited for a core so far, where the system tells (Linux), else 0."""
    try:
        return int(_SCHEDULER.read_text(encoding="ascii").split()[1]) / 1e9
    except (OSError, ValueError, IndexError):
        return 0.0


def whole_costs(passes: Mapping[str, float], parts: Mapping[str, Sequence[str]]) -> dict[str, float]:
    """The cost of every row of a board: the sum over the proxies that its scores are made of.

    Args:
        passes: of proxies with cells of their own.
        parts: by row, the names of its parts.
    """
    return {
        name: sum(passes[part] for part in members) if members else math.nan
        for name, members in parts.items()
    }
