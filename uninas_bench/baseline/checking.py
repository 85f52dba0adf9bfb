"""Hold a baseline against what is installed now."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from uninas_bench.baseline.drift import drift
from uninas_bench.baseline.files import read_baseline
from uninas_bench.baseline.judging import Limits, finding_of, is_slower
from uninas_bench.baseline.measuring import Measured, Running, checksum, made_with, measure
from uninas_bench.baseline.model import ELSEWHERE, SCORE_TOLERANCE, Baseline, Recorded
from uninas_bench.baseline.statistics import Change, Inversion, compare
from uninas_bench.baseline.timing import ROUNDS
from uninas_bench.baseline.verdict import Check, Finding, Verdict
from uninas_bench.errors import UserError
from uninas_bench.gathering import find_table, space_of
from uninas_bench.pairs import Floats

if TYPE_CHECKING:
    from uninas_bench.gathering import Announce
    from uninas_bench.ground_truth.table import GroundTruth
    from uninas_bench.host import Host
    from uninas_bench.proxy import Proxy

_SECOND_LOOKS = 4
_HOOK = "uninas_bench_proxies"


def check(
    baseline: str | Path | Baseline,
    *,
    host: Host,
    proxies: Sequence[str | Proxy] | None = None,
    ground_truth: str | Path | GroundTruth | None = None,
    limits: Limits | None = None,
    running: Running | None = None,
    announce: Announce | None = None,
) -> Check:
    """Score the baseline's architectures with the proxies of today, and compare.

    Args:
        baseline: a file, or what was read from one.
        host: the plugins.
        proxies: some of the baseline's, by name or as objects that stand for what is installed; default all.
        ground_truth: where the table is, if not where the baseline says.
        limits: what fails the check.
        running: how scores are computed; by default anew, in memory.
        announce: called before, with ``n, proxies`` and the name of the table.

    Raises:
        UserError: the baseline is of another space, scale, task, table or images than there are; or none of
            its proxies can be compared.
    """
    running, limits = running or Running(), limits or Limits()
    folder = Path()
    if not isinstance(baseline, Baseline):
        folder = Path(baseline).parent
        baseline = read_baseline(Path(baseline))
    baseline, given = _chosen(baseline, proxies)
    table = _table(host, baseline, folder, ground_truth)
    present, findings = _present(host, baseline, given)
    if announce is not None and present:
        announce({"n": len(baseline.architectures), "proxies": len(present), "ground_truth": table.info.name})
    now = made_with(running.device)
    elsewhere = tuple(
        f"{name} {baseline.made_with.get(name, 'unknown')} -> {now[name]}"
        for name in ("torch", "numpy", "processor")
        if baseline.made_with.get(name) != now[name]
    )
    inversions: list[Inversion] = []
    if present:
        measured = measure(host, table, baseline.task, list(present.values()), baseline.seed, running)
        if baseline.images and measured.images and baseline.images != measured.images:
            raise UserError(
                f"the images of {baseline.task} are not those of the baseline "
                f"({measured.images}, not {baseline.images}); record it again"
            )
        findings |= _absent(baseline, measured, findings)
        left = [entry for entry in baseline.proxies if entry.name not in findings]
        compared, inversions = _compared(baseline, left, measured, limits, elsewhere)
        findings |= compared
    if all(finding.verdict is Verdict.NOT_COMPARABLE for finding in findings.values()) and not limits.strict:
        first = findings[baseline.proxies[0].name]
        raise UserError(
            f"no proxy of the baseline can be compared: {first.name}: {first.reason}; record it again: "
            "uninas-bench baseline record"
        )
    return Check(
        baseline,
        tuple(findings[entry.name] for entry in baseline.proxies),
        tuple(inversions),
        limits.inversions,
        now,
        elsewhere,
        limits.strict,
        not running.stored_only,
    )


def _chosen(baseline: Baseline, proxies: Sequence[str | Proxy] | None) -> tuple[Baseline, dict[str, Proxy]]:
    """The baseline of some of its proxies, and the objects among these."""
    from uninas_bench.errors import UnknownName

    if proxies is None:
        return baseline, {}
    if isinstance(proxies, str):
        raise UserError(f'proxies="{proxies}": expected a list of names')
    known = {entry.name for entry in baseline.proxies}
    given = {proxy.name: proxy for proxy in proxies if not isinstance(proxy, str)}
    names = [proxy if isinstance(proxy, str) else proxy.name for proxy in proxies]
    for name in names:
        if name not in known:
            raise UnknownName("proxy in the baseline", name, known)
    return replace(baseline, proxies=tuple(e for e in baseline.proxies if e.name in names)), given


def _table(
    host: Host, baseline: Baseline, folder: Path, given: str | Path | GroundTruth | None
) -> GroundTruth:
    """The table of the baseline's architectures alone; it must be what it was."""
    if given is None:
        file = baseline.ground_truth_file
        given = folder / file if file else baseline.ground_truth
    table = find_table(host, None, baseline.task, given).subset(baseline.architectures)
    space = space_of(host, table)
    theirs = {
        "space": (baseline.space, space.name),
        "space version": (baseline.space_version, space.version),
        "scale": (baseline.scale, str(space.scale)),
        "accuracies": (baseline.accuracies[:12], checksum(table.accuracies())[:12]),
    }
    for what, (then, now) in theirs.items():
        if then != now:
            raise UserError(
                f"the baseline is of another {what} than ground truth {table.info.name}: {then}, now {now}; "
                "record it again: uninas-bench baseline record"
            )
    return table


