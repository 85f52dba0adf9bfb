"""The recipe, the recalibration, and the limit."""

from __future__ import annotations

import math
from itertools import chain, pairwise

import numpy as np
import pytest
import torch
from torch import nn

from tests.plugins.micro_probes.toy import SmallCNN, made
from uninas_bench_plugins._micro_probes.evaluation import ProbeModel
from uninas_bench_plugins._micro_probes.probes.catalogue import probes
from uninas_bench_plugins._micro_probes.probes.probe import Examples, Source
from uninas_bench_plugins._micro_probes.training import Limit, Recipe, outputs, recalibrate, train

NO_LIMIT = Limit(math.inf, lambda: 0.0)


def recipe(batch=8, epochs=2, steps_per_epoch=0, lr=1e-2):
    return Recipe(batch, epochs, steps_per_epoch, lr, 1e-2)


def drawn(recipe, count):
    return [batch.tolist() for batch in recipe.batches(count, np.random.default_rng)]


@pytest.mark.parametrize("count", [1, 7, 8, 9, 64, 65])
def test_an_epoch_is_all_data_once(count) -> None:
    batches = drawn(recipe(), count)
    assert len(batches) == recipe().steps(count)
    half = len(batches) // 2
    for epoch in (batches[:half], batches[half:]):
        assert sorted(chain.from_iterable(epoch)) == list(range(count))
    assert max(map(len, batches)) <= 8
    assert max(map(len, batches)) - min(map(len, batches)) <= 1


def test_epochs_have_orders_of_their_own() -> None:
    batches = drawn(recipe(), 64)
    assert batches[:8] != batches[8:]


def test_additive_epochs_have_as_many_steps_whatever_the_data() -> None:
    for count in (4, 40, 400):
        batches = drawn(recipe(steps_per_epoch=5), count)
        assert len(batches) == 10 == recipe(steps_per_epoch=5).steps(count)
        assert all(len(batch) == min(8, count) for batch in batches)
    drawn_often = chain.from_iterable(drawn(recipe(steps_per_epoch=50), 40))
    assert set(drawn_often) == set(range(40))


def test_the_rate_rises_over_a_tenth_and_falls_to_nothing() -> None:
    rates = [recipe().rate(step, 100) for step in range(100)]
    assert rates[:10] == pytest.approx([0.1 * k for k in range(1, 11)])
    assert rates[10] == 1
    assert rates[55] == pytest.approx(0.5)
    assert all(after < before for before, after in pairwise(rates[10:]))
    assert 0 < rates[-1] < 1e-3
    assert all(0 < recipe().rate(step, 2) <= 1 for step in range(2))
    assert recipe().rate(0, 1) == 1


class Regression:
    """A probe that asks for a number that a linear map can give."""

    scores_training = False

    def loss(self, output, targets):
        return nn.functional.mse_loss(output[:, 0], targets["number"])


def regression(count=64):
    rng = torch.Generator().manual_seed(0)
    inputs = torch.randn(count, 5, generator=rng)
    return Examples(inputs, {"number": inputs @ torch.arange(5.0)})


def test_training_learns_and_says_every_loss() -> None:
    model, data = made(lambda: nn.Linear(5, 1)), regression()
    plan = recipe(epochs=60, lr=0.1)
    losses = train(model, Regression(), data, plan, plan.batches(64, np.random.default_rng), NO_LIMIT)
    assert len(losses) == 480
    assert losses[-1] < 0.01 * losses[0]
    torch.testing.assert_close(model.weight[0], torch.arange(5.0), atol=0.15, rtol=0)
    assert model.weight.grad is None


def test_the_first_step_is_the_one_of_adamw() -> None:
    """From a zero state AdamW moves every weight by the rate, after it has decayed by rate times decay."""
    model, data = made(lambda: nn.Linear(5, 1)), regression(8)
    before = model.weight.clone()
    plan = Recipe(8, 1, 0, 0.05, 0.1)
    train(model, Regression(), data, plan, plan.batches(8, np.random.default_rng), NO_LIMIT)
    decayed = before * (1 - 0.05 * 0.1)
    torch.testing.assert_close((model.weight - decayed).abs(), torch.full((1, 5), 0.05), atol=1e-5, rtol=0)


