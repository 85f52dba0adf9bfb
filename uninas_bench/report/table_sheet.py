"""The data sheet of a ground-truth table: the same facts as text for a terminal and as Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from uninas_bench.ground_truth.facts import PERCENTILES
from uninas_bench.ground_truth.table import MEAN, TrainingRecord
from uninas_bench.report.cells import interval, share, signed

if TYPE_CHECKING:
    from uninas_bench.ground_truth.facts import Rank, TableFacts
    from uninas_bench.ground_truth.noise import NoiseCeiling

_BAR = 40
_LABELS = {"params": "parameters", "flops": "FLOPs"}


@dataclass(frozen=True, slots=True)
class _Section:
    """A heading, pairs of label and value, and lines that keep their spaces."""

    title: str
    facts: tuple[tuple[str, str], ...]
    drawing: tuple[str, ...] = ()


def sheet_text(facts: TableFacts) -> str:
    """The sheet for a terminal."""
    lines = [f"data sheet of {facts.table.info.name}"]
    for section in _sections(facts):
        lines += ["", section.title]
        width = max((len(label) for label, _ in section.facts), default=0)
        lines += [f"  {label.ljust(width)}  {value}" for label, value in section.facts]
        lines += [f"  {line}" for line in section.drawing]
    return "\n".join(lines) + "\n"


def sheet_markdown(facts: TableFacts, sha256: str, figure: str = "") -> str:
    """The sheet as a page.

    Args:
        facts: of the table.
        sha256: of the table's content, see `files.content_sha256`.
        figure: file name of the figure beside the page; empty for none.
    """
    info = facts.table.info
    lines = [
        f"# Data sheet of {info.name}",
        "",
        f"Of the table whose unpacked file has the sha256 `{sha256}`.",
        "",
    ]
    if figure:
        lines += [f"![Accuracies, noise and size]({figure})", ""]
    for section in _sections(facts):
        lines += [f"## {section.title[0].upper()}{section.title[1:]}", ""]
        if section.facts:
            lines += ["| | |", "|:---|:---|"]
            lines += [f"| {label} | {_escaped(value)} |" for label, value in section.facts]
            lines.append("")
        if section.drawing:
            lines += ["```text", *section.drawing, "```", ""]
    return "\n".join(lines).rstrip("\n") + "\n"


def rank_text(name: str, rank: Rank) -> str:
    """Tau and rho with their intervals; ``name`` stands before tau."""
    return (
        f"{name}{signed(rank.tau)} {interval(rank.tau_low, rank.tau_high)}, Spearman's rho "
        f"{signed(rank.rho)} {interval(rank.rho_low, rank.rho_high)}, n = {rank.n:,}"
    )


def method_text(method: str) -> str:
    """How 95% intervals of rank correlations were made, by the name of the method."""
    return {
        "bootstrap": "95 % intervals: percentile bootstrap over architectures",
        "asymptotic": "95 % intervals: asymptotic, from the influence of each architecture",
    }[method]


def ceiling_texts(ceiling: NoiseCeiling) -> tuple[str, str]:
    """Tau between halves of the seeds, and the estimate for a perfect proxy."""
    splits = f"{ceiling.splits} split{'s' if ceiling.splits > 1 else ''}"
    half = f"tau {share(ceiling.split_half)} [{share(ceiling.low)}, {share(ceiling.high)}]"
    whole = (
        f"tau {share(ceiling.corrected)} [{share(ceiling.corrected_low)}, {share(ceiling.corrected_high)}]"
    )
    between = f"{ceiling.seeds} seeds, {splits}, {ceiling.architectures:,} architectures"
    return (
        f"{half} between halves of {between}",
        f"{whole} of a perfect proxy with the mean of {ceiling.seeds} seeds, estimated",
    )


def _sections(facts: TableFacts) -> list[_Section]:
    return [
        _Section("what it holds", tuple(_content(facts))),
        _Section("accuracies", tuple(_accuracies(facts)), tuple(_histogram(facts))),
        _Section("noise", tuple(_noise(facts))),
        _Section("what size explains", tuple(_size(facts))),
        _Section("how it was made", tuple(_making(facts))),
    ]


def _content(facts: TableFacts) -> list[tuple[str, str]]:
    table, info = facts.table, facts.table.info
    counts = table.counts()
    each = f"{counts.min()}" if counts.min() == counts.max() else f"{counts.min()} to {counts.max()}"
    if table.seeds == (MEAN,):
        trainings = (
            f"means of {each} trainings" if counts.max() else "means of an unknown number of trainings"
        )
    else:
        trainings = f"{counts.sum():,}, {each} of each architecture; seeds {_seeds(table.seeds)}"
    return [
        ("space", f"{info.space} [{info.scale.replace(',', ', ')}]" if info.scale else info.space),
        ("task", info.task),
        ("architectures", f"{len(table):,}"),
        ("trainings", trainings),
        ("best", f"{facts.accuracies.max():.2f} % of {facts.accuracies.idxmax()}"),
    ]


def _seeds(seeds: Sequence[str]) -> str:
    """``0 to 7`` where they follow one another."""
    numbers = [int(seed) for seed in seeds if seed.isdecimal()]
    if len(numbers) > 2 and numbers == list(range(numbers[0], numbers[0] + len(seeds))):
        return f"{seeds[0]} to {seeds[-1]}"
    return ", ".join(seeds)


def _accuracies(facts: TableFacts) -> list[tuple[str, str]]:
    ends = (facts.accuracies.min(), *facts.percentiles, facts.accuracies.max())
    names = ("least", *(f"{p} %" for p in PERCENTILES), "most")
    pairs = [
        ("percentiles", ", ".join(f"{name} {value:.2f}" for name, value in zip(names, ends, strict=True)))
    ]
    if facts.chance is not None:
        pairs.append(("at chance level", f"{facts.chance} of {len(facts.accuracies):,}"))
    return pairs


def _histogram(facts: TableFacts) -> list[str]:
    """One bar a bin, and one for the tail under the first."""
    found = facts.histogram
    tenths = 10 * float(found.edges[1] - found.edges[0])
    digits = 1 if abs(tenths - round(tenths)) < 1e-6 else 2
    rows = [
        (f"{low:.{digits}f} to {high:.{digits}f}", int(count))
        for low, high, count in zip(found.edges, found.edges[1:], found.counts, strict=False)
    ]
    if found.below:
        rows.insert(0, (f"below {found.edges[0]:.{digits}f}", found.below))
    most = max(count for _, count in rows)
    label = max(len(text) for text, _ in rows)
    number = len(f"{most:,}")
    return [
        f"{text.rjust(label)} %  {count:>{number},}  {'█' * round(_BAR * count / most)}".rstrip()
        for text, count in rows
    ]


def _noise(facts: TableFacts) -> list[tuple[str, str]]:
    if facts.spread is None:
        return [("noise ceiling", "unknown: it takes at least two seeds per architecture")]
    spread = facts.spread
    deviation = f"standard deviation {spread.pooled:.2f} points pooled, {spread.median:.2f} in the median"
    pairs = [("between seeds", f"{deviation}, of {len(spread.each):,} architectures")]
    if facts.ceiling is not None:
        halves, perfect = ceiling_texts(facts.ceiling)
        pairs += [("noise ceiling", halves), ("corrected", perfect)]
    return pairs


def _size(facts: TableFacts) -> list[tuple[str, str]]:
    if facts.costs is None:
        return [("unknown", facts.lacking)]
    pairs = []
    for name, rank in facts.ranks.items():
        low, high = facts.costs[name].min(), facts.costs[name].max()
        pairs.append((_LABELS[name], f"{rank_text('tau ', rank)}; {low:,.0f} to {high:,.0f}"))
    pairs.append(("FLOPs counted as", facts.convention))
    method = next(iter(facts.ranks.values())).method
    pairs.append(("intervals", method_text(method).removeprefix("95 % intervals: ")))
    if facts.ceiling is not None:
        pairs.append(("to be held against", f"tau {share(facts.ceiling.corrected)}, the corrected ceiling"))
    return pairs


def _making(facts: TableFacts) -> list[tuple[str, str]]:
    info, record = facts.table.info, facts.table.info.training
    pairs = [("protocol", info.protocol), ("source" if record is None else "command", info.source)]
    if record is not None:
        pairs += _record(record, info.name, record.trainings - len(facts.table.rows))
    return pairs


def _record(record: TrainingRecord, name: str, failed: int) -> list[tuple[str, str]]:
    each = record.seconds / max(record.trainings, 1)
    hours = f"{record.seconds / 3600:.2f} process-hours by the clock"
    lost = f"; {failed:,} failed and have no row" if failed > 0 else ""
    return [
        (
            "settings",
            f"{record.settings}; protocol version {record.version}, space version {record.space_version}",
        ),
        ("cost", f"{hours}, {record.trainings:,} trainings of {each:.1f} s on average{lost}"),
        ("made with", "; ".join(record.made_with) or "unknown"),
        ("images", record.images),
        ("check it", f"uninas-bench ground-truth verify {name} --retrain 2"),
    ]


def _escaped(text: str) -> str:
    for character in "\\|*_<>~":
        text = text.replace(character, "\\" + character)
    return text
