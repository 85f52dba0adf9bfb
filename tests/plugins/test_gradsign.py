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
from uninas_bench.testing.networks import AttentionNetwork
from uninas_bench.testing.proxies import ProxyTestCase
from uninas_bench_plugins import _sample_gradients
from uninas_bench_plugins._layers import counted_layers, weights_of
from uninas_bench_plugins._sample_gradients import sample_gradients


class TestGradSign(ProxyTestCase):
    declines_disconnected = True

    def make_proxy(self):
        return ub.proxy("gradsign")


class TestGradSignAsPublished(TestGradSign):
    another_process = False
    declines_disconnected = False

    def make_proxy(self):
        return ub.proxy("gradsign", style="reference")


def one_by_one(network, x, y):
    """Gradients (B, weights) by plain backward passes of batches of one."""
    layers = [module for module in network.modules() if isinstance(module, nn.Conv2d | nn.Linear | nn.Conv1d)]
    rows = []
    for image, label in zip(x, y, strict=True):
        network.zero_grad()
        functional.cross_entropy(network(image[None]), label[None]).backward()
        found = {
            id(m.weight): torch.zeros_like(m.weight) if m.weight.grad is None else m.weight.grad
            for m in layers
        }
        rows.append(torch.cat([gradient.flatten() for gradient in found.values()]))
    network.zero_grad(set_to_none=True)
    return torch.stack(rows)


def joined(network, x, y):
    """The same by `sample_gradients`, and how many images went through in each pass."""
    layers, sizes = counted_layers(network), []
    handle = network.register_forward_pre_hook(lambda _, inputs: sizes.append(len(inputs[0])))
    rows = []
    for found in sample_gradients(network, x, y, layers):
        pairs = zip(weights_of(layers), found.of_weights, strict=True)
        full = [w.new_zeros(len(found.logits), w.numel()) if g is None else g.flatten(1) for w, g in pairs]
        rows.append(torch.cat(full, 1))
    handle.remove()
    return torch.cat(rows).detach(), sizes


def convolutions(net, x):
    for part in net.parts:
        x = functional.gelu(part(x))
    return net.head(x.flatten(2).mean(2))


def twice(net, x):
    """A layer that is used twice, and one whose output goes nowhere."""
    x = net.conv(net.first(x))
    net.idle(x)
    return net.head(functional.relu(net.conv(functional.relu(x))).mean((2, 3)))


def tokens(net, x):
    """Linear maps of tokens, normalised over the places of each image; of all tokens in one dimension too."""
    x = net.embed(x.flatten(2).transpose(1, 2))
    x = net.norm(x.transpose(1, 2)).transpose(1, 2)
    flat = net.flat(net.inner(x.flatten(0, 1)))
    return net.head(torch.tanh(flat).view(len(x), -1, 6).amax(1))


def unfed(net, x):
    """A branch that images do not reach: its weights have gradients all the same."""
    branch = net.branch(torch.ones_like(x) * 0.5)
    return net.head((net.conv(x) * branch).mean((2, 3)))


SEPARABLE = {
    "stages": nets.Stages,
    "in place": lambda: nets.Stages(activation=lambda: nn.ReLU(inplace=True)),
    "no relu": lambda: nets.Stages(activation=nn.SiLU),
    "convolutions": lambda: nets.Function(convolutions, parts=nn.Sequential(
        nn.Conv2d(3, 6, 3, stride=2, padding=1), nn.Conv2d(6, 6, 3, dilation=2, padding="same", groups=3),
        nn.GroupNorm(2, 6), nn.Conv2d(6, 8, (1, 3), padding=(0, 1), padding_mode="circular", bias=False),
        nn.Conv2d(8, 8, 3, padding=1, groups=8), nn.Flatten(2), nn.Conv1d(8, 5, 3, stride=2),
    ), head=nn.Linear(5, 5)),
    "no norm": lambda: nets.Function(lambda net, x: net.head(net.conv(x).relu().mean((2, 3))),
                                     conv=nn.Conv2d(3, 7, 3), head=nn.Linear(7, 5)),
    "twice": lambda: nets.Function(twice, first=nn.Conv2d(3, 6, 3), conv=nn.Conv2d(6, 6, 3, padding=1),
                                   idle=nn.Conv2d(6, 2, 1), head=nn.Linear(6, 5)),
    "tokens": lambda: nets.Function(tokens, embed=nn.Linear(3, 6), norm=nn.BatchNorm1d(6),
                                    inner=nn.Linear(6, 6), flat=nn.BatchNorm1d(6), head=nn.Linear(6, 5)),
    "unfed": lambda: nets.Function(unfed, branch=nn.Conv2d(3, 4, 3), conv=nn.Conv2d(3, 4, 3),
                                   head=nn.Linear(4, 5)),
}  # fmt: skip


