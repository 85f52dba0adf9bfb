"""Conformance of a score store: subclass `StoreTestCase`, give the store, run pytest."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import replace

import pytest

from uninas_bench.cells import Configuration, Outcome, Status
from uninas_bench.store.contract import Provenance, ScoreStore

CONFIGURATION = Configuration("toy", 1, "channels=2", "toy", 4, 3, "az", 1, "batch=2", "", 0)
PROVENANCE = Provenance(
    package="1.0", python="3.12.0", torch="2.6.0", numpy="2.0.0", plugins=("one 1.0", "two 2.0"),
    commit="abc-dirty", command="uninas-bench leaderboard", host="here", device="cpu", workers=2,
)  # fmt: skip
_EXACT = (0.1, -0.0, 1 / 3, 5e-324, 1.7976931348623157e308, -123456789.123456789, 2.0**53)


def outcome(encoding: str, value: float = 1.0, configuration: Configuration = CONFIGURATION) -> Outcome:
    """An evaluation that went well."""
    return Outcome(configuration, encoding, Status.OK, "", {"az": value}, 0.5, 1024, 1.25)


def failure(encoding: str, message: str = "ValueError: odd") -> Outcome:
    """An evaluation that failed."""
    return Outcome(CONFIGURATION, encoding, Status.ERROR, message)


class StoreTestCase(ABC):
    """What every `ScoreStore` must keep, as pytest tests."""

    @abstractmethod
    def make_store(self) -> ScoreStore:
        """A new, empty store."""

    @pytest.fixture
    def store(self) -> Iterator[ScoreStore]:
        """An empty store, closed after the test."""
        with self.make_store() as store:
            yield store

    def test_an_empty_store_holds_nothing(self, store: ScoreStore) -> None:
        """No configurations, no runs, no columns."""
        assert store.configurations() == ()
        assert store.runs() == ()
        assert dict(store.columns([CONFIGURATION])) == {}

    def test_values_come_back_exactly(self, store: ScoreStore) -> None:
        """Every bit of a float64 survives, and so does each other field."""
        components = {f"c{i}": value for i, value in enumerate(_EXACT)}
        run = store.begin_run(PROVENANCE)
        store.write([replace(outcome("a"), components=components)], run)
        columns = store.columns([CONFIGURATION])[CONFIGURATION]
        assert list(columns.values.index) == list(columns.cells.index) == ["a"]
        row = columns.values[list(components)].to_numpy("float64")[0]
        assert [float(value).hex() for value in row] == [value.hex() for value in _EXACT]
        cell = columns.cells.loc["a"]
        assert (cell["status"], cell["message"], cell["run"]) == ("ok", "", run)
        assert (cell["seconds"], cell["peak_memory"], cell["passes"]) == (0.5, 1024, 1.25)

    def test_failures_are_kept_with_their_message(self, store: ScoreStore) -> None:
        """A failed cell has its status, its message and no value; it is no gap."""
        store.write([outcome("a"), failure("b", 'quoted "ü" %s')], store.begin_run(PROVENANCE))
        columns = store.columns([CONFIGURATION])[CONFIGURATION]
        cell = columns.cells.loc["b"]
        assert (cell["status"], cell["message"]) == ("error", 'quoted "ü" %s')
        assert cell[["peak_memory", "passes"]].isna().all()
        assert math.isnan(float(columns.values.loc["b", "az"]))  # type: ignore[arg-type]

    def test_a_cell_of_failures_alone_has_no_value_columns(self, store: ScoreStore) -> None:
        """A configuration that never gave a value can be read."""
        store.write([failure("a")], store.begin_run(PROVENANCE))
        columns = store.columns([CONFIGURATION])[CONFIGURATION]
        assert columns.values.shape == (1, 0)

    def test_an_ok_cell_is_never_changed(self, store: ScoreStore) -> None:
        """What another driver writes later, value or failure, is dropped."""
        run = store.begin_run(PROVENANCE)
        store.write([outcome("a", 1.0)], run)
        store.write([outcome("a", 2.0)], run)
        store.write([failure("a")], run)
        columns = store.columns([CONFIGURATION])[CONFIGURATION]
        assert float(columns.values.loc["a", "az"]) == 1.0  # type: ignore[arg-type]
        assert columns.cells.loc["a", "status"] == "ok"

    def test_a_failed_cell_gives_way(self, store: ScoreStore) -> None:
        """A retry replaces the failure, whole, and names its own run."""
        store.write([failure("a")], store.begin_run(PROVENANCE))
        run = store.begin_run(PROVENANCE)
        store.write([outcome("a", 2.0)], run)
        cell = store.columns([CONFIGURATION])[CONFIGURATION].cells.loc["a"]
        assert (cell["status"], cell["message"], cell["run"]) == ("ok", "", run)

    @pytest.mark.parametrize(
        "change",
        [
            {"space": "other"}, {"space_version": 2}, {"scale": "channels=4"}, {"dataset": "other"},
            {"resolution": 8}, {"classes": 4}, {"proxy": "other"}, {"proxy_version": 2},
            {"settings": "batch=4"}, {"images": "f00"}, {"seed": 2**62},
        ],
        ids=lambda change: next(iter(change)),
    )  # fmt: skip
    def test_every_part_of_the_key_counts(self, store: ScoreStore, change: dict[str, str | int]) -> None:
        """Cells that differ in one part of their configuration are different cells."""
        other = replace(CONFIGURATION, **change)  # type: ignore[arg-type]
        run = store.begin_run(PROVENANCE)
        store.write([outcome("a", 1.0)], run)
        assert dict(store.columns([other], ["a"])) == {}
        store.write([outcome("a", 2.0, other)], run)
        assert store.configurations() == tuple(sorted([CONFIGURATION, other]))
        both = store.columns([other, CONFIGURATION])
        assert list(both) == [other, CONFIGURATION]
        assert [float(both[key].values.iloc[0, 0]) for key in both] == [2.0, 1.0]  # type: ignore[arg-type]

    def test_columns_follow_the_encodings_asked_for(self, store: ScoreStore) -> None:
        """Their order is kept, unknown ones are absent, and all are given without any."""
        store.write([outcome(name, ord(name)) for name in "abcd"], store.begin_run(PROVENANCE))
        columns = store.columns([CONFIGURATION], ["d", "x", "b"])[CONFIGURATION]
        assert list(columns.cells.index) == ["d", "b"]
        assert list(columns.values["az"]) == [100.0, 98.0]
        assert sorted(store.columns([CONFIGURATION])[CONFIGURATION].cells.index) == list("abcd")

    def test_many_cells_in_one_write(self, store: ScoreStore) -> None:
        """More than a database takes parameters in one statement."""
        names = [f"{number:05}" for number in range(2500)]
        store.write([outcome(name, float(name)) for name in names], store.begin_run(PROVENANCE))
        store.write([outcome(name, -1.0) for name in names], store.begin_run(PROVENANCE))
        for some in (names, names[::-2], names[7:8]):
            values = store.columns([CONFIGURATION], some)[CONFIGURATION].values["az"]
            assert list(values) == [float(name) for name in some]

    def test_a_write_is_all_or_nothing(self, store: ScoreStore) -> None:
        """An outcome that cannot be stored takes the others of its write with it, and no more."""
        run = store.begin_run(PROVENANCE)
        with pytest.raises(ValueError):  # noqa: PT011  (stores choose the words)
            store.write([outcome("a"), outcome("b", math.nan)], run)
        assert store.configurations() == ()
        store.write([outcome("a"), outcome("b")], run)
        assert list(store.columns([CONFIGURATION], ["a", "b"])[CONFIGURATION].cells.index) == ["a", "b"]

    def test_runs_keep_their_provenance(self, store: ScoreStore) -> None:
        """A run is open until it is closed, and remembers how it ended."""
        first, second, third = (store.begin_run(PROVENANCE) for _ in range(3))
        store.end_run(second)
        store.end_run(third, interrupted=True)
        runs = store.runs()
        assert [run.id for run in runs] == [first, second, third]
        assert all(run.provenance == PROVENANCE and run.started for run in runs)
        assert [bool(run.ended) for run in runs] == [False, True, True]
        assert [run.interrupted for run in runs] == [False, False, True]

    def test_nothing_to_write(self, store: ScoreStore) -> None:
        """An empty write is no write."""
        store.write([], store.begin_run(PROVENANCE))
        assert store.configurations() == ()
