from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

import uninas_bench as ub
from tests.plugins import nets
from uninas_bench import NotApplicable, UserError
from uninas_bench.testing.networks import AttentionNetwork
from uninas_bench.testing.proxies import ProxyTestCase
from uninas_bench_plugins._activations import POINTWISE, RELU, activation_patterns
from uninas_bench_plugins._neural_tangents import tangent_kernel
from uninas_bench_plugins.te_nas import condition_number, published_condition


class TestTeNas(ProxyTestCase):
    declines_disconnected = True

    def make_proxy(self):
        return ub.proxy("te_nas")


def whole_jacobian(network, x):
    """d sum_c z_ic / d weights of the whole batch at once, by torch's own Jacobian."""
    names = [name for name, _ in network.named_parameters() if "weight" in name]
    values = tuple(network.get_parameter(name).detach() for name in names)

    def sums(*weights):
        return torch.func.functional_call(network, dict(zip(names, weights, strict=True)), (x,)).sum(1)

    parts = torch.autograd.functional.jacobian(sums, values)
    return torch.cat([part.flatten(1) for part in parts], 1)


NETWORKS = {
    "relu": nets.Stages,
    "in place": lambda: nets.Stages(activation=lambda: nn.ReLU(inplace=True)),
    "gelu": lambda: nets.Stages(activation=nn.GELU),
    "attention": lambda: AttentionNetwork().eval(),
}


@pytest.mark.parametrize("kind", NETWORKS)
def test_kernel_and_condition_number_by_a_whole_jacobian(kind):
    network, ((x, _), *_) = nets.seeded(NETWORKS[kind]).double(), nets.batches()
    jacobian = whole_jacobian(network, x.double())
    weights = [p for name, p in network.named_parameters() if "weight" in name]
    kernel, _ = tangent_kernel(network, x.double(), weights)
    expected = (jacobian @ jacobian.T).detach()
    assert torch.allclose(kernel, expected, rtol=1e-10, atol=1e-12 * float(expected.abs().max()))
    assert condition_number(kernel) == pytest.approx(np.linalg.cond(expected.numpy()), rel=1e-6)


def test_the_component_is_minus_the_condition_number_of_all_but_the_biases():
    network, data = nets.seeded(nets.Stages), nets.batches(1)
    jacobian = whole_jacobian(network.double(), data[0][0].double()).detach().numpy()
    # Three convolutions and norms, and the head.
    assert jacobian.shape[1] == 3 * 8 * 9 + 8 * 12 * 9 + 12 * 16 * 9 + (8 + 12 + 16) + 16 * 5
    expected = -np.linalg.cond(jacobian @ jacobian.T)
    assert nets.value(network.float(), ub.proxy("te_nas"), data)["ntk"] == pytest.approx(expected, rel=1e-3)


def linear(classes=5):
    return nets.Function(lambda net, x: net.head(x.flatten(1)), head=nn.Linear(192, classes, bias=False))


def test_a_linear_network_has_a_closed_form():
    """The gradient of the sum of z = W x is x in every row of W: the kernel is classes X X^T."""
    data = nets.batches(1)
    rows = data[0][0].flatten(1).double().numpy()
    found = nets.value(linear(), ub.proxy("te_nas"), data)
    assert found["ntk"] == pytest.approx(-np.linalg.cond(rows @ rows.T), rel=1e-5)
    assert math.isnan(found["linear_regions"]), "no activation, no regions"


def test_order_of_the_samples_does_not_matter():
    network, ((x, y), _) = nets.seeded(nets.Stages), nets.batches()
    order = torch.tensor([3, 0, 5, 1, 4, 2])
    proxy = ub.proxy("te_nas")
    forward, other = (nets.value(network, proxy, [(x[o], y[o])]) for o in (slice(None), order))
    assert other == pytest.approx(forward, rel=1e-4)


def test_a_singular_kernel_has_no_condition_number():
    x, y = nets.batches(1)[0]
    twice = torch.cat([x, x[:1]]), torch.cat([y, y[:1]])
    found = nets.value(nets.seeded(nets.Stages), ub.proxy("te_nas"), [twice])
    assert found["ntk"] == -math.inf
    assert found["linear_regions"] == 7


def test_repeats_are_averaged():
    network, data = nets.seeded(nets.Stages), nets.batches(3)
    once = [nets.value(network, ub.proxy("te_nas"), [batch])["ntk"] for batch in data]
    found = nets.value(network, ub.proxy("te_nas", repeats=3), data)
    assert found["ntk"] == pytest.approx(np.mean(once))
    with pytest.raises(UserError, match="repeats=0"):
        ub.proxy("te_nas", repeats=0)


