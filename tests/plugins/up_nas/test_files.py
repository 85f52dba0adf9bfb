from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import uninas_bench as ub
from uninas_bench import UserError
from uninas_bench_plugins._up_nas.files import read_accuracies, read_scores

CELLS = ub.space("nasbench201")
FOUR = CELLS.sample(4, np.random.default_rng(0))


def written(folder: Path, text: str, name: str = "scores.csv") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def test_a_column_for_each_proxy(tmp_path: Path) -> None:
    rows = [
        "note,architecture,snip,nwot",
        f"x,{FOUR[0]},1.5,2",
        f"y,{FOUR[1].encoding},,-100000000.0",
        "z,6111,inf,3e2",
    ]
    path = tmp_path / "scores.csv.gz"
    pd.DataFrame([row.split(",") for row in rows[1:]], columns=rows[0].split(",")).to_csv(path, index=False)
    found = read_scores(path, CELLS, ["nwot", "snip"], "architecture")
    assert list(found.columns) == ["nwot", "snip"]
    assert list(found.index) == [FOUR[0].encoding, FOUR[1].encoding, CELLS.parse("6111").encoding]
    np.testing.assert_array_equal(found, [[2, 1.5], [math.nan, math.nan], [300, math.nan]])


def test_a_row_for_each_value_as_scores_are_exported(tmp_path: Path) -> None:
    frame = ub.score(FOUR, ["params", "flops"], space=CELLS)
    path = tmp_path / "tidy.csv"
    frame.to_csv(path)
    found = read_scores(path, CELLS, ["flops", "params"], "architecture")
    for architecture in FOUR:
        costs = CELLS.costs(architecture, CELLS.tasks[0])
        assert found.loc[architecture.encoding].tolist() == [costs.flops, costs.params]
    both = pd.concat([frame, frame.assign(seed=1)])
    both.to_csv(path)
    with pytest.raises(UserError, match="has several values: keep one task and seed"):
        read_scores(path, CELLS, ["flops"], "architecture")
    frame.assign(scale="channels=1").to_csv(path)
    with pytest.raises(UserError, match="no scores of flops"):
        read_scores(path, CELLS, ["flops"], "architecture")


# The tuples of NASLib are ordered by their edges 1-2, 1-3, 1-4, 2-3, 2-4, 3-4, the string by the target.
def test_tuples_of_naslib_are_read_in_their_order(tmp_path: Path) -> None:
    path = written(tmp_path, 'naslib_op_tuple,snip\n"(0, 1, 2, 3, 4, 0)",5\n')
    found = read_scores(path, CELLS, ["snip"], "naslib_op_tuple")
    edges = {"0-1": "skip_connect", "0-2": "none", "0-3": "nor_conv_3x3"}
    edges |= {"1-2": "nor_conv_1x1", "1-3": "avg_pool_3x3", "2-3": "skip_connect"}
    order = ["0-1", "0-2", "1-2", "0-3", "1-3", "2-3"]
    assert list(found.index) == [CELLS.assemble([edges[edge] for edge in order]).encoding]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("architecture,snip\n0,1\n", "no scores of nwot (columns: snip)"),
        ("architecture,nwott\n0,1\n", 'no scores of nwot; did you mean "nwott"? (columns: nwott)'),
        ("arch,nwot\n0,1\n", "no column architecture (columns: arch, nwot)"),
        ("architecture,nwot\n", "no rows"),
        ("architecture,nwot\n99999,1\n", "row 1: nasbench201: index 99999"),
        ("architecture,nwot\n0,1\n|a,1\n", "row 2: nasbench201: "),
        ("architecture,nwot\n0,much\n", "nwot: expected numbers, got 'much'"),
        ("architecture,nwot\n0,1\n0,2\n", "is there twice"),
        ('architecture,nwot\n"0,1\n', "no CSV file: "),
        ("", "no CSV file: "),
    ],
)
def test_malformed_files_are_refused_in_one_line(tmp_path: Path, text: str, message: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(UserError) as caught:
        read_scores(path, CELLS, ["nwot"], "architecture")
    assert str(caught.value).startswith(f"{path}: ")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_accuracies_of_one_table_or_another(tmp_path: Path) -> None:
    path = written(tmp_path, f"architecture,accuracy\n{FOUR[0].encoding},90\n{FOUR[0]},91\n6111,94.5\n7,\n")
    found = read_accuracies(path, CELLS)
    assert found == {FOUR[0].encoding: 90.5, CELLS.parse("6111").encoding: 94.5}
    with pytest.raises(UserError, match="expected the columns architecture and accuracy"):
        read_accuracies(written(tmp_path, "architecture,loss\n0,1\n"), CELLS)
    with pytest.raises(UserError, match="cannot be read: No such file"):
        read_accuracies(tmp_path / "none.csv", CELLS)


def test_a_table_of_ground_truth_is_such_a_file() -> None:
    table = ub.ground_truth("nasbench201", task="mnist-hard")
    from uninas_bench_tables import __file__ as tables

    path = Path(tables).parent / "ground_truth" / "nasbench201-mnist-hard.csv.gz"
    assert read_accuracies(path, CELLS) == pytest.approx(table.accuracies().to_dict())
