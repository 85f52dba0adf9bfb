"""The worker's side: evaluate the cells of one architecture and say how each one ended."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from uninas_bench.architecture import Architecture
from uninas_bench.cells import Configuration, Outcome, Status
from uninas_bench.errors import InvalidArchitecture, NotApplicable, UserError
from uninas_bench.fitting import cache_folder, fit_configuration, fit_folder
from uninas_bench.proxy import Proxy, Settings
from uninas_bench.seeds import derive_seed
from uninas_bench.sharing import Sharing, group_key, sharings
from uninas_bench.subject import CellSubject

if TYPE_CHECKING:
    from torch import nn

    from uninas_bench.data.source import ImageSet
    from uninas_bench.plan import Plan

_log = logging.getLogger(__name__)
_ALLOCATION = ("can't allocate memory", "not enough memory", "out of memory")


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit of work: one architecture, and the proxies it still needs as positions in `Plan.scored`."""

    encoding: str
    jobs: tuple[int, ...]


class _Watched(CellSubject):
    """A subject that knows whether its network was asked for."""

    built = False

    def network(self, resolution: int | None = None) -> nn.Module:
        self.built = True
        return super().network(resolution)


class Evaluator:
    """Evaluates units; shipped to a worker once, images excepted, which every process loads itself.

    Attributes:
        folders: where the fit of each scored proxy lies; None for one that needs none.
    """

    def __init__(self, plan: Plan, device: str) -> None:
        self.space = plan.space
        self.task = plan.task
        self.proxies = plan.scored
        self.configurations = plan.configurations
        self.source = plan.images
        self.run_seed = plan.seed
        self.device = device
        cache = cache_folder()
        self.folders = tuple(
            fit_folder(cache, fit_configuration(proxy, configuration)) if "fit" in proxy.needs else None
            for proxy, configuration in zip(plan.scored, plan.configurations, strict=True)
        )
        self._images: ImageSet | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_images": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        # A worker gets everything slow over with here, where no time limit runs.
        self.__dict__.update(state)
        import uninas_bench.isolation  # noqa: F401  (imports torch)

        self.load_images()

    def load_images(self) -> ImageSet | None:
        """The task's training images, once per process.

        Raises:
            UserError: the files are missing or malformed.
        """
        if self._images is None and self.source is not None:
            self._images = self.source.load("train", self.task.resolution)
        return self._images

    def __call__(self, unit: Unit) -> list[Outcome]:
        """The outcome of every job; a fault of a proxy is an outcome.

        Raises:
            UserError: a mistake of the user's, which further cells would only repeat.
        """
        bare: dict[int, float | None] = {}
        shared = sharings(self.proxies[job] for job in unit.jobs)
        return [
            self._cell(unit.encoding, job, bare, shared.get(group_key(self.proxies[job])))
            for job in unit.jobs
        ]

    def _cell(
        self, encoding: str, job: int, bare: dict[int, float | None], sharing: Sharing | None
    ) -> Outcome:
        from uninas_bench.isolation import isolated
        from uninas_bench.memory import peak_memory

        proxy, configuration = self.proxies[job], self.configurations[job]
        seed = cell_seed(proxy, configuration, encoding)
        subject = self._subject(
            encoding,
            proxy.settings,
            seed,
            images=bool(configuration.images),
            fitted=self.folders[job],
            sharing=sharing,
        )
        given = sharing is not None and sharing.ready
        with isolated(seed), peak_memory(self.device) as peak:
            start = time.perf_counter()
            status, message, components = attempt(proxy, subject)
            seconds = time.perf_counter() - start
        memory = peak.bytes
        if sharing is not None and sharing.ready:
            # What others computed for it belongs to its cost, and what it computed for others does not.
            seconds = sharing.seconds_alone(proxy.name, seconds, given=given)
            if given:
                memory = max((m for m in (memory, sharing.peak_memory) if m is not None), default=None)
            else:
                sharing.peak_memory = memory
        passes = None
        if subject.built or given:
            batch = proxy.settings.batch
            if batch not in bare:
                bare[batch] = self._bare_pass(encoding, batch)
            reference = bare[batch]
            passes = seconds / reference if reference else None
        return Outcome(configuration, encoding, status, message, components, seconds, memory, passes)

    def _subject(
        self,
        encoding: str,
        settings: Settings,
        seed: int,
        *,
        images: bool,
        fitted: Path | None = None,
        sharing: Sharing | None = None,
    ) -> _Watched:
        return _Watched(
            self.space,
            Architecture(self.space.name, encoding),
            self.task,
            settings,
            cell_seed=seed,
            run_seed=self.run_seed,
            images=self.load_images() if images else None,
            fitted=fitted,
            sharing=sharing,
            device=self.device,
        )

    def _bare_pass(self, encoding: str, batch: int) -> float | None:
        """Seconds of one forward pass of the plain network, in train mode and without gradients."""
        from uninas_bench.isolation import isolated

        settings = Settings(batch=batch, init="model")
        subject = self._subject(encoding, settings, self.run_seed, images=False)
        try:
            with isolated(self.run_seed):
                return bare_pass_seconds(subject.network(), subject.batch()[0])
        # The score is there already; a yardstick that fails leaves only its multiple unknown.
        except Exception:
            _log.debug("no bare pass of %s", encoding, exc_info=True)
            return None


