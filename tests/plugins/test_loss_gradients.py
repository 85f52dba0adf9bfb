"""snip, plain, grad_norm, fisher and grasp against other computations, and the identities they obey."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn
from torch.autograd.function import once_differentiable
from torch.func import functional_call, grad, replace_all_batch_norm_modules_
from torch.nn import functional
from torch.nn.attention import SDPBackend, sdpa_kernel

import uninas_bench as ub
from tests.plugins import nets
from uninas_bench import NotApplicable
from uninas_bench.testing.networks import AttentionNetwork
from uninas_bench.testing.proxies import ProxyTestCase

FIVE = ("snip", "plain", "grad_norm", "fisher", "grasp")


class TestSnip(ProxyTestCase):
    declines_disconnected = True

    def make_proxy(self):
        return ub.proxy("snip")


class TestPlain(TestSnip):
    another_process = False

    def make_proxy(self):
        return ub.proxy("plain")


class TestGradNorm(TestPlain):
    def make_proxy(self):
        return ub.proxy("grad_norm")


class TestGradNormOfTheNetwork(TestPlain):
    def make_proxy(self):
        return ub.proxy("grad_norm", norm="network")


class TestFisher(TestPlain):
    def make_proxy(self):
        return ub.proxy("fisher")


class TestFisherOfChannels(TestPlain):
    def make_proxy(self):
        return ub.proxy("fisher", count="channels")


class TestGrasp(TestPlain):
    def make_proxy(self):
        return ub.proxy("grasp")


class Excited(nn.Module):
    """Squeeze and excitation around a convolution without a norm."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 6, 3, padding=1)
        self.depthwise = nn.Conv2d(6, 6, 3, padding=1, groups=6, bias=False)
        self.norm = nn.BatchNorm2d(6)
        self.squeeze, self.expand = nn.Conv2d(6, 2, 1), nn.Conv2d(2, 6, 1)
        self.head = nn.Linear(6, 5)

    def forward(self, x):
        x = functional.silu(self.norm(self.depthwise(functional.silu(self.stem(x)))))
        gate = torch.sigmoid(self.expand(functional.relu(self.squeeze(x.mean((2, 3), keepdim=True)))))
        return self.head((x * gate).mean((2, 3)))


class Quiet(AttentionNetwork):
    """Attention without dropout, so a second computation sees the same network."""

    def __init__(self):
        super().__init__(width=8, depth=1)
        self.blocks[0].attention.dropout = 0.0


NETWORKS = {"norms": nets.Stages, "excitation": Excited, "attention": Quiet}


def pure(build):
    """A network in float64 that `torch.func` takes: norms without running statistics."""
    return replace_all_batch_norm_modules_(nets.seeded(build).double())


@pytest.fixture(params=NETWORKS)
def network(request):
    return pure(NETWORKS[request.param])


def data(n=1):
    return [(images.double(), labels) for images, labels in nets.batches(n)]


def scores(network, batches=None, names=FIVE, **options):
    found = ub.score_network(network, list(names), batches or data(), **options)
    return {name: found[ub.proxy(name).name][ub.proxy(name).name] for name in names}


def layers(network):
    return {
        f"{name}.weight": module.weight.detach()
        for name, module in network.named_modules()
        if isinstance(module, nn.Conv2d | nn.Linear)
    }


def loss_of(network, images, labels):
    """The loss as a function of the layers' weights."""

    def loss(weights):
        with sdpa_kernel(SDPBackend.MATH):
            return functional.cross_entropy(functional_call(network, weights, (images,)), labels)

    return loss


def test_gradient_of_a_mask_gives_the_same(network):
    ((images, labels),) = data()
    weights = layers(network)
    loss = loss_of(network, images, labels)

    def masked(masks):
        return loss({name: weight * masks[name] for name, weight in weights.items()})

    by_mask = grad(masked)({name: torch.ones_like(weight) for name, weight in weights.items()})
    found = scores(network)
    assert found["snip"] == pytest.approx(sum(g.abs().sum().item() for g in by_mask.values()), rel=1e-9)
    assert found["plain"] == pytest.approx(sum(g.sum().item() for g in by_mask.values()), rel=1e-9)


