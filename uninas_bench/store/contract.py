"""The contract of a score store, and the values that go in and out of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from uninas_bench.cells import Configuration, Outcome

if TYPE_CHECKING:
    from types import TracebackType

    import pandas as pd


@dataclass(frozen=True, slots=True)
class Provenance:
    """What a run was made with; texts are empty where nothing is known.

    ``commit`` is the git commit of the checkout that the package runs from, ``plugins`` one
    ``name version`` per plugin distribution, ``host`` its name, system and, after a comma, processor.
    """

    package: str
    python: str
    torch: str
    numpy: str
    plugins: tuple[str, ...]
    commit: str
    command: str
    host: str
    device: str
    workers: int


@dataclass(frozen=True, slots=True)
class RunRecord:
    """A run as the store keeps it. ``ended`` is empty while it runs, and after a ``kill -9``."""

    id: int
    provenance: Provenance
    started: str
    ended: str
    interrupted: bool


@dataclass(frozen=True, slots=True, eq=False)
class Columns:
    """What a store holds of one configuration; both frames have one row per encoding, in one order.

    Attributes:
        values: one float64 column per component that was ever seen; NaN where a cell has none.
        cells: ``status, message, seconds, peak_memory, passes, run``.
    """

    values: pd.DataFrame
    cells: pd.DataFrame

    def completed(self, more: Columns, encodings: Sequence[str]) -> Columns:
        """These cells and, of other architectures, those of ``more``; in the order of ``encodings``."""
        import pandas as pd

        new = ~more.cells.index.isin(self.cells.index)
        if not new.any():
            return self
        if not len(self.cells):
            return more
        values = pd.concat([self.values, more.values[new]])
        cells = pd.concat([self.cells, more.cells[new]])
        place = cells.index.get_indexer(pd.Index(encodings))
        place = place[place >= 0]
        return Columns(values.iloc[place], cells.iloc[place])


class ScoreStore(Protocol):
    """The durable table of component values.

    Consistency: a cell and its values are written in one transaction, so a reader sees both or none.
    A cell with the status ``ok`` is never changed again; a failed one gives way to what is written
    later. Several processes may write to one store; within a process a store belongs to one thread.
    """

    def begin_run(self, provenance: Provenance) -> int:
        """Open a run and return its number."""
        ...

    def end_run(self, run: int, *, interrupted: bool = False) -> None:
        """Close a run."""
        ...

    def write(self, outcomes: Iterable[Outcome], run: int) -> None:
        """Commit outcomes, all or none."""
        ...

    def columns(
        self, configurations: Iterable[Configuration], encodings: Sequence[str] | None = None
    ) -> Mapping[Configuration, Columns]:
        """The cells of some configurations, restricted to and ordered by ``encodings`` where given.

        Encodings without a cell are absent.
        """
        ...

    def configurations(self) -> tuple[Configuration, ...]:
        """Every configuration that has a cell, sorted."""
        ...

    def runs(self) -> tuple[RunRecord, ...]:
        """Every run, oldest first."""
        ...

    def close(self) -> None:
        """Release files and connections; the store cannot be used afterwards."""
        ...

    def __enter__(self) -> ScoreStore:
        """The store itself."""
        ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close it."""
        ...
