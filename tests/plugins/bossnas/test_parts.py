"""Heads, schedules, LARS: against hand computations and the ends that the paper states."""

from __future__ import annotations

import math

import pytest
import torch

from uninas_bench_plugins._bossnas.heads import cosine_loss, predictor, projector
from uninas_bench_plugins._bossnas.lars import Lars
from uninas_bench_plugins._bossnas.schedules import learning_rate, teacher_momentum


def test_loss_of_equal_and_opposite_vectors():
    z = torch.randn(7, 5, dtype=torch.float64)
    assert 2 * cosine_loss(3 * z, z).item() == pytest.approx(-4)
    assert 2 * cosine_loss(-z, z).item() == pytest.approx(4)


def test_loss_is_the_squared_distance_of_unit_vectors_less_two():
    a, b = torch.randn(2, 7, 5, dtype=torch.float64)
    distance = (a / a.norm(dim=1, keepdim=True) - b / b.norm(dim=1, keepdim=True)).square().sum(1).mean()
    assert cosine_loss(a, b).item() == pytest.approx(distance.item() - 2)


def test_momentum_goes_from_099_to_1():
    assert teacher_momentum(0, 40) == pytest.approx(0.99)
    assert teacher_momentum(20, 40) == pytest.approx(0.995)
    assert teacher_momentum(40, 40) == 1
    values = [teacher_momentum(t, 40) for t in range(41)]
    assert values == sorted(values)


def test_learning_rate_rises_and_falls():
    rates = [learning_rate(t, 100, 10, 0.4) for t in range(101)]
    assert rates[0] == pytest.approx(0.4e-4)
    assert rates[:11] == sorted(rates[:11])
    assert rates[10] == pytest.approx(0.4 * (math.cos(math.pi / 10) + 1) / 2)
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert rates[100] == 0


def test_lars_by_hand():
    weight = torch.tensor([[3.0, 4.0]], requires_grad=True)
    bias = torch.tensor([1.0], requires_grad=True)
    unused = torch.tensor([[1.0]], requires_grad=True)
    lars = Lars([weight, bias, unused], lr=2.0, momentum=0.5, decay=0.1, eta=0.01)
    weight.grad, bias.grad, unused.grad = torch.tensor([[0.0, 2.0]]), torch.tensor([0.25]), torch.zeros(1, 1)
    lars.step()
    # |w| = 5, |g| = 2: local rate 0.01 * 5 / (2 + 0.5) = 0.02; step 2 * 0.02 * (g + 0.1 w).
    first = [0.04 * 0.3, 0.04 * 2.4]
    assert weight[0].tolist() == pytest.approx([3 - first[0], 4 - first[1]])
    assert bias.item() == pytest.approx(1 - 2 * 0.25)
    assert unused.item() == 1
    weight.grad.zero_()
    lars.step()
    assert weight[0].tolist() == pytest.approx([3 - first[0], 4 - first[1]]), "a gradient of 0 moved a weight"
    assert bias.item() == pytest.approx(0.5 - (0.5 * 0.5 + 0.5))


def test_lars_moves_a_norm_whose_scale_begins_at_zero():
    norm = torch.nn.BatchNorm2d(3)
    torch.nn.init.zeros_(norm.weight)
    lars = Lars(norm.parameters(), lr=0.1)
    x = torch.randn(8, 3, 2, 2)
    (norm(x) * x).sum().backward()
    lars.step()
    assert norm.weight.abs().min() > 0


def test_heads_have_the_papers_layers():
    kinds = [type(layer).__name__ for layer in projector(8, 16, 4)]
    assert kinds == ["Linear", "BatchNorm1d", "ReLU", "Linear"]
    made = predictor(4, 4096)
    assert made[0].weight.std().item() == pytest.approx(0.01, rel=0.05)
    assert made(torch.randn(3, 4)).shape == (3, 4)
