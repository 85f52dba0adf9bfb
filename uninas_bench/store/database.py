"""The score store on SQLAlchemy Core: SQLite in a file or in memory, PostgreSQL by URL."""

from __future__ import annotations

import gc
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, astuple
from datetime import UTC, datetime
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import sqlalchemy as sa

from uninas_bench.cells import Configuration, Outcome, Status
from uninas_bench.errors import StoreError
from uninas_bench.store import schema
from uninas_bench.store.contract import Columns, Provenance, RunRecord
from uninas_bench.store.opening import reason

if TYPE_CHECKING:
    import pandas as pd

_CHUNK = 500
"""Names per query: databases bound the number of parameters of a statement."""
_FEW = 2000
"""So many cells are faster to pick one by one than out of all."""
_CELL_COLUMNS = ("status", "message", "seconds", "peak_memory", "passes", "run")


class DatabaseStore:
    """A `ScoreStore` in a database that `open_database` opened."""

    def __init__(self, engine: sa.Engine, name: str) -> None:
        self._engine = engine
        self._name = name
        self._configurations: dict[Configuration, int] = {}
        self._architectures: dict[tuple[str, str], int] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Release files and connections."""
        self._engine.dispose()

    def begin_run(self, provenance: Provenance) -> int:
        """Open a run and return its number."""
        values = {**asdict(provenance), "plugins": json.dumps(provenance.plugins)}
        with self._connected(writes=True) as connection:
            result = connection.execute(schema.runs.insert().values(started=_now(), **values))
            return int(result.inserted_primary_key[0])  # type: ignore[index]

    def end_run(self, run: int, *, interrupted: bool = False) -> None:
        """Close a run."""
        with self._connected(writes=True) as connection:
            connection.execute(
                schema.runs.update()
                .where(schema.runs.c.id == run)
                .values(ended=_now(), interrupted=interrupted)
            )

    def write(self, outcomes: Iterable[Outcome], run: int) -> None:
        """Commit outcomes, all or none."""
        outcomes = list(outcomes)
        if not outcomes:
            return
        with self._connected(writes=True) as connection:
            configurations = {
                configuration: self._insert_configuration(connection, configuration)
                for configuration in {outcome.configuration for outcome in outcomes}
            }
            architectures = self._insert_architectures(
                connection, {(outcome.configuration.space, outcome.encoding) for outcome in outcomes}
            )
            statement = self._insert(schema.cells)
            statement = statement.on_conflict_do_update(
                index_elements=[schema.cells.c.configuration, schema.cells.c.architecture],
                set_={name: statement.excluded[name] for name in ("components", *_CELL_COLUMNS)},
                where=schema.cells.c.status != Status.OK,
            )
            connection.execute(
                statement,
                [
                    {
                        "configuration": configurations[outcome.configuration],
                        "architecture": architectures[outcome.configuration.space, outcome.encoding],
                        "status": outcome.status.value,
                        "message": outcome.message,
                        "components": json.dumps(dict(outcome.components), allow_nan=False),
                        "seconds": outcome.seconds,
                        "peak_memory": outcome.peak_memory,
                        "passes": outcome.passes,
                        "run": run,
                    }
                    for outcome in outcomes
                ],
            )
        # Only what was committed may be remembered.
        self._configurations.update(configurations)
        self._architectures.update(architectures)

    def columns(
        self, configurations: Iterable[Configuration], encodings: Sequence[str] | None = None
    ) -> Mapping[Configuration, Columns]:
        """The cells of some configurations, restricted to and ordered by ``encodings`` where given."""
        columns: dict[Configuration, Columns] = {}
        names: dict[str, pd.Series[str]] = {}
        with self._connected() as connection, _no_collections():
            for configuration in configurations:
                number = self._configuration_id(connection, configuration)
                if number is None:
                    continue
                space = configuration.space
                if space not in names:
                    names[space] = self._encodings(connection, space)
                rows = _rows(connection, number, names[space], encodings)
                columns[configuration] = _frames(rows, names[space], encodings)
        return columns

    def configurations(self) -> tuple[Configuration, ...]:
        """Every configuration that has a cell, sorted."""
        key = [schema.configurations.c[name] for name in schema.KEY_NAMES]
        with self._connected() as connection:
            return tuple(sorted(Configuration(*row) for row in connection.execute(sa.select(*key))))

    def runs(self) -> tuple[RunRecord, ...]:
        """Every run, oldest first."""
        with self._connected() as connection:
            rows = connection.execute(sa.select(schema.runs).order_by(schema.runs.c.id)).mappings().all()
        return tuple(_run_record(dict(row)) for row in rows)

    @contextmanager
    def _connected(self, *, writes: bool = False) -> Iterator[sa.Connection]:
        """A connection in one transaction; what the database then complains of is a `StoreError`."""
        try:
            with self._engine.execution_options(writes=writes).begin() as connection:
                yield connection
        except sa.exc.DBAPIError as error:
            verb = "written" if writes else "read"
            raise StoreError(f"{self._name}: cannot be {verb} ({reason(error)})") from error

    def _insert(self, table: sa.Table) -> Any:
        # Importing the PostgreSQL dialect takes as long as half of SQLAlchemy; readers never need it.
        if self._engine.dialect.name == "postgresql":
            from sqlalchemy.dialects.postgresql import insert

            return insert(table)
        from sqlalchemy.dialects.sqlite import insert as sqlite_insert

        return sqlite_insert(table)

    def _configuration_id(self, connection: sa.Connection, configuration: Configuration) -> int | None:
        known = self._configurations.get(configuration)
        if known is not None:
            return known
        table = schema.configurations.c
        key = zip(schema.KEY_NAMES, astuple(configuration), strict=True)
        query = sa.select(table.id).where(*(table[name] == value for name, value in key))
        return connection.execute(query).scalar()

    def _insert_configuration(self, connection: sa.Connection, configuration: Configuration) -> int:
        found = self._configuration_id(connection, configuration)
        if found is None:
            insert = self._insert(schema.configurations).values(asdict(configuration))
            connection.execute(insert.on_conflict_do_nothing())
            found = self._configuration_id(connection, configuration)
        if found is None:
            raise RuntimeError(f"{configuration} was inserted and is not there")
        return found

    def _insert_architectures(
        self, connection: sa.Connection, keys: set[tuple[str, str]]
    ) -> dict[tuple[str, str], int]:
        known = {key: self._architectures[key] for key in keys if key in self._architectures}
        new = sorted(keys - known.keys())
        if not new:
            return known
        rows = [{"space": space, "encoding": encoding} for space, encoding in new]
        connection.execute(self._insert(schema.architectures).on_conflict_do_nothing(), rows)
        table = schema.architectures.c
        for start in range(0, len(new), _CHUNK):
            chunk = new[start : start + _CHUNK]
            query = sa.select(table.space, table.encoding, table.id).where(
                table.space.in_({space for space, _ in chunk}),
                table.encoding.in_([encoding for _, encoding in chunk]),
            )
            known.update({(space, encoding): id_ for space, encoding, id_ in connection.execute(query)})
        return known

    def _encodings(self, connection: sa.Connection, space: str) -> pd.Series[str]:
        import pandas as pd

        table = schema.architectures.c
        rows = connection.execute(sa.select(table.id, table.encoding).where(table.space == space)).fetchall()
        ids = [row[0] for row in rows]
        return pd.Series([row[1] for row in rows], index=pd.Index(ids, dtype="int64"), dtype=object)


def _rows(
    connection: sa.Connection, configuration: int, names: pd.Series[str], encodings: Sequence[str] | None
) -> list[sa.Row[Any]]:
    cells = schema.cells.c
    query = sa.select(cells.architecture, cells.components, *(cells[name] for name in _CELL_COLUMNS)).where(
        cells.configuration == configuration
    )
    if encodings is None or len(encodings) > _FEW:
        return list(connection.execute(query).fetchall())
    ids = names.index[names.isin(encodings)].tolist()
    rows: list[sa.Row[Any]] = []
    for start in range(0, len(ids), _CHUNK):
        rows += connection.execute(query.where(cells.architecture.in_(ids[start : start + _CHUNK])))
    return rows


def _frames(rows: Sequence[sa.Row[Any]], names: pd.Series[str], encodings: Sequence[str] | None) -> Columns:
    import pandas as pd

    architectures, components, *rest = zip(*rows, strict=True) if rows else ((),) * 8
    index = pd.Index(names.reindex(list(architectures)), name="architecture")
    parsed: list[dict[str, float]] = json.loads(f"[{','.join(components)}]")
    found = dict.fromkeys(name for row in parsed for name in row)
    values = pd.DataFrame(
        {name: [row.get(name) for row in parsed] for name in found}, index=index, dtype="float64"
    )
    cells = pd.DataFrame(dict(zip(_CELL_COLUMNS, rest, strict=True)), index=index).astype(
        {"seconds": "float64", "peak_memory": "float64", "passes": "float64", "run": "int64"}
    )
    if encodings is None:
        return Columns(values, cells)
    present = index.get_indexer(pd.Index(encodings))
    present = present[present >= 0]
    return Columns(values.iloc[present], cells.iloc[present])


@contextmanager
def _no_collections() -> Iterator[None]:
    """Keep the garbage collector from walking a million fresh rows again and again: half of the time."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _run_record(row: dict[str, Any]) -> RunRecord:
    plugins = tuple(json.loads(row.pop("plugins")))
    own = {name: row.pop(name) for name in ("id", "started", "ended", "interrupted")}
    return RunRecord(provenance=Provenance(plugins=plugins, **row), **own)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