def test_gradients_are_clipped() -> None:
    model, data, seen = made(lambda: nn.Linear(5, 1)), regression(8), []
    data.targets["number"].mul_(1e6)
    model.weight.register_post_accumulate_grad_hook(lambda weight: seen.append(weight.grad))
    plan = recipe(epochs=1)
    train(model, Regression(), data, plan, plan.batches(8, np.random.default_rng), NO_LIMIT)
    # The same tensor, which was of size 1e12 when it was seen.
    assert 0.1 < seen[0].norm() <= 1.0001


def test_what_diverges_ends_with_its_loss() -> None:
    model, data = made(lambda: nn.Linear(5, 1)), regression()
    data.targets["number"][:] = math.inf
    plan = recipe()
    losses = train(model, Regression(), data, plan, plan.batches(64, np.random.default_rng), NO_LIMIT)
    assert losses == [math.inf]


def cnn_and_data(count=40):
    probe = probes(["csb"])[0]
    model = made(lambda: ProbeModel(SmallCNN(4), probe, 16, None))
    return model, probe.examples(count, "train", Source(0, 16))


def test_statistics_are_means_over_batches() -> None:
    """Of the first norm, whose inputs depend on no other: mean and variance of its inputs, batch by batch."""
    model, data = cnn_and_data()
    norm = model.network.body[1]
    norm.running_mean.fill_(7)
    recalibrate(model, data, 8, NO_LIMIT)
    batches = [model.network.body[0](inputs[:, 0]) for inputs in data.inputs.split(8)]
    means = torch.stack([batch.mean((0, 2, 3)) for batch in batches])
    variances = torch.stack([batch.transpose(0, 1).flatten(1).var(1) for batch in batches])
    torch.testing.assert_close(norm.running_mean, means.mean(0))
    torch.testing.assert_close(norm.running_var, variances.mean(0))
    assert not any(module.training for module in model.modules())


def test_recalibration_takes_eight_batches() -> None:
    model, data = cnn_and_data(80)
    recalibrate(model, data, 4, NO_LIMIT)
    assert model.network.body[1].num_batches_tracked == 8
    once = model.network.body[1].running_mean.clone()
    data.inputs[32:] = 100
    recalibrate(model, data, 4, NO_LIMIT)
    torch.testing.assert_close(model.network.body[1].running_mean, once)


def test_recalibration_drops_nothing_out() -> None:
    network = nn.Sequential(nn.Dropout(0.9), nn.BatchNorm1d(5))
    data = Examples(torch.ones(16, 5), {})
    recalibrate(network, data, 8, NO_LIMIT)
    torch.testing.assert_close(network[1].running_mean, torch.ones(5))
    torch.testing.assert_close(network[1].running_var, torch.zeros(5))


def test_networks_without_such_norms_are_not_run() -> None:
    class Silent(nn.Module):
        def forward(self, inputs):
            raise AssertionError("run")

    recalibrate(Silent(), Examples(torch.ones(16, 5), {}), 8, NO_LIMIT)


def test_outputs_are_those_of_eval_mode_in_order() -> None:
    model = nn.Sequential(nn.Dropout(0.5), nn.Linear(5, 2))
    data = Examples(torch.randn(21, 5), {})
    torch.testing.assert_close(outputs(model, data, 8, NO_LIMIT), model[1](data.inputs))


class Clock:
    """Time that passes by what the model is asked to do."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Slow(nn.Module):
    """A second for a forward pass, two for a backward pass."""

    def __init__(self, clock) -> None:
        super().__init__()
        self.clock, self.linear = clock, nn.Linear(5, 1)

    def forward(self, inputs):
        self.clock.now += 1
        out = self.linear(inputs)
        if out.requires_grad:
            out.register_hook(self._backward)
        return out

    def _backward(self, _gradient):
        self.clock.now += 2


@pytest.mark.parametrize("seconds", [30, 60, 100])
def test_training_leaves_time_for_the_evaluation(seconds) -> None:
    clock = Clock()
    model, data = Slow(clock), regression(64)
    limit = Limit(float(seconds), clock)
    plan = recipe(epochs=100)
    losses = train(model, Regression(), data, plan, plan.batches(64, np.random.default_rng), limit)
    outputs(model, data, 8, limit)
    assert 3 * len(losses) + 8 == clock.now
    assert 0.8 * seconds <= clock.now <= seconds


def test_without_time_a_step_and_a_batch_are_done_all_the_same() -> None:
    clock = Clock()
    model, data = Slow(clock), regression(64)
    limit = Limit(0.0, clock)
    plan = recipe()
    assert len(train(model, Regression(), data, plan, plan.batches(64, np.random.default_rng), limit)) == 1
    assert len(outputs(model, data, 8, limit)) == 8