@pytest.mark.parametrize("kind", SEPARABLE)
def test_a_pass_of_many_images_gives_what_each_gives_alone(kind, monkeypatch):
    monkeypatch.setattr(_sample_gradients, "PIXELS", 16 * 8 * 8)
    network = nets.seeded(SEPARABLE[kind]).double()
    x, y = nets.batches(1, size=19)[0]
    expected = one_by_one(network, x.double(), y)
    found, sizes = joined(network, x.double(), y)
    # One image and two, to see whether they can be told apart, then 16 at a time.
    assert sizes == [1, 2, 16, 3]
    assert torch.allclose(found, expected, rtol=1e-8, atol=1e-12)
    assert (expected.norm(dim=1) > 0).all()


class Squared(nn.Linear):
    def forward(self, x):
        return functional.linear(x, self.weight**2)


def mixed(net, x):
    """Every image sees the mean of all of them."""
    return net.head((x - x.mean(0)).mean((2, 3)) + x.mean((2, 3)))


TIED = {
    "own forward": lambda: nets.Function(lambda net, x: net.head(x.flatten(1)), head=Squared(192, 5)),
    "used outside": lambda: nets.Function(
        lambda net, x: net.head(x.flatten(1)) + functional.linear(x.flatten(1), net.head.weight),
        head=nn.Linear(192, 5)),
    "changed in place": lambda: nets.Function(
        lambda net, x: net.head(net.conv(x).relu_().mean((2, 3))),
        conv=nn.Conv2d(3, 4, 3), head=nn.Linear(4, 5)),
    "transposed": lambda: nets.Function(lambda net, x: net.head(net.up(x).relu().mean((2, 3))),
                                        up=nn.ConvTranspose2d(3, 4, 3), head=nn.Linear(4, 5)),
    "images that see each other": lambda: nets.Function(mixed, head=nn.Linear(3, 5)),
    "attention": lambda: AttentionNetwork().eval(),
}  # fmt: skip


@pytest.mark.parametrize("kind", TIED)
def test_where_images_cannot_be_told_apart_they_go_alone(kind):
    network = nets.seeded(TIED[kind]).double()
    x, y = nets.batches(1)[0]
    found, sizes = joined(network, x.double(), y)
    assert sizes == [1, 2] + [1] * 6
    layers = counted_layers(network)
    for row, image, label in zip(found, x.double(), y, strict=True):
        loss = functional.cross_entropy(network(image[None]), label[None])
        alone = torch.autograd.grad(loss, weights_of(layers), allow_unused=True)
        flat = [
            w.new_zeros(w.numel()) if g is None else g.flatten()
            for w, g in zip(weights_of(layers), alone, strict=True)
        ]
        assert torch.equal(row, torch.cat(flat))


def test_random_layers_do_not_keep_images_apart_and_draw_in_train_mode():
    network = nets.seeded(lambda: nets.Stages(activation=lambda: nn.Sequential(nn.ReLU(), nn.Dropout(0.5))))
    x, y = nets.batches(1, size=8)[0]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        first, sizes = joined(network, x, y)
        second, _ = joined(network, x, y)
    assert sizes == [1, 2, 8]
    assert not torch.equal(first, second)
    assert all(module.training for module in network.modules())


@pytest.mark.parametrize("style", ["robust", "reference"])
def test_the_score_by_hand(style):
    network = nets.seeded(nets.Stages)
    x, y = nets.batches(1, size=19)[0]
    signs = np.sign(one_by_one(network, x, y).numpy())
    expected = np.abs(signs.sum(0)).mean()
    found = nets.value(network, ub.proxy("gradsign", style=style), [(x, y)])
    assert found == pytest.approx(expected, rel=1e-3 if style == "robust" else 1e-9)


