"""`ground-truth build` from the outside: a tiny table, made in two goes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from uninas_bench.ground_truth import own_tables
from uninas_bench.ground_truth.files import read_table
from uninas_bench.ground_truth.own_tables import OwnTable
from uninas_bench.ground_truth.training import TrainingSettings

Run = Callable[..., Result]


def arguments(folder: Path, *more: object) -> tuple[object, ...]:
    return (
        "ground-truth", "build", "--space", "nasbench201", "--scale", "channels=2,cells=1",
        "--task", "digits", "--sample", 2, "--set", "steps=2", "--workers", 1,
        "--store", folder / "trainings.db", "--output", folder / "tiny.csv.gz", *more,
    )  # fmt: skip


def test_a_table_is_built_and_then_extended(run: Run, tmp_path: Path) -> None:
    run(*arguments(tmp_path, "--seeds", 1))
    one = read_table(tmp_path / "tiny.csv.gz")
    assert one.seeds == ("0",)
    assert one.info.scale == "channels=2,cells=1"
    assert "--set steps=2" in one.info.source
    assert "2 steps of 32 images" in one.info.protocol
    run(*arguments(tmp_path, "--seeds", 2))
    two = read_table(tmp_path / "tiny.csv.gz")
    assert two.seeds == ("0", "1")
    kept = two.rows[two.rows["seed"] == "0"].reset_index(drop=True)
    assert kept.equals(one.rows.reset_index(drop=True))


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (("--set", "steps=0"), "steps=0: expected at least 1"),
        (("--set", "steps"), "--set steps: expected setting=value"),
        (("--set", "step=3"), 'did you mean "steps"?'),
        (("--output", "table.csv"), "expected a name that ends in .csv.gz"),
        (("--sample", 7000), "nasbench201 has 6466 classes"),
        (("--task", "cifar100"), "--data cifar100="),
        (("--table", "mbconv-mnist-hard"), "--space beside --table: the table says what it is"),
    ],
)
def test_mistakes_give_one_line(run: Run, tmp_path: Path, more: tuple[object, ...], message: str) -> None:
    result = run(*arguments(tmp_path, *more), code=2)
    assert message in result.stderr.splitlines()[-1]
    assert not (tmp_path / "tiny.csv.gz").exists()


def test_a_table_of_this_project_is_built_by_its_name(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny = OwnTable(
        name="tiny", space="mbconv", scale={"depths": "1:1:1:1:1"}, task="digits", sample=2, sample_seed=3,
        seeds=2, settings=TrainingSettings(steps=1, batch=8),
    )  # fmt: skip
    monkeypatch.setattr(own_tables, "OWN_TABLES", (tiny,))
    output = tmp_path / "tiny.csv.gz"
    words = ("ground-truth", "build", "--store", tmp_path / "s.db", "--output", output, "--workers", 1)
    run(*words, "--table", "tiny")
    table = read_table(output)
    assert (table.info.name, table.info.space, table.info.task) == ("tiny", "mbconv", "digits")
    assert "1 steps of 8 images" in table.info.protocol
    assert table.info.source == "uninas-bench ground-truth build --table tiny --seeds 2"
    assert table.seeds == ("0", "1")
    assert len(table) == 4, "two random ones, the smallest and the largest"
    run(*words, "--table", "tiny", "--seeds", 1)
    assert read_table(output).seeds == ("0",)
    assert 'did you mean "tiny"?' in run(*words, "--table", "tine", code=2).stderr
    assert "--seed beside --table" in run(*words, "--table", "tiny", "--seed", 1, code=2).stderr


def test_neither_table_nor_space(run: Run, tmp_path: Path) -> None:
    words = ("ground-truth", "build", "--store", tmp_path / "s.db", "--output", tmp_path / "t.csv.gz")
    assert "needs --table, or --space and --task" in run(*words, code=2).stderr
