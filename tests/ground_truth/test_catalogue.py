"""Finding tables: by name, space and task, path, alias, object; and what is said when there is none."""

from __future__ import annotations

import tomllib
from importlib import resources
from pathlib import Path

import pandas as pd
import pytest

from uninas_bench.data.location import data_folder as chosen_folder
from uninas_bench.errors import InvalidFile, UserError
from uninas_bench.ground_truth import catalogue
from uninas_bench.ground_truth.catalogue import all_entries, find_for, find_ground_truth, ground_truth_entries
from uninas_bench.ground_truth.files import write_table
from uninas_bench.ground_truth.table import GroundTruth, GroundTruthInfo
from uninas_bench.spaces.timm_zoo.space import TimmZoo


def add(folder: Path, name: str, space: str = "widths", task: str = "cifar10") -> GroundTruth:
    rows = pd.DataFrame(
        {"architecture": ["8:8:8:8:8"], "seed": "777", "count": 1, "accuracy": 50.0, "loss": 1.0}
    )
    table = GroundTruth(GroundTruthInfo(name, space, "cells=1", task, "p", "s"), rows)
    write_table(table, folder / "ground_truth" / f"{name}.csv.gz")
    return table


def test_by_name_space_task_path_and_object(data_folder: Path) -> None:
    table = add(data_folder, "one")
    add(data_folder, "two", task="cifar100")
    path = data_folder / "ground_truth" / "one.csv.gz"
    for key in ("one", path, str(path), table):
        assert find_ground_truth(key).info == table.info
    assert find_ground_truth("widths", task="cifar100").info.name == "two"
    assert find_for("widths", "cifar10").name == "one"
    with pytest.raises(UserError, match="exists for tasks cifar10, cifar100; say which"):
        find_ground_truth("widths")
    with pytest.raises(UserError, match="ground truth one is of task cifar10, not cifar100"):
        find_ground_truth("one", task="cifar100")


def test_a_space_with_one_task_needs_no_task(data_folder: Path) -> None:
    add(data_folder, "one")
    assert find_ground_truth("widths").info.name == "one"


def test_a_table_tells_of_its_task_at_another_resolution(data_folder: Path) -> None:
    table = add(data_folder, "one")
    assert find_ground_truth("one", task="cifar10@16").info == table.info
    assert find_ground_truth("widths", task="cifar10@16").info == table.info
    for other in ("cifar100@32", "cifar10-valid@16", "cifar10@"):
        with pytest.raises(UserError, match=f"ground truth one is of task cifar10, not {other}"):
            find_ground_truth("one", task=other)
    # What was measured at that resolution comes first, and tells nothing of the task's own.
    exact = add(data_folder, "exact", task="cifar10@16")
    assert find_ground_truth("widths", task="cifar10@16").info == exact.info
    with pytest.raises(UserError, match="ground truth exact is of task cifar10@16, not cifar10"):
        find_ground_truth("exact", task="cifar10")


def test_several_tables_of_one_task(data_folder: Path) -> None:
    add(data_folder, "one")
    add(data_folder, "other")
    with pytest.raises(
        UserError, match="several ground truths of widths on cifar10: one, other; give one by its"
    ):
        find_ground_truth("widths", task="cifar10")


def test_none_says_what_there_is_and_how_to_import(data_folder: Path) -> None:
    add(data_folder, "one")
    with pytest.raises(UserError, match=r'no ground truth "onne"; there is: .*one.*ground-truth import FILE'):
        find_ground_truth("onne")
    with pytest.raises(
        UserError, match=r"of widths on cifar100; .*import FILE --space widths --task cifar100"
    ):
        find_ground_truth("widths", task="cifar100")
    with pytest.raises(InvalidFile, match=r"absent.csv.gz: no such file"):
        find_ground_truth("absent.csv.gz")
    with pytest.raises(InvalidFile, match="no such file"):
        find_ground_truth(data_folder / "absent")


def test_a_damaged_file_does_not_hide_the_others(data_folder: Path) -> None:
    add(data_folder, "one")
    (data_folder / "ground_truth" / "bad.csv.gz").write_bytes(b"garbage")
    assert find_ground_truth("widths", task="cifar10").info.name == "one"
    with pytest.raises(InvalidFile, match=r"bad.csv.gz"):
        find_ground_truth("bad")


def test_the_embedded_table_by_its_alias(data_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shipped = data_folder / "shipped"
    monkeypatch.setattr(catalogue, "_shipped_folder", lambda: shipped / "ground_truth")
    table = add(shipped, "nasbench201-mnist-hard", "nasbench201", "mnist-hard")
    # An imported table must not take the place of the shipped one.
    add(data_folder, "nasbench201-mnist-hard", "nasbench201", "cifar100")
    assert find_ground_truth("embedded").info == table.info
    assert [entry.name for entry in ground_truth_entries()] == ["nasbench201-mnist-hard"]
    assert catalogue.shipped_names() == ("nasbench201-mnist-hard",)


def test_tables_of_plugins(data_folder: Path, tmp_path: Path) -> None:
    from uninas_bench.host import build_host

    plugin = tmp_path / "tables_plugin.py"
    plugin.write_text(
        "from uninas_bench import hookimpl\n"
        "from uninas_bench.ground_truth.table import GroundTruthEntry, GroundTruthInfo\n"
        "@hookimpl\n"
        "def uninas_bench_ground_truth():\n"
        "    info = GroundTruthInfo('theirs', 'other', '', 'cifar10', '', '')\n"
        "    return [GroundTruthEntry('theirs', lambda: info, lambda: 1 / 0)]\n"
    )
    host = build_host([plugin])
    assert "theirs" in all_entries(host)
    assert find_for("other", "cifar10", host).name == "theirs"


def test_the_data_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UNINAS_BENCH_DATA", "~/somewhere")
    assert chosen_folder() == Path.home() / "somewhere"
    monkeypatch.delenv("UNINAS_BENCH_DATA")
    assert chosen_folder().name == "uninas-bench"
    assert ground_truth_entries() is not None


def test_the_table_of_the_zoo_is_what_is_printed(data_folder: Path) -> None:
    folder = Path(str(resources.files("uninas_bench_tables")))
    printed = tomllib.loads((folder / "published" / "timm_zoo.toml").read_text())
    table = find_ground_truth("timm_zoo", task="imagenet1k@64")
    assert table.info.name == "timm-zoo"
    assert table.accuracies().to_dict() == {name: row["top1"] for name, row in printed.items()}
    assert list(printed) == [architecture.encoding for architecture in TimmZoo().enumerate()]
    # Of the original paper, and of torchvision's documentation of these weights.
    assert printed["resnet50"] == {"weights": "tv_in1k", "top1": pytest.approx(76.13, abs=0.01)}
    assert printed["deit_small_patch16_224"]["top1"] == pytest.approx(79.8, abs=0.05)
