"""Run a search: ask the strategy, score, select, write; again and again, or again from the store."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

from uninas_bench.ensembles.ensemble_proxy import ensemble_proxy
from uninas_bench.ensembles.notation import Ensemble
from uninas_bench.errors import UserError
from uninas_bench.plan import expand
from uninas_bench.proxy import ProposingProxy
from uninas_bench.search.candidates import (
    Candidate,
    Candidates,
    ScoredBy,
    read_candidates,
    write_candidates,
)
from uninas_bench.search.history import history_frame, write_history
from uninas_bench.search.latency import Latencies
from uninas_bench.search.proposals import Ground
from uninas_bench.search.selection import Record, Scorer, Selection, Survival
from uninas_bench.search.settings import SearchSettings
from uninas_bench.search.strategies import STRATEGIES, Outset, check_start
from uninas_bench.session import Session, open_session
from uninas_bench.tasks import find_task

if TYPE_CHECKING:
    import pandas as pd

    from uninas_bench.architecture import Architecture, Task
    from uninas_bench.data.source import ImageSource
    from uninas_bench.execution import ProgressEvent
    from uninas_bench.fitting import FitProgress
    from uninas_bench.host import Host
    from uninas_bench.proxy import Proxy
    from uninas_bench.search.proposals import Proposal
    from uninas_bench.space import SearchSpace
    from uninas_bench.store import ScoreStore
    from uninas_bench.store.contract import Provenance

Aggregate = Literal["network", "block-mean"]

CANDIDATES = "candidates.json"
HISTORY = "history.csv"
LATENCIES = "latencies.jsonl"
CHECKPOINT = 30.0
"""Seconds between two writings of the files while the search goes on."""
_BATCH = 8
"""Architectures per worker in the rounds of strategies that need no scores."""
_SCOPES = {"network": "network", "block-mean": "blocks"}


@dataclass(frozen=True, slots=True)
class SearchEvent:
    """Sent after every finished cell and every round.

    Attributes:
        iteration: of ``iterations``, the last that was proposed.
        scored: architectures so far; ``failed`` of them have no or not all components.
        computed: cells that the store lacked.
        best: the best score so far; NaN where there is none.
    """

    iteration: int
    iterations: int
    scored: int
    failed: int
    computed: int
    best: float


@dataclass(frozen=True, eq=False)
class SearchResult:
    """What a search found.

    Attributes:
        candidates: the content of ``candidates.json``; see `Candidates.frame`.
        history: the content of ``history.csv``: one row per architecture that was scored.
        computed: cells that were computed, not found in the store.
    """

    candidates: Candidates
    history: pd.DataFrame
    computed: int

    @property
    def best(self) -> Architecture:
        """The candidate of rank 1."""
        return self.candidates.architectures[0]


def search(
    space: str | SearchSpace,
    proxy: str | Proxy | Ensemble,
    settings: SearchSettings,
    *,
    host: Host,
    start: Sequence[str | Architecture] = (),
    task: str | Task | None = None,
    aggregate: Aggregate | None = None,
    proxy_settings: Mapping[str, Mapping[str, object]] | None = None,
    output: Path | None = None,
    seed: int = 0,
    workers: int = 1,
    executor: str | None = None,
    store: str | Path | ScoreStore | Literal["default"] | None = "default",
    data: Mapping[str, str | Path | ImageSource] | None = None,
    timeout: float | None = None,
    device: str = "cpu",
    command: str | None = None,
    progress: Callable[[SearchEvent], None] | None = None,
    fitting: FitProgress | None = None,
) -> SearchResult:
    """Search; the arguments are those of `uninas_bench.search`.

    Raises:
        UserError: a mistake in the arguments, before anything is scored; or nothing could be scored at all.
        KeyboardInterrupt: with a sentence; every finished score is stored, and the files are written.
    """
    from uninas_bench.store import default_store_url

    found = host.space(space) if isinstance(space, str) else space
    found_task = find_task(task) if task is not None else found.tasks[0]
    proxies = _proxies(host, proxy, aggregate, proxy_settings or {})
    first = [_parsed(found, entry) for entry in start]
    settings = replace(settings, start=tuple(architecture.encoding for architecture in first))
    budget = found_task if settings.budget is None else find_task(settings.budget)
    latencies = Latencies(found, budget, device, output / LATENCIES if output is not None else None)
    ground = Ground(found, found_task, settings, latencies)
    check_start(ground, first)
    if settings.strategy == "ascent":
        _check_proposing(host, proxies[0])
    if settings.strategy == "evolution":
        # Its rounds are of so many architectures: more workers would only be started.
        workers = min(workers, settings.children) if workers > 0 else workers

    @cache
    def record() -> Provenance:
        from uninas_bench.provenance import provenance

        return provenance(host, command=command, device=device, workers=workers)

    with open_session(
        proxies, space=found, task=found_task, host=host, record=record, seed=seed, workers=workers,
        executor=executor, store=default_store_url() if store == "default" else store, data=data,
        timeout=timeout, device=device, fitting=fitting,
    ) as session:  # fmt: skip
        run = _Run(session, proxies[0], settings, record(), output, progress)
        run.claim_output()
        strategy = STRATEGIES[settings.strategy]
        better = partial(session.better, proxies[0])
        outset = Outset(ground, first, seed, run.selection.population, better, _BATCH * workers)
        try:
            for proposals in strategy(outset):
                run.score(proposals)
        except KeyboardInterrupt:
            run.save()
            raise KeyboardInterrupt(
                f"interrupted after {run.iteration} iterations; every finished score is stored, "
                "and the same call goes on from there"
            ) from None
        return run.result()


class _Run:
    """A search under way: scores rounds, selects, and writes the files now and then."""

    def __init__(
        self,
        session: Session,
        proxy: Proxy,
        settings: SearchSettings,
        record: Provenance,
        output: Path | None,
        progress: Callable[[SearchEvent], None] | None,
    ) -> None:
        self.session = session
        self.settings = settings
        self.record = record
        self.output = output
        self.progress = progress
        self.scorer = Scorer(proxy, session.plan)
        kind = Survival if settings.strategy == "evolution" else Record
        self.selection: Selection = kind(self.scorer, settings.population)
        self.iteration = 0
        self.failed = 0
        self._saved = time.monotonic()
        size = session.plan.space.size
        self._last = settings.iterations if settings.iterations is not None else (size or 1) - 1

    def claim_output(self) -> None:
        """Refuse to write over another search.

        Raises:
            UserError: there is a file of another search, or of something else.
        """
        if self.output is None or not (self.output / CANDIDATES).exists():
            return
        path = self.output / CANDIDATES
        difference = self._candidates(complete=False).same_search(read_candidates(path))
        if difference:
            raise UserError(
                f"{path} is of another search ({difference} differs); name another folder or remove the file"
            )

    def score(self, proposals: Sequence[Proposal]) -> None:
        """Score a round and select from it."""

        def tick(_event: ProgressEvent) -> None:
            self._report()

        self.iteration = proposals[-1].iteration
        outcomes = self.session.outcomes([proposal.architecture for proposal in proposals], tick)
        newcomers = [
            self.scorer.member(proposal, found) for proposal, found in zip(proposals, outcomes, strict=True)
        ]
        self.selection.add(newcomers)
        self.failed += sum(bool(member.failure) for member in newcomers)
        if time.monotonic() - self._saved > CHECKPOINT:
            self.save()
        self._report()

    def save(self) -> None:
        """Write the files as they are now; nothing where there is no folder for them."""
        if self.output is not None and self.selection.everyone:
            self._write(self._candidates(complete=False))
        self._saved = time.monotonic()

    def result(self) -> SearchResult:
        """The files of the finished search, written.

        Raises:
            UserError: not one architecture has a score.
        """
        if not self.selection.everyone:
            raise UserError(f"no architecture of {self.session.plan.space.name} has {self.settings.limits}")
        candidates = self._candidates(complete=True)
        history = self._write(candidates)
        if not candidates.candidates:
            ((reason, _),) = Counter(member.failure for member in self.selection.everyone).most_common(1)
            raise UserError(
                f"{self.scorer.proxy.name} scored none of {candidates.scored:,} architectures; "
                f"most often: {reason or 'no finite score'}"
            )
        return SearchResult(candidates, history, self.session.computed)

    def _write(self, candidates: Candidates) -> pd.DataFrame:
        population = {candidate.architecture for candidate in candidates.candidates}
        history = history_frame(self.selection.everyone, population)
        if self.output is not None:
            write_history(history, self.output / HISTORY)
            write_candidates(candidates, self.output / CANDIDATES)
        return history

    def _candidates(self, *, complete: bool) -> Candidates:
        plan, proxy = self.session.plan, self.scorer.proxy
        standing = self.selection.standing()
        parts = [ScoredBy(part.name, part.version, str(part.settings)) for part in plan.proxies]
        return Candidates(
            space=plan.space.name,
            space_version=plan.space.version,
            scale=str(plan.space.scale),
            task=plan.task,
            proxy=next(part for part in parts if part.name == proxy.name),
            requires=tuple(part for part in parts if part.name != proxy.name),
            images=next((entry.images for entry in plan.configurations if entry.images), ""),
            search=self.settings,
            seed=plan.seed,
            complete=complete,
            iterations=self.iteration,
            scored=len(self.selection.everyone),
            failed=self.failed,
            compared=self.selection.compared,
            provenance=self.record,
            candidates=tuple(
                Candidate(
                    rank=rank,
                    architecture=member.architecture.encoding,
                    score=score,
                    components=dict(member.components),
                    costs=member.proposal.costs,
                    iteration=member.proposal.iteration,
                    parent=member.proposal.parent,
                    latency=member.proposal.latency,
                )
                for rank, (member, score) in enumerate(standing, start=1)
                if not math.isnan(score)
            ),
        )

    def _report(self) -> None:
        if self.progress is not None:
            self.progress(
                SearchEvent(
                    self.iteration, self._last, len(self.selection.everyone), self.failed,
                    self.session.computed, self.selection.best_score,
                )
            )  # fmt: skip


def _check_proposing(host: Host, proxy: Proxy) -> None:
    if not isinstance(proxy, ProposingProxy):
        able = [name for name, known in host.proxies.items() if isinstance(known, ProposingProxy)]
        raise UserError(
            f"strategy=ascent: {proxy.name} proposes no architectures; "
            f"those that do: {', '.join(able) or 'none'}"
        )


def _parsed(space: SearchSpace, entry: str | Architecture) -> Architecture:
    if isinstance(entry, str):
        return space.parse(entry.removeprefix(f"{space.name}:"))
    if entry.space != space.name:
        raise UserError(f"start {entry}: expected an architecture of {space.name}")
    return entry


def _proxies(
    host: Host,
    proxy: str | Proxy | Ensemble,
    aggregate: Aggregate | None,
    settings: Mapping[str, Mapping[str, object]],
) -> list[Proxy]:
    """The proxy, then all that it requires, with their settings.

    Raises:
        UserError: a setting of something else, or an aggregate that the proxy does not offer.
    """
    if isinstance(proxy, str):
        proxy = Ensemble.read(proxy) if ":" in proxy else host.proxy(proxy)
    chosen = ensemble_proxy(host, proxy, settings) if isinstance(proxy, Ensemble) else proxy
    parts = {part.name: part for part in expand(host, [chosen])}
    for name, values in settings.items():
        if name not in parts:
            raise UserError(f"settings of {name}: this search scores with {', '.join(parts)}")
        parts[name] = parts[name].with_settings(**values)
    if aggregate is not None:
        if aggregate not in _SCOPES:
            raise UserError(f'aggregate="{aggregate}": expected {", ".join(get_args(Aggregate))}')
        if not hasattr(chosen.settings, "scope"):
            able = [name for name, known in host.proxies.items() if hasattr(known.settings, "scope")]
            raise UserError(
                f'aggregate="{aggregate}": {chosen.name} has no setting "scope"; '
                f"those that score blocks: {', '.join(able) or 'none'}"
            )
        parts[chosen.name] = parts[chosen.name].with_settings(scope=_SCOPES[aggregate])
    return list(parts.values())
