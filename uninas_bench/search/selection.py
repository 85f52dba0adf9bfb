"""Scores of a population, and who stays in it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from uninas_bench.cells import Outcome, Status

if TYPE_CHECKING:
    from uninas_bench.architecture import Architecture
    from uninas_bench.plan import Plan
    from uninas_bench.proxy import Proxy
    from uninas_bench.search.proposals import Proposal


@dataclass(slots=True, eq=False)
class Member:
    """An architecture that was scored.

    Attributes:
        components: by the names of `uninas_bench.scores.Scores.population`; finite values only.
        failure: why components are missing; empty where none is.
        score: when it was selected for, or last compared; NaN where there is none.
        entered: whether it was kept then.
    """

    proposal: Proposal
    components: Mapping[str, float]
    failure: str = ""
    score: float = math.nan
    entered: bool = False

    @property
    def architecture(self) -> Architecture:
        """The architecture."""
        return self.proposal.architecture


class Scorer:
    """From outcomes to members, and from members to scores by the proxy's own `aggregate`."""

    def __init__(self, proxy: Proxy, plan: Plan) -> None:
        self.proxy = proxy
        self._prefixes = [None if part.name == proxy.name else f"{part.name}." for part in plan.scored]
        self._direct = {f"{name}." for name in proxy.requires}
        parts = {part.name: part for part in plan.proxies}
        self._columns = list(proxy.components)
        for name in proxy.requires:
            self._columns += [f"{name}.{component}" for component in parts[name].components]

    def member(self, proposal: Proposal, outcomes: Sequence[Outcome]) -> Member:
        """What the outcomes of one architecture, one per scored proxy of the plan, make of it."""
        components: dict[str, float] = {}
        failures = []
        for prefix, outcome in zip(self._prefixes, outcomes, strict=True):
            if prefix is None or prefix in self._direct:
                components.update({f"{prefix or ''}{key}": v for key, v in outcome.components.items()})
            if outcome.status is not Status.OK:
                text = f"{(prefix or '').replace('.', ' ')}{outcome.status}: {outcome.message}"
                failures.append(text.removesuffix(": "))
        return Member(proposal, components, "; ".join(failures))

    def scores(self, members: Sequence[Member]) -> list[float]:
        """The score of each member in the population of all of them; NaN where there is none."""
        import numpy as np
        import pandas as pd

        if not members:
            return []
        rows = [[entry.components.get(name, math.nan) for name in self._columns] for entry in members]
        index = pd.Index([entry.architecture.encoding for entry in members], name="architecture")
        frame = pd.DataFrame(np.array(rows, dtype="float64"), index=index, columns=self._columns)
        found = self.proxy.aggregate(frame).reindex(index).to_numpy("float64")
        return [float(score) if math.isfinite(score) else math.nan for score in found]


class Selection(Protocol):
    """Who is in the population."""

    everyone: list[Member]
    """All that were scored, in that order."""
    best_score: float
    """The best score that was last compared; NaN where there is none."""

    @property
    def compared(self) -> int:
        """Over how many members the scores of `standing` are aggregated."""
        ...

    def add(self, newcomers: Sequence[Member]) -> None:
        """Take in what was scored together."""
        ...

    def population(self) -> list[Architecture]:
        """The parents that a strategy may choose from, in a fixed order."""
        ...

    def standing(self) -> list[tuple[Member, float]]:
        """The population, best first, with the scores that the members have among themselves."""
        ...


class Survival:
    """The best ``size`` of the population and the newcomers stay.

    Scores are aggregated over these alone, so a proxy that ranks compares the newcomers with the population
    of their time. Of equal scores the older stays; without a score nobody stays while anyone has one. The
    score of a member stays what it was when it came.
    """

    def __init__(self, scorer: Scorer, size: int) -> None:
        self.everyone: list[Member] = []
        self.best_score = math.nan
        self._scorer = scorer
        self._size = size
        self._members: list[Member] = []

    @property
    def compared(self) -> int:
        """The members."""
        return len(self._members)

    def add(self, newcomers: Sequence[Member]) -> None:
        """Score the newcomers in the population, and keep the best of both."""
        together = [*self._members, *newcomers]
        scores = self._scorer.scores(together)
        for member, score in zip(newcomers, scores[len(self._members) :], strict=True):
            member.score = score
        kept = best(scores, self._size)
        self.best_score = scores[kept[0]]
        # In order of age: which is drawn for a parent must not depend on how scores are written.
        survivors = [together[place] for place in sorted(kept)]
        for member in survivors:
            member.entered = True
        # Last, so that Ctrl-C on the way finds the state before.
        self.everyone += newcomers
        self._members = survivors

    def population(self) -> list[Architecture]:
        """The members, oldest first."""
        return [member.architecture for member in self._members]

    def standing(self) -> list[tuple[Member, float]]:
        """The members, best first, scored among themselves."""
        scores = self._scorer.scores(self._members)
        return [(self._members[place], scores[place]) for place in best(scores, self._size)]


class Record:
    """Nobody is selected: all that were scored are compared with each other, and the best ``size`` shown."""

    def __init__(self, scorer: Scorer, size: int) -> None:
        self.everyone: list[Member] = []
        self.best_score = math.nan
        self._scorer = scorer
        self._size = size
        self._due = 1

    @property
    def compared(self) -> int:
        """All of them."""
        return len(self.everyone)

    def add(self, newcomers: Sequence[Member]) -> None:
        """Take them in; compare them when there are twice as many as the last time."""
        self.everyone += newcomers
        if len(self.everyone) >= self._due:
            self._due = 2 * len(self.everyone)
            self.standing()

    def population(self) -> list[Architecture]:
        """All of them: no strategy that needs no scores asks."""
        return [member.architecture for member in self.everyone]

    def standing(self) -> list[tuple[Member, float]]:
        """The best of all, scored among all; every member's score is then of that comparison."""
        if not self.everyone:
            return []
        scores = self._scorer.scores(self.everyone)
        kept = best(scores, self._size)
        self.best_score = scores[kept[0]]
        for member, score in zip(self.everyone, scores, strict=True):
            member.score, member.entered = score, False
        for place in kept:
            self.everyone[place].entered = True
        return [(self.everyone[place], scores[place]) for place in kept]


def best(scores: Sequence[float], size: int) -> list[int]:
    """The places of the best ``size`` scores, best first, the earlier of equal ones first.

    Those without a score come last, and only where nobody has one.
    """
    scored = [place for place, score in enumerate(scores) if not math.isnan(score)]
    return sorted(scored, key=lambda place: -scores[place])[:size] or list(range(len(scores)))[:size]