def test_plain_backward_gives_the_same(network):
    ((images, labels),) = data()
    functional.cross_entropy(network(images), labels).backward()
    norms = [math.sqrt((network.get_parameter(name).grad ** 2).sum()) for name in layers(network)]
    total = math.sqrt(sum((p.grad**2).sum() for p in network.parameters()))
    network.zero_grad(set_to_none=True)
    assert scores(network)["grad_norm"] == pytest.approx(sum(norms), rel=1e-9)
    whole = nets.value(network, ub.proxy("grad_norm", norm="network"), data())
    assert whole == pytest.approx(total, rel=1e-9)


def test_another_second_derivative_gives_the_same(network):
    """The gradient of g . c in the weights, c being g held constant, with torch's own derivatives."""
    ((images, labels),) = data()
    weights = layers(network)
    gradient = grad(loss_of(network, images, labels))
    constant = gradient(weights)

    def along(weights):
        found = gradient(weights)
        return sum((found[name] * constant[name]).sum() for name in weights)

    products = grad(along)(weights)
    expected = -sum((weights[name] * products[name]).sum().item() for name in weights)
    assert scores(network)["grasp"] == pytest.approx(expected, rel=1e-7)


def test_finite_differences_give_the_same(network):
    ((images, labels),) = data()
    weights = layers(network)
    gradient = grad(loss_of(network, images, labels))
    g, step = gradient(weights), 1e-5
    ahead, back = (gradient({n: w + sign * step * g[n] for n, w in weights.items()}) for sign in (1, -1))
    expected = -sum((w * (ahead[n] - back[n])).sum().item() / (2 * step) for n, w in weights.items())
    assert scores(network)["grasp"] == pytest.approx(expected, rel=1e-4)


def literal_fisher(network, images, labels):
    """Channel by channel, sample by sample; by channels and by weights."""
    outputs = {}
    handles = []
    for name, module in network.named_modules():
        if isinstance(module, nn.Conv2d | nn.Linear):

            def keep(module, _, output, name=name):
                output.retain_grad()
                outputs[name] = output

            handles.append(module.register_forward_hook(keep))  # fmt: skip
    functional.cross_entropy(network(images), labels).backward()
    for handle in handles:
        handle.remove()
    channels = weights = 0.0
    for name, a in outputs.items():
        module = network.get_submodule(name)
        values = a.movedim(-1, 1) if isinstance(module, nn.Linear) else a
        slopes = a.grad.movedim(-1, 1) if isinstance(module, nn.Linear) else a.grad
        for k in range(values.shape[1]):
            squares = [(values[n, k] * slopes[n, k]).sum().item() ** 2 for n in range(len(values))]
            channels += sum(squares) / len(squares) / 2
            weights += sum(squares) / len(squares) / 2 * module.weight[k].numel()
    network.zero_grad(set_to_none=True)
    return channels, weights


def test_literal_loops_give_the_same_fisher(network):
    channels, weights = literal_fisher(network, *data()[0])
    assert nets.value(network, ub.proxy("fisher", count="channels"), data()) == pytest.approx(channels)
    assert scores(network)["fisher"] == pytest.approx(weights)


class Normed(nn.Module):
    """Only convolutions that batch norm follows, and a classifier that is no layer."""

    def __init__(self):
        super().__init__()
        self.stages = nets.Stages().stages
        self.register_buffer("head", torch.randn(16, 5))

    def forward(self, x):
        for stage in self.stages:
            x = stage(x)
        return x.mean((2, 3)) @ self.head


def test_scale_of_weights_before_a_norm_does_not_matter():
    """Of degree 0 in w: w . g = 0, and differentiated along g: -w . Hg = ||g||^2; norms add eps, though."""
    network = pure(Normed)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eps = 1e-14
    ((images, labels),) = data()
    gradients = grad(loss_of(network, images, labels))(layers(network))
    found = scores(network)
    assert found["plain"] == pytest.approx(0, abs=1e-9 * found["snip"])
    assert found["grasp"] == pytest.approx(sum((g**2).sum().item() for g in gradients.values()), rel=1e-6)


def test_plain_is_that_of_the_classifier_alone():
    network = pure(nets.Stages)
    ((images, labels),) = data()
    gradients = grad(loss_of(network, images, labels))(layers(network))
    expected = (network.head.weight * gradients["head.weight"]).sum().item()
    assert scores(network)["plain"] == pytest.approx(expected, rel=1e-3)  # eps of the norms