def bare_pass_seconds(network: nn.Module, images: Any, *, repeats: int = 3, budget: float = 0.3) -> float:
    """The fastest of up to ``repeats`` warm forward passes, at least one, within ``budget`` seconds."""
    import torch

    with torch.no_grad():
        pass_seconds(network, images)
        times = [pass_seconds(network, images)]
        while len(times) < repeats and sum(times) < budget:
            times.append(pass_seconds(network, images))
    return min(times)


def pass_seconds(network: nn.Module, images: Any) -> float:
    """Of one forward pass, waited for on every device."""
    import torch

    start = time.perf_counter()
    network(images)
    if images.is_cuda:
        torch.cuda.synchronize(images.device)
    return time.perf_counter() - start


def cell_seed(proxy: Proxy, configuration: Configuration, encoding: str) -> int:
    """The seed of a cell: a hash of what names it, so it depends on nothing that ran before.

    For a proxy of a group the group and what its members have in common stand for its name, version and
    settings: they see the same network, whether they are evaluated together or each alone.
    """
    if key := group_key(proxy):
        configuration = replace(configuration, proxy=f"group {key}", proxy_version=1, settings="")
    return derive_seed(
        configuration.space,
        configuration.space_version,
        configuration.scale,
        encoding,
        configuration.dataset,
        configuration.proxy,
        configuration.proxy_version,
        configuration.settings,
        configuration.seed,
    )


def attempt(proxy: Proxy, subject: Any) -> tuple[Status, str, dict[str, float]]:
    """Evaluate and judge: the status, its message, and the finite components.

    Raises:
        UserError: the proxy found a mistake of the user's.
    """
    try:
        return judge(proxy, proxy.evaluate(subject))
    except Exception as error:
        return *failure(proxy, error), {}


def failure(proxy: Proxy, error: Exception) -> tuple[Status, str]:
    """The status and message of an exception that a proxy raised.

    Raises:
        UserError: it is a mistake of the user's.
    """
    if isinstance(error, NotApplicable | InvalidArchitecture):
        # An architecture that does not exist for the task is a fact about this cell alone.
        return Status.NOT_APPLICABLE, one_line(error)
    if isinstance(error, UserError):
        raise error
    _log.debug("%s failed", proxy.name, exc_info=error)
    status = Status.OUT_OF_MEMORY if _is_out_of_memory(error) else Status.ERROR
    return status, f"{type(error).__name__}: {one_line(error)}".removesuffix(": ")


def judge(proxy: Proxy, raw: Mapping[str, float]) -> tuple[Status, str, dict[str, float]]:
    """Check what ``evaluate`` returned against what the proxy declares."""
    if set(raw) != set(proxy.components):
        got, want = ", ".join(map(str, raw)) or "nothing", ", ".join(proxy.components)
        return Status.ERROR, f"returned {got}; declares {want}", {}
    values = {name: float(raw[name]) for name in proxy.components}
    finite = {name: value for name, value in values.items() if math.isfinite(value)}
    if len(finite) == len(values):
        return Status.OK, "", finite
    odd = ", ".join(f"{name} is {value}" for name, value in values.items() if name not in finite)
    return Status.NOT_FINITE, odd, finite


def one_line(error: BaseException) -> str:
    """The message of an error on one line."""
    return " ".join(str(error).split())


def _is_out_of_memory(error: Exception) -> bool:
    import torch

    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and any(text in str(error).lower() for text in _ALLOCATION)
