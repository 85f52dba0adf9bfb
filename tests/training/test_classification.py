"""Classification: samples of every kind of data set, the loss, and metrics against scikit-learn's."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch
from sklearn.metrics import accuracy_score, log_loss, top_k_accuracy_score
from torch import nn
from torch.nn import functional

from uninas_bench.data.digits import Digits
from uninas_bench.data.source import ImageSet, Split
from uninas_bench.errors import InvalidFile, UserError
from uninas_bench.training.data.classification import ClassificationData, classification_data
from uninas_bench.training.data.seeded import Seeded
from uninas_bench.training.data.shapes import draw_single
from uninas_bench.training.loop.distributed import Processes
from uninas_bench.training.recipes.reading import load_recipe
from uninas_bench.training.tasks.catalogue import network_of
from uninas_bench.training.tasks.classification import (
    ClassificationMeter,
    ClassificationObjective,
    Classifier,
)

PLAIN = ["augmentation.crop=none", "augmentation.padding=0", "augmentation.flip=0", "augmentation.policy="]


def digits(*overrides: str) -> ClassificationData:
    recipe = load_recipe("fashion-mnist", ["data.dataset=digits", "data.resolution=[8, 8]", *overrides])
    return classification_data(recipe, {})


def test_a_set_in_memory_is_normalised_by_its_own_training_statistics() -> None:
    data = digits(*PLAIN)
    expected, labels = Digits().load("train", 8).batch(slice(0, 50))
    for index in range(50):
        image, label = data.training[index]
        torch.testing.assert_close(image, expected[index], rtol=1e-5, atol=1e-5)
        assert label == labels[index]
    train, test = Digits().load("train", 8), Digits().load("test", 8)
    image, label = data.test[7]
    mean, std = (np.asarray(values)[:, None, None] for values in (train.mean, train.std))
    np.testing.assert_allclose(image, (test.pixels[7] - mean) / std, rtol=1e-4, atol=1e-4)
    assert label == test.labels[7]
    assert (len(data.training), len(data.test), data.classes) == (1500, 297, 10)


def test_shapes_are_drawn() -> None:
    recipe = load_recipe("classification", ["data.dataset=shapes", "data.resolution=[32, 32]", *PLAIN])
    data = classification_data(recipe, {})
    assert data.classes == 5
    pixels, label = draw_single("train", 3, (32, 32))
    image, found = data.training[3]
    assert found == label
    mean, std = np.asarray((0.485, 0.456, 0.406)), np.asarray((0.229, 0.224, 0.225))
    np.testing.assert_allclose(image.permute(1, 2, 0), (pixels / 255 - mean) / std, rtol=1e-4, atol=1e-4)


def test_fingerprints_tell_sources_and_resolutions_apart(tmp_path: Path) -> None:
    path = write_npz(tmp_path / "a.npz")
    recipe = load_recipe("fashion-mnist", ["data.dataset=digits", "data.resolution=[8, 8]"])
    seen = {digits().fingerprint, digits("data.resolution=[16, 16]").fingerprint}
    seen.add(classification_data(recipe, {"digits": path}).fingerprint)
    assert len(seen) == 3
    assert digits().fingerprint in seen


def write_npz(path: Path, labels: int = 10) -> Path:
    rng = np.random.default_rng(0)
    images = {
        f"{split}_x": rng.integers(0, 256, (30, 8, 8, 3), dtype=np.uint8) for split in ("train", "test")
    }
    np.savez(path, **images, train_y=np.arange(30) % labels, test_y=np.arange(30) % 10)
    return path


def test_labels_out_of_range_are_refused(tmp_path: Path) -> None:
    path = write_npz(tmp_path / "eleven.npz", labels=11)
    recipe = load_recipe("fashion-mnist", ["data.dataset=digits", "data.resolution=[8, 8]"])
    with pytest.raises(InvalidFile, match=r"eleven\.npz: labels 0\.\.10, expected 0\.\.9 for digits$"):
        classification_data(recipe, {"digits": path})


def test_small_imagenet_may_come_as_arrays(tmp_path: Path) -> None:
    recipe = load_recipe("classification", ["data.resolution=[8, 8]"])
    data = classification_data(recipe, {"imagenet1k": write_npz(tmp_path / "small.npz")})
    assert (len(data.training), data.classes) == (30, 1000)


def test_no_images_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UNINAS_BENCH_DATA", str(tmp_path))
    recipe = load_recipe("fashion-mnist", ["data.dataset=cifar100"])
    with pytest.raises(UserError, match=r"^no images of cifar100: give them by --data cifar100=FILE\.npz"):
        classification_data(recipe, {})


class Floats:
    name = "digits"
    fingerprint = "floats"

    def load(self, split: Split, resolution: int) -> ImageSet:
        return ImageSet(np.zeros((3, 3, 8, 8), np.float32), np.arange(3), (0.0,) * 3, (1.0,) * 3)


def test_images_that_are_no_bytes_are_refused() -> None:
    recipe = load_recipe("fashion-mnist", ["data.dataset=digits", "data.resolution=[8, 8]"])
    with pytest.raises(UserError, match="digits: images of float32 cannot be augmented, only uint8"):
        classification_data(recipe, {"digits": Floats()})


def test_training_is_augmented_and_the_evaluation_is_not() -> None:
    data = digits()
    samples = Seeded(data.training, 0)
    assert not torch.equal(samples[0, 1][0], samples[1, 1][0])
    assert torch.equal(samples[0, 1][0], Seeded(data.training, 0)[0, 1][0])
    assert torch.equal(data.test[1][0], data.test[1][0])


class Linear(nn.Module):
    def __init__(self, classes: int = 10) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Flatten(), nn.Linear(192, classes))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return cast(torch.Tensor, self.layers(images))


def test_the_objective_keeps_its_contract() -> None:
    recipe = load_recipe("fashion-mnist", ["data.dataset=digits", "data.resolution=[8, 8]"])
    objective = ClassificationObjective(recipe, {})
    images, labels = objective.collate([objective.training[index] for index in range(6)])
    assert (images.shape, images.dtype) == ((6, 3, 8, 8), torch.float32)
    assert labels.tolist() == [objective.training[index][1] for index in range(6)]
    model = network_of(recipe, cast(Any, Linear()), objective.classes)
    losses = model.train()(images, labels)
    assert set(losses) == {"cross_entropy"}
    losses["cross_entropy"].backward()
    assert all(parameter.grad is not None for parameter in model.parameters())
    assert model.eval()(images).shape == (6, 10)
    meter = objective.meter()
    meter.update(model(images), labels)
    assert next(iter(meter.result(Processes()))) == objective.metric == "accuracy"


def test_smoothing_is_the_mean_over_a_softened_target() -> None:
    torch.manual_seed(0)
    images, labels = torch.randn(5, 3, 8, 8), torch.tensor([0, 1, 2, 3, 4])
    model = Classifier(Linear(), 0.1).train()
    logs = functional.log_softmax(model.backbone(images), dim=1)
    soft = torch.full((5, 10), 0.01).scatter(1, labels[:, None], 0.91)
    expected = -(soft * logs).sum(1).mean()
    torch.testing.assert_close(model(images, labels)["cross_entropy"], expected)


def test_the_loss_is_of_float32_under_autocast() -> None:
    model = Classifier(Linear(), 0.0).train()
    with torch.autocast("cpu", torch.bfloat16):
        loss = model(torch.randn(4, 3, 8, 8), torch.zeros(4, dtype=torch.int64))["cross_entropy"]
    assert loss.dtype == torch.float32


@pytest.mark.parametrize("classes", [5, 6, 40])
def test_metrics_are_scikit_learns_over_ragged_batches(classes: int) -> None:
    rng = np.random.default_rng(classes)
    logits, labels = rng.normal(size=(203, classes)).astype(np.float32), rng.integers(0, classes, 203)
    logits[np.arange(203), labels] += 0.5
    meter = ClassificationMeter(classes)
    for start in range(0, 203, 50):
        part = slice(start, start + 50)
        meter.update(torch.from_numpy(logits[part]), torch.from_numpy(labels[part]))
    metrics = meter.result(Processes())
    every = np.arange(classes)
    assert metrics["accuracy"] == pytest.approx(100 * accuracy_score(labels, logits.argmax(1)), abs=1e-9)
    probabilities = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    assert metrics["loss"] == pytest.approx(log_loss(labels, probabilities, labels=every), rel=1e-5)
    assert next(iter(metrics)) == "accuracy"
    assert ("top5" in metrics) == (classes > 5)
    if classes > 5:
        top = top_k_accuracy_score(labels, logits, k=5, labels=every)
        assert metrics["top5"] == pytest.approx(100 * top, abs=1e-9)
