"""A benchmark suite for neural architecture search proxies. All public names are here.

Importing this package imports neither torch nor pandas; they load when a call needs them.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

# Functions below share their names with these modules. Importing the modules first keeps a later import of
# one of them from rebinding the name in this package.
from uninas_bench import ground_truth as _ground_truth_package  # noqa: F401
from uninas_bench import leaderboard as _leaderboard_module  # noqa: F401
from uninas_bench import proxy as _proxy_module  # noqa: F401
from uninas_bench import report as _report_package  # noqa: F401
from uninas_bench import reproduce as _reproduce_package  # noqa: F401
from uninas_bench import search as _search_package  # noqa: F401
from uninas_bench import space as _space_module  # noqa: F401
from uninas_bench.api import (
    check_baseline,
    draw,
    ground_truth,
    leaderboard,
    plot,
    proxy,
    record_baseline,
    report,
    reproduce,
    score,
    score_network,
    search,
    space,
    train,
)
from uninas_bench.architecture import Architecture, Costs, Task
from uninas_bench.cells import Status
from uninas_bench.errors import NotApplicable, UserError
from uninas_bench.hookspecs import hookimpl
from uninas_bench.proxy import Init, Need, Proxy, Settings, Source, simple_proxy
from uninas_bench.space import Scale, SearchSpace
from uninas_bench.version import __version__

if TYPE_CHECKING:
    from uninas_bench import correlation
    from uninas_bench.data.source import ImageSet, ImageSource
    from uninas_bench.ensembles.notation import Ensemble
    from uninas_bench.ensembles.rank_normaliser import RankNormaliser
    from uninas_bench.ensembles.weight_search import search_weights
    from uninas_bench.fitting import FitContext
    from uninas_bench.ground_truth.table import GroundTruth
    from uninas_bench.reproduce.kind import RecipeFields, RowOrColumn, TableKind
    from uninas_bench.reproduce.outcome import Measured
    from uninas_bench.reproduce.published import PublishedTable
    from uninas_bench.reproduce.request import BudgetSpent, Lacking, TableRequest
    from uninas_bench.subject import Subject

_LAZY = {
    "BudgetSpent": "uninas_bench.reproduce.request",
    "Ensemble": "uninas_bench.ensembles.notation",
    "FitContext": "uninas_bench.fitting",
    "GroundTruth": "uninas_bench.ground_truth.table",
    "ImageSet": "uninas_bench.data.source",
    "ImageSource": "uninas_bench.data.source",
    "Lacking": "uninas_bench.reproduce.request",
    "Measured": "uninas_bench.reproduce.outcome",
    "PublishedTable": "uninas_bench.reproduce.published",
    "RankNormaliser": "uninas_bench.ensembles.rank_normaliser",
    "RecipeFields": "uninas_bench.reproduce.kind",
    "RowOrColumn": "uninas_bench.reproduce.kind",
    "Subject": "uninas_bench.subject",
    "TableKind": "uninas_bench.reproduce.kind",
    "TableRequest": "uninas_bench.reproduce.request",
    "search_weights": "uninas_bench.ensembles.weight_search",
}

__all__ = [
    "Architecture",
    "BudgetSpent",
    "Costs",
    "Ensemble",
    "FitContext",
    "GroundTruth",
    "ImageSet",
    "ImageSource",
    "Init",
    "Lacking",
    "Measured",
    "Need",
    "NotApplicable",
    "Proxy",
    "PublishedTable",
    "RankNormaliser",
    "RecipeFields",
    "RowOrColumn",
    "Scale",
    "SearchSpace",
    "Settings",
    "Source",
    "Status",
    "Subject",
    "TableKind",
    "TableRequest",
    "Task",
    "UserError",
    "__version__",
    "check_baseline",
    "correlation",
    "draw",
    "ground_truth",
    "hookimpl",
    "leaderboard",
    "plot",
    "proxy",
    "record_baseline",
    "report",
    "reproduce",
    "score",
    "score_network",
    "search",
    "search_weights",
    "simple_proxy",
    "space",
    "train",
]


def __getattr__(name: str) -> Any:
    if name == "correlation":
        return importlib.import_module("uninas_bench.correlation")
    if name in _LAZY:
        return getattr(importlib.import_module(_LAZY[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
