"""What the conformance kit found of a proxy, as a person reads it and as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from textwrap import wrap
from typing import TYPE_CHECKING, Any

from uninas_bench.report.cells import interval, milliseconds, share, signed
from uninas_bench.report.tables import plain

if TYPE_CHECKING:
    from uninas_bench.testing.kit import Cost, Direction, Finding, Report

_REASONS = {
    "reversed": "looks reversed: of a score, higher is better; return its negative if fewer is better here",
    "undecided": "undecided at this n: zero lies within the interval",
    "constant": "no correlation: the score is the same for all architectures",
    "right": "",
}


def conformance_text(report: Report, words: dict[str, str]) -> str:
    """The lines on one proxy: what is well in one paragraph, each fault on a line of its own."""
    well = [words[finding.check] for finding in report.findings if finding.result == "ok"]
    lines = [f"{report.proxy} {report.version} · {report.reference or 'no reference'}"]
    lines += [f"  {line}" for line in wrap(" · ".join(f"{word} ok" for word in well), 108)]
    lines += [line for finding in report.findings for line in _finding_lines(finding, words)]
    lines += _not_checked(report.findings, words)
    if report.direction is not None and report.cost is not None:
        lines += [*_direction_lines(report.direction), _cost_line(report.cost)]
    return "\n".join(lines) + "\n"


def conformance_data(report: Report) -> dict[str, Any]:
    """The report as plain data; what is unknown is null."""
    data: dict[str, Any] = plain(asdict(report))
    data["passed"] = report.passed
    if report.direction is not None:
        data["direction"]["verdict"] = report.direction.verdict
    return data


def _finding_lines(finding: Finding, words: dict[str, str]) -> list[str]:
    if finding.result == "failed":
        return [f"  ✗ {words[finding.check]}: {finding.message}"]
    if finding.result == "allowed":
        return [f"  ~ {words[finding.check]} (allowed): {finding.message}"]
    return []


def _not_checked(findings: Sequence[Finding], words: dict[str, str]) -> list[str]:
    reasons: dict[str, list[str]] = {}
    for finding in findings:
        if finding.result == "not checked":
            reasons.setdefault(finding.message, []).append(words[finding.check])
    text = "; ".join(f"{', '.join(checks)} ({reason})" for reason, checks in reasons.items())
    return [f"  {line}" for line in wrap(f"not checked: {text}", 108)] if text else []


def _direction_lines(found: Direction) -> list[str]:
    mark = "!" if found.verdict in ("reversed", "constant") else " "
    ceiling = ""
    if found.ceiling is not None:
        tau, low, high = found.ceiling
        ceiling = f", noise ceiling {share(tau)} [{share(low)}, {share(high)}]"
    failed = f", {found.failed} of them without a score" if found.failed else ""
    basis = (
        f"n = {found.n}{failed} · seed {found.sample_seed} · {found.table}, "
        f"{found.accuracy_seeds} seeds{ceiling} · params {signed(found.size_tau)}"
    )
    line = f"direction: tau {signed(found.tau)} {interval(found.low, found.high)}"
    reason = _REASONS[found.verdict]
    return [f"{mark} {line}{f' {reason}' if reason else ''}".rstrip(), f"    {basis}"]


def _cost_line(cost: Cost) -> str:
    passes = "without a network" if cost.passes is None else f"{cost.passes:.1f} bare forward passes"
    return f"  cost: {milliseconds(cost.seconds)} ms per architecture, {passes} (batch {cost.batch})"
