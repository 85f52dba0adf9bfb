from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

import uninas_bench as ub
from tests.plugins import nets
from uninas_bench import NotApplicable
from uninas_bench.testing.proxies import ProxyTestCase
from uninas_bench_plugins._activations import POINTWISE, agreements, code_kernel


class TestNwot(ProxyTestCase):
    declines_disconnected = True

    def make_proxy(self):
        return ub.proxy("nwot")


class TestNwotBlocks(TestNwot):
    another_process = False

    def make_proxy(self):
        return ub.proxy("nwot", scope="blocks")


def hamming_kernel(codes):
    """N - d_H by counting, pair by pair."""
    return np.array([[sum(a == b for a, b in zip(x, y, strict=True)) for y in codes] for x in codes], float)


def test_agreements_count_pairs():
    codes = np.random.default_rng(0).random((5, 37)) > 0.4
    assert agreements(torch.from_numpy(codes)).numpy().tolist() == hamming_kernel(codes).tolist()


def test_hooked_modules_give_the_same():
    """The definition, with hooks on the modules and one float64 code matrix for the whole network."""
    network, data = nets.seeded(nets.Stages), nets.batches(1)
    codes = []
    handles = [
        module.register_forward_pre_hook(lambda _, inputs: codes.append((inputs[0] > 0).flatten(1)))
        for module in network.modules()
        if isinstance(module, nn.ReLU)
    ]
    with torch.no_grad():
        network(data[0][0])
    for handle in handles:
        handle.remove()
    kernel = hamming_kernel(torch.cat(codes, 1).tolist())
    expected = np.linalg.slogdet(kernel)[1]
    assert nets.value(network, ub.proxy("nwot"), data) == pytest.approx(expected, rel=1e-12)
    blocks = [np.linalg.slogdet(hamming_kernel(c.tolist()) / c.shape[1])[1] for c in codes]
    per_block = nets.value(network, ub.proxy("nwot", scope="blocks"), data)
    assert per_block == pytest.approx(np.mean(blocks), rel=1e-12)


def test_order_of_the_samples_does_not_matter():
    network, ((x, y), _) = nets.seeded(nets.Stages), nets.batches()
    order = torch.tensor([3, 0, 5, 1, 4, 2])
    proxy = ub.proxy("nwot")
    forward = nets.value(network, proxy, [(x, y)])
    assert nets.value(network, proxy, [(x[order], y[order])]) == pytest.approx(forward, rel=1e-9)


CALLS = {
    "module": lambda net, x: net.act(x),
    "functional": lambda net, x: functional.relu(x),
    "in-place functional": lambda net, x: functional.relu(x.clone(), inplace=True),
    "torch": lambda net, x: torch.relu(x),
    "method": lambda net, x: x.relu(),
    "in-place method": lambda net, x: x.clone().relu_(),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_every_spelling_of_an_activation_counts_once(call):
    network = nets.Function(call, act=nn.ReLU(inplace=True))
    images = nets.batches(1)[0][0]
    kernel, _ = code_kernel(network, images.clone(), ["relu"])
    assert kernel.units == {None: images[0].numel()}
    assert kernel.kernels[None].numpy().tolist() == hamming_kernel((images > 0).flatten(1).tolist()).tolist()


MODULES = [
    nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.PReLU, nn.ELU, nn.CELU, nn.SELU, nn.GELU, nn.SiLU, nn.Mish,
    nn.Hardswish, nn.Hardsigmoid, nn.Hardtanh, nn.Softplus, nn.Sigmoid, nn.Tanh, nn.LogSigmoid, nn.Softsign,
]  # fmt: skip


@pytest.mark.parametrize("module", MODULES)
def test_every_activation_module_counts_once(module):
    network = nets.Function(lambda net, x: net.act(x), act=module())
    images = nets.batches(1)[0][0]
    kernel, _ = code_kernel(network, images, POINTWISE)
    assert kernel.units == {None: images[0].numel()}


def test_a_tensor_that_feeds_two_activations_counts_twice_and_a_changed_one_anew():
    images = nets.batches(1)[0][0]
    once, _ = code_kernel(nets.Function(lambda _, x: torch.relu(x)), images, ["relu"])
    twice, _ = code_kernel(nets.Function(lambda _, x: torch.relu(x) + torch.relu(x)), images, ["relu"])
    assert torch.equal(twice.kernels[None], 2 * once.kernels[None])

    def flipped(_, x):
        x = x.clone()
        first = torch.relu(x)
        return first + torch.relu(x.sub_(1))

    both, _ = code_kernel(nets.Function(flipped), images, ["relu"])
    expected = hamming_kernel((images > 0).flatten(1).tolist()) + hamming_kernel(
        (images > 1).flatten(1).tolist()
    )
    assert both.kernels[None].numpy().tolist() == expected.tolist()


def test_softmax_and_tables_are_no_activations():
    def attention(net, x):
        gate = torch.relu(net.table.weight).sum(0)
        return torch.softmax(x.flatten(1), 1)[:, :5] * gate

    network = nets.Function(attention, table=nn.Linear(5, 7, bias=False))
    with pytest.raises(NotApplicable, match="no pointwise activation"):
        nets.value(network, ub.proxy("nwot"), nets.batches(1))


def test_relu_alone_on_request():
    network = nets.seeded(lambda: nets.Stages(activation=nn.GELU))
    assert math.isfinite(nets.value(network, ub.proxy("nwot"), nets.batches(1)))
    with pytest.raises(NotApplicable):
        nets.value(network, ub.proxy("nwot", activations="relu"), nets.batches(1))


def test_two_equal_images_are_minus_infinity():
    x, y = nets.batches(1)[0]
    x = torch.cat([x[:-1], x[:1]])
    network = nets.seeded(nets.Stages)
    assert nets.value(network, ub.proxy("nwot"), [(x, y)]) == -math.inf


def test_a_gap_behind_live_units_is_declined_in_the_robust_style_only():
    network = nets.Function(lambda net, x: net.head(0 * torch.relu(x).mean((2, 3))), head=nn.Linear(3, 5))
    with pytest.raises(NotApplicable, match="does not depend"):
        nets.value(network, ub.proxy("nwot"), nets.batches(1))
    assert math.isfinite(nets.value(network, ub.proxy("nwot", style="reference"), nets.batches(1)))


@pytest.mark.parametrize("units", [1, 2, 3, 64, 100])
@pytest.mark.parametrize("batch", [2, 8, 64])
def test_agreements_are_those_of_a_direct_comparison(batch: int, units: int) -> None:
    codes = torch.rand(batch, units, generator=torch.Generator().manual_seed(units)) > 0.5
    expected = (codes[:, None] == codes[None]).sum(2).double()
    assert torch.equal(agreements(codes), expected)
