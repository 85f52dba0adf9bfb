"""`ground-truth build` from the outside: a tiny table, made in two goes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from uninas_bench.ground_truth.files import read_table

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
    ],
)
def test_mistakes_give_one_line(run: Run, tmp_path: Path, more: tuple[object, ...], message: str) -> None:
    result = run(*arguments(tmp_path, *more), code=2)
    assert message in result.stderr.splitlines()[-1]
    assert not (tmp_path / "tiny.csv.gz").exists()
