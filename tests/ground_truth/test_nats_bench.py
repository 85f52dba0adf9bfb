"""Import of NATS-Bench: accuracies by a formula, and as the package's own API answers."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path

import nats_bench.api_utils
import pytest
import torch
from nats_bench import create

from tests.ground_truth.tiny import CELLS, SEEDS, SIZES, accuracy, arch_results, benchmark, nats_record
from uninas_bench.errors import InvalidFile
from uninas_bench.ground_truth import official
from uninas_bench.ground_truth.catalogue import find_ground_truth
from uninas_bench.ground_truth.importing import import_file

TASKS = {
    "cifar10": ("cifar10", "ori-test"),
    "cifar10-valid": ("cifar10-valid", "x-valid"),
    "cifar10-train25k": ("cifar10-valid", "ori-test"),
    "cifar100": ("cifar100", "x-test"),
    "cifar100-valid": ("cifar100", "x-valid"),
    "imagenet16-120": ("ImageNet16-120", "x-test"),
    "imagenet16-120-valid": ("ImageNet16-120", "x-valid"),
}


def check(space: str, spellings: tuple[str, ...], schedules: dict[str, int]) -> None:
    """Every accuracy, loss and seed of every task against the formula; ``schedules``: suffix -> epochs."""
    for task, (dataset, split) in TASKS.items():
        for suffix, epochs in schedules.items():
            table = find_ground_truth(space, task=task + suffix)
            rows = [
                (spelling, str(seed), 1, value, value / 100)
                for i, spelling in enumerate(spellings)
                for seed in SEEDS[i % len(SEEDS)]
                for value in [accuracy(i, dataset, split, seed, epochs, epochs - 1)]
            ]
            assert list(table.rows.itertuples(index=False, name=None)) == rows


def test_single_file(nats_file: Path) -> None:
    done = import_file(nats_file)
    assert len(done.tables) == 14
    check("nasbench201", CELLS, {"-12ep": 2, "": 3})
    info = find_ground_truth("nasbench201-cifar10-valid").info
    assert (info.scale, info.space) == ("channels=16,cells=5", "nasbench201")
    assert "x-valid" in info.protocol
    assert "200 epochs" in info.protocol
    assert done.sha256 in info.source


def test_folder(nats_folder: Callable[..., Path]) -> None:
    done = import_file(nats_folder())
    assert "cannot be checked" in done.note
    check("nasbench201", CELLS, {"-12ep": 2, "": 3})


def test_size_space(nats_folder: Callable[..., Path]) -> None:
    import_file(nats_folder(SIZES, ("01", "12", "90")))
    check("nats_size", SIZES, {"-1ep": 2, "-12ep": 3, "": 4})


def test_same_as_the_packages_api(nats_folder: Callable[..., Path]) -> None:
    folder = nats_folder()
    import_file(folder, task="imagenet16-120")
    api = create(str(folder), "tss", fast_mode=True, verbose=False)
    means = find_ground_truth("nasbench201", task="imagenet16-120").accuracies()
    for index, cell in enumerate(CELLS):
        info = api.get_more_info(index, "ImageNet16-120", hp="200", is_random=False)
        assert means[cell] == pytest.approx(info["test-accuracy"], abs=1e-12)


def test_missing_seeds_are_never_filled_in(nats_file: Path) -> None:
    import_file(nats_file, task="cifar10")
    table = find_ground_truth("nasbench201-cifar10")
    assert table.seeds == ("777", "888", "999")
    assert table.seed_matrix().isna().to_numpy().tolist() == [
        [False] * 3,
        [False, True, True],
        [False, False, True],
    ]
    assert table.counts().tolist() == [3, 1, 2]


def test_records_are_freed_in_large_files(nats_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(official, "_LARGE", 0)
    import_file(nats_file)
    check("nasbench201", CELLS, {"-12ep": 2, "": 3})


def test_records_may_share_their_values(tmp_path: Path) -> None:
    state = arch_results(nats_bench.api_utils, 0, CELLS[0], 2).state_dict()
    content = benchmark(CELLS, {0: {"12": state, "200": state}})
    (tmp_path / "plain.pickle").write_bytes(pickle.dumps(content))
    import_file(tmp_path / "plain.pickle")
    for task in ("cifar10", "cifar10-12ep"):
        assert find_ground_truth("nasbench201", task=task).accuracies()[CELLS[0]] == pytest.approx(
            sum(accuracy(0, "cifar10", "ori-test", seed, 2, 1) for seed in SEEDS[0]) / 3
        )


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_whole_objects_and_weights(tmp_path: Path, protocol: int) -> None:
    weights = {"w": torch.ones(3), "p": torch.nn.Parameter(torch.ones(2, dtype=torch.float16))}
    results = arch_results(nats_bench.api_utils, 0, CELLS[0], 2, weights)
    path = tmp_path / "objects.pickle"
    path.write_bytes(pickle.dumps(benchmark(CELLS, {0: {"200": results}}), protocol=protocol))
    import_file(path, task="cifar10", name="mine")
    assert find_ground_truth("mine").seed_matrix().loc[CELLS[0], "888"] == accuracy(
        0, "cifar10", "ori-test", 888, 2, 1
    )


def test_old_records_without_times_and_splits(tmp_path: Path) -> None:
    results = nats_bench.api_utils.ArchResults(0, CELLS[0])
    training = nats_bench.api_utils.ResultsCount("cifar10", None, {}, {}, 1.0, 2.0, {}, 777, 200, None)
    training.update_OLD_eval("ori-test", {199: 93.5}, {199: 0.25})
    results.update("cifar10", 777, training)
    path = tmp_path / "old.pickle"
    path.write_bytes(pickle.dumps(benchmark(CELLS, {0: {"200": results.state_dict()}})))
    done = import_file(path)
    assert [table.info.task for table, _ in done.tables] == ["cifar10"]
    assert done.tables[0][0].rows[["accuracy", "loss"]].to_numpy().tolist() == [[93.5, 0.25]]


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda data: data[: len(data) // 2], "truncated or damaged"),
        (lambda data: data[:-200] + b"\0" * 200, "truncated or damaged"),
        (lambda data: b"BZh", "truncated or damaged"),
        (lambda data: pickle.dumps([1, 2]), '"meta_archs" is missing'),
        (lambda data: pickle.dumps({"meta_archs": [], "arch2infos": None}), "give the folder"),
        (lambda data: pickle.dumps({"meta_archs": [], "arch2infos": {}}), "no accuracy"),
        (lambda data: pickle.dumps(benchmark(CELLS, {0: {"7": 1}})), "no record of"),
        (lambda data: pickle.dumps(benchmark(CELLS, {0: {"200": {"all_results": 1}}})), "malformed record"),
        (
            lambda data: pickle.dumps(benchmark(CELLS, {1: nats_record(1, CELLS[0])})),
            "the benchmark's list says",
        ),
    ],
)
def test_damage_is_one_line(
    nats_file: Path, data_folder: Path, damage: Callable[[bytes], bytes], message: str
) -> None:
    nats_file.write_bytes(damage(nats_file.read_bytes()))
    with pytest.raises(InvalidFile, match=message) as caught:
        import_file(nats_file)
    assert "\n" not in str(caught.value)
    assert str(nats_file) in str(caught.value)
    assert not data_folder.exists()


def test_a_missing_loss_of_the_last_epoch_is_a_malformed_record(tmp_path: Path) -> None:
    record = nats_record(0, CELLS[0])
    del record["200"]["all_results"]["cifar10", 888]["eval_acc1es"]["ori-test@2"]
    path = tmp_path / "short.pickle"
    path.write_bytes(pickle.dumps(benchmark(CELLS, {0: record})))
    with pytest.raises(
        InvalidFile, match=r"architecture 0: malformed record: KeyError: 'ori-test@2'|short.pickle: mal"
    ):
        import_file(path)
