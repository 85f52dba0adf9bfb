"""Open a database, make or check its schema, and say in one line what is wrong with it."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.pool import QueuePool, StaticPool

from uninas_bench.errors import StoreError
from uninas_bench.store import schema


def open_database(location: str | Path | None, *, create: bool) -> sa.Engine:
    """An engine on a database that has the schema of this version; see `open_store`."""
    name = shown(location)
    try:
        engine = _engine(location, create=create)
        try:
            _prepare(engine, name, create=create)
        except BaseException:
            engine.dispose()
            raise
    except sa.exc.ArgumentError:
        raise StoreError(f"{name}: neither a file nor a database URL such as sqlite:///scores.db") from None
    except sa.exc.NoSuchModuleError:
        raise StoreError(f"{name}: no such kind of database; known: sqlite, postgresql") from None
    except ModuleNotFoundError as error:
        raise StoreError(
            f"{name}: needs {error.name}; for PostgreSQL: pip install 'uninas-bench[postgres]'"
        ) from None
    except (sa.exc.DBAPIError, OSError) as error:
        raise StoreError(f"{name}: cannot be opened as a score store ({reason(error)})") from None
    return engine


def reason(error: Exception) -> str:
    """The first line of what the database or the operating system says."""
    text = str(error.orig) if isinstance(error, sa.exc.DBAPIError) else str(error)
    return text.strip().partition("\n")[0]


def shown(location: str | Path | None) -> str:
    """The location for a message, without a password."""
    if isinstance(location, str) and "://" in location:
        try:
            return sa.make_url(location).render_as_string(hide_password=True)
        except sa.exc.ArgumentError:
            return location
    return "the store in memory" if location is None else str(location)


def _engine(location: str | Path | None, *, create: bool) -> sa.Engine:
    if location is None:
        engine = sa.create_engine("sqlite://", poolclass=StaticPool)
    elif "://" in str(location):
        url = sa.make_url(str(location))
        if url.drivername == "postgresql":
            url = url.set(drivername="postgresql+psycopg")
        if url.get_backend_name() == "sqlite" and url.database:
            return _engine(Path(url.database), create=create)
        engine = sa.create_engine(url)
    else:
        engine = _file_engine(Path(location), create=create)
    if engine.dialect.name == "sqlite":
        sa.event.listen(engine, "connect", _on_connect)
        sa.event.listen(engine, "begin", _on_begin)
    return engine


def _file_engine(path: Path, *, create: bool) -> sa.Engine:
    if path.is_dir():
        raise StoreError(f"{path}: is a folder; a store is a file, such as {path / 'scores.db'}")
    if not create and not path.exists():
        raise StoreError(f"{path}: no such store")
    if create and not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
    # The URI is absolute: a later change of the working directory must not move the store.
    uri = f"{path.resolve().as_uri()}?{_mode(path, create=create)}"
    engine = sa.create_engine(
        "sqlite://",
        poolclass=QueuePool,
        creator=lambda: sqlite3.connect(uri, uri=True, check_same_thread=False),
    )
    if not create:
        sa.event.listen(engine, "connect", _forbid_writing)
    return engine


def _mode(path: Path, *, create: bool) -> str:
    """How SQLite opens the file: a reader, too, keeps two small files beside it while it reads."""
    if create or (os.access(path, os.W_OK) and os.access(path.parent, os.W_OK)):
        return "mode=rwc" if create else "mode=rw"
    # Without the log of a writer nothing can change underneath.
    return "mode=ro" if path.with_name(path.name + "-wal").exists() else "mode=ro&immutable=1"


def _forbid_writing(connection: Any, _record: Any) -> None:
    connection.execute("PRAGMA query_only = ON")


def _on_connect(connection: Any, _record: Any) -> None:
    # The driver's own transactions start too late for BEGIN IMMEDIATE; _on_begin starts them instead.
    connection.isolation_level = None
    connection.execute("PRAGMA busy_timeout = 60000")
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute("PRAGMA foreign_keys = ON")


def _on_begin(connection: sa.Connection) -> None:
    # A writer takes its lock first: a reader that turns into a writer cannot wait for another one.
    writes = connection.get_execution_options().get("writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _prepare(engine: sa.Engine, name: str, *, create: bool) -> None:
    with engine.connect() as connection:
        tables = set(sa.inspect(connection).get_table_names())
        version = None
        if schema.meta.name in tables:
            version = connection.execute(sa.select(schema.meta.c.schema_version)).scalar()
    if version is None:
        # A server's database may hold tables of others, as long as they have other names.
        foreign = tables if engine.dialect.name == "sqlite" else tables & set(schema.metadata.tables)
        if foreign and schema.meta.name not in tables:
            raise StoreError(f"{name}: is another program's database, not a score store")
        if not create:
            raise StoreError(f"{name}: is empty, not a score store")
        _make_schema(engine)
    elif version > schema.SCHEMA_VERSION:
        raise StoreError(
            f"{name}: written by a newer uninas-bench (store schema {version}, this one reads up to "
            f"{schema.SCHEMA_VERSION}); upgrade uninas-bench or name another store"
        )


def _make_schema(engine: sa.Engine) -> None:
    if engine.dialect.name == "sqlite":
        with engine.connect() as connection:
            connection.connection.execute("PRAGMA journal_mode = WAL")
    with engine.connect().execution_options(writes=True) as connection, connection.begin():
        schema.metadata.create_all(connection)
        if connection.execute(sa.select(schema.meta)).first() is None:
            connection.execute(schema.meta.insert().values(schema_version=schema.SCHEMA_VERSION))
