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

meta = Table(
    "uninas_bench_meta",
    metadata,
    Column("schema_version", Integer, primary_key=True, doc="a store of a newer one is refused"),
)

runs = Table(
    "runs",
    metadata,
    Column("id", Integer, primary_key=True, doc="counted up"),
    Column("package", Text, nullable=False, doc="version of uninas-bench"),
    Column("python", Text, nullable=False, doc="version"),
    Column("torch", Text, nullable=False, doc="version"),
    Column("numpy", Text, nullable=False, doc="version"),
    Column("plugins", Text, nullable=False, doc="JSON list: a name and version for each distribution"),
    Column("commit", Text, nullable=False, doc="of the checkout that runs; empty without one"),
    Column("command", Text, nullable=False, doc="the command line, or what stood for it"),
    Column("host", Text, nullable=False, doc="name, system and processor"),
    Column("device", Text, nullable=False, doc="where networks ran"),
    Column("workers", Integer, nullable=False, doc="processes"),
    Column("started", Text, nullable=False, doc="UTC, ISO 8601"),
    Column(
        "ended", Text, nullable=False, server_default="", doc="UTC; empty while it runs, and after a kill"
    ),
    Column("interrupted", Boolean, nullable=False, server_default="0", doc="stopped before the end"),
)

architectures = Table(
    "architectures",
    metadata,
    Column("id", Integer, primary_key=True, doc="counted up"),
    Column("space", Text, nullable=False, doc="name of the search space"),
    Column("encoding", Text, nullable=False, doc="canonical text of the architecture, without the space"),
    UniqueConstraint("space", "encoding"),
)

_KEY = (
    Column("space", Text, nullable=False, doc="name of the search space"),
    Column("space_version", Integer, nullable=False, doc="of the space; raised when a network can change"),
    Column("scale", Text, nullable=False, doc="what architectures do not choose, such as channels=8,cells=1"),
    Column("dataset", Text, nullable=False, doc="of the task"),
    Column("resolution", Integer, nullable=False, doc="of the images, in pixels"),
    Column("classes", Integer, nullable=False, doc="of the task"),
    Column("proxy", Text, nullable=False, doc="name"),
    Column("proxy_version", Integer, nullable=False, doc="raised when a number can change"),
    Column("settings", Text, nullable=False, doc="as far as the components depend on them"),
    Column("images", Text, nullable=False, doc="fingerprint of the images that it saw; empty for none"),
    Column("seed", BigInteger, nullable=False, doc="fixes weights and images"),
)
KEY_NAMES = tuple(column.name for column in _KEY)

configurations = Table(
    "configurations",
    metadata,
    Column("id", Integer, primary_key=True, doc="counted up"),
    *_KEY,
    UniqueConstraint(*KEY_NAMES),
)

# The primary key starts with the configuration and, in SQLite, is the table itself: the cells of one
# configuration lie side by side. `components` is a JSON object from name to value, which keeps a cell and
# its values one row, written at once, and every float64 exact.
cells = Table(
    "cells",
    metadata,
    Column(
        "configuration",
        ForeignKey(configurations.c.id),
        primary_key=True,
        autoincrement=False,
        doc="what the value depends on besides the architecture",
    ),
    Column(
        "architecture",
        ForeignKey(architectures.c.id),
        primary_key=True,
        autoincrement=False,
        doc="that was evaluated",
    ),
    Column("status", Text, nullable=False, doc="ok, or how it failed"),
    Column("message", Text, nullable=False, doc="why it failed, in one line"),
    Column("components", Text, nullable=False, doc="JSON object from name to value; finite ones alone"),
    Column("seconds", Double, nullable=False, doc="of the evaluation"),
    Column("peak_memory", BigInteger, doc="bytes above what the process held before"),
    Column("passes", Double, doc="seconds in bare forward passes of the same network and batch"),
    Column("run", ForeignKey(runs.c.id), nullable=False, doc="that computed it"),
    sqlite_with_rowid=False,
)
