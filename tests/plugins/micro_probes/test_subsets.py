"""All subsets of the probes, against sums that numpy makes of the stored components."""

from __future__ import annotations

from itertools import chain, combinations
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from scipy.stats import kendalltau

import uninas_bench as ub
from uninas_bench.population import draw_population
from uninas_bench_plugins._micro_probes.commands.subsets import command
from uninas_bench_plugins._micro_probes.pictures.subsets_figure import draw_subsets
from uninas_bench_plugins._micro_probes.subsets import by_count, joins, subset_board

PROBES = ("csb", "mf", "vm")
SIGNS = {"csb": 1, "mf": -1, "vm": 1}
N = 8
SET = {"probes": "+".join(PROBES), "data": 32, "epochs": 1, "test": 32, "side": 16}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("subsets") / "scores.db"


@pytest.fixture(scope="module")
def board(store: Path) -> pd.DataFrame:
    proxy = ub.proxy("micro_probes", **SET)
    return subset_board(proxy, ["nwot"], sample=N, store=store, resamples=20)


def subsets() -> list[tuple[str, ...]]:
    return list(chain.from_iterable(combinations(PROBES, count) for count in (1, 2, 3)))


def test_every_subset_has_a_row_and_others_stay_apart(board: pd.DataFrame) -> None:
    rows = board[board["probes"] > 0]
    assert sorted(rows["proxy"]) == sorted(map("+".join, subsets()))
    assert [len(name.split("+")) for name in rows["proxy"]] == list(rows["probes"])
    assert set(board.loc[board["probes"] == 0, "proxy"]) == {"micro_probes", "nwot", "params", "flops"}


def test_a_subset_ranks_as_the_sum_of_its_z_scores(board: pd.DataFrame, store: Path) -> None:
    table = ub.ground_truth("nasbench201-mnist-hard")
    space = ub.space("nasbench201", channels=8, cells=1)
    accuracies = draw_population(table, space, sample=N)
    proxy = ub.proxy("micro_probes", **SET)
    scores = ub.score(list(accuracies.index), [proxy], space=space, task="mnist-hard", store=store)
    frame = scores.pivot(index="architecture", columns="component", values="value").loc[accuracies.index]
    for chosen in subsets():
        total = np.zeros(N)
        for name in chosen:
            column = frame[name].to_numpy()
            total += SIGNS[name] * (column - column.mean()) / column.std()
        expected = kendalltau(total, accuracies).statistic
        found = board.set_index("proxy").loc["+".join(chosen), "tau"]
        assert found == pytest.approx(expected, abs=1e-12), chosen
    whole = board.set_index("proxy").loc[["+".join(PROBES), proxy.name], "tau"]
    assert whole.iloc[0] == whole.iloc[1]


def made(taus: dict[str, float]) -> pd.DataFrame:
    counts = [len(name.split("+")) for name in taus]
    return pd.DataFrame({"proxy": list(taus), "probes": counts, "tau": list(taus.values())})


def test_counts_of_what_joins() -> None:
    """a+b is above both, so two of the two steps of two probes rise; of three probes there are nine steps."""
    assert joins(made({"a": 0.1, "b": 0.2, "a+b": 0.3})) == (2, 2)
    assert joins(made({"a": 0.1, "b": 0.4, "a+b": 0.3})) == (1, 2)
    seven = {"a": 0.1, "b": 0.2, "c": 0.3, "a+b": 0.25, "a+c": 0.25, "b+c": 0.25, "a+b+c": 0.26}
    assert joins(made(seven)) == (7, 9)
    sizes = by_count(made(seven))
    assert list(sizes["mean"].round(9)) == [0.2, 0.25, 0.26]
    assert list(sizes["size"]) == [3, 3, 1]


def test_the_figure_has_every_subset(board: pd.DataFrame) -> None:
    (axes,) = draw_subsets(board).axes
    dots = [line for line in axes.lines if line.get_marker() == "o"]
    assert sum(len(line.get_xdata()) for line in dots) == 7
    names = {text.get_text() for text in axes.texts}
    assert {*PROBES, "params", "flops", "nwot", "noise ceiling"} <= names


def test_the_command_writes_board_and_figure(store: Path, tmp_path: Path, board: pd.DataFrame) -> None:
    settings = [text for name, value in SET.items() for text in ("--set", f"micro_probes.{name}={value}")]
    arguments = ["--sample", str(N), "--store", str(store), "--workers", "1", "--beside", "nwot", "--output"]
    result = CliRunner().invoke(command, [*arguments, str(tmp_path / "out"), *settings])
    assert result.exit_code == 0, result.output
    assert "of 9 cases" in result.output
    written = pd.read_csv(tmp_path / "out" / "subsets.csv")
    assert list(written["tau"]) == pytest.approx(list(board["tau"]))
    assert (tmp_path / "out" / "subsets.png").read_bytes().startswith(b"\x89PNG")


def test_one_probe_has_no_subsets() -> None:
    with pytest.raises(ub.UserError, match="probes=csb: expected two at least"):
        subset_board(ub.proxy("micro_probes", probes="csb"))
    with pytest.raises(ub.UserError, match="csb has weight 0"):
        subset_board(ub.proxy("micro_probes", weights="csb:0+mf:1"))
