"""The tables of a score store in a database, for SQLite and PostgreSQL alike."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    ForeignKey,
    Integer,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
)

SCHEMA_VERSION = 1
"""Raise it when a table changes; a store of a newer version is refused."""

metadata = MetaData()

meta = Table("uninas_bench_meta", metadata, Column("schema_version", Integer, primary_key=True))

runs = Table(
    "runs",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("package", Text, nullable=False),
    Column("python", Text, nullable=False),
    Column("torch", Text, nullable=False),
    Column("numpy", Text, nullable=False),
    Column("plugins", Text, nullable=False),
    Column("commit", Text, nullable=False),
    Column("command", Text, nullable=False),
    Column("host", Text, nullable=False),
    Column("device", Text, nullable=False),
    Column("workers", Integer, nullable=False),
    Column("started", Text, nullable=False),
    Column("ended", Text, nullable=False, server_default=""),
    Column("interrupted", Boolean, nullable=False, server_default="0"),
)

architectures = Table(
    "architectures",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("space", Text, nullable=False),
    Column("encoding", Text, nullable=False),
    UniqueConstraint("space", "encoding"),
)

_KEY = (
    Column("space", Text, nullable=False),
    Column("space_version", Integer, nullable=False),
    Column("scale", Text, nullable=False),
    Column("dataset", Text, nullable=False),
    Column("resolution", Integer, nullable=False),
    Column("classes", Integer, nullable=False),
    Column("proxy", Text, nullable=False),
    Column("proxy_version", Integer, nullable=False),
    Column("settings", Text, nullable=False),
    Column("images", Text, nullable=False),
    Column("seed", BigInteger, nullable=False),
)
KEY_NAMES = tuple(column.name for column in _KEY)

configurations = Table(
    "configurations",
    metadata,
    Column("id", Integer, primary_key=True),
    *_KEY,
    UniqueConstraint(*KEY_NAMES),
)

# The primary key starts with the configuration and, in SQLite, is the table itself: the cells of one
# configuration lie side by side. `components` is a JSON object from name to value, which keeps a cell and
# its values one row, written at once, and every float64 exact.
cells = Table(
    "cells",
    metadata,
    Column("configuration", ForeignKey(configurations.c.id), primary_key=True, autoincrement=False),
    Column("architecture", ForeignKey(architectures.c.id), primary_key=True, autoincrement=False),
    Column("status", Text, nullable=False),
    Column("message", Text, nullable=False),
    Column("components", Text, nullable=False),
    Column("seconds", Double, nullable=False),
    Column("peak_memory", BigInteger),
    Column("passes", Double),
    Column("run", ForeignKey(runs.c.id), nullable=False),
    sqlite_with_rowid=False,
)
