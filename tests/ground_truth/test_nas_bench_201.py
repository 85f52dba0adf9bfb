"""Import of NAS-Bench-201: files of ``torch.save``, both formats, as the package's own API answers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nas_201_api.api_utils
import pytest
import torch
from nas_201_api import NASBench201API

from tests.ground_truth.tiny import CELLS, SEEDS, accuracy, arch_results, benchmark
from uninas_bench.errors import InvalidFile
from uninas_bench.ground_truth.catalogue import find_ground_truth
from uninas_bench.ground_truth.importing import import_file


def content(weights: object = None) -> dict[str, Any]:
    package = nas_201_api.api_utils
    return benchmark(
        CELLS,
        {
            i: {
                "full": arch_results(package, i, cell, 3, weights).state_dict(),
                "less": arch_results(package, i, cell, 2, weights).state_dict(),
            }
            for i, cell in enumerate(CELLS)
        },
    )


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("weights", [None, {"w": torch.ones(4)}])
def test_file(tmp_path: Path, zipped: bool, weights: object) -> None:
    path = tmp_path / "tiny.pth"
    torch.save(content(weights), path, _use_new_zipfile_serialization=zipped)
    done = import_file(path)
    assert len(done.tables) == 14
    api = NASBench201API(content(), verbose=False)
    for task, hp in (("cifar10", "200"), ("cifar10-12ep", "12")):
        matrix = find_ground_truth("nasbench201", task=task).seed_matrix()
        for i, cell in enumerate(CELLS):
            for seed in SEEDS[i]:
                info = api.get_more_info(i, "cifar10", hp=hp, is_random=seed)
                epochs = {"200": 3, "12": 2}[hp]
                assert matrix.loc[cell, str(seed)] == info["test-accuracy"]
                assert info["test-accuracy"] == accuracy(i, "cifar10", "ori-test", seed, epochs, epochs - 1)


def test_folder_of_one_file_each(tmp_path: Path) -> None:
    for i in range(len(CELLS)):
        torch.save(content()["arch2infos"][i], tmp_path / f"{i:06d}-FULL.pth")
    import_file(tmp_path, task="cifar10")
    assert list(find_ground_truth("nasbench201-cifar10").accuracies().index) == list(CELLS)


def test_truncated(tmp_path: Path) -> None:
    for zipped in (True, False):
        path = tmp_path / "tiny.pth"
        torch.save(content(), path, _use_new_zipfile_serialization=zipped)
        path.write_bytes(path.read_bytes()[:2000])
        with pytest.raises(InvalidFile, match="truncated or damaged"):
            import_file(path)
