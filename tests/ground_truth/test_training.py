"""The small training protocol against independent computations."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.metrics import accuracy_score, log_loss
from torch import nn

from uninas_bench.data.arrays import image_set
from uninas_bench.data.source import ImageSet
from uninas_bench.errors import UserError
from uninas_bench.ground_truth import training
from uninas_bench.ground_truth.training import TrainingSettings, train


@pytest.fixture
def images() -> ImageSet:
    """Three classes that differ by their colour, with noise."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, 120)
    pixels = rng.integers(0, 80, (120, 8, 8, 3))
    pixels[np.arange(120), :, :, labels] += 150
    return image_set(pixels.astype(np.uint8), labels)


@pytest.fixture
def network() -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return nn.Sequential(
            nn.Conv2d(3, 4, 3),
            nn.BatchNorm2d(4),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(4, 3),
        )


def test_learning_rate_rises_and_falls() -> None:
    settings = TrainingSettings(steps=100, rate=0.4, warm_up=0.2)
    rates = np.array([settings.learning_rate(step) for step in range(100)])
    assert rates[0] == pytest.approx(0.4 / 20)
    assert rates[19] == pytest.approx(0.4)
    assert rates.max() == pytest.approx(0.4)
    assert rates[20 + 40] == pytest.approx(0.2)
    assert (np.diff(rates[:20]) > 0).all()
    assert (np.diff(rates[20:]) < 0).all()
    assert 0 < rates[-1] < 0.001


def test_a_separable_task_is_learned(images: ImageSet, network: nn.Module) -> None:
    before, _ = training.test(network, images)
    train(network, images, TrainingSettings(steps=60), torch.Generator().manual_seed(0))
    after, _ = training.test(network, images)
    assert before < 70
    assert after > 95


def test_accuracy_and_loss_are_scikit_learns(images: ImageSet, network: nn.Module) -> None:
    accuracy, loss = training.test(network, images)
    with torch.no_grad():
        probabilities = network.eval()(images.batch(slice(None))[0]).softmax(1).double().numpy()
    probabilities /= probabilities.sum(1, keepdims=True)
    assert accuracy == pytest.approx(100 * accuracy_score(images.labels, probabilities.argmax(1)))
    assert loss == pytest.approx(log_loss(images.labels, probabilities, labels=[0, 1, 2]), rel=1e-5)


def test_one_step_is_sgd_with_nesterov_momentum(images: ImageSet) -> None:
    network = nn.Sequential(nn.Flatten(), nn.Linear(192, 3))
    before = {name: p.detach().double().clone() for name, p in network.named_parameters()}
    settings = TrainingSettings(steps=1, batch=16, rate=0.1, momentum=0.9, decay=0.01)
    order = torch.randperm(120, generator=torch.Generator().manual_seed(7)).numpy()[:16]
    pixels, labels = images.batch(order)
    flat = pixels.flatten(1).double()
    logits = flat @ before["1.weight"].T + before["1.bias"]
    error = (logits.softmax(1) - nn.functional.one_hot(labels, 3)) / 16
    gradients = {"1.weight": error.T @ flat, "1.bias": error.sum(0)}
    train(network, images, settings, torch.Generator().manual_seed(7))
    for name, parameter in network.named_parameters():
        direction = (1 + 0.9) * (gradients[name] + 0.01 * before[name])
        torch.testing.assert_close(
            parameter.detach().double(), before[name] - 0.1 * direction, rtol=1e-4, atol=1e-5
        )


def test_the_generator_alone_decides(images: ImageSet, network: nn.Module) -> None:
    import copy

    state = torch.get_rng_state()
    results = []
    for seed in (0, 0, 1):
        net = copy.deepcopy(network)
        train(net, images, TrainingSettings(steps=5), torch.Generator().manual_seed(seed))
        results.append(training.test(net, images)[1])
    assert results[0] == results[1] != results[2]
    assert torch.equal(state, torch.get_rng_state())


def test_settings_are_checked() -> None:
    with pytest.raises(UserError, match="steps=0"):
        replace(TrainingSettings(), steps=0)
