from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

import uninas_bench as ub
from tests.plugins import nets
from uninas_bench import NotApplicable, UserError
from uninas_bench.testing.networks import AttentionNetwork
from uninas_bench.testing.proxies import ProxyTestCase
from uninas_bench_plugins._last_map import last_map


class TestZen(ProxyTestCase):
    declines_disconnected = True

    def make_proxy(self):
        return ub.proxy("zen")


class TestZenOfBatches(TestZen):
    another_process = False

    def make_proxy(self):
        return ub.proxy("zen", variances="batch", source="task")


def by_hand(network, x, e, *, batch=False):
    """Conv, batch norm and ReLU of `nets.Stages`, written out in float64 numbers of numpy."""
    maps, logs = [], []
    for step in (0.0, 0.01):
        found = (x.double() + step * e.double()).numpy()
        variances = []
        for stage in network.stages:
            weight = stage[0].weight.detach().double()
            found = functional.conv2d(torch.from_numpy(found), weight, padding=1).numpy()
            mean = found.mean((0, 2, 3), keepdims=True)
            biased = found.var((0, 2, 3), keepdims=True)
            variances.append(found.var((0, 2, 3), ddof=1))
            found = np.maximum((found - mean) / np.sqrt(biased + 1e-5), 0)
        maps.append(found)
        logs.append(variances)
    first, second = logs
    kept = first if batch else [0.81 + 0.09 * v1 + 0.1 * v2 for v1, v2 in zip(first, second, strict=True)]
    moved = np.abs(maps[0] - maps[1]).sum((1, 2, 3)).mean()
    return np.log(moved) + sum(np.log(np.sqrt(v.mean())) for v in kept)


@pytest.fixture
def network():
    return nets.seeded(nets.Stages)


@pytest.mark.parametrize("batch", [False, True], ids=["running", "batch"])
def test_both_kinds_of_variances_by_hand(network, batch):
    data = nets.batches(2)
    proxy = ub.proxy("zen", variances="batch" if batch else "running")
    expected = by_hand(network, data[0][0], data[1][0], batch=batch)
    assert nets.value(network, proxy, data) == pytest.approx(expected, rel=1e-5)


def test_the_networks_past_makes_no_difference(network):
    data, proxy = nets.batches(2), ub.proxy("zen")
    expected = nets.value(network, proxy, data)
    network(7 * data[0][0] + 3)
    assert nets.value(network, proxy, data) == expected


@pytest.mark.parametrize("change", ["in-place", "untracked", "without affine"])
def test_in_place_activations_and_norms_without_state_make_no_difference(network, change):
    data, proxy = nets.batches(2), ub.proxy("zen")
    expected = nets.value(network, proxy, data)
    for stage in network.stages:
        if change == "in-place":
            stage[2].inplace = True
        elif change == "untracked":
            stage[1] = nn.BatchNorm2d(stage[1].num_features, track_running_stats=False)
        else:
            stage[1] = nn.BatchNorm2d(stage[1].num_features, affine=False)
    assert nets.value(network, proxy, data) == expected


def test_norms_give_back_the_scale_that_they_take(network):
    """Weights c times as large leave the map alone, and the variances give back ln c."""
    data, proxy = nets.batches(2), ub.proxy("zen", variances="batch")
    with torch.no_grad():
        for stage in network.stages:
            stage[0].weight.mul_(1000)
    expected = nets.value(network, proxy, data) + math.log(5)
    with torch.no_grad():
        network.stages[1][0].weight.mul_(5)
    assert nets.value(network, proxy, data) == pytest.approx(expected, abs=1e-4)


def test_a_linear_network_has_a_closed_form():
    """f(x) - f(x + 0.01 e) = 0.01 W e, without any norm."""
    data = nets.batches(2)
    conv = nets.seeded(lambda: nn.Conv2d(3, 4, 1, bias=False))
    network = nets.Function(
        lambda net, x: net.head(net.conv(x).mean((2, 3))), conv=conv, head=nn.Linear(4, 5)
    )
    weight, e = conv.weight.detach()[:, :, 0, 0].double(), data[1][0].double()
    moved = torch.einsum("oc,bchw->bohw", weight, e).abs().sum((1, 2, 3)).mean()
    assert nets.value(network, ub.proxy("zen"), data) == pytest.approx(math.log(0.01 * moved), rel=1e-4)


def test_order_of_the_samples_does_not_matter(network):
    (x, y), (e, _) = nets.batches(2)
    order = torch.tensor([3, 0, 5, 1, 4, 2])
    expected = nets.value(network, ub.proxy("zen"), [(x, y), (e, y)])
    assert nets.value(network, ub.proxy("zen"), [(x[order], y), (e[order], y)]) == pytest.approx(expected)