@pytest.mark.parametrize("seed", range(3))
def test_signed_sum_is_no_larger(seed):
    found = scores(nets.seeded(Excited, seed), nets.batches(1))
    assert found["snip"] >= abs(found["plain"])


def test_order_of_samples_and_names_of_classes_do_not_matter(network):
    ((images, labels),) = data()
    expected = scores(network)
    order = torch.tensor([3, 0, 5, 1, 4, 2])
    assert scores(network, [(images[order], labels[order])]) == pytest.approx(expected, rel=1e-7)
    classes = torch.tensor([2, 0, 4, 1, 3])
    with torch.no_grad():
        network.head.weight.copy_(network.head.weight.clone()[classes])
        network.head.bias.copy_(network.head.bias.clone()[classes])
    assert scores(network, [(images, classes.argsort()[labels])]) == pytest.approx(expected, rel=1e-7)


class InPlace(nn.Module):
    """Convolutions whose outputs are written into by what follows, or by nobody."""

    def __init__(self, inplace):
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 6, 3, padding=1), nn.Conv2d(6, 6, 3, padding=1)
        self.act = nn.ReLU(inplace=inplace)
        self.head = nn.Linear(6, 5)
        self.inplace = inplace

    def forward(self, x):
        x = self.act(self.first(x))
        y = functional.hardswish(self.second(x), inplace=self.inplace)
        if self.inplace:
            y += x
        else:
            y = y + x
        return self.head(y.mean((2, 3)))


def test_in_place_operations_change_nothing():
    apart = scores(nets.seeded(lambda: InPlace(False)), nets.batches(1))
    assert scores(nets.seeded(lambda: InPlace(True)), nets.batches(1)) == apart


class Around(nn.Module):
    """A module after a convolution and before another."""

    def __init__(self, build):
        super().__init__()
        self.first, self.inner = nn.Conv2d(3, 6, 3, padding=1), build()
        self.second, self.head = nn.Conv2d(6, 6, 3), nn.Linear(6, 5)

    def forward(self, x):
        return self.head(self.second(self.inner(self.first(x))).mean((2, 3)))


INNER = {
    module.__name__: module
    for module in (
        nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.ELU, nn.CELU, nn.SELU, nn.GELU, nn.SiLU, nn.Mish, nn.Softplus,
        nn.Sigmoid, nn.LogSigmoid, nn.Tanh, nn.Hardswish, nn.Softsign, nn.Hardtanh, nn.PReLU,
    )
} | {
    "softmax": lambda: nn.Softmax(1), "batch norm": lambda: nn.BatchNorm2d(6),
    "instance norm": lambda: nn.InstanceNorm2d(6), "group norm": lambda: nn.GroupNorm(2, 6),
    "layer norm": lambda: nn.LayerNorm(8), "rms norm": lambda: nn.RMSNorm(8), "dropout": nn.Dropout,
    "average": lambda: nn.AvgPool2d(3, 1, 1), "maximum": lambda: nn.MaxPool2d(3, 1, 1),
    "bilinear": lambda: nn.Upsample(scale_factor=2, mode="bilinear"),
}  # fmt: skip
ALONE = {name: lambda build=build: Around(build) for name, build in INNER.items()} | {
    "norms": nets.Stages, "excitation": Excited, "attention": AttentionNetwork,
    "written": lambda: InPlace(True),
}  # fmt: skip


@pytest.mark.parametrize("name", ALONE)
def test_values_are_those_of_each_alone(name):
    """Bit for bit, whatever second derivatives change, dropout and attention included."""
    network, batches = nets.seeded(ALONE[name]), nets.batches(1)
    together = scores(network, batches)
    assert all(map(math.isfinite, together.values()))
    assert {member: scores(network, batches, [member])[member] for member in FIVE} == together


def test_one_forward_pass_serves_all():
    calls = []

    def counting(net, x):
        calls.append(len(x))
        return net.head(x.mean((2, 3)))

    network = nets.seeded(lambda: nets.Function(counting, head=nn.Linear(3, 5)))
    scores(network, nets.batches(1))
    assert len(calls) == 1


