"""What a check says of each proxy, and of the board as a whole."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from uninas_bench.baseline.drift import Drift
    from uninas_bench.baseline.model import Baseline, Recorded
    from uninas_bench.baseline.statistics import Change, Inversion


class Verdict(StrEnum):
    """What has become of a proxy; each value is the mark in front of its line."""

    BETTER = "+"
    WORSE = "-"
    NOT_COMPARABLE = "x"
    FAILING = "!"
    FIXED = "*"
    CHANGED = "~"
    SAME = "="


MEANINGS = {
    Verdict.BETTER: "significantly better",
    Verdict.WORSE: "significantly worse",
    Verdict.NOT_COMPARABLE: "not comparable",
    Verdict.FAILING: "newly failing",
    Verdict.FIXED: "fixed",
    Verdict.CHANGED: "changed, not significantly",
    Verdict.SAME: "unchanged",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """One proxy of a baseline, then and now.

    Attributes:
        recorded: what the baseline has of it.
        verdict: the mark.
        reason: why it is missing or not comparable; else empty.
        change: of tau; None where nothing was compared.
        drift: of the scores; None likewise.
        passes: its cost now; None where it was not timed.
        rank: its place by tau among the proxies of the baseline that were compared; None without a tau.
        causes: what the change probably comes from, in words.
        regressions: what fails the check, one clause each; empty for a proxy that passes.
    """

    recorded: Recorded
    verdict: Verdict
    reason: str = ""
    change: Change | None = None
    drift: Drift | None = None
    passes: float | None = None
    rank: int | None = None
    causes: tuple[str, ...] = ()
    regressions: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Of the proxy."""
        return self.recorded.name


@dataclass(frozen=True, slots=True)
class Check:
    """A baseline held against the present.

    Attributes:
        findings: one per proxy, in the order of the baseline.
        inversions: pairs of proxies that changed places significantly.
        allowed: how many of these are tolerated.
        made_with: what the present scores were made with.
        elsewhere: what of it differs from the baseline's, one clause each.
        strict: whether a proxy that is not comparable fails the check.
        computed: whether scores were computed anew, not taken from a store.
    """

    baseline: Baseline
    findings: tuple[Finding, ...]
    inversions: tuple[Inversion, ...]
    allowed: int = 0
    made_with: Mapping[str, str] = field(default_factory=dict)
    elsewhere: tuple[str, ...] = ()
    strict: bool = False
    computed: bool = True

    @property
    def regressions(self) -> tuple[str, ...]:
        """A sentence for everything that fails the check; each names proxy, space and change."""
        return (*(line for finding in self.findings for line in self.of(finding)), *self.of_ranking())

    @property
    def passed(self) -> bool:
        """Whether there is no regression."""
        return not self.regressions

    def of(self, finding: Finding) -> tuple[str, ...]:
        """The sentence about a proxy that fails the check, if it does."""
        clauses = list(finding.regressions)
        if self.strict and finding.verdict is Verdict.NOT_COMPARABLE:
            clauses.append(f"not comparable: {finding.reason}")
        if not clauses:
            return ()
        causes = f" ({', '.join(finding.causes)}?)" if finding.causes else ""
        return (f"{finding.name} on {self.baseline.subject}: {'; '.join(clauses)}{causes}",)

    def of_ranking(self) -> tuple[str, ...]:
        """A sentence per proxy that changed places with others, where more pairs did than are tolerated.

        One that fell behind many is told of once, not once for each of them.
        """
        pairs = list(self.inversions) if len(self.inversions) > self.allowed else []
        lines = []
        while pairs:
            counts = Counter(name for pair in pairs for name in (pair.above, pair.below))
            name = max(counts, key=lambda name: counts[name])
            fell = [pair for pair in pairs if pair.above == name]
            rose = [pair for pair in pairs if pair.below == name]
            clauses = [
                f"significantly {now} {', '.join(others)}, which it was {then}"
                for now, then, others in (
                    ("behind", "ahead of", [f"{p.below} (tau {p.then:+.3f} -> {p.now:+.3f})" for p in fell]),
                    (
                        "ahead of",
                        "behind",
                        [f"{p.above} (tau {-p.then:+.3f} -> {-p.now:+.3f})" for p in rose],
                    ),
                )
                if others
            ]
            lines.append(f"{name} on {self.baseline.subject}: it is now {' and '.join(clauses)}")
            pairs = [pair for pair in pairs if name not in (pair.above, pair.below)]
        return tuple(lines)

    @property
    def not_comparable(self) -> tuple[str, ...]:
        """Names of the proxies that nothing can be said of."""
        return tuple(f.name for f in self.findings if f.verdict is Verdict.NOT_COMPARABLE)
