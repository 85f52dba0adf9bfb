from __future__ import annotations

import math

import pytest
import torch
from torch import nn

import uninas_bench as ub
from tests.plugins import nets
from uninas_bench import NotApplicable
from uninas_bench.testing.networks import DISCONNECTED, SPACE
from uninas_bench.testing.proxies import ProxyTestCase


class TestL2Norm(ProxyTestCase):
    another_process = False

    def make_proxy(self):
        return ub.proxy("l2_norm")


def norm(network, batches=None):
    return nets.value(network, ub.proxy("l2_norm"), batches or nets.batches(1))


def test_plain_loops_give_the_same():
    network = nets.seeded(nets.Stages)
    weights = [*(stage[0].weight for stage in network.stages), network.head.weight]
    expected = sum(math.sqrt(sum(w**2 for w in weight.flatten().tolist())) for weight in weights)
    assert norm(network) == pytest.approx(expected, rel=1e-12)


def test_neither_images_nor_biases_norms_and_raw_parameters_matter():
    network = nets.seeded(nets.Stages)
    expected = norm(network)
    with torch.no_grad():
        network.head.bias.fill_(9)
        network.stages[0][1].weight.fill_(9)
    network.raw = nn.Parameter(torch.ones(3, 3))
    assert norm(network, nets.batches(1, seed=4)) == expected


def test_a_shared_weight_counts_once():
    network = nets.Function(lambda _, x: x, first=nn.Linear(2, 2), second=nn.Linear(2, 2))
    network.second.weight = network.first.weight
    with torch.no_grad():
        network.first.weight.fill_(1)
    assert norm(network) == 2


def test_expected_size_of_uniform_weights():
    """PyTorch draws from U(-1, 1) / sqrt(fan in): the norm is about sqrt(outputs / 3)."""
    network = nets.seeded(lambda: nets.Function(lambda _, x: x, conv=nn.Conv2d(300, 600, 3)))
    assert norm(network) == pytest.approx(math.sqrt(600 / 3), rel=2e-3)


def test_a_disconnected_network_has_weights_too():
    frame = ub.score([DISCONNECTED], ["l2_norm"], space=SPACE)
    assert frame["status"].tolist() == ["ok"]


def test_nothing_to_count_is_declined():
    with pytest.raises(NotApplicable, match="no convolution"):
        norm(nets.Function(lambda _, x: x, norm=nn.BatchNorm2d(3)))
