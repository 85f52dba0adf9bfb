"""How two tables agree, in lines of text."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from uninas_bench.report.cells import share
from uninas_bench.report.table_sheet import ceiling_texts, method_text, rank_text
from uninas_bench.report.tables import plain

if TYPE_CHECKING:
    from uninas_bench.ground_truth.comparison import Comparison


def comparison_text(found: Comparison) -> str:
    """Tau and rho with intervals, both ceilings, and what the two noises leave attainable."""
    lines = []
    for info, size in zip(found.infos, found.sizes, strict=True):
        scale = f" [{info.scale.replace(',', ', ')}]" if info.scale else ""
        lines.append(
            f"{info.name}: {info.space}{scale} on {info.task}, {size:,} architectures; {info.protocol}"
        )
    by_class = f", {found.by_class:,} by isomorphism class" if found.by_class else ""
    lines.append(f"in common: {len(found.pairs):,}{by_class}")
    lines.append(rank_text("agreement: Kendall's tau-b ", found.rank))
    for info, ceiling in zip(found.infos, found.ceilings, strict=True):
        text = "; ".join(ceiling_texts(ceiling)) if ceiling is not None else "unknown: no single seeds"
        lines.append(f"noise ceiling of {info.name}: {text}")
    if not math.isnan(found.attainable):
        known = "both tables" if all(found.ceilings) else "the one whose seeds are known"
        lines.append(
            f"attainable: tau {share(found.attainable)}, estimated, if the true accuracies had one order and "
            f"only the noise of {known} stood between them"
        )
    lines.append(method_text(found.rank.method))
    return "\n".join(lines) + "\n"


def comparison_values(found: Comparison) -> dict[str, Any]:
    """The same as plain values; what is unknown is None."""
    values: dict[str, Any] = plain({
        "tables": [info.name for info in found.infos],
        "tasks": [info.task for info in found.infos],
        "architectures": list(found.sizes),
        "by_class": found.by_class,
        **asdict(found.rank),
        "noise_ceilings": [None if ceiling is None else asdict(ceiling) for ceiling in found.ceilings],
        "attainable": found.attainable,
    })  # fmt: skip
    return values
