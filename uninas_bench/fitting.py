"""Fitting: what a proxy learns of a whole space before it evaluates, kept on disk for every later run.

A fit lies in a folder of its own, named after a hash of its `Configuration`: all that a score depends on
besides the architecture. One that was killed goes on in that folder; one that ended has a ``complete.json``.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, astuple, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from uninas_bench.errors import UserError
from uninas_bench.seeds import derive_seed
from uninas_bench.whole_files import write_whole

if TYPE_CHECKING:
    import torch

    from uninas_bench.architecture import Task
    from uninas_bench.cells import Configuration
    from uninas_bench.data.source import ImageSet, ImageSource, Split
    from uninas_bench.plan import Plan
    from uninas_bench.proxy import Proxy
    from uninas_bench.store.contract import Provenance

COMPLETE = "complete.json"
"""Written last; a folder without it is resumed."""
_POLL = 0.2
"""Seconds between two looks at whether another process has finished."""


@dataclass(frozen=True, slots=True)
class FitEvent:
    """How far the fit of a proxy is: ``done`` of ``total``, which is 0 where nobody knows, and a remark."""

    proxy: str
    done: int
    total: int
    text: str


FitProgress = Callable[[FitEvent], None]


class FitContext:
    """What a proxy may use while it is fitted, besides the space.

    Attributes:
        task: data set, resolution and classes.
        seed: fixes everything random in this fit.
        device: where networks run.
        folder: the fit's own. What the proxy saves there `Subject.fitted` gives back to ``evaluate``, and to
            ``fit`` itself when it is called again after an interruption.
    """

    def __init__(
        self,
        proxy: Proxy,
        task: Task,
        source: ImageSource | None,
        *,
        seed: int,
        folder: Path,
        device: str = "cpu",
        progress: FitProgress | None = None,
    ) -> None:
        import torch

        self.task = task
        self.seed = seed
        self.device = torch.device(device)
        self.folder = folder
        self._proxy = proxy
        self._source = source
        self._progress = progress

    def images(self, split: Split = "train") -> ImageSet:
        """The task's images; the proxy has ``images`` in `Proxy.needs` and the setting ``source=task``.

        Raises:
            UserError: there are none at hand, or the settings ask for others.
        """
        name, dataset = self._proxy.name, self.task.dataset
        if "images" not in self._proxy.needs:
            raise TypeError(f'{name} asks for images and has no "images" in its needs')
        if self._source is None:
            raise UserError(
                f"{name} is fitted on the images of {dataset}: choose --set {name}.source=task and give them "
                f"with --data {dataset}=FILE.npz|FOLDER"
            )
        return self._source.load(split, self.task.resolution)

    def generator(self, stream: str = "") -> torch.Generator:
        """A CPU generator of this fit's own; each ``stream`` is independent of the others.

        One stream per epoch makes a fit that was resumed equal to one that was not.
        """
        import torch

        seed = derive_seed(self.seed, stream) if stream else self.seed
        return torch.Generator().manual_seed(seed)

    def write(self, name: str, data: bytes) -> None:
        """Write a file of `folder`, whole or not at all: a kill leaves it as it was."""
        write_whole(self.folder / name, data)

    def report(self, done: int, total: int, text: str = "") -> None:
        """Tell whoever waits how far the fit is, in steps of the proxy's choice."""
        if self._progress is not None:
            self._progress(FitEvent(self._proxy.name, done, total, text))


def cache_folder() -> Path:
    """``UNINAS_BENCH_CACHE``, or the user's cache folder of this platform; it may not exist yet."""
    chosen = os.environ.get("UNINAS_BENCH_CACHE")
    if chosen:
        return Path(chosen).expanduser().absolute()
    from platformdirs import user_cache_path

    return user_cache_path("uninas-bench")


def fit_configuration(proxy: Proxy, configuration: Configuration) -> Configuration:
    """What the fit of a proxy depends on, given what its cells do: its `Proxy.fit_settings` alone."""
    return replace(configuration, settings=str(proxy.fit_settings()))


def fit_folder(cache: Path, configuration: Configuration) -> Path:
    """Where the fit of a configuration from `fit_configuration` lies, or will."""
    return cache / "fitted" / configuration.proxy / f"{derive_seed('fitted', *astuple(configuration)):016x}"


def fit(
    plan: Plan,
    job: int,
    folder: Path,
    *,
    record: Callable[[], Provenance],
    device: str = "cpu",
    progress: FitProgress | None = None,
) -> None:
    """Fit a proxy, unless that is done already; of several processes one fits and the others wait.

    Args:
        plan: space, task and images.
        job: the proxy's position in ``plan.scored``.
        folder: from `fit_folder`.
        record: what ``complete.json`` says of how the fit was made.
        device: where networks run.
        progress: called as the proxy reports.

    Raises:
        UserError: the folder cannot be written, or the proxy found a mistake of the user's.
        KeyboardInterrupt: with a sentence.
        Exception: whatever else the proxy raises.
    """
    from uninas_bench.isolation import isolated

    complete = folder / COMPLETE
    if complete.exists():
        return
    proxy = plan.scored[job]
    configuration = fit_configuration(proxy, plan.configurations[job])
    seed = derive_seed("fit", *astuple(configuration))
    source = plan.images if configuration.images else None
    context = FitContext(proxy, plan.task, source, seed=seed, folder=folder, device=device, progress=progress)
    try:
        with _claimed(context):
            if complete.exists():
                return
            resumed = any(folder.iterdir())
            context.report(0, 0, "goes on from where it was" if resumed else "starts")
            start = time.perf_counter()
            with isolated(seed):
                proxy.fit(plan.space, context)
            summary = {
                "fit": asdict(configuration),
                "seconds": round(time.perf_counter() - start, 3),
                # Then the seconds are those since the last interruption.
                "resumed": resumed,
                "made": asdict(record()),
            }
            context.write(COMPLETE, json.dumps(summary, indent=1).encode())
    except KeyboardInterrupt:
        raise KeyboardInterrupt(
            f"interrupted while {proxy.name} was fitted; what it has saved is kept, "
            "and the same call goes on from there"
        ) from None


@contextmanager
def _claimed(context: FitContext) -> Iterator[None]:
    """Alone in the folder, which exists; the operating system frees it even after a ``kill -9``."""
    from filelock import FileLock, Timeout

    folder = context.folder
    lock = FileLock(folder.with_suffix(".lock"))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            context.report(0, 0, "another process is at it: waiting")
            lock.acquire(poll_interval=_POLL)
    except OSError as error:
        raise UserError(
            f"{folder}: cannot be written: {error.strerror or error}; UNINAS_BENCH_CACHE names another folder"
        ) from None
    try:
        yield
    finally:
        lock.release()
