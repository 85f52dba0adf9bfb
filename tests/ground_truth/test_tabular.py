"""Anybody's table: real CSVs, every spelling, and mistakes that name their row or column."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from uninas_bench.errors import InvalidFile, UserError
from uninas_bench.ground_truth.table import GroundTruth, GroundTruthInfo
from uninas_bench.ground_truth.tabular import read_tabular
from uninas_bench.spaces.nasbench201 import NasBench201
from uninas_bench.spaces.nats_size import NatsSize

BEST = "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|+|skip_connect~0|nor_conv_3x3~1|nor_conv_1x1~2|"
FIRST = "|avg_pool_3x3~0|+|nor_conv_1x1~0|skip_connect~1|+|nor_conv_1x1~0|skip_connect~1|skip_connect~2|"
SPACE = NasBench201()


@pytest.fixture
def csv(tmp_path: Path) -> Callable[[str], Path]:
    def write(text: str) -> Path:
        (tmp_path / "mine.csv").write_text(text)
        return tmp_path / "mine.csv"

    return write


def _connected(cell: str) -> bool:
    """Whether a path of operations other than ``none`` leads from the first node to the last."""
    reached = {0}
    for target, node in enumerate(cell.strip("|").split("|+|"), start=1):
        for edge in node.split("|"):
            name, _, source = edge.partition("~")
            if name != "none" and int(source) in reached:
                reached.add(target)
    return 3 in reached


@pytest.mark.data
@pytest.mark.parametrize(
    ("column", "task", "best", "value", "chance"),
    [
        ("cifar10_test_acc_200ep", "cifar10", "6111", 94.37, 341),
        ("imagenet16_120_test_acc_200ep", "imagenet16-120", "857", 47.31, 342),
        ("cifar10_valid_acc_12ep", "cifar10-valid-12ep", None, None, 341),
    ],
)
def test_real_topology_table(
    real_data: Path, column: str, task: str, best: str | None, value: float | None, chance: int
) -> None:
    path = real_data / "ground_truth" / "nasbench201.csv.gz"
    rows = read_tabular(path, SPACE, {"accuracy": column})
    table = GroundTruth(GroundTruthInfo("t", "nasbench201", "", task, "", ""), rows)
    means = table.accuracies()
    assert list(means.index) == [architecture.encoding for architecture in SPACE.enumerate()]
    if best is not None:
        assert means.idxmax() == SPACE.parse(best).encoding
        assert means.max() == pytest.approx(value, abs=0.005)
    assert table.chance_level.sum() == chance
    reached = [_connected(cell) for cell in means.index]
    assert [cell for cell in means.index[table.chance_level] if _connected(cell)] == (
        [] if chance == 341 else [means[reached].idxmin()]
    )
    assert table.seeds == ("mean",)
    assert table.counts().max() == 0


@pytest.mark.data
def test_real_size_table(real_data: Path) -> None:
    path = real_data / "ground_truth" / "nats_size.csv.gz"
    rows = read_tabular(path, NatsSize(), {"accuracy": "cifar10_test_acc_90ep"}, count=1)
    assert len(rows) == 32768
    assert rows["accuracy"].max() == pytest.approx(93.65, abs=0.005)
    assert set(rows["count"]) == {1}


@pytest.mark.data
def test_index_and_string_columns_agree(real_data: Path) -> None:
    path = real_data / "ground_truth" / "nasbench201.csv.gz"
    by_string = read_tabular(path, SPACE, {"accuracy": "cifar10_test_acc_12ep"})
    by_index = read_tabular(path, SPACE, {"accuracy": "cifar10_test_acc_12ep", "architecture": "arch_index"})
    pd.testing.assert_frame_equal(by_string, by_index)


def test_any_spelling_and_optional_columns(csv: Callable[[str], Path]) -> None:
    path = csv(
        "extra,architecture,accuracy,seed,count,loss\n"
        f"x,{BEST},94.37,777,1,0.25\n"
        f"y,nasbench201:{BEST},94.1,888,1,\n"
        "z,0,85.86,777,1,0.5\n"
        'w,"(4, 3, 3, 0, 0, 0)",86,888,1,0.5\n'
    )
    rows = read_tabular(path, SPACE)
    assert rows["architecture"].tolist() == [BEST, BEST, FIRST, FIRST]
    assert rows["seed"].tolist() == ["777", "888", "777", "888"]
    assert rows["accuracy"].tolist() == [94.37, 94.1, 85.86, 86.0]
    assert rows["loss"].isna().tolist() == [False, True, False, False]


def test_an_architecture_may_be_spread_over_columns(csv: Callable[[str], Path]) -> None:
    path = csv("first,second,third,accuracy,a+b\n8:16:24,32,64,93.5,8:8:8:8:8\n8:8:8,8,16,80,1\n")
    rows = read_tabular(path, NatsSize(), {"architecture": "first + second+third"})
    assert rows["architecture"].tolist() == ["8:16:24:32:64", "8:8:8:8:16"]
    own = read_tabular(path, NatsSize(), {"architecture": "a+b"})
    assert own["architecture"].iloc[0] == "8:8:8:8:8"
    with pytest.raises(
        InvalidFile, match='column "fourth" \\(for architecture\\) is missing; found: first, second'
    ):
        read_tabular(path, NatsSize(), {"architecture": "first+fourth"})


def test_parquet_equals_csv(tmp_path: Path) -> None:
    frame = pd.DataFrame({"arch_index": [0, 6111], "acc": [85.86, 94.37], "seed": [777, 777]})
    frame.to_csv(tmp_path / "t.csv", index=False)
    frame.to_parquet(tmp_path / "t.parquet")
    frame.to_csv(tmp_path / "t.csv.gz", index=False)
    want = read_tabular(tmp_path / "t.csv", SPACE, {"accuracy": "acc"})
    assert want["architecture"].tolist() == [FIRST, BEST]
    for name in ("t.parquet", "t.csv.gz"):
        pd.testing.assert_frame_equal(read_tabular(tmp_path / name, SPACE, {"accuracy": "acc"}), want)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("architecture,acc\n0,50\n", 'column "accuracy" is missing; found: architecture, acc; say which one'),
        ("cell,accuracy\n0,50\n", 'column "architecture" is missing; found: cell, accuracy; say which one'),
        ("architecture,accuracy\n0,50\n|none~0,50\n", 'row 2: nasbench201: expected "\\|?'),
        ("architecture,accuracy\n0,50\n15625,50\n", "row 2: nasbench201: .*15625"),
        (
            "architecture,accuracy\n0,50\n1,high\n",
            'row 2: accuracy "high" \\(column accuracy\\) is no number in 0',
        ),
        ("architecture,accuracy\n0,50\n1,\n", 'row 2: accuracy "" '),
        ("architecture,accuracy\n0,50\n1,101\n", 'row 2: accuracy "101"'),
        ("architecture,accuracy\n0,50\n1,nan\n", 'row 2: accuracy "nan"'),
        ("architecture,accuracy\n0,50\n5,50\n0,51\n", "rows 1 and 3 are both .* with seed mean"),
        (f"architecture,accuracy\n{FIRST},50\n0,51\n", "rows 1 and 2 are both"),
        ("architecture,accuracy\n0,0.5\n1,0.9\n", "it looks like fractions; accuracies are in percent"),
        ("architecture,accuracy,seed\n0,50,1\n1,50,\n", "row 2: seed is empty"),
        ("architecture,accuracy,count\n0,50,-1\n", 'row 1: count "-1"'),
        ("architecture,accuracy\n", "no row below its header"),
        ("", "no CSV or Parquet table"),
        ('architecture,accuracy\n0,"50\n1,2\n', "no CSV or Parquet table|is no number"),
        ("architecture,accuracy\n0,50\n1,2,3,4\n", "no CSV or Parquet table"),
    ],
)
def test_mistakes_are_one_line(csv: Callable[[str], Path], text: str, message: str) -> None:
    path = csv(text)
    with pytest.raises(InvalidFile, match=message) as caught:
        read_tabular(path, SPACE)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


def test_wrong_mappings(csv: Callable[[str], Path]) -> None:
    path = csv("architecture,accuracy\n0,50\n")
    with pytest.raises(InvalidFile, match='column "nope" \\(for accuracy\\) is missing; found: architecture'):
        read_tabular(path, SPACE, {"accuracy": "nope"})
    with pytest.raises(UserError, match='no column "acuracy"; did you mean "accuracy"'):
        read_tabular(path, SPACE, {"acuracy": "accuracy"})


def test_damaged_files(tmp_path: Path) -> None:
    frame = pd.DataFrame({"architecture": range(500), "accuracy": 50.5})
    frame.to_csv(tmp_path / "t.csv.gz", index=False)
    frame.to_parquet(tmp_path / "t.parquet")
    for name in ("t.csv.gz", "t.parquet"):
        path = tmp_path / name
        path.write_bytes(path.read_bytes()[:-100])
        with pytest.raises(InvalidFile, match=r"truncated or damaged|no CSV or Parquet table") as caught:
            read_tabular(path, SPACE)
        assert "\n" not in str(caught.value)
    (tmp_path / "binary.csv").write_bytes(bytes(range(128, 256)))
    with pytest.raises(InvalidFile, match="no CSV or Parquet table"):
        read_tabular(tmp_path / "binary.csv", SPACE)
    with pytest.raises(InvalidFile, match="no such file"):
        read_tabular(tmp_path / "absent.csv", SPACE)