def test_a_linear_network_has_a_closed_form():
    """Of z = W x the gradient is (p - y) x^T: its signs are those of p - y times those of x."""
    x, y = nets.batches(1, size=10)[0]
    network = nets.Function(lambda net, x: net.head(x.flatten(1)), head=nn.Linear(192, 5))
    wrong = np.where(np.arange(5) == y.numpy()[:, None], -1, 1)
    expected = np.abs(np.einsum("nc,np->cp", wrong, np.sign(x.flatten(1).numpy()))).mean()
    assert nets.value(network, ub.proxy("gradsign"), [(x, y)]) == pytest.approx(expected, rel=1e-12)


def test_images_that_agree_on_everything_reach_their_number():
    x, y = nets.batches(1)[0]
    # Little of each apart: with the very same images nothing would depend on the image.
    x, y = x[:1] + 1e-3 * x, y[:1].expand(6)
    network = nets.Function(lambda net, x: net.head(x.flatten(1)), head=nn.Linear(192, 5))
    assert nets.value(network, ub.proxy("gradsign"), [(x, y)]) == pytest.approx(6, abs=0.2)


def test_order_of_the_samples_does_not_matter():
    network, ((x, y), _) = nets.seeded(nets.Stages), nets.batches(size=18)
    order = torch.from_numpy(np.random.default_rng(0).permutation(18))
    forward, other = (nets.value(network, ub.proxy("gradsign"), [(x[o], y[o])]) for o in (slice(None), order))
    # Gradients that all but vanish may round to either sign.
    assert other == pytest.approx(forward, rel=1e-3)


@pytest.mark.parametrize("norm", [nn.BatchNorm1d, lambda n: nn.Sequential(nn.BatchNorm1d(n), nn.ReLU())])
def test_a_norm_of_single_values_is_declined(norm):
    network = nets.Function(lambda net, x: net.head(net.norm(x.mean((2, 3)))),
                            norm=norm(3), head=nn.Linear(3, 5))  # fmt: skip
    with pytest.raises(NotApplicable, match="one value per channel"):
        nets.value(network, ub.proxy("gradsign"), nets.batches(1))


def test_a_gap_is_declined_in_the_robust_style_only():
    network = nets.Function(lambda net, x: net.head(0 * net.conv(x).mean((2, 3))),
                            conv=nn.Conv2d(3, 4, 3), head=nn.Linear(4, 5))  # fmt: skip
    with pytest.raises(NotApplicable, match="does not depend"):
        nets.value(network, ub.proxy("gradsign"), nets.batches(1))
    assert nets.value(network, ub.proxy("gradsign", style="reference"), nets.batches(1)) == 0


def test_logits_that_are_not_numbers_give_no_number():
    network = nets.Function(lambda net, x: net.head(x.flatten(1)) / 0, head=nn.Linear(192, 5))
    assert math.isnan(nets.value(network, ub.proxy("gradsign"), nets.batches(1)))


@pytest.mark.parametrize(
    ("space", "scale", "texts"),
    [
        ("hytra", {"widths": "8:8:16:16", "stem": 8, "head": 16}, ["bossnet-t0", "vit-t/32"]),
        (
            "mbconv",
            {"widths": "8:8:8:16:16", "stem": "8:8", "final": 16, "head": 16},
            ["11 0110 0111 1100 0110"],
        ),
        (
            "uninas",
            {"widths": "16:16:16:16", "depths": "1:1:1:1", "stem": "8:8"},
            ["E | R | T2 | [dropout conv3 gelu / copy2 ; conv1 ; sigmoid add2]"],
        ),
    ],
)
def test_networks_of_other_spaces_whose_maps_have_places(space, scale, texts):
    """Large enough that no map shrinks to one place; their random layers keep still only to be looked at."""
    found, proxy = ub.space(space, **scale), ub.proxy("gradsign", batch=4, source="gaussian")
    frame = ub.score([found.parse(text) for text in texts], [proxy], space=found, task="cifar10@64")
    assert frame["message"].tolist() == [""] * len(texts)
    assert frame["value"].between(0, 4, inclusive="neither").all()
