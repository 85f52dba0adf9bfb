"""A plan in words and columns, for a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from uninas_bench_plugins._micro_probes.budget.durations import duration_text

if TYPE_CHECKING:
    from uninas_bench_plugins._micro_probes.budget.ablation import Ablation
    from uninas_bench_plugins._micro_probes.budget.choosing import Chosen, Response
    from uninas_bench_plugins._micro_probes.budget.planning import BudgetPlan, CandidatePlan


def plan_lines(plan: BudgetPlan) -> Iterator[str]:
    """The anchors, what the surface and the cost are worth, and the choice."""
    yield (
        f"{plan.space} [{plan.scale}] on {plan.task} · {len(plan.pilots)} pilots, ranked by {plan.reference} "
        f"· seed {plan.seed}"
    )
    yield ""
    yield from anchor_lines(plan.response)
    yield ""
    yield from fit_lines(plan.response)
    yield from chosen_lines(plan.chosen)


def anchor_lines(response: Response) -> Iterator[str]:
    """One line per anchor, the seeds beside each other."""
    seeds = sorted({anchor.seed for anchor in response.anchors})
    places = dict.fromkeys((anchor.data, anchor.epochs) for anchor in response.anchors)
    found = {(anchor.data, anchor.epochs, anchor.seed): anchor for anchor in response.anchors}
    rows = []
    for data, epochs in places:
        anchors = [found[data, epochs, seed] for seed in seeds]
        taus = ["-" if anchor.response is None else f"{anchor.response:.3f}" for anchor in anchors]
        seconds = sum(anchor.seconds for anchor in anchors) / len(anchors)
        rows.append([f"{data:,}", str(epochs), *taus, f"{seconds:.3g}"])
    return table_lines(["data", "epochs", *(f"tau, seed {seed}" for seed in seeds), "s each"], rows)


def fit_lines(response: Response) -> Iterator[str]:
    """What the surface and the cost are worth."""
    fit, calibration = response.fit, response.calibration
    told = "none" if fit.r2 is None else f"{fit.r2:.2f}"
    left = (
        "not known" if fit.left_out_r2 is None else f"{fit.left_out_r2:.2f} (error {fit.left_out_error:.3f})"
    )
    logs = " of logarithms" if fit.surface.log else ""
    yield (
        f"surface{logs}: R2 {told}, of anchors left out {left}, condition {fit.condition:.3g} "
        f"(unscaled {fit.raw_condition:.2g})"
    )
    yield f"cost: {calibration.cost}, off by {calibration.error:.0%} on average"


def chosen_lines(chosen: Chosen) -> Iterator[str]:
    """The choice, and what speaks against it."""
    best = chosen.optimum
    yield (
        f"maximum of the surface: data {best.data:.1f}, epochs {best.epochs:.2f} ({best.value:.3f}, "
        f"kind: {best.kind})"
    )
    if chosen.distrust:
        yield f"not followed: {chosen.distrust}; the best anchor that can be paid for is taken"
    yield (
        f"for {duration_text(chosen.budget)} each: data {chosen.data:,}, epochs {chosen.epochs}, "
        f"{chosen.response:.3f} and {duration_text(chosen.seconds)} expected"
    )
    yield from (f"note: {remark}" for remark in chosen.remarks)


def candidate_lines(plans: Sequence[CandidatePlan]) -> Iterator[str]:
    """One line per architecture that was planned for alone."""
    rows = [
        [
            f"{entry.chosen.data:,}", str(entry.chosen.epochs), f"{entry.chosen.seconds:.3g}",
            "anchor" if entry.chosen.distrust else "surface", entry.architecture,
        ]
        for entry in plans
    ]  # fmt: skip
    return table_lines(["data", "epochs", "s", "by", "architecture"], rows, left=2)


def ablation_lines(ablation: Ablation) -> Iterator[str]:
    """One line per arm, with 95% intervals over architectures."""
    rows = [
        [
            arm.name, f"{arm.data:,}", str(arm.epochs), f"{arm.expected:.3g}", f"{arm.seconds:.3g}",
            f"{arm.tau:.3f} ({arm.low:.3f}..{arm.high:.3f})",
            f"{arm.worse:+.3f} ({arm.worse_low:+.3f}..{arm.worse_high:+.3f})" if row else "",
        ]
        for row, arm in enumerate(ablation.arms)
    ]  # fmt: skip
    seeds = f"{ablation.seeds} seeds" if ablation.seeds > 1 else "1 seed"
    yield (
        f"at the same expected cost, on {ablation.architectures} other architectures, {seeds}, "
        "95% intervals over architectures:"
    )
    head = ["spent on", "data", "epochs", "s expected", "s measured", "tau", "both minus this"]
    yield from table_lines(head, rows)


def table_lines(head: Sequence[str], rows: Sequence[Sequence[str]], left: int = 0) -> Iterator[str]:
    """Columns of equal width, aligned to the right; the last ``left`` of them to the left."""
    table = [list(head), *map(list, rows)]
    widths = [max(len(row[place]) for row in table) for place in range(len(head))]
    for row in table:
        cells = [
            text.ljust(width) if place >= len(head) - left else text.rjust(width)
            for place, (text, width) in enumerate(zip(row, widths, strict=True))
        ]
        yield "  ".join(cells).rstrip()
