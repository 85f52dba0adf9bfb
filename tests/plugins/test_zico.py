from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import nn

import uninas_bench as ub
from tests.plugins import nets
from uninas_bench import NotApplicable, UserError
from uninas_bench.testing.networks import AttentionNetwork
from uninas_bench.testing.proxies import ProxyTestCase
from uninas_bench_plugins.zico import layer_term, layer_weights


class TestZico(ProxyTestCase):
    declines_disconnected = True
    another_process = False

    def make_proxy(self):
        return ub.proxy("zico")


class TestZicoBlocks(TestZico):
    def make_proxy(self):
        return ub.proxy("zico", scope="blocks")


def by_backward(network, data):
    """Terms by layer, from plain backward passes and numpy."""
    gradients = {}
    for x, y in data:
        network.zero_grad()
        nn.CrossEntropyLoss()(network(x), y).backward()
        for name, module in network.named_modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                gradients.setdefault(name, []).append(module.weight.grad.flatten().numpy().copy())
    network.zero_grad(set_to_none=True)
    terms = {}
    for name, grads in gradients.items():
        std, mean = np.std(grads, axis=0), np.mean(np.abs(grads), axis=0)
        terms[name] = math.log((mean[std != 0] / std[std != 0]).sum())
    return terms


@pytest.mark.parametrize("n", [2, 3])
def test_plain_backward_passes_give_the_same(n):
    network, data = nets.seeded(nets.Stages), nets.batches(n)
    terms = by_backward(network, data)
    assert nets.value(network, ub.proxy("zico", batches=n), data) == pytest.approx(
        sum(terms.values()), rel=1e-6
    )
    blocks = sum(term for name, term in terms.items() if name.startswith("stages")) / 3
    assert nets.value(network, ub.proxy("zico", batches=n, scope="blocks"), data) == pytest.approx(
        blocks, rel=1e-6
    )


def test_two_batches_have_a_closed_form():
    """E|g| / sigma = (|g1| + |g2|) / |g1 - g2|; an entry that does not vary drops out."""
    g1, g2 = torch.tensor([1.0, -2.0, 3.0]), torch.tensor([2.0, 1.0, 3.0])
    assert layer_term([g1, g2]) == pytest.approx(math.log(3 / 1 + 3 / 3), rel=1e-6)
    assert layer_term([g1, g1]) == 0.0


def test_scale_of_the_loss_does_not_matter():
    g = [torch.randn(50, generator=torch.Generator().manual_seed(i)) for i in range(2)]
    assert layer_term([4 * x for x in g]) == pytest.approx(layer_term(g), rel=1e-6)


def test_order_of_the_batches_and_names_of_the_classes_do_not_matter():
    network, data = nets.seeded(nets.Stages), nets.batches()
    proxy = ub.proxy("zico")
    expected = nets.value(network, proxy, data)
    assert nets.value(network, proxy, data[::-1]) == pytest.approx(expected, rel=1e-5)
    order = torch.tensor([2, 0, 4, 1, 3])
    with torch.no_grad():
        network.head.weight.copy_(network.head.weight.clone()[order])
        network.head.bias.copy_(network.head.bias.clone()[order])
    renamed = [(x, order.argsort()[y]) for x, y in data]
    assert nets.value(network, proxy, renamed) == pytest.approx(expected, rel=1e-3)


def test_which_weights_count():
    cnn = nets.Stages()
    convolutions = [*(f"stages.{i}.0.weight" for i in range(3)), "head.weight"]
    assert list(layer_weights(cnn, raw=False)) == list(layer_weights(cnn, raw=True)) == convolutions
    attention = AttentionNetwork(depth=1)
    extra = set(layer_weights(attention, raw=True)) - set(layer_weights(attention, raw=False))
    assert extra == {"blocks.0.attention.in_proj_weight"}


def test_layers_without_a_gradient_drop_out():
    network, data = nets.seeded(nets.Stages), nets.batches()
    expected = nets.value(network, ub.proxy("zico"), data)
    network.idle = nn.Linear(3, 3)
    assert nets.value(network, ub.proxy("zico"), data) == expected


def test_equal_batches_are_declined():
    data = nets.batches(1) * 2
    with pytest.raises(NotApplicable, match="differs between the batches"):
        nets.value(nets.seeded(nets.Stages), ub.proxy("zico"), data)


def test_one_batch_is_a_mistake():
    with pytest.raises(UserError, match="at least 2"):
        ub.proxy("zico", batches=1)
