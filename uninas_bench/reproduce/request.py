"""What a kind of recipe works with: what was asked for, what there is, and where its numbers go."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from uninas_bench.errors import UserError
from uninas_bench.reproduce.budget import Budget
from uninas_bench.reproduce.outcome import Measured, Verdict

if TYPE_CHECKING:
    import pandas as pd

    from uninas_bench.architecture import Task
    from uninas_bench.data.source import ImageSource
    from uninas_bench.execution import ProgressEvent
    from uninas_bench.fitting import FitProgress
    from uninas_bench.ground_truth.table import GroundTruth
    from uninas_bench.host import Host
    from uninas_bench.proxy import Proxy
    from uninas_bench.space import SearchSpace
    from uninas_bench.store import ScoreStore

OFFICIAL = {
    "nasbench201": "NATS-tss-v1_0-3ffb9-simple",
    "nats_size": "NATS-sss-v1_0-50262-simple",
}
"""Of spaces whose official file `uninas-bench ground-truth import` reads as it is."""


PILOT = 2
"""Architectures that are timed before a budget decides how many there will be."""
CHUNK_SECONDS = 60.0
"""Of scoring between two looks at the clock."""


class Lacking(Exception):
    """Something that a cell needs is not here; the message says what, as the end of "needs ...".

    Attributes:
        verdict: of the cells: that they cannot be computed, or that they were not.
    """

    verdict = Verdict.IMPOSSIBLE


class BudgetSpent(Lacking):
    """The budget did not let so much be computed; the message says what was left out."""

    verdict = Verdict.LEFT_OUT


@dataclass
class TableRequest:
    """One run of one table.

    Attributes:
        host: the plugins.
        rows, columns: what was asked for: names and keys; None for all.
        sample: how many architectures; None for what the recipe says, 0 for all.
        budget: the time for it.
        seed: of sample, scores and bootstrap.
        store: of scores.
        workers: processes.
        data: image sources by data set.
        ground_truths: tables that were named, before those that are installed.
        settings: of proxies, by name: files that recipes cannot name.
        device: where networks run.
        folder: for what is trained; None for one that is thrown away.
        full: whether what is too large for a small machine runs at the paper's size.
        announce: told, in a sentence, what begins.
        progress: called after every finished cell of scores.
        begin: called before scoring: architectures, proxies.
        fitting: called while a proxy is fitted.
    """

    host: Host
    rows: frozenset[str] | None = None
    columns: frozenset[str] | None = None
    sample: int | None = None
    budget: Budget = field(default_factory=Budget)
    seed: int = 0
    store: str | Path | ScoreStore | None = None
    workers: int = 1
    data: Mapping[str, str | Path | ImageSource] = field(default_factory=dict)
    ground_truths: tuple[GroundTruth, ...] = ()
    settings: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    device: str = "cpu"
    folder: Path | None = None
    full: bool = False
    announce: Callable[[str], None] = lambda _sentence: None
    progress: Callable[[ProgressEvent], None] | None = None
    begin: Callable[[int, int], None] | None = None
    fitting: FitProgress | None = None
    measured: dict[tuple[str, str], Measured] = field(default_factory=dict)
    lacking: dict[tuple[str, str], tuple[Verdict, str]] = field(default_factory=dict)
    facts: list[str] = field(default_factory=list)
    about: dict[str, Any] = field(default_factory=dict)

    def wants(self, row: str, column: str) -> bool:
        """Whether the cell was asked for."""
        return (self.rows is None or row in self.rows) and (self.columns is None or column in self.columns)

    def names(self, row: str) -> bool:
        """Whether the row was asked for by its name: then it may take long."""
        return self.rows is not None and row in self.rows

    def record(self, row: str, column: str, measured: Measured) -> None:
        """Give what a cell comes to."""
        self.measured[row, column] = measured

    def lack(self, row: str, column: str, reason: str | Lacking) -> None:
        """Say why a cell has no number: what it would need."""
        verdict = reason.verdict if isinstance(reason, Lacking) else Verdict.IMPOSSIBLE
        self.lacking[row, column] = (verdict, str(reason))

    def fact(self, sentence: str) -> None:
        """Say what the numbers rest on, once."""
        if sentence not in self.facts:
            self.facts.append(sentence)

    def truth(self, space: str, tasks: Iterable[str], scale: Mapping[str, str] | None = None) -> GroundTruth:
        """Accuracies of a space: of the first of the tasks that there is a table of.

        Args:
            space: its name.
            tasks: best first: the second stands for the first where that is lacking.
            scale: of the space; default its own.

        Raises:
            Lacking: there is none, with the command that gets one.
        """
        from uninas_bench.ground_truth.catalogue import find_for

        wanted = list(tasks)
        standard = str(self.space(space, scale).scale)
        for task in wanted:
            for table in self.ground_truths:
                if (table.info.space, table.info.task, table.info.scale) == (space, task, standard):
                    return table
        for task in wanted:
            try:
                entry = find_for(space, task, self.host)
                if entry.info().scale == standard:
                    return entry.load()
            except UserError:
                continue
        file = OFFICIAL.get(space, "FILE.csv")
        rest = "" if space in OFFICIAL else f" --space {space} --task {wanted[0]}"
        raise Lacking(
            f"accuracies of {space} on {wanted[0]}: uninas-bench ground-truth import {file}{rest}, "
            "or --ground-truth FILE"
        )

    def state_truth(self, truth: GroundTruth, wanted: str, encodings: Iterable[str] | None = None) -> None:
        """Say which accuracies are taken, their noise ceiling, and whether they stand for another task's.

        Args:
            truth: what is taken.
            wanted: the task of the printed numbers.
            encodings: the architectures that count; default all of the table.
        """
        from uninas_bench.ground_truth.noise import noise_ceiling

        chosen = None if encodings is None else list(encodings)
        ceiling = noise_ceiling(truth, None if chosen is None or len(chosen) == len(truth) else chosen)
        stated = (
            "no noise ceiling, as it does not state its seeds"
            if ceiling is None
            else f"noise ceiling tau {ceiling.corrected:.3f} ({ceiling.seeds} seeds)"
        )
        self.fact(f"{truth.info.task}: ground truth {truth.info.name} ({truth.info.protocol}); {stated}")
        if truth.info.task != wanted:
            self.fact(f"accuracies on {truth.info.task} stand for those on {wanted}, which are not here")

    def space(self, name: str, scale: Mapping[str, str] | None = None) -> SearchSpace:
        """A search space at a scale."""
        found = self.host.space(name)
        return found.scaled(**scale) if scale else found

    def proxy(self, name: str, settings: Mapping[str, object] | None = None) -> Proxy:
        """A proxy with a recipe's settings, and over them those that were given.

        Raises:
            Lacking: no plugin registers it.
        """
        if name not in self.host.proxies:
            raise Lacking(f"a plugin with the proxy {name}")
        return self.host.proxy(name).with_settings(**{**(settings or {}), **self.settings.get(name, {})})

    def check_images(self, proxy: Proxy, task: str | Task) -> None:
        """See that a proxy's images are at hand.

        Raises:
            Lacking: they are not, with the option that gives them.
        """
        from uninas_bench.tasks import find_task

        if "images" in proxy.needs and proxy.settings.source == "task":
            self.check_data(find_task(task).dataset)

    def check_data(self, dataset: str) -> None:
        """See that the images of a data set are at hand.

        Raises:
            Lacking: they are not, with the option that gives them.
        """
        from uninas_bench.data.catalogue import find_images

        if find_images(dataset, self.host.data, self.data) is None:
            raise Lacking(f"images of {dataset}: --data {dataset}=FILE.npz or a folder")

    def score(
        self, encodings: Sequence[str], proxies: Sequence[Proxy], *, space: SearchSpace, task: str | Task
    ) -> pd.DataFrame:
        """`uninas_bench.score` with the store, workers, images and progress of this request."""
        from uninas_bench.engine import run

        return run(
            encodings, proxies, space=space, task=task, seed=self.seed, store=self.store,
            workers=self.workers, data=self.data, device=self.device, progress=self.progress,
            fitting=self.fitting, host=self.host,
        ).tidy()  # fmt: skip

    def order(self, space: SearchSpace, encodings: Sequence[str]) -> list[str]:
        """The architectures in the order in which they are taken; see `sampling.nested_order`."""
        from uninas_bench.reproduce.sampling import nested_order

        return nested_order(space, encodings, self.seed)

    def in_chunks(
        self,
        order: Sequence[str],
        score: Callable[[list[str]], object],
        *,
        things: int,
        budget: Budget | None = None,
    ) -> int:
        """Score architectures in the given order while the budget lasts.

        The second and third are a pilot, whose time says how many will fit; `announce` tells. What was stored
        by an earlier run costs next to nothing: a pilot of such says too much, and the clock decides.

        Args:
            order: encodings.
            score: given some of them, scores them, and keeps what it found.
            things: scores of each, for the display of progress.
            budget: default the request's.

        Returns:
            How many were scored, from the first one on.
        """
        budget = budget or self.budget
        if self.begin is not None:
            self.begin(len(order), things)
        done, timed, seconds = 0, 0, 0.0
        while done < len(order) and (done or budget.left > 0):
            each = seconds / timed if timed else math.nan
            # The first one alone, and not timed: imports and the start of workers are no part of the rate.
            step = max(int(CHUNK_SECONDS / max(each, 1e-9)), self.workers) if timed else PILOT if done else 1
            fits = budget.fitting(each) if timed else None
            if fits is None and budget.left <= 0:
                break
            chunk = list(order[done : done + (step if fits is None else min(step, fits))])
            if not chunk:
                break
            before = budget.spent
            score(chunk)
            if done:
                seconds += budget.spent - before
                timed += len(chunk)
            done += len(chunk)
            if timed == len(chunk) and budget.limited:
                each = seconds / timed
                fitting = min(len(order), done + (budget.fitting(each) or 0))
                self.announce(f"pilot: {each:.1f} s per architecture; {fitting:,} of {len(order):,} fit")
        return done

    def correlate(
        self, metric: str, scores: pd.Series[float], accuracies: pd.Series[float], **more: Any
    ) -> Measured:
        """One correlation with its interval; see `correlating.correlate`."""
        from uninas_bench.reproduce.correlating import correlate

        return correlate(metric, scores, accuracies, seed=self.seed, **more)
