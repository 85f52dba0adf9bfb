"""A search by an ensemble: its scores are what the members' own aggregates sum to."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from click.testing import CliRunner

import uninas_bench as ub
from tests.search.toy import Words, bees
from uninas_bench.cli import main
from uninas_bench.engine import run
from uninas_bench.search.candidates import read_candidates

SPACE = ub.space("nasbench201", channels=2, cells=1)
SETTINGS = {name: {"batch": 2} for name in ("vkdnw", "jacov", "az_nas", "nwot")}


def search(proxy: Any, **options: Any) -> Any:
    options = {"store": None, "task": "digits", "iterations": 8, "population": 5, **options}
    return ub.search(SPACE, proxy, **options)


def _log_ranks(columns: dict[str, pd.Series]) -> pd.Series:
    import numpy as np

    n = len(columns["nwot"])
    return np.log(columns["vkdnw_agg"].rank() / n) + 2 * np.log(columns["nwot"].rank(ascending=False) / n)


def _ranks(columns: dict[str, pd.Series]) -> pd.Series:
    return columns["az_nas"].rank() + 0.5 * columns["params"].rank(ascending=False)


@pytest.mark.parametrize(
    ("notation", "members", "expected"),
    [
        ("log-rank: vkdnw_agg - 2*nwot", ("vkdnw_agg", "nwot"), _log_ranks),
        ("mine = rank: az_nas - 0.5*params", ("az_nas", "params"), _ranks),
    ],
)
def test_scores_are_sums_over_the_members_scores(
    notation: str, members: tuple[str, ...], expected: Callable[[dict[str, pd.Series]], pd.Series]
) -> None:
    needed = {"vkdnw_agg": ("vkdnw", "jacov", "az_nas", "nwot"), "az_nas": ("az_nas",)}[members[0]]
    settings = {name: SETTINGS[name] for name in needed}
    result = search(notation, strategy="random", settings=settings)
    points = [ub.Architecture(SPACE.name, text) for text in result.history["architecture"]]
    assert result.candidates.compared == len(points) >= 8
    proxies = [ub.proxy(name, **settings.get(name, {})) for name in {*members, *needed}]
    scores = run(points, proxies, space=SPACE, task="digits")
    columns = {
        proxy.name: proxy.aggregate(scores.population(proxy)) for proxy in proxies if proxy.name in members
    }
    sums = expected(columns)
    assert sums.notna().any()
    for candidate in result.candidates.candidates:
        assert candidate.score == pytest.approx(sums[candidate.architecture])
    assert [entry.score for entry in result.candidates.candidates] == pytest.approx(
        sums.sort_values(ascending=False).head(5).tolist()
    )


def test_the_file_says_what_the_name_stands_for(tmp_path: Path) -> None:
    search("mine = rank: params + flops", output=tmp_path)
    written = read_candidates(tmp_path / "candidates.json")
    assert (written.proxy.name, written.proxy.settings) == ("mine", "rank: params + flops")
    assert [part.name for part in written.requires] == ["params", "flops"]
    search(ub.Ensemble.read("mine = rank: params + flops"), output=tmp_path)
    with pytest.raises(ub.UserError, match="is of another search \\(proxy differs\\)"):
        search("mine = rank: params - flops", output=tmp_path)


@pytest.mark.parametrize(
    ("proxy", "options", "message"),
    [
        ("tpe: params + flops", {}, "tpe finds its weights from accuracies, which a search has none of"),
        ("rank: params + flps", {}, 'no proxy "flps"; did you mean "flops"?'),
        ("rank: params +", {}, "expected a proxy at position 15, found the end"),
        (
            "rank: params + flops",
            {"settings": {"nwot": {"batch": 2}}},
            "settings of nwot: this search scores",
        ),
        (
            "a = rank: params + flops",
            {"settings": {"a": {"batch": 2}}},
            'aggregate "a" has no settings; its members do: params, flops',
        ),
        ("rank: params + flops", {"aggregate": "block-mean"}, 'has no setting "scope"'),
    ],
)
def test_mistakes_are_one_line(proxy: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ub.UserError) as raised:
        search(proxy, **options)
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)


def test_other_proxies_are_found_as_before() -> None:
    assert ub.search(Words(), bees, store=None, iterations=3).candidates.proxy.name == "bees"


def test_the_command_takes_one(tmp_path: Path) -> None:
    arguments = [
        "search", "--space", "nasbench201", "--scale", "channels=2,cells=1", "--task", "digits",
        "--iterations", "5", "--workers", "1", "--store", str(tmp_path / "scores.db"),
        "--output", str(tmp_path / "run"), "--proxy",
    ]  # fmt: skip
    shown = CliRunner().invoke(main, [*arguments, "rank: flops + params"])
    assert shown.exit_code == 0, shown.stderr
    assert " · rank: flops + params · " in shown.stdout
    wrong = CliRunner().invoke(main, [*arguments, "rank: flops + parms"])
    assert wrong.exit_code == 2
    assert wrong.stderr.splitlines()[-1].startswith('error: no proxy "parms"; did you mean "params"?')