def test_unused_layers_add_nothing_and_raw_parameters_do_not_count():
    network = nets.seeded(Excited)
    expected = scores(network, nets.batches(1))
    network.idle, network.raw = nn.Linear(3, 3), nn.Parameter(torch.ones(3, 3))
    assert scores(network, nets.batches(1)) == expected


def test_a_layer_that_is_used_twice_has_one_gradient():
    def twice(net, x):
        return net.head(net.conv(torch.tanh(net.conv(x))).mean((2, 3)))

    network = nets.seeded(
        lambda: nets.Function(twice, conv=nn.Conv2d(3, 3, 3, padding=1), head=nn.Linear(3, 5))
    ).double()
    ((images, labels),) = data()
    weights = layers(network)
    gradients = grad(loss_of(network, images, labels))(weights)
    found = scores(network)
    assert found["snip"] == pytest.approx(
        sum((w * gradients[n]).abs().sum().item() for n, w in weights.items())
    )
    assert found["fisher"] > 0


class _Once(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return 2 * x

    @staticmethod
    @once_differentiable
    def backward(ctx, g):
        return 2 * g


def fused(x):
    with sdpa_kernel(SDPBackend.FLASH_ATTENTION):
        return functional.scaled_dot_product_attention(x, x, x)


@pytest.mark.parametrize(
    "operation", [_Once.apply, fused, functional.hardsigmoid], ids=["marked", "fused", "built in"]
)
def test_no_second_derivative(operation):
    """grasp is declined with torch's reason, and what is computed beside it is there."""

    def function(net, x):
        return net.head(operation(torch.relu(net.conv(x))).mean((2, 3)))

    network = nets.seeded(
        lambda: nets.Function(function, conv=nn.Conv2d(3, 8, 3, padding=1), head=nn.Linear(8, 5))
    )
    found = scores(network, nets.batches(1))
    assert math.isnan(found.pop("grasp"))
    assert all(map(math.isfinite, found.values()))
    with pytest.raises(NotApplicable, match=r"no second derivative: .*(derivative|differentiate)"):
        nets.value(network, ub.proxy("grasp"), nets.batches(1))


def test_a_class_that_is_alone_has_no_curvature():
    """Its loss is 0 whatever the weights."""
    network = nets.Function(lambda net, x: net.head(x.mean((2, 3))), head=nn.Linear(3, 1))
    assert scores(network, [(nets.batches(1)[0][0], torch.zeros(6, dtype=torch.long))])["grasp"] == 0


DECLINED = {
    "zeroed": (lambda net, x: net.head(0 * x.mean((2, 3))), {"head": nn.Linear(3, 5)}, "depend on the input"),
    "cut": (
        lambda net, x: net.head(torch.zeros(len(x), 3)), {"head": nn.Linear(3, 5)}, "depend on the input",
    ),
    "no layer": (lambda net, x: x.mean((2, 3)) @ net.raw, {}, "no convolution"),
    "no weight": (lambda net, x: x.mean((2, 3)), {"idle": nn.Linear(3, 5)}, "depends on no weight"),
}  # fmt: skip


@pytest.mark.parametrize("name", FIVE)
@pytest.mark.parametrize("case", DECLINED)
def test_declined(case, name):
    function, modules, message = DECLINED[case]
    network = nets.Function(function, **modules)
    network.register_buffer("raw", torch.ones(3, 5))
    batches = [(images, labels % 3) for images, labels in nets.batches(1)]
    with pytest.raises(NotApplicable, match=message):
        nets.value(network, ub.proxy(name), batches)


def test_overflow_is_no_number():
    network = nets.seeded(Excited)
    with torch.no_grad():
        network.stem.weight.mul_(1e30)
        network.squeeze.weight.mul_(1e30)
    assert not any(math.isfinite(value) for value in scores(network, nets.batches(1)).values())


def test_the_cell_of_zeros_has_a_reason():
    frame = ub.score(
        ["|none~0|+|none~0|none~1|+|none~0|none~1|none~2|"],
        [ub.proxy(name, source="gaussian", batch=4) for name in FIVE],
        space=ub.space("nasbench201", channels=4, cells=1),
    )
    assert set(frame["status"]) == {"not-applicable"}
    assert set(frame["message"]) == {"the output does not depend on the input"}
