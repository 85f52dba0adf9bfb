"""What stands below a board about its ensembles: what was summed, and by which weights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from uninas_bench.report.cells import signed

_SUMS = {
    "rank": "sum of average ranks",
    "log-rank": "sum of ln(rank / n)",
    "z": "sum of standard scores",
}


def aggregate_lines(attrs: Mapping[Any, Any]) -> list[str]:
    """A sentence for each ensemble of the frame of `uninas_bench.leaderboard.build`."""
    return [_line(name, account, attrs) for name, account in attrs.get("aggregates", {}).items()]


def _line(name: str, account: Mapping[str, Any], attrs: Mapping[Any, Any]) -> str:
    notation = account["notation"]
    label = notation if name == notation else f"{name} = {notation}"
    parts = [
        f"{label}: {_weights(account) if 'folds' in account else _SUMS.get(account['kind'], 'no weights')}"
    ]
    failed = [
        f"{member} on {entry['failed']:,}" for member, entry in account["members"].items() if entry["failed"]
    ]
    if failed:
        rule = "which it ranks last" if attrs["failed"] == "last" else "left out"
        parts.append(f"failed: {', '.join(failed)}, {rule}")
    return " · ".join(parts)


def _weights(account: Mapping[str, Any]) -> str:
    found = ", ".join(
        f"{name} {signed(sum(entry['weights']) / len(entry['weights']), 2)} "
        f"[{signed(min(entry['weights']), 2)}, {signed(max(entry['weights']), 2)}]"
        for name, entry in account["members"].items()
    )
    return (
        f"out of sample: each of {account['folds']} folds is scored by weights that TPE found on "
        f"{account['fitted_on']:,} architectures of the others ({account['trials']} trials, tau-b); "
        f"mean weight [range]: {found}"
    )
