from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

import uninas_bench as ub
from tests.plugins import nets
from uninas_bench import NotApplicable
from uninas_bench.testing.proxies import ProxyTestCase
from uninas_bench_plugins._input_gradients import correlations
from uninas_bench_plugins.jacov import spectrum_score


class TestJacov(ProxyTestCase):
    declines_disconnected = True
    another_process = False

    def make_proxy(self):
        return ub.proxy("jacov")


class TestJacovBlocks(TestJacov):
    def make_proxy(self):
        return ub.proxy("jacov", scope="blocks")


def correlation_score(rows):
    return spectrum_score(correlations(rows))


def by_numpy(rows):
    v = np.linalg.eigvalsh(np.corrcoef(rows))
    return -np.sum(np.log(v + 1e-5) + 1 / (v + 1e-5))


def test_plain_backward_passes_give_the_same():
    network, ((x, y), _) = nets.seeded(nets.Stages), nets.batches()
    stages = network.stages
    x = x.clone().requires_grad_()
    between = [x]
    for stage in stages:
        between.append(stage(between[-1]))
        between[-1].retain_grad()
    network.head(between[-1].mean((2, 3))).sum().backward()
    grads = [f.grad.flatten(1).numpy() for f in between]
    network.zero_grad(set_to_none=True)
    data = [(x.detach(), y)]
    assert nets.value(network, ub.proxy("jacov"), data) == pytest.approx(by_numpy(grads[0]), rel=1e-4)
    blocks = np.mean([by_numpy(g) for g in grads[:-1]])
    assert nets.value(network, ub.proxy("jacov", scope="blocks"), data) == pytest.approx(blocks, rel=1e-4)


def test_quadratic_network_has_a_closed_form():
    """For z = w . x^2 / 2 the gradient with respect to x is w * x."""
    (x, y) = nets.batches(1)[0]
    w = torch.linspace(0.5, 2, 3 * 64).view(3, 8, 8)
    network = nets.Function(lambda _, x: (w * x * x / 2).flatten(1).sum(1, keepdim=True))
    rows = (w * x).flatten(1).numpy()
    assert nets.value(network, ub.proxy("jacov"), [(x, y)]) == pytest.approx(by_numpy(rows), rel=1e-5)


def test_uncorrelated_and_dependent_rows():
    rows = torch.tensor([[1.0, -1, 1, -1], [1, 1, -1, -1]])
    assert correlation_score(rows) == pytest.approx(-2 * (np.log1p(1e-5) + 1 / (1 + 1e-5)))
    assert correlation_score(torch.cat([rows, 3 * rows[:1]])) == pytest.approx(-1e5, rel=1e-2)


def test_scale_shift_and_order_of_rows_do_not_matter():
    rows = torch.from_numpy(np.random.default_rng(0).normal(size=(6, 40)))
    expected = correlation_score(rows)
    moved = rows * torch.arange(1, 7)[:, None] + torch.arange(6)[:, None]
    assert correlation_score(moved) == pytest.approx(expected, rel=1e-9)
    assert correlation_score(rows[[5, 2, 0, 1, 4, 3]]) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("function", [
        lambda net, x: net.head(0 * x.mean((2, 3))),
    lambda net, x: net.head(torch.zeros(len(x), 3)),
], ids=["zeroed", "cut"])  # fmt: skip
def test_constant_gradients_are_declined(function):
    with pytest.raises(NotApplicable):
        nets.value(nets.Function(function, head=nn.Linear(3, 5)), ub.proxy("jacov"), nets.batches(1))


def test_linear_network_has_a_closed_form():
    """Every image has the same gradient: one eigenvalue B, the others 0."""
    network = nets.seeded(
        lambda: nets.Function(lambda net, x: net.head(x.flatten(1)), head=nn.Linear(192, 5))
    )
    k, b = 1e-5, 6
    expected = -(np.log(b + k) + 1 / (b + k) + (b - 1) * (np.log(k) + 1 / k))
    assert nets.value(network, ub.proxy("jacov"), nets.batches(1)) == pytest.approx(expected, rel=1e-6)
