"""The public names: all there, and functions that share a module's name stay functions."""

from __future__ import annotations

import subprocess
import sys

import pytest

import uninas_bench

SHARED = ("space", "proxy", "leaderboard", "ground_truth", "search", "report", "reproduce")
FIXED = (
    "space", "proxy", "ground_truth", "score", "score_network", "leaderboard", "correlation", "search",
    "Architecture", "Task", "Costs", "Proxy", "Settings", "Scale", "SearchSpace", "Subject",
    "NotApplicable", "UserError", "hookimpl", "simple_proxy", "__version__",
)  # fmt: skip


@pytest.mark.parametrize("name", [*FIXED, *uninas_bench.__all__])
def test_every_public_name_is_there(name: str) -> None:
    assert name in uninas_bench.__all__
    assert name in dir(uninas_bench)
    assert getattr(uninas_bench, name) is not None


def test_all_is_sorted_and_unique() -> None:
    assert len(set(uninas_bench.__all__)) == len(uninas_bench.__all__)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        uninas_bench.nothing  # noqa: B018


@pytest.mark.parametrize("name", SHARED)
def test_importing_the_module_of_that_name_leaves_the_function(name: str) -> None:
    code = f"import importlib\nimportlib.import_module('uninas_bench.{name}')\nimport uninas_bench\n"
    code += "from uninas_bench.ground_truth import catalogue\nfrom uninas_bench.leaderboard import build\n"
    code += "from uninas_bench.search.candidates import read_candidates\n"
    code += f"assert callable(uninas_bench.{name}), uninas_bench.{name}"
    subprocess.run([sys.executable, "-c", code], check=True)
