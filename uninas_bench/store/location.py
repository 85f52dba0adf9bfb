"""Where a store is: a path, a database URL, or the user's default one."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from uninas_bench.store.contract import ScoreStore


def default_store_url() -> str:
    """``UNINAS_BENCH_STORE``, or ``scores.db`` in the user's data folder."""
    from platformdirs import user_data_path

    return os.environ.get("UNINAS_BENCH_STORE") or str(user_data_path("uninas-bench") / "scores.db")


def open_store(location: str | Path | None, *, create: bool = True) -> ScoreStore:
    """Open a score store.

    Args:
        location: a file, a database URL (``sqlite:///scores.db``, ``postgresql://host/name``), or None
            for a store in memory. SQLite needs a file system with working locks: not NFS.
        create: make a store that does not exist; without it the store is opened for reading only.

    Raises:
        StoreError: no such store, an unreadable one, another program's database, or one written by a
            newer version. Nothing was written to it.
    """
    from uninas_bench.store.database import DatabaseStore
    from uninas_bench.store.opening import open_database, shown

    return DatabaseStore(open_database(location, create=create), shown(location))
