from __future__ import annotations

import itertools
import math

import pytest
import torch
from torch import nn
from torch.nn import functional

import uninas_bench as ub
from tests.plugins import nets
from uninas_bench import NotApplicable
from uninas_bench.testing.networks import AttentionNetwork
from uninas_bench.testing.proxies import ProxyTestCase


class TestSynflow(ProxyTestCase):
    declines_disconnected = True

    def make_proxy(self):
        return ub.proxy("synflow")


def flow(network, batches=None):
    return nets.value(network, ub.proxy("synflow"), batches or nets.batches(1))


def chain(widths=(3, 4, 5, 2), bias=False):
    layers = []
    for a, b in itertools.pairwise(widths):
        layers += [nn.Linear(a, b, bias=bias), nn.ReLU(inplace=True)]
    return nets.Function(lambda net, x: net.layers(x.mean((2, 3))), layers=nn.Sequential(*layers[:-1]))


def test_flow_is_conserved_along_a_chain_without_biases():
    """Every layer's sum is R, the sum over all paths of the product of their weights' sizes."""
    network = nets.seeded(chain)
    weights = [m.weight.detach().double().abs() for m in network.layers if isinstance(m, nn.Linear)]
    ones = torch.ones(3, dtype=torch.float64)
    total = (weights[2] @ weights[1] @ weights[0] @ ones).sum().item()
    assert flow(network) == pytest.approx(math.log(3 * total), rel=1e-12)


def test_all_paths_one_by_one():
    """With biases, paths that begin in one: a weight's share is that of the paths it lies on."""
    network = nets.seeded(lambda: chain((3, 4, 2), bias=True))
    first, second = network.layers[0], network.layers[2]
    expected = 0.0
    for k, j in itertools.product(range(2), range(4)):
        up = abs(second.weight[k, j].item())
        through_weights = sum(up * abs(first.weight[j, i].item()) for i in range(3))
        through_bias = up * abs(first.bias[j].item())
        expected += 2 * through_weights + through_bias  # both weights of a path count it
    assert flow(network) == pytest.approx(math.log(expected), rel=1e-12)


def test_an_activation_inside_of_a_norm_stays():
    """timm's networks have them; the same network with the two apart has the same flow."""
    from timm.layers import BatchNormAct2d

    def network(joined):
        norms = [BatchNormAct2d(4, act_layer=nn.SiLU)] if joined else [nn.BatchNorm2d(4), nn.SiLU()]
        return nets.Function(
            lambda net, x: net.head(net.body(x).mean((2, 3))),
            body=nn.Sequential(nn.Conv2d(3, 4, 3), *norms, nn.Conv2d(4, 5, 3)),
            head=nn.Linear(5, 2),
        )

    apart = nets.seeded(lambda: network(joined=False))
    assert flow(nets.seeded(lambda: network(joined=True))) == flow(apart)
    # Without the activation it is another one: the sigmoid of SiLU takes up to half away.
    apart.body[2] = nn.Identity()
    assert flow(apart) != flow(nets.seeded(lambda: network(joined=False)))


class Doubled(nn.Module):
    """The same flow with torch's own parts, signs taken away and norms left out by hand."""

    def __init__(self, network):
        super().__init__()
        self.convs = [stage[0].weight.detach().double().abs().requires_grad_() for stage in network.stages]
        self.head = network.head.weight.detach().double().abs().requires_grad_()
        self.bias = network.head.bias.detach().double().abs()

    def total(self):
        x = torch.ones(1, 3, 8, 8, dtype=torch.float64)
        for weight in self.convs:
            x = functional.conv2d(x, weight, padding=1)
        functional.linear(x.mean((2, 3)), self.head, self.bias).sum().backward()
        return sum((w * w.grad).sum().item() for w in (*self.convs, self.head))


def test_a_network_written_out_gives_the_same():
    network = nets.seeded(nets.Stages)
    assert flow(network) == pytest.approx(math.log(Doubled(network).total()), rel=1e-12)


def test_signs_norms_and_images_do_not_matter():
    network = nets.seeded(nets.Stages)
    expected = flow(network)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.mul_(torch.randn(parameter.shape, generator=torch.Generator().manual_seed(1)).sign())
        for stage in network.stages:
            stage[1].weight.fill_(7)
            stage[1].running_mean.fill_(-3)
    assert flow(network, nets.batches(1, size=3, seed=5)) == expected


def test_a_scaled_layer_adds_its_logarithm():
    network = nets.seeded(chain)
    expected = flow(network) + math.log(1000)
    with torch.no_grad():
        network.layers[2].weight.mul_(-1000)
    assert flow(network) == pytest.approx(expected, rel=1e-7)  # of float32 weights


class Written(nn.Module):
    """What batch norm returns is written into; without the norm, that would be its input."""

    def __init__(self, inplace):
        super().__init__()
        self.conv, self.norm, self.head = nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4), nn.Linear(4, 5)
        self.inplace = inplace

    def forward(self, x):
        x = self.conv(x)
        y = self.norm(x)
        if self.inplace:
            y += 1
        else:
            y = y + 1
        return self.head((x * functional.relu(y, inplace=self.inplace)).mean((2, 3)))


def test_in_place_operations_change_nothing():
    assert flow(nets.seeded(lambda: Written(True))) == flow(nets.seeded(lambda: Written(False)))


def test_dropout_takes_nothing_away():
    network = nets.seeded(chain)
    expected = flow(network)
    network.layers.append(nn.Dropout(0.9))
    assert flow(network) == expected


@pytest.mark.parametrize("scale", [1e12, 1e-12])
def test_what_float32_cannot_hold(scale):
    network = nets.seeded(lambda: chain((3, *[4] * 15, 2)))
    expected = flow(network) + 16 * math.log(scale)
    with torch.no_grad():
        for layer in network.layers:
            if isinstance(layer, nn.Linear):
                layer.weight.mul_(scale)
    assert abs(expected) > 88 + math.log(10)  # e^88 is the end of float32
    assert flow(network) == pytest.approx(expected, rel=1e-7)


def test_what_float64_cannot_hold_is_not_finite():
    network = nets.seeded(lambda: chain((3, *[4] * 15, 2)))
    with torch.no_grad():
        network.layers[0].weight.mul_(1e30)
        for layer in network.layers:
            if isinstance(layer, nn.Linear):
                layer.weight.mul_(1e22)
    assert not math.isfinite(flow(network))


def test_attention_has_a_score():
    network = nets.seeded(AttentionNetwork)
    assert math.isfinite(flow(network))


@pytest.mark.parametrize("function", [
    lambda net, x: net.head(0 * x.mean((2, 3))),
    lambda net, x: net.head(torch.zeros(len(x), 3, dtype=x.dtype)),
    lambda net, x: torch.zeros(len(x), 3),
], ids=["zeroed", "cut", "constant"])  # fmt: skip
def test_disconnected_networks_are_declined(function):
    network = nets.Function(function, head=nn.Linear(3, 5))
    with pytest.raises(NotApplicable, match="does not depend on the input"):
        flow(network)
