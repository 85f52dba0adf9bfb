"""The score store: the durable table of component values."""

from uninas_bench.store.contract import Columns, Provenance, RunRecord, ScoreStore
from uninas_bench.store.location import default_store_url, open_store

__all__ = ["Columns", "Provenance", "RunRecord", "ScoreStore", "default_store_url", "open_store"]
