"""What a change of one proxy amounts to: its mark, what of it fails a check, and where it may come from."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from uninas_bench.baseline.statistics import ALPHA
from uninas_bench.baseline.verdict import Finding, Verdict
from uninas_bench.errors import UserError

if TYPE_CHECKING:
    from uninas_bench.baseline.drift import Drift
    from uninas_bench.baseline.model import Recorded
    from uninas_bench.baseline.statistics import Change
    from uninas_bench.score_columns import ScoreColumn

COST_TOLERANCE = 1.6
"""A proxy may cost this many times what it did: between two busy machines, and still below twice."""
_COST_SLACK = 0.05
"""Bare passes: what evaluations that cost next to nothing may differ by."""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What fails a check.

    Attributes:
        tolerance: of scores, in units of their spread, for all proxies; None: each one's own, and at least
            `ELSEWHERE` on another processor or with other libraries.
        cost: how many times its recorded cost a proxy may cost.
        inversions: how many pairs of proxies may change places significantly.
        alpha: the chance of a false alarm about taus.
        strict: whether a proxy fails that is not comparable.
    """

    tolerance: float | None = None
    cost: float = COST_TOLERANCE
    inversions: int = 0
    alpha: float = ALPHA
    strict: bool = False

    def __post_init__(self) -> None:
        if self.tolerance is not None and not self.tolerance >= 0:
            raise UserError(f"tolerance {self.tolerance}: expected at least 0")
        if not self.cost > 1:
            raise UserError(f"cost tolerance {self.cost}: expected more than 1")
        if self.inversions < 0:
            raise UserError(f"inversions {self.inversions}: expected at least 0")
        if not 0 < self.alpha < 1:
            raise UserError(f"alpha {self.alpha}: expected a number between 0 and 1")


def finding_of(
    entry: Recorded,
    column: ScoreColumn,
    change: Change,
    moved: Drift,
    passes: float | None,
    limits: Limits,
    rank: int | None,
    elsewhere: Sequence[str],
) -> Finding:
    """The finding about a proxy that could be compared.

    Args:
        entry: as it was recorded.
        column: as it is.
        change: of its tau.
        moved: of its scores.
        passes: its cost now; None where it was not timed.
        limits: what fails the check.
        rank: its place now.
        elsewhere: what of libraries and processor differs, as a cause for want of a better one.
    """
    wrong = []
    worse = change.significant and change.now < change.then
    undefined = math.isnan(change.now) and not math.isnan(change.then)
    if moved.failing:
        reason = next(iter(column.failures), "")
        wrong.append(
            f"fails on {len(moved.failing)} of {moved.total} architectures that it had scored, first "
            f"{moved.failing[0]}: {reason}"
        )
    if worse:
        wrong.append(f"tau {change.then:+.3f} -> {change.now:+.3f}, significantly worse (p = {change.p:.2g})")
    elif undefined:
        wrong.append(f"tau {change.then:+.3f} -> none: every architecture has the same score")
    if moved.beyond:
        wrong.append(
            f"{len(moved.beyond)} of {moved.total} scores moved by more than {moved.tolerance:g} of their "
            f"spread, most {moved.where}: {moved.then:.6g} -> {moved.now:.6g}"
        )
    if passes is not None and is_slower(entry, passes, limits.cost):
        wrong.append(
            f"costs {passes:.3g} bare passes, {passes / (entry.passes or math.nan):.1f} times the "
            f"{entry.passes:.3g} recorded"
        )
    causes = [*settings_changes(entry.settings, column.settings), moved.looks]
    if moved.beyond and not any(causes):
        causes += elsewhere
    return Finding(
        entry,
        _verdict(change, moved, undefined=undefined),
        "",
        change,
        moved,
        passes,
        rank,
        tuple(cause for cause in causes if cause),
        tuple(wrong),
    )


def _verdict(change: Change, moved: Drift, *, undefined: bool) -> Verdict:
    if moved.failing:
        return Verdict.FAILING
    if undefined or change.significant:
        return Verdict.BETTER if change.now > change.then else Verdict.WORSE
    if moved.fixed:
        return Verdict.FIXED
    return Verdict.SAME if moved.equal == moved.total else Verdict.CHANGED


def settings_changes(then: str, now: str) -> list[str]:
    """``["batch 128 -> 64"]`` from two texts of settings."""
    left, right = (
        {name: value for name, _, value in (part.partition("=") for part in text.split(","))}
        for text in (then, now)
    )
    return [
        f"{name} {left.get(name, '(none)')} -> {right.get(name, '(none)')}"
        for name in dict.fromkeys([*left, *right])
        if name and left.get(name) != right.get(name)
    ]


def is_slower(entry: Recorded, passes: float, limit: float) -> bool:
    """Whether a cost is too far above the recorded one, if there is one."""
    then = entry.passes
    return then is not None and passes > limit * then and passes - then > _COST_SLACK
