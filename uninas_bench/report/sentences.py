"""What stands above and below a board: n, seeds, table, ceiling, separability, failures, versions."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from uninas_bench.report.cells import places, share
from uninas_bench.report.ensembles import aggregate_lines

if TYPE_CHECKING:
    import pandas as pd

ALPHA = 0.05
"""Neighbours whose paired p is below this are called separable."""
_SHOWN = 3


def subject_line(attrs: Mapping[Any, Any]) -> str:
    """Space, scale, task, ground truth and noise ceiling in one line."""
    scale = f" [{attrs['scale'].replace(',', ', ')}]" if attrs["scale"] else ""
    table = attrs["ground_truth"]
    measured = f" on {table['task']}" if table["task"] != attrs["task"] else ""
    return (
        f"{attrs['space']}{scale} on {attrs['task']} · ground truth: {table['name']}, "
        f"{table['architectures']:,} architectures{_seeds(table)}{measured}{_ceiling(attrs)}"
    )


def foot_lines(frame: pd.DataFrame) -> list[str]:
    """What a reader must know beside the numbers, one sentence a line."""
    attrs = frame.attrs
    lines = [
        _population(attrs), _separability(frame), _policy(frame), *_failures(attrs),
        fitted_line(attrs["fitted"]), *aggregate_lines(attrs), *packed_lines(attrs),
    ]  # fmt: skip
    return [line for line in lines if line]


def fitted_line(proxies: Sequence[str]) -> str:
    """What the costs of fitted proxies leave out; empty where there are none."""
    return f"{', '.join(proxies)}: costs of a score, without the fit before the first one" if proxies else ""


def packed_lines(attrs: Mapping[Any, Any]) -> list[str]:
    """How many scores came with the package, and which were left aside as not comparable."""
    lines = []
    if attrs.get("packed"):
        lines.append(f"{attrs['packed']:,} of {attrs['cells']:,} scores came with the package")
    alike: dict[str, list[str]] = {}
    for proxy, reason in attrs.get("not_comparable", {}).items():
        alike.setdefault(reason, []).append(proxy)
    lines += [
        f"not comparable, and not used, are the package's scores of {', '.join(proxies)}: {reason}"
        for reason, proxies in alike.items()
    ]
    return lines


def versions_line(frame: pd.DataFrame) -> str:
    """Of the package and of every proxy."""
    versions: dict[str, int] = dict(zip(frame["proxy"], frame["version"], strict=True))
    for account in frame.attrs.get("aggregates", {}).values():
        versions |= {name: member["version"] for name, member in account["members"].items()}
    proxies = ", ".join(f"{name} {version}" for name, version in versions.items())
    libraries = ", ".join(f"{name} {version}" for name, version in frame.attrs["versions"].items())
    return f"{libraries}; proxies: {proxies}"


def _seeds(table: Mapping[Any, Any]) -> str:
    if table["seeds"] == 1:
        return " x 1 seed"
    return f" x {table['seeds']} seeds" if table["seeds"] else ", mean over seeds"


def _ceiling(attrs: Mapping[Any, Any]) -> str:
    ceiling = attrs["noise_ceiling"]
    if ceiling is None:
        why = "one training each" if attrs["ground_truth"]["seeds"] == 1 else "no accuracies per seed"
        return f", noise ceiling unknown ({why})"
    tau, low, high = (share(ceiling[name]) for name in ("corrected", "corrected_low", "corrected_high"))
    return f", noise ceiling tau {tau} [{low}, {high}]"


def _population(attrs: Mapping[Any, Any]) -> str:
    parts = [f"n = {attrs['n']:,}", f"seed {attrs['seed']}"]
    if attrs["sample"] is not None:
        parts.append(f"sampled from {attrs['ground_truth']['architectures']:,}")
    if attrs["dedup"] == "isomorphic":
        parts.append("one of each isomorphism class")
    if attrs["chance"] == "exclude":
        parts.append("chance-level architectures left out")
    return " · ".join(parts)


def _separability(frame: pd.DataFrame) -> str:
    intervals = frame.attrs["intervals"]
    method = {
        "bootstrap": f"percentile bootstrap, {intervals['resamples'] or 0:,} resamples",
        "asymptotic": "asymptotic (influence of each architecture)",
        "none": "",
    }[intervals["method"]]
    if not method:
        return ""
    names = [
        name if place == "·" else place for place, name in zip(places(frame), frame["proxy"], strict=True)
    ]
    joined = [
        (f"{first}-{second}", float(p))
        for (first, second), p in zip(pairwise(names), frame["p_next"].iloc[:-1], strict=True)
        if not math.isnan(p)
    ]
    close = [f"{pair} (p = {share(p, 2)})" for pair, p in joined if p >= ALPHA]
    if not joined:
        return f"intervals: {method}"
    if not close:
        return f"intervals: {method} · paired: every row separable from the next (p < {share(ALPHA, 2)})"
    rest = "" if len(close) == len(joined) else f", the other neighbours separable (p < {share(ALPHA, 2)})"
    return f"intervals: {method} · paired: not separable {', '.join(close)}{rest}"


def _policy(frame: pd.DataFrame) -> str:
    if frame.attrs["failed"] == "last":
        return "failed architectures rank last"
    return "failed architectures left out, proxy by proxy"


def _failures(attrs: Mapping[Any, Any]) -> list[str]:
    """A line for every set of reasons, with the proxies that failed for them."""
    proxies: dict[str, list[str]] = {}
    for proxy, reasons in attrs["failures"].items():
        shown = ", ".join(f"{count} {reason}" for reason, count in list(reasons.items())[:_SHOWN])
        more = f", {len(reasons) - _SHOWN} more reasons" if len(reasons) > _SHOWN else ""
        proxies.setdefault(shown + more, []).append(proxy)
    return [
        f"{', '.join(names)} failed: {'each ' if len(names) > 1 else ''}{reasons}"
        for reasons, names in proxies.items()
    ]