def _present(
    host: Host, baseline: Baseline, given: Mapping[str, Proxy]
) -> tuple[dict[str, Proxy], dict[str, Finding]]:
    """The proxies that there are, with the baseline's settings; findings about those that are gone."""
    present: dict[str, Proxy] = {}
    gone: dict[str, Finding] = {}
    for entry in baseline.proxies:
        try:
            if entry.name not in given and entry.name not in host.proxies:
                raise UserError(_why_missing(host, entry))
            proxy = given.get(entry.name) or host.proxy(entry.name)
            present[entry.name] = proxy.with_settings(**baseline.settings.get(entry.name, {}))
        except UserError as error:
            gone[entry.name] = Finding(
                entry, Verdict.FAILING, str(error), regressions=(f"it is gone: {error}",)
            )
    return present, gone


def _why_missing(host: Host, entry: Recorded) -> str:
    plugins = [plugin for plugin in host.plugins if Path(plugin.name).name == entry.plugin]
    if not plugins:
        return f"plugin {entry.plugin} is not installed" if entry.plugin else "no plugin registers it"
    plugin = plugins[0]
    if plugin.reason:
        return f"plugin {entry.plugin}: {plugin.reason}"
    if _HOOK not in plugin.hooks:
        return f"plugin {entry.plugin} has no hook {_HOOK} any more"
    return f"plugin {entry.plugin} does not register it any more"


def _absent(baseline: Baseline, measured: Measured, known: Mapping[str, Finding]) -> dict[str, Finding]:
    """Findings about proxies that have other versions, or no scores."""
    found = {}
    for entry in baseline.proxies:
        if entry.name in known:
            continue
        column = measured.columns.get(entry.name)
        if column is None:
            reason = "scores of all architectures, as it is now, are not stored"
        else:
            reason = _other_versions(entry, column.version, measured.versions[entry.name])
        if not reason:
            continue
        found[entry.name] = Finding(entry, Verdict.NOT_COMPARABLE, reason)
    return found


def _other_versions(entry: Recorded, version: int, parts: Mapping[str, int]) -> str:
    """What of a proxy, or of those that it requires, has another version; empty where nothing has."""
    changes = [f"version {entry.version} -> {version}"] if version != entry.version else []
    changes += [
        f"{name} version {entry.parts.get(name, '(none)')} -> {parts.get(name, '(none)')}"
        for name in dict.fromkeys([*entry.parts, *parts])
        if entry.parts.get(name) != parts.get(name)
    ]
    return ", ".join(changes)


def _compared(
    baseline: Baseline,
    entries: Sequence[Recorded],
    measured: Measured,
    limits: Limits,
    elsewhere: Sequence[str],
) -> tuple[dict[str, Finding], list[Inversion]]:
    """Findings about proxies that have scores then and now, and the pairs that changed places."""
    if not entries:
        return {}, []
    columns, index = measured.columns, measured.accuracies.index
    then = {entry.name: _array(entry.scores) for entry in entries}
    now = {name: np.asarray(columns[name].scores.reindex(index), dtype=np.float64) for name in then}
    changes, inversions = compare(
        then, now, np.asarray(measured.accuracies), seed=baseline.seed, alpha=limits.alpha
    )
    costs, ranks = _costs(entries, measured, limits.cost), _ranks(changes)
    findings = {}
    for entry in entries:
        name = entry.name
        tolerance = _tolerance(entry, limits, elsewhere=bool(elsewhere))
        moved = drift(baseline.architectures, then[name], now[name], tolerance)
        findings[name] = finding_of(
            entry, columns[name], changes[name], moved, costs.get(name), limits, ranks.get(name), elsewhere
        )
    return {name: _with_parts(finding, findings) for name, finding in findings.items()}, inversions


def _with_parts(finding: Finding, findings: Mapping[str, Finding]) -> Finding:
    """Where scores of a proxy moved, those that it requires and whose scores moved are the likelier cause."""
    if finding.drift is None or not finding.drift.beyond:
        return finding
    moved = [
        name for name in finding.recorded.parts
        if name in findings and (drifted := findings[name].drift) is not None and drifted.beyond
    ]  # fmt: skip
    if not moved:
        return finding
    return replace(finding, causes=(*finding.causes, f"it requires {', '.join(moved)}, which changed"))


def _tolerance(entry: Recorded, limits: Limits, *, elsewhere: bool) -> float:
    if limits.tolerance is not None:
        return limits.tolerance
    own = SCORE_TOLERANCE if entry.tolerance is None else entry.tolerance
    return max(own, ELSEWHERE) if elsewhere else own


def _costs(entries: Sequence[Recorded], measured: Measured, limit: float) -> dict[str, float]:
    """What the proxies cost now; those that seem slower are looked at again, since a machine may be busy."""
    found = {name: cost for name, cost in measured.passes.items() if not math.isnan(cost)}
    for _ in range(_SECOND_LOOKS):
        slower = [e.name for e in entries if e.name in found and is_slower(e, found[e.name], limit)]
        if not slower:
            break
        found |= measured.timed_again(slower, ROUNDS)
    return found


def _ranks(changes: Mapping[str, Change]) -> dict[str, int]:
    known = [name for name, change in changes.items() if not math.isnan(change.now)]
    ordered = sorted(known, key=lambda name: (-changes[name].now, name))
    return {name: rank for rank, name in enumerate(ordered, 1)}


def _array(scores: Sequence[float | None]) -> Floats:
    return np.array([math.nan if score is None else score for score in scores])
