"""Result files, the table they make, and the ground truth that leaderboards read."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import uninas_bench as ub
from uninas_bench.errors import InvalidFile, UserError
from uninas_bench.ground_truth.files import read_table, write_table
from uninas_bench.report.trainings import rows_of, training_columns, training_notes
from uninas_bench.store.contract import Provenance
from uninas_bench.training.results import (
    RESULT,
    Result,
    find_results,
    frame,
    ground_truth_of,
    read_result,
    write_result,
)

SPACE = ub.space("nasbench201", channels=4, cells=1)
CELLS = [SPACE.parse(text).encoding for text in ("0", "6111", "77", "1462")]
PROVENANCE = Provenance("0.1", "3.11", "2.14", "2.4", (), "", "uninas-bench train", "here", "cpu", 1)


def result(**changes: Any) -> Result:
    whole = Result(
        space="nasbench201", scale=str(SPACE.scale), architecture=CELLS[0], recipe="fashion-mnist",
        recipe_version=1, recipe_sha="ab" * 32, kind="classification", protocol="as it is", smoke=False,
        task="fashion-mnist", resolution=(32, 32), classes=10, seed=0, pretrained="", params=58_274,
        flops=7_760_000, flops_resolution=32, convention="macs", macs=7_750_000, network_params=58_274,
        metric="accuracy", metrics={"accuracy": 90.0, "top5": 99.0, "loss": 0.3}, steps=10,
        images_per_step=128, training_images=60_000, test_images=10_000, data="idx:1", device="cpu",
        images_per_second=1234.5, timed_batch=500, seconds=60.0, weights_sha="cd" * 32, notes=("one",),
        provenance=PROVENANCE,
    )  # fmt: skip
    return replace(whole, **changes)


def test_a_file_and_back(tmp_path: Path) -> None:
    wanted = result()
    write_result(wanted, tmp_path)
    assert read_result(tmp_path / RESULT) == wanted


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": "other"}, "no result of a training"),
        ({"schema_version": 99}, "schema 99, this uninas-bench reads up to 1; upgrade"),
        ({"seed": "0"}, "seed: "),
        ({"metrics": 3}, "metrics: "),
    ],
)
def test_a_damaged_file_is_one_line(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    write_result(result(), tmp_path)
    path = tmp_path / RESULT
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(InvalidFile, match=message) as error:
        read_result(path)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


def test_no_results(tmp_path: Path) -> None:
    with pytest.raises(InvalidFile, match="no training has finished yet"):
        find_results([tmp_path])
    with pytest.raises(InvalidFile, match="no such folder"):
        find_results([tmp_path / "absent"])
    (tmp_path / RESULT).write_text("{")
    with pytest.raises(InvalidFile, match="not JSON"):
        find_results([tmp_path])


def test_results_are_found_wherever_they_are(tmp_path: Path) -> None:
    for seed in (0, 1):
        (tmp_path / "a" / f"seed-{seed}").mkdir(parents=True)
        write_result(result(seed=seed), tmp_path / "a" / f"seed-{seed}")
    assert [run.seed for run in find_results([tmp_path, tmp_path / "a"])] == [0, 1]


def test_the_frame_has_a_column_per_metric() -> None:
    segmented = result(recipe="segmentation", metric="miou", metrics={"miou": 40.0})
    found = frame([result(), segmented])
    assert list(found["accuracy"].fillna(-1)) == [90.0, -1]
    assert list(found["miou"].fillna(-1)) == [-1, 40.0]


def test_seeds_are_one_row_and_its_spread() -> None:
    runs = [result(seed=seed, metrics={"accuracy": value}) for seed, value in enumerate((89.0, 90.0, 91.0))]
    runs.append(result(architecture=CELLS[1]))
    rows = rows_of(runs)
    assert [len(row.runs) for row in rows] == [3, 1]
    assert (rows[0].mean("accuracy"), rows[0].deviation("accuracy")) == (90.0, 1.0)
    assert rows[1].deviation("accuracy") is None
    cells = {column.key: column.cells for column in training_columns(runs)}
    assert cells["accuracy"] == ("90.00 ± 1.00", "90.00")
    assert cells["params"] == ("58.3k", "58.3k")
    assert cells["flops"] == ("7.76M", "7.76M")


def test_notes_name_what_numbers_rest_on() -> None:
    notes = "\n".join(training_notes([result(), result(recipe_sha="c", recipe="detection", smoke=True)]))
    for text in (
        "60,000 training and 10,000 test",
        "(macs), of one image of 32 pixels",
        "500 at a time, on cpu",
    ):
        assert text in notes
    assert "their metrics mean nothing" in notes


def test_ground_truth_of_runs(tmp_path: Path) -> None:
    runs = [
        result(architecture=cell, seed=seed, metrics={"accuracy": 80.0 + 3 * place + seed, "loss": 0.5})
        for place, cell in enumerate(CELLS)
        for seed in (0, 1)
    ]
    table = ground_truth_of(runs)
    assert table.info.name == "nasbench201-fashion-mnist-fashion-mnist"
    assert (table.info.space, table.info.task, table.info.scale) == (
        "nasbench201", "fashion-mnist", "channels=4,cells=1",
    )  # fmt: skip
    assert "as it is" in table.info.protocol
    assert list(table.accuracies()) == [80.5, 83.5, 86.5, 89.5]
    write_table(table, tmp_path / "t.csv.gz")
    board = ub.leaderboard(ground_truth=tmp_path / "t.csv.gz", proxies=["params"])
    assert set(board["proxy"]) == {"params", "flops"}
    assert board.attrs["n"] == 4
    assert read_table(tmp_path / "t.csv.gz").seeds == ("0", "1")


def test_another_metric_is_said_to_be_one() -> None:
    table = ground_truth_of([result()], name="mine", metric="top5")
    assert table.info.name == "mine"
    assert table.info.protocol.startswith("top5 (not the headline accuracy)")
    assert list(table.accuracies()) == [99.0]
    with pytest.raises(UserError, match=r'no metric "miou".*there is: accuracy, top5, loss'):
        ground_truth_of([result()], metric="miou")


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"task": "cifar10"}, "task"),
        ({"scale": "channels=8,cells=1"}, "scale"),
        ({"recipe_sha": "ff" * 32}, "recipe_sha"),
        ({"pretrained": "classification 12"}, "pretrained"),
        ({"data": "idx:2"}, "data"),
    ],
)
def test_runs_of_different_kinds_are_no_table(change: dict[str, Any], word: str) -> None:
    with pytest.raises(UserError, match=f"results with {word} "):
        ground_truth_of([result(), result(architecture=CELLS[1], **change)])


def test_a_run_twice_is_no_table() -> None:
    with pytest.raises(UserError, match="occurs twice with seed 0"):
        ground_truth_of([result(), result()])
