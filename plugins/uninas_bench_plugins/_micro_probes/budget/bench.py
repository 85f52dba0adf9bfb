"""How pilots are scored: the proxy with some data and epochs on architectures, through the score store."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import uninas_bench as ub
from uninas_bench import Architecture, Proxy, SearchSpace, UserError

if TYPE_CHECKING:
    import pandas as pd

    from uninas_bench.engine import ProgressEvent

Store = str | Path | Literal["default"] | None


@dataclass(frozen=True, slots=True, eq=False)
class Measured:
    """What some architectures reached with the same data, epochs and seed.

    Attributes:
        data: D.
        epochs: E.
        seed: of the run.
        components: (architectures, components), NaN where a probe failed.
        seconds: that each architecture took when it was scored; a stored score keeps its own.
    """

    data: int
    epochs: int
    seed: int
    components: pd.DataFrame
    seconds: pd.Series[float]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Bench:
    """Everything besides architectures, data, epochs and seed.

    Attributes:
        space: of the architectures, at its scale.
        task: name of the one that networks are built for.
        proxy: with settings ``data`` and ``epochs``; the others are as they shall be.
        store: keeps every score, so that a plan that is interrupted goes on where it was; as in
            `uninas_bench.search`.
        workers: processes; they share the processors, so a budget is one of a processor's time.
        options: the others of `uninas_bench.score`: ``data``, ``timeout``, ``device``, ``executor``.
        announce: called before a set of architectures is scored, with what it is and how many they are.
        progress: called after every finished score.
    """

    space: SearchSpace
    task: str
    proxy: Proxy
    store: Store = "default"
    workers: int = 1
    options: Mapping[str, Any] = field(default_factory=dict)
    announce: Callable[[str, int], None] = lambda _text, _count: None
    progress: Callable[[ProgressEvent], None] | None = None

    def __post_init__(self) -> None:
        missing = [name for name in ("data", "epochs", "batch") if not hasattr(self.proxy.settings, name)]
        if missing:
            raise UserError(f'{self.proxy.name} has no setting "{missing[0]}": its budget cannot be planned')

    @property
    def batch(self) -> int:
        """Examples per batch."""
        return self.proxy.settings.batch

    def measure(
        self, architectures: Sequence[Architecture], data: int, epochs: int, seed: int, text: str = ""
    ) -> Measured:
        """Score the architectures; what the store has is not computed again.

        Raises:
            UserError: a setting that cannot be.
            KeyboardInterrupt: with a sentence; every finished score is stored.
        """
        proxy = self.proxy.with_settings(data=data, epochs=epochs)
        self.announce(text or f"data {data:,}, epochs {epochs}, seed {seed}", len(architectures))
        frame = ub.score(
            architectures, [proxy], space=self.space, task=self.task, seed=seed, workers=self.workers,
            store=self.store, progress=self.progress, **self.options,
        )  # fmt: skip
        encodings = [architecture.encoding for architecture in architectures]
        wide = frame.pivot(index="architecture", columns="component", values="value")
        seconds = frame.groupby("architecture")["seconds"].first()
        return Measured(
            data, epochs, seed,
            wide.loc[encodings, list(proxy.components)].rename_axis(columns=None),
            seconds.loc[encodings],
        )  # fmt: skip

    def scores(self, measured: Measured) -> pd.Series[float]:
        """S of the architectures, standardised among them; NaN where a probe failed."""
        return self.proxy.aggregate(measured.components)
