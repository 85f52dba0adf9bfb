"""What reports and figures are made of: boards, with the scores and accuracies behind them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from uninas_bench.errors import UserError
from uninas_bench.gathering import Gathered
from uninas_bench.intervals import Failed, Method
from uninas_bench.population import Chance, Dedup

if TYPE_CHECKING:
    import pandas as pd

    from uninas_bench.ensembles.notation import Ensemble
    from uninas_bench.gathering import Announce
    from uninas_bench.ground_truth.table import GroundTruth
    from uninas_bench.host import Host
    from uninas_bench.proxy import Proxy
    from uninas_bench.store import ScoreStore
    from uninas_bench.store.packed import PackedScores


@dataclass(frozen=True, eq=False)
class TableEvidence:
    """One table of accuracies with everything that was scored on it.

    Attributes:
        found: scores, accuracies and costs.
        board: from `ranking.ranked`, with the attributes of `leaderboard.build`.
    """

    found: Gathered
    board: pd.DataFrame

    @property
    def name(self) -> str:
        """Of the table."""
        return self.found.table.info.name

    @property
    def ceiling(self) -> Mapping[str, float] | None:
        """The noise ceiling of the population, as in ``board.attrs``."""
        ceiling: Mapping[str, float] | None = self.board.attrs["noise_ceiling"]
        return ceiling


@dataclass(frozen=True, eq=False)
class Evidence:
    """The tables of one report.

    Attributes:
        tables: at least one.
        across: the board across them, from `across.build`; None of a single table.
    """

    tables: tuple[TableEvidence, ...]
    across: pd.DataFrame | None


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked of scores and accuracies; the fields mean what the arguments of `leaderboard.build` do.

    Attributes:
        across: names of tables with commas between them, ``all``, or a list of names, paths and tables; None
            for the one table of ``space``, ``task`` and ``ground_truth``.
        compute: without it, proxies of which a table has not all scores have no row there.
    """

    across: str | Sequence[str | Path | GroundTruth] | None = None
    space: Any = None
    task: Any = None
    ground_truth: str | Path | GroundTruth | None = None
    proxies: Sequence[str | Proxy] | None = None
    aggregates: Sequence[str | Ensemble] = ()
    sample: int | None = None
    seed: int = 0
    dedup: Dedup = "none"
    chance: Chance = "include"
    failed: Failed = "last"
    intervals: Method = "auto"
    resamples: int = 1000
    k: int = 10
    compute: bool = True


def asked_of(options: Mapping[str, Any], *, across: str | None) -> tuple[Question, dict[str, Any]]:
    """The question in keyword arguments, and the other arguments.

    Args:
        options: fields of `Question`, and others.
        across: the tables where neither ``across`` nor a table, space or task is named.

    Raises:
        UserError: tables and one table are named.
    """
    names = {field.name for field in fields(Question)}
    asked = {name: value for name, value in options.items() if name in names}
    one = [name for name in ("space", "task", "ground_truth") if asked.get(name) is not None]
    if asked.get("across") is not None and one:
        raise UserError(f"across=... with {one[0]}: give one or the other")
    if not one:
        asked["across"] = asked.get("across") or across
    return Question(**asked), {name: value for name, value in options.items() if name not in names}


def collect(
    question: Question,
    *,
    store: str | Path | ScoreStore | Literal["default"] | None = "default",
    packed: PackedScores | Literal["default"] | None = "default",
    host: Host | None = None,
    announce: Announce | None = None,
    **running: Any,
) -> Evidence:
    """Score what is missing, and gather everything.

    Intervals are those of the boards: of one table as `leaderboard.build` makes them, across tables
    as `across.build` does, so that a report and a board never show two intervals of one tau.

    Args:
        question: what is asked.
        store: of scores.
        packed: scores of the package.
        host: the plugins.
        announce: called once per table.
        running: ``settings``, and what the engine is told: ``workers``, ``progress``, ``data``, ...

    Raises:
        UserError: as `leaderboard.build` and `across.build`.
    """
    from uninas_bench.leaderboard import check_statistics

    if host is None:
        from uninas_bench.host import default_host

        host = default_host()
    check_statistics(
        k=question.k, resamples=question.resamples, dedup=question.dedup, chance=question.chance,
        failed=question.failed, intervals=question.intervals,
    )  # fmt: skip
    if question.across is not None:
        return _across(question, store=store, packed=packed, host=host, announce=announce, **running)
    from uninas_bench.ensembles.notation import read_ensembles
    from uninas_bench.gathering import gather

    found = gather(
        host, question.space, question.task, question.ground_truth, question.proxies,
        ensembles=read_ensembles(question.aggregates), compute=question.compute, store=store, packed=packed,
        announce=announce, **_population(question), **running,
    )  # fmt: skip
    return Evidence((evidence_of(found, question, question.intervals),), None)


def _across(question: Question, **running: Any) -> Evidence:
    from uninas_bench.across import board_of, gathered

    assert question.across is not None
    found = gathered(
        question.across, question.proxies, aggregates=question.aggregates, compute=question.compute,
        **_population(question), **running,
    )  # fmt: skip
    frame = board_of(
        found, failed=question.failed, intervals=question.intervals, resamples=question.resamples,
        seed=question.seed,
    )  # fmt: skip
    method = frame.attrs["intervals"]["method"]
    return Evidence(
        tuple(evidence_of(table, question, method) for table in found), frame if len(found) > 1 else None
    )


def _population(question: Question) -> dict[str, Any]:
    return {name: getattr(question, name) for name in ("sample", "seed", "dedup", "chance", "failed")}


def evidence_of(found: Gathered, question: Question, method: Method) -> TableEvidence:
    """A table with its board, whose intervals are made by ``method``."""
    from uninas_bench.leaderboard import board_of

    board = board_of(
        found, failed=question.failed, method=method, resamples=question.resamples, k=question.k,
        seed=question.seed,
    )  # fmt: skip
    return TableEvidence(found, board)