def test_weights_are_standard_normal():
    frame = ub.score(["6111"], ["zen"], space=ub.space("nasbench201", channels=4, cells=1), task="digits")
    assert "init=gaussian" in frame["settings"].item()
    seen = {}

    class Spy(type(ub.proxy("zen"))):
        def evaluate(self, subject):
            convolutions = [m for m in subject.network().modules() if isinstance(m, nn.Conv2d)]
            seen["std"] = torch.cat([m.weight.flatten() for m in convolutions]).std().item()
            return super().evaluate(subject)

    again = ub.score(["6111"], [Spy()], space=ub.space("nasbench201", channels=4, cells=1), task="digits")
    assert again["value"].item() == frame["value"].item()
    assert seen["std"] == pytest.approx(1, abs=0.02)


def test_the_second_batch_of_a_bare_network_moves_the_first(network):
    data = nets.batches(2)
    with pytest.raises(UserError, match="2 batches are needed"):
        ub.score_network(network, ["zen"], batches=data[:1])
    real = ub.proxy("zen", source="task")
    one, other = (ub.score_network(network, [real], batches=data[:n])["zen"]["zen"] for n in (1, 2))
    assert one == other, "with real images the step is drawn"
    assert one == pytest.approx(ub.score_network(network, ["zen"], batches=data)["zen"]["zen"], abs=0.3)


def test_a_map_that_does_not_move_is_declined_in_the_robust_style_only():
    network = nets.Function(lambda net, x: net.head((0 * net.conv(x)).mean((2, 3))),
                            conv=nn.Conv2d(3, 4, 1), head=nn.Linear(4, 5))  # fmt: skip
    with pytest.raises(NotApplicable, match="does not depend"):
        nets.value(network, ub.proxy("zen"), nets.batches(2))
    assert nets.value(network, ub.proxy("zen", style="reference"), nets.batches(2)) == -math.inf


def test_what_random_layers_draw_does_not_move_the_map():
    network = nets.seeded(lambda: nets.Stages(activation=lambda: nn.Sequential(nn.ReLU(), nn.Dropout(0.5))))
    (x, y), (e, _) = nets.batches(2)
    with pytest.raises(NotApplicable, match="does not depend"):
        nets.value(network, ub.proxy("zen"), [(x, y), (0 * e, y)])
    one, tenth = (nets.value(network, ub.proxy("zen"), [(x, y), (step * e, y)]) for step in (1, 0.1))
    assert one - tenth == pytest.approx(math.log(10), rel=0.1)


def gated(net, x):
    """Squeeze and excitation behind the map: its gates are of one place."""
    x = net.conv(x)
    net.seen = x * torch.sigmoid(functional.adaptive_avg_pool2d(x, 1))
    return net.head(net.seen.flatten(1))


def late(net, x):
    """As in MobileNet: a convolution between pooling and head."""
    net.seen = functional.relu(net.conv(x))
    return net.head(net.last(functional.adaptive_avg_pool2d(net.seen, 1)).flatten(1))


def tiny(net, x):
    """Nothing but one place is left, and still it is pooled."""
    net.seen = torch.relu(net.deep(x))
    return net.head(net.pool(net.seen).flatten(1))


def mean(net, x):
    net.seen = net.conv(x).relu_()
    return net.head(net.seen.mean((2, 3)))


HEADS = {
    "gated": (gated, {"head": nn.Linear(256, 5)}),
    "late": (late, {"last": nn.Conv2d(4, 6, 1), "head": nn.Linear(6, 5)}),
    "tiny": (tiny, {"deep": nn.Conv2d(3, 6, 8), "pool": nn.AdaptiveAvgPool2d(1), "head": nn.Linear(6, 5)}),
    "mean": (mean, {"head": nn.Linear(4, 5)}),
}


@pytest.mark.parametrize("kind", HEADS)
def test_the_last_map_before_any_head(kind):
    function, modules = HEADS[kind]
    network = nets.Function(function, conv=nn.Conv2d(3, 4, 1), **modules)
    with torch.no_grad():
        found, logits = last_map(network, nets.batches(1)[0][0])
    assert torch.equal(found, network.seen)
    assert logits.shape == (6, 5)


def test_the_last_map_of_a_transformer_is_all_its_tokens():
    network, seen = AttentionNetwork(), []
    network.norm.register_forward_hook(lambda *hook: seen.append(hook[2]))
    with torch.no_grad():
        found, _ = last_map(network.eval(), nets.batches(1)[0][0])
    assert torch.equal(found, seen[0])
    assert math.isfinite(nets.value(network, ub.proxy("zen"), nets.batches(2)))


def test_a_network_without_maps_is_declined():
    network = nets.Function(lambda net, x: net.head(x.flatten(1)), head=nn.Linear(192, 5))
    with pytest.raises(NotApplicable, match="no map"):
        nets.value(network, ub.proxy("zen"), nets.batches(2))
