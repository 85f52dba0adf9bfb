"""Per-sample Jacobians against torch.func, which differentiates whole tensors and knows no taps."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from uninas_bench import NotApplicable
from uninas_bench_plugins._fisher import jacobian as module_under_test
from uninas_bench_plugins._fisher.entries import Entry, sample_entries
from uninas_bench_plugins._fisher.jacobian import jacobian
from uninas_bench_plugins._fisher.probe import probe
from uninas_bench_plugins._fisher.tangents import mapped_columns, samplewise_columns, tangent_columns

CLASSES = 5


class _Head(nn.Module):
    """Mean over positions and a linear map, over any body that returns (B, C, H, W)."""

    def __init__(self, body: nn.Module, width: int, classes: int = CLASSES) -> None:
        super().__init__()
        self.body = body
        self.head = nn.Linear(width, classes)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.head(self.body(x).mean((2, 3)))
        return logits


class _Shared(nn.Module):
    """One convolution called twice, and one weight in two modules."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 6, 3, padding=1)
        self.twice = nn.Conv2d(6, 6, 3, padding=1)
        self.tied = nn.Conv2d(6, 6, 3, padding=1, bias=False)
        self.tied.weight = self.twice.weight
        self.norm = nn.BatchNorm2d(6)

    def forward(self, x: Tensor) -> Tensor:
        x = self.twice(self.stem(x).relu()).relu()
        y: Tensor = self.norm(self.twice(x)) + self.norm(self.tied(x))
        return y


class _Direct(nn.Module):
    """A weight that its own module and a plain function both use, and one that nothing uses."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 1)
        self.again = nn.Conv2d(4, 4, 1, bias=False)
        self.unused = nn.Linear(2, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = self.again(self.stem(x)).relu()
        y: Tensor = functional.conv2d(x, self.again.weight)
        return y


class _LayerNorm2d(nn.LayerNorm):
    """A subclass whose forward means something else: no tap rule may apply."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.movedim(1, -1)).movedim(-1, 1)


