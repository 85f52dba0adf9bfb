"""One training from recipe to result: what its folder holds, what a repetition does, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from filelock import FileLock
from safetensors.torch import load_file

import uninas_bench as ub
from tests.training.toy import published
from uninas_bench.architecture import Task
from uninas_bench.errors import InvalidFile, UserError
from uninas_bench.host import default_host
from uninas_bench.training import run as runs
from uninas_bench.training.export import read_weights
from uninas_bench.training.loop.checkpoint import load_latest
from uninas_bench.training.loop.distributed import Processes
from uninas_bench.training.networks.building import built_resolution
from uninas_bench.training.networks.trainee import trainee_of
from uninas_bench.training.recipes.reading import recipe_sha
from uninas_bench.training.recipes.recipe import Recipe
from uninas_bench.training.results import Result, read_result
from uninas_bench.training.run import RunBusy, Settings, run_folder, train_one

SPACE = ub.space("nasbench201", channels=4, cells=1)
TRAINEE = trainee_of(SPACE, SPACE.parse("6111"))


def tiny(**changes: dict[str, Any]) -> Recipe:
    """Twelve steps on digits."""
    sections: dict[str, dict[str, Any]] = {
        "data": {"dataset": "digits", "resolution": (8, 8), "training_images": 48, "test_images": 20},
        "schedule": {"epochs": 3, "warm_up_epochs": 1, "rate_batch": 12},
        "run": {"batch": 12, "evaluation_batch": 20},
        "augmentation": {"padding": 1},
    }
    for section, fields in changes.items():
        sections.setdefault(section, {}).update(fields)
    return published("fashion-mnist", **sections)


def train(folder: Path, recipe: Recipe, seed: int = 0, **more: Any) -> Result:
    settings = more.pop("settings", Settings())
    return train_one(
        more.pop("trainee", TRAINEE), recipe, seed=seed, folder=folder, processes=Processes(),
        settings=settings, host=default_host(), **more,
    )  # fmt: skip


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    train(folder, tiny())
    return folder


def test_a_result_says_what_was_done(finished: Path) -> None:
    found = read_result(finished / "result.json")
    costs = SPACE.costs(SPACE.parse("6111"), Task("t", "digits", 8, 10))
    assert (found.params, found.flops, found.convention) == (costs.params, costs.flops, costs.convention)
    assert (found.steps, found.images_per_step, found.training_images, found.test_images) == (12, 12, 48, 20)
    assert found.recipe_sha == recipe_sha(tiny())
    assert found.metric == "accuracy"
    assert found.images_per_second > 0
    assert found.seconds > 0
    log = [json.loads(line) for line in (finished / "log.jsonl").read_text().splitlines()]
    assert log[-1]["metrics"] == found.metrics


def test_exported_weights_are_those_of_the_last_step(finished: Path) -> None:
    """Loaded by the space's own network, they classify as the run's last evaluation says."""
    network = SPACE.build(SPACE.parse("6111"), Task("t", "digits", 8, 10))
    network.load_state_dict(load_file(finished / "weights.safetensors"))
    state = load_latest(finished / "checkpoints")
    assert state is not None
    for name, tensor in network.state_dict().items():
        assert torch.equal(tensor, state["model"][f"backbone.network.{name}"])
    source = default_host().data["digits"]
    test = source.load("test", 8)
    train_split = source.load("train", 8)
    # Normalised by the statistics of the training split, as every evaluation is.
    pixels = torch.from_numpy(test.pixels.astype("float32"))
    mean, std = (torch.tensor(values)[:, None, None] for values in (train_split.mean, train_split.std))
    with torch.no_grad():
        right = network.eval()((pixels - mean) / std).argmax(1).numpy() == test.labels
    # The run saw 20 of these 297 images; a whole evaluation is near it only if the weights are right.
    found = read_result(finished / "result.json").metrics["accuracy"]
    assert abs(100 * right.mean() - found) < 35


def test_the_card_names_what_matters(finished: Path) -> None:
    card = (finished / "README.md").read_text()
    for text in ("nasbench201", "accuracy (%)", "network.load_state_dict", recipe_sha(tiny()), "seed 0"):
        assert text in card
    assert "smoke" not in card


def test_the_use_on_the_card_works(finished: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    card = (finished / "README.md").read_text()
    code = card.split("```py\n")[1].split("```")[0]
    monkeypatch.chdir(finished)
    names: dict[str, Any] = {}
    exec(code, names)
    assert names["network"](torch.zeros(1, 3, 8, 8)).shape == (1, 10)


def test_the_manifest_is_there_before_the_first_step(tmp_path: Path) -> None:
    recipe = tiny(
        schedule={"rate": 1e30}, optimiser={"clip": 0.0}, augmentation={"policy": "rand-m15-n2-mstd0.5"}
    )
    with pytest.raises(UserError, match="diverged"):
        train(tmp_path, recipe)
    manifest = json.loads((tmp_path / "run.json").read_text())
    assert manifest["recipe"]["schedule"]["rate"] == 1e30
    # timm clamps the string's magnitude of 15 at 10.
    assert manifest["effective_magnitude"] == 10
    assert not (tmp_path / "result.json").exists()


def test_a_finished_run_is_read(finished: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in finished.rglob("*") if path.name != ".lock"}
    assert train(finished, tiny()) == read_result(finished / "result.json")
    assert {path: path.stat().st_mtime_ns for path in before} == before


def test_another_run_in_its_place_is_refused(finished: Path) -> None:
    with pytest.raises(UserError, match=r"another recipe .*--resume never"):
        train(finished, tiny(optimiser={"weight_decay": 0.1}))
    with pytest.raises(UserError, match=r"another seed \(0, not 1\)"):
        train(finished, tiny(), seed=1)
    other = trainee_of(SPACE, SPACE.parse("77"))
    with pytest.raises(UserError, match="another architecture"):
        train(finished, tiny(), trainee=other)
    with pytest.raises(UserError, match="another start"):
        train(finished, tiny(), pretrained=finished)


def test_a_run_that_another_process_is_at(finished: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs, "_PATIENCE", 0.0)
    with FileLock(finished / ".lock"), pytest.raises(RunBusy, match="another process is at this run"):
        train(finished, tiny())


def test_seeds_and_repetitions(tmp_path: Path) -> None:
    """The same seed gives the same weights to the bit, another seed others."""
    first, again, other = (
        train(tmp_path / name, tiny(), seed) for name, seed in (("a", 0), ("b", 0), ("c", 1))
    )
    assert first.weights_sha == again.weights_sha != other.weights_sha
    assert first.metrics == again.metrics


def test_weights_of_another_run(finished: Path, tmp_path: Path) -> None:
    """Fine-tuning begins with the weights, but for the classifier where classes differ."""
    tensors, origin = read_weights(finished)
    assert origin.startswith("fashion-mnist ")
    # So short a run moves no weight by more than its rates add up to.
    recipe = tiny(schedule={"epochs": 1, "warm_up_epochs": 0, "rate": 1e-9, "minimal_rate": 0.0})
    found = train(tmp_path / "more", recipe, pretrained=finished)
    assert found.pretrained == origin
    after = load_file(tmp_path / "more" / "weights.safetensors")
    assert after.keys() == tensors.keys()
    for name, tensor in after.items():
        if tensor.dtype == torch.float32 and "running" not in name:
            assert torch.allclose(tensor, tensors[name], atol=1e-7)


def test_weights_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(InvalidFile, match=r"weights\.safetensors: no such file"):
        read_weights(tmp_path)
    (tmp_path / "weights.safetensors").write_bytes(b"\x80\x02nothing")
    with pytest.raises(InvalidFile, match="no safetensors file"):
        read_weights(tmp_path)


def test_where_a_run_is_kept(tmp_path: Path) -> None:
    folder = run_folder(tmp_path, TRAINEE, tiny(), 3)
    assert folder.relative_to(tmp_path).parts[1:] == ("fashion-mnist", "seed-3")


def test_for_which_size_position_tables_are_made() -> None:
    assert built_resolution(published("classification")) == 224
    assert built_resolution(published("detection")) == 224
    assert built_resolution(published("segmentation")) == 512
    scratch = published("detection", backbone={"pretrained_resolution": 0})
    assert built_resolution(scratch) == 800