def test_patterns_by_hooks():
    """As many regions as there are different rows of a matrix of all signs."""
    network = nets.seeded(lambda: nets.Stages(widths=(2, 1)))
    images = nets.batches(1, size=12, resolution=2)[0][0]
    images[5:8] = images[0]
    codes = []
    for stage in network.stages:
        stage[2].register_forward_pre_hook(lambda _, inputs: codes.append((inputs[0] > 0).flatten(1)))
    patterns = activation_patterns(network, images, RELU)
    rows = torch.cat(codes, 1)
    assert len(set(patterns)) == len(torch.unique(rows, dim=0))
    equal = [[bool((one == other).all()) for one in rows] for other in rows]
    assert [[one == other for one in patterns] for other in patterns] == equal


@pytest.mark.parametrize(("units", "regions"), [(1, 2), (2, 3), (3, 4)])
def test_lines_on_a_line_cut_it_into_regions(units, regions):
    """Units relu(s - t_i) of one number s cut a line into units + 1 parts; 600 images meet them all."""
    thresholds = torch.linspace(-0.02, 0.02, units)

    def function(net, x):
        return net.head(torch.relu(x.mean((1, 2, 3))[:, None] - thresholds))

    network = nets.Function(function, head=nn.Linear(units, 5))
    proxy = ub.proxy("te_nas", samples=600, style="reference")
    assert nets.value(network, proxy, nets.batches(1))["linear_regions"] == regions


def test_size_of_the_images_that_share_out_the_regions():
    network, shapes = nets.seeded(nets.Stages), []
    network.register_forward_pre_hook(lambda _, inputs: shapes.append(tuple(inputs[0].shape)))
    data = nets.batches(1)
    nets.value(network, ub.proxy("te_nas"), data)
    nets.value(network, ub.proxy("te_nas", samples=30, pixels=3), data)
    assert shapes == [(6, 3, 8, 8), (6, 3, 8, 8), (6, 3, 8, 8), (30, 3, 3, 3)]
    with pytest.raises(UserError, match="pixels=-1"):
        ub.proxy("te_nas", pixels=-1)


def test_smooth_activations_count_unless_told_otherwise():
    network = nets.seeded(lambda: nets.Stages(activation=nn.GELU))
    assert nets.value(network, ub.proxy("te_nas"), nets.batches(1))["linear_regions"] == 6
    only = nets.value(network, ub.proxy("te_nas", activations="relu"), nets.batches(1))
    assert math.isnan(only["linear_regions"])
    assert math.isfinite(only["ntk"])
    assert not activation_patterns(linear(), nets.batches(1)[0][0], POINTWISE)


def test_what_the_published_code_makes_of_kernels_without_a_condition_number():
    def kernel(*eigenvalues):
        return torch.diag(torch.tensor(eigenvalues, dtype=torch.float64))

    assert published_condition(kernel(4, 2)) == condition_number(kernel(4, 2)) == 2
    assert published_condition(kernel(0, 0)) == 1e5
    assert published_condition(kernel(1, 0)) == np.finfo(float).max
    assert published_condition(kernel(1, -1e-8)) < 0
    assert condition_number(kernel(1, 0)) == condition_number(kernel(1, -1e-17)) == math.inf
    assert math.isnan(condition_number(kernel(1, math.nan)))
    with pytest.raises(NotApplicable, match="no weight plays a part"):
        condition_number(kernel(0, 0))


def test_a_gap_is_declined_in_the_robust_style_only():
    network = nets.Function(lambda net, x: net.head(0 * torch.relu(x).mean((2, 3))), head=nn.Linear(3, 5))
    with pytest.raises(NotApplicable, match="does not depend"):
        nets.value(network, ub.proxy("te_nas"), nets.batches(1))
    found = nets.value(network, ub.proxy("te_nas", style="reference"), nets.batches(1))
    assert found == {"ntk": -1e5, "linear_regions": 6}


def test_the_score_is_the_sum_of_both_ranks():
    frame = pd.DataFrame(
        {
            "ntk": [-10.0, -5.0, np.nan, -20.0, np.nan],
            "linear_regions": [64.0, 64.0, 64.0, 1.0, np.nan],
        },
        index=list("abcde"),
    )
    # Of both columns the missing rank lowest; equal numbers share the mean of their ranks.
    expected = {"a": 4 + 4, "b": 5 + 4, "c": 1.5 + 4, "d": 3 + 2, "e": math.nan}
    found = ub.proxy("te_nas").aggregate(frame)
    assert found.to_dict() == pytest.approx(expected, nan_ok=True)


def test_boards_take_it_on_request():
    from uninas_bench.host import default_host

    assert "te_nas" not in default_host().default_proxies()
