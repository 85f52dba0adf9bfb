"""The members' own scores of training architectures, computed by the harness and kept in the fit's folder."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import uninas_bench as ub
from uninas_bench import Architecture, FitContext, ImageSet, Proxy, SearchSpace, UserError

if TYPE_CHECKING:
    import pandas as pd

    from uninas_bench.data.source import Split
    from uninas_bench.engine import ProgressEvent
    from uninas_bench_plugins._up_nas.settings import UpNasSettings

FILE = "scores.db"


@dataclass(frozen=True)
class _Images:
    """The images of a fit as a source for the members."""

    context: FitContext
    name: str
    fingerprint: str = "of the fit"

    def load(self, split: Split, resolution: int) -> ImageSet:
        """A split; the fit's resolution is that of its task, and of every member."""
        return self.context.images(split)


def compute_scores(
    space: SearchSpace,
    architectures: Sequence[Architecture],
    context: FitContext,
    settings: UpNasSettings,
) -> tuple[pd.DataFrame, list[str]]:
    """Scores (architectures by encoding, members), and a line with the reason for each proxy that lacks some.

    What a killed fit has scored is found in its folder. A member that ranks its population ranks these
    architectures among each other.

    Raises:
        UserError: no such proxy, or it is fitted to a space itself.
    """
    members = [_member(name, settings) for name in settings.names]
    sees = settings.source == "task"
    task = context.task
    frame = ub.score(
        architectures, members, space=space, task=task, seed=context.seed, store=context.folder / FILE,
        data={task.dataset: _Images(context, task.dataset)} if sees else None,
        device=str(context.device), progress=lambda event: _report(context, event),
    )  # fmt: skip
    import numpy as np
    import pandas as pd

    index = pd.Index([architecture.encoding for architecture in architectures], name="architecture")
    scores = pd.DataFrame({member.name: _scores(member, frame, index) for member in members}, index=index)
    return scores.where(np.isfinite(scores)), _failures(frame)


def _member(name: str, settings: UpNasSettings) -> Proxy:
    proxy = ub.proxy(name)
    if "fit" in proxy.needs:
        raise UserError(f"members: {name} is fitted to a space itself; choose others")
    if not proxy.components:
        return proxy
    source = settings.source if "images" in proxy.needs else proxy.settings.source
    return proxy.with_settings(batch=settings.batch, source=source)


def _report(context: FitContext, event: ProgressEvent) -> None:
    context.report(event.done, event.total, f"scores of architectures, {event.proxy}")


def _scores(proxy: Proxy, frame: pd.DataFrame, index: pd.Index[str]) -> pd.Series[float]:
    """The scores of a proxy, which may rank the whole population."""
    import pandas as pd

    parts = []
    for name in (proxy.name, *proxy.requires):
        rows = frame[frame["proxy"] == name]
        if len(rows):
            wide = rows.pivot(index="architecture", columns="component", values="value").reindex(index)
            parts.append(wide if name == proxy.name else wide.add_prefix(f"{name}."))
    together = pd.concat(parts, axis=1)
    together.columns.name = None
    return proxy.aggregate(together).reindex(index)


def _failures(frame: pd.DataFrame) -> list[str]:
    failed = frame[frame["status"] != "ok"].drop_duplicates(["architecture", "proxy"])
    total = frame["architecture"].nunique()
    lines = []
    for name, rows in failed.groupby("proxy", sort=False):
        reasons = Counter(zip(rows["status"], rows["message"], strict=True))
        ((status, message), _), *_ = reasons.most_common(1)
        lines.append(
            f"{name}: {len(rows)} of {total} architectures count as the worst: {status}"
            + (f", {message}" if message else "")
        )
    return lines