class _PerPixel(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.up, self.down = nn.Linear(width, 2 * width), nn.Linear(2 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm(x.movedim(1, -1))
        return x + self.down(functional.gelu(self.up(y))).movedim(-1, 1)


class _Attention(nn.Module):
    """Fused in_proj, a class token, position embedding and a relative position bias table."""

    def __init__(self, batch_first: bool, dense: bool = True) -> None:
        super().__init__()
        self.embed = nn.Conv2d(3, 8, 4, 4)
        self.token = nn.Parameter(torch.randn(1, 1, 8))
        self.position = nn.Parameter(torch.randn(1, 5, 8) * 0.1)
        self.table = nn.Parameter(torch.randn(5))
        self.norm = nn.LayerNorm(8)
        self.attention = nn.MultiheadAttention(8, 2, batch_first=batch_first)
        self.out = nn.Linear(8, 8)
        self.batch_first, self.dense = batch_first, dense

    def forward(self, x: Tensor) -> Tensor:
        y = self.embed(x).flatten(2).mT
        y = torch.cat([self.token.expand(len(y), -1, -1), y], 1) + self.position
        index = (torch.arange(5)[:, None] - torch.arange(5)).abs()
        y = y if self.batch_first else y.transpose(0, 1)
        z = self.norm(y)
        y = y + self.attention(z, z, z, attn_mask=self.table[index], need_weights=self.dense)[0]
        y = self.out(y).relu_()
        y = y if self.batch_first else y.transpose(0, 1)
        return y.mT.unsqueeze(3)


class _Windows(nn.Module):
    """A linear map over windows folded into the batch, windows first: images are not rows in order."""

    def __init__(self) -> None:
        super().__init__()
        self.map = nn.Linear(3 * 16, 6)

    def forward(self, x: Tensor) -> Tensor:
        windows = x.unfold(2, 4, 4).unfold(3, 4, 4).flatten(2, 3).permute(2, 0, 1, 3, 4)
        y = self.map(windows.flatten(2).flatten(0, 1)).tanh()
        return y.view(4, len(x), 6).permute(1, 2, 0).unsqueeze(3)


class _Detached(nn.Module):
    """A gate read off a convolution's output behind autograd's back, before the norm."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv(x)
        return self.norm(y) * (y.detach() > 0)


def _plain() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(8),
        nn.ReLU(inplace=True),
        nn.Conv2d(8, 8, (3, 2), padding=(2, 0), dilation=(2, 1), groups=4),
        nn.ReLU(inplace=True),
        nn.BatchNorm2d(8),
        nn.AvgPool2d(3, 1, 1, count_include_pad=False),
        nn.Conv2d(8, 6, 3, padding="same", bias=False),
        nn.BatchNorm2d(6),
        nn.Conv2d(6, 6, 3, padding=1, padding_mode="reflect"),
        nn.GroupNorm(3, 6),
        nn.GELU(),
        nn.Dropout(0.5),
        nn.Conv2d(6, 6, 5, padding=2, groups=6),
        nn.BatchNorm2d(6, affine=False),
        nn.LayerNorm((4, 3)),
        nn.ReLU(inplace=True),
    )


NETWORKS: dict[str, Callable[[], nn.Module]] = {
    "convolutions": lambda: _Head(_plain(), 6),
    "narrow-head": lambda: _Head(_plain(), 6, classes=20),
    "per-pixel": lambda: _Head(nn.Sequential(nn.Conv2d(3, 4, 1), _PerPixel(4)), 4),
    "shared": lambda: _Head(_Shared(), 6),
    "direct": lambda: _Head(_Direct(), 4),
    "subclass": lambda: _Head(nn.Sequential(nn.Conv2d(3, 4, 1), _LayerNorm2d(4), nn.GELU()), 4),
    "attention": lambda: _Head(_Attention(batch_first=True), 8),
    "sequence-first": lambda: _Head(_Attention(batch_first=False), 8),
    "windows": lambda: _Head(_Windows(), 6),
    "detached-gate": lambda: _Head(_Detached(), 4),
}


def make(name: str) -> nn.Module:
    """The network in float64 with norms, biases and statistics away from their defaults."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(7)
        network = NETWORKS[name]().double()
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.running_mean.normal_(0, 0.2)  # type: ignore[union-attr]
                module.running_var.uniform_(0.5, 2)  # type: ignore[union-attr]
        for parameter in network.parameters():
            if parameter.ndim == 1:
                parameter.data.add_(torch.randn_like(parameter), alpha=0.3)
    return network.eval()


def draw(batch: int = 4, size: int = 8) -> Tensor:
    return torch.randn(batch, 3, size, size, generator=torch.Generator().manual_seed(3)).double()


def oracle(network: nn.Module, images: Tensor, entries: list[Entry]) -> Tensor:
    """(B, C, P) by torch.func: whole gradients of every logit of every image alone."""
    parameters = {name: p.detach() for name, p in network.named_parameters()}
    names = {id(p): name for name, p in network.named_parameters()}

    def logits(weights: dict[str, Tensor], image: Tensor) -> Tensor:
        output: Tensor = torch.func.functional_call(network, weights, (image[None],))
        return output[0]

    rows = [torch.func.jacrev(logits)(parameters, image) for image in images]
    columns = [
        torch.stack([row[names[id(entry.parameter)]].flatten(1)[:, entry.index] for row in rows])
        for entry in entries
    ]
    return torch.stack(columns, 2).detach()


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("per_tensor", [1, 3])
def test_it_equals_whole_gradients_of_single_images(name: str, per_tensor: int) -> None:
    network, images = make(name), draw()
    entries = sample_entries(network, 999, per_tensor)
    want = oracle(network, images, entries)
    with torch.no_grad():
        plain = network(images)
    logits, got = jacobian(network, images, entries, torch.eye)
    torch.testing.assert_close(logits, plain, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(got, want, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("name", ["convolutions", "attention"])
def test_seeds_combine_logits(name: str) -> None:
    network, images = make(name), draw()
    entries = sample_entries(network, 999, 1)
    seeds = torch.randn(3, CLASSES, generator=torch.Generator().manual_seed(1)).double()
    want = torch.einsum("rc,bcp->brp", seeds, oracle(network, images, entries))
    torch.testing.assert_close(jacobian(network, images, entries, lambda _: seeds)[1], want)


@pytest.mark.parametrize("name", ["convolutions", "per-pixel", "shared", "narrow-head", "detached-gate"])
def test_common_modules_need_no_extra_passes(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    original = module_under_test.columns

    def counted(network: nn.Module, images: Tensor, entries: list[Entry], seeds: Tensor) -> Tensor:
        asked.append(len(entries))
        return original(network, images, entries, seeds)

    monkeypatch.setattr(module_under_test, "columns", counted)
    monkeypatch.setattr(module_under_test, "TANGENT_COST", 1e9)
    network = make(name)
    jacobian(network, draw(), sample_entries(network, 999, 1), torch.eye)
    assert asked == [0]


@pytest.mark.parametrize("rule", [tangent_columns, mapped_columns, samplewise_columns])
def test_rules_without_taps_are_exact(rule: Callable[..., Tensor]) -> None:
    network, images = make("attention"), draw()
    entries = sample_entries(network, 999, 2)
    want = oracle(network, images, entries)
    seeds = torch.eye(CLASSES).double()
    torch.testing.assert_close(rule(network, images, entries, seeds), want, rtol=1e-9, atol=1e-11)


def test_operations_without_forward_mode_are_differentiated_image_by_image() -> None:
    network = make("attention")
    network.body.dense = False  # type: ignore[union-attr,assignment]
    images = draw()
    raw = [Entry(network.body.token, 0), Entry(network.body.attention.in_proj_weight, 5)]  # type: ignore[union-attr,arg-type]
    want = samplewise_columns(network, images, raw, torch.eye(CLASSES).double())
    torch.testing.assert_close(jacobian(network, images, raw, torch.eye)[1], want)


def test_a_single_image_and_a_permuted_batch() -> None:
    network, images = make("convolutions"), draw()
    entries = sample_entries(network, 999, 1)
    _, whole = jacobian(network, images, entries, torch.eye)
    _, alone = jacobian(network, images[2:3], entries, torch.eye)
    torch.testing.assert_close(alone[0], whole[2])
    order = torch.tensor([3, 1, 0, 2])
    torch.testing.assert_close(jacobian(network, images[order], entries, torch.eye)[1], whole[order])


def test_images_weights_and_module_forwards_are_left_alone() -> None:
    network, images = make("convolutions"), draw()
    before, weights = images.clone(), {k: v.clone() for k, v in network.state_dict().items()}
    jacobian(network, images, sample_entries(network, 999, 1), torch.eye)
    assert torch.equal(images, before)
    assert not images.requires_grad
    assert all(torch.equal(v, weights[k]) for k, v in network.state_dict().items())
    for module in network.modules():
        assert "forward" not in module.__dict__
        assert not module._forward_hooks
    assert all(p.grad is None for p in network.parameters())


class _Coupled(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x - x.mean(0, keepdim=True)


@pytest.mark.parametrize("layer", [_Coupled(), nn.BatchNorm2d(4, track_running_stats=False)])
def test_images_that_influence_each_other_are_refused(layer: nn.Module) -> None:
    network = _Head(nn.Sequential(nn.Conv2d(3, 4, 1), layer, nn.ReLU()), 4).double()
    with pytest.raises(NotApplicable, match="images"):
        jacobian(network, draw(), sample_entries(network, 999, 1), torch.eye)


def test_the_probe_sees_how_modules_are_used() -> None:
    network = make("shared")
    structure = probe(network.requires_grad_(True), draw())
    body = network.body
    assert isinstance(body, _Shared)
    assert structure.uses[id(body.twice.weight)] == 3
    assert structure.sample_dims[body.twice] == [0, 0]
    assert structure.followers == {}
    assert structure.head is network.head
    plain = make("convolutions")
    assert len(probe(plain.requires_grad_(True), draw()).followers) == 3


def test_nothing_is_kept_alive() -> None:
    network = make("convolutions")
    jacobian(network, draw(), sample_entries(network, 999, 1), torch.eye)
    alive = [weakref.ref(module) for module in network.modules()]
    del network
    gc.collect()
    assert all(reference() is None for reference in alive)
