"""Every operation against a second computation, written out with loops or sums where torch has none."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from uninas_bench.spaces.uninas import modules
from uninas_bench.spaces.uninas.graph import graph_of
from uninas_bench.spaces.uninas.network import Subblock
from uninas_bench.spaces.uninas.notation import read_graph

BOTH = pytest.mark.parametrize("compiled", [True, False])


def block(text, channels, size=(4, 4), *, compiled=True):
    """A subblock in double precision whose parameters are all random."""
    graph = read_graph(text) if isinstance(text, str) else text
    built = Subblock(graph, channels, size, compiled=compiled).double().eval()
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in built.parameters():
            parameter.copy_(torch.randn(parameter.shape, dtype=torch.float64, generator=generator))
    return built


def tensor(*shape):
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


def table_bias(table, height, width):
    """The bias between all places of a grid, entry by entry."""
    bias = torch.empty(height * width, height * width, dtype=table.dtype)
    for row in range(height * width):
        for column in range(height * width):
            down = row // width - column // width
            right = row % width - column % width
            bias[row, column] = table[down + height - 1, right + width - 1]
    return bias


@BOTH
@pytest.mark.parametrize("heads", [1, 2, 3])
@pytest.mark.parametrize(("height", "width"), [(3, 3), (2, 2)])
def test_attention(heads, height, width, compiled):
    name = f"conv_chunk3x{heads}" if heads > 1 else "conv_chunk3"
    joined = f" concat{heads}" if heads > 1 else ""
    head = "; ; matmul1 rel_pos_bias softmax ; matmul2"
    channels = 6
    built = block(f"{name} {' '.join([head] * heads)}{joined}", channels, (height, width), compiled=compiled)
    x = tensor(2, channels, height, width)
    projection = built.get_submodule(f"{name}_1")
    pieces = torch.einsum("oc,bchw->bohw", projection.weight[:, :, 0, 0], x) + projection.bias[:, None, None]
    tables = [p for n, p in built.named_parameters() if n.endswith("table")]
    outputs = []
    d = channels // heads
    for head_number in range(heads):  # per head q, k, v, not all queries first
        q, k, v = (
            pieces[:, (3 * head_number + part) * d : (3 * head_number + part + 1) * d].reshape(2, d, -1)
            for part in range(3)
        )
        weights = torch.einsum("bci,bcj->bij", q, k) / math.sqrt(d)
        weights = weights + table_bias(tables[head_number], height, width)
        weights = weights.exp() / weights.exp().sum(2, keepdim=True)
        outputs.append(torch.einsum("bij,bcj->bci", weights, v).reshape(2, d, height, width))
    torch.testing.assert_close(built(x), torch.cat(outputs, 1))


@BOTH
def test_attention_between_tensors_of_different_origin(compiled):
    graph = graph_of(
        {
            "x": ("copy3", ["input"]),
            "q": ("conv1", ["x.0"]),
            "k": ("gelu", ["x.1"]),
            "a": ("matmul1", ["q", "k"]),
            "m": ("mask", ["a"]),
            "o": ("matmul2", ["m", "x.2"]),
        },
        "o",
    )
    built = block(graph, 5, (2, 4), compiled=compiled)
    x = tensor(2, 5, 2, 4)
    conv = built.get_submodule("conv1_2")
    q = (torch.einsum("oc,bchw->bohw", conv.weight[:, :, 0, 0], x) + conv.bias[:, None, None]).flatten(2)
    k = (x * (1 + torch.erf(x / math.sqrt(2))) / 2).flatten(2)
    expected = torch.zeros(2, 5, 8, dtype=torch.float64)
    for i in range(8):
        for j in range(8):
            if abs(i - j) <= 5:
                weight = (q[:, :, i] * k[:, :, j]).sum(1) / math.sqrt(5)
                expected[:, :, i] += weight[:, None] * x.flatten(2)[:, :, j]
    torch.testing.assert_close(built(x), expected.view(2, 5, 2, 4))


@BOTH
def test_squeeze_and_excitation(compiled):
    built = block("copy2 ; ; global_avg conv_red4 gelu conv_exp4 up_sample multiply", 8, compiled=compiled)
    x = tensor(2, 8, 4, 3)
    first, second = (m for m in built.modules() if isinstance(m, nn.Conv2d))
    squeezed = x.flatten(2).sum(2) / 12
    hidden = squeezed @ first.weight[:, :, 0, 0].T + first.bias
    hidden = hidden * (1 + torch.erf(hidden / math.sqrt(2))) / 2
    gates = 1 / (1 + (-(hidden @ second.weight[:, :, 0, 0].T + second.bias)).exp())
    torch.testing.assert_close(built(x), x * gates[:, :, None, None])


@BOTH
def test_mask_keeps_a_band_around_the_main_diagonal_at_any_size(compiled):
    built = block("mask", 2, compiled=compiled)
    for height, width in ((4, 4), (7, 7), (9, 20), (20, 9)):
        x = tensor(1, 2, height, width)
        kept = [[float(abs(i - j) <= 5) for j in range(width)] for i in range(height)]
        assert torch.equal(built(x), x * torch.tensor(kept))
    corners = built(torch.ones(1, 1, 7, 7, dtype=torch.float64))
    assert int((corners == 0).sum()) == 2


@BOTH
def test_layer_norm_is_over_the_channels_of_each_pixel(compiled):
    built = block("layer_norm", 6, compiled=compiled)
    x = 1e-3 * tensor(2, 6, 3, 2)  # so small that eps counts
    norm = built.get_submodule("layer_norm_1")
    centred = x - x.sum(1, keepdim=True) / 6
    normed = centred / (centred.square().sum(1, keepdim=True) / 6 + 1e-6).sqrt()
    torch.testing.assert_close(built(x), normed * norm.weight.view(6, 1, 1) + norm.bias.view(6, 1, 1))


@BOTH
def test_softmax_runs_along_the_width(compiled):
    x = tensor(2, 3, 4, 5)
    torch.testing.assert_close(
        block("softmax", 3, compiled=compiled)(x), x.exp() / x.exp().sum(3, keepdim=True)
    )


@BOTH
def test_max_pool_keeps_the_size(compiled):
    x = tensor(1, 2, 4, 5)
    expected = torch.stack(
        [
            x[..., max(i - 1, 0) : i + 2, max(j - 1, 0) : j + 2].amax((2, 3))
            for i in range(4)
            for j in range(5)
        ],
        2,
    )
    assert torch.equal(block("max_pool", 2, compiled=compiled)(x).flatten(2), expected)


@BOTH
def test_dropout_drops_half_and_only_in_training(compiled):
    built = block("dropout", 64, compiled=compiled)
    x = torch.ones(8, 64, 4, 4, dtype=torch.float64)
    assert torch.equal(built(x), x)
    dropped = built.train()(x)
    assert set(dropped.unique().tolist()) == {0.0, 2.0}
    assert float(dropped.mean()) == pytest.approx(1, abs=0.05)


@BOTH
def test_chunks_of_channels_in_order(compiled):
    x = tensor(1, 6, 2, 2)
    rotated = block("chunk3 ;1.1 ;1.2 ;1.0 concat3", 6, compiled=compiled)(x)
    assert torch.equal(rotated, x[:, [2, 3, 4, 5, 0, 1]])


@BOTH
def test_convolutions_keep_the_size_and_only_depthwise_ones_have_no_bias(compiled):
    for name, kernel, groups in (
        ("conv1", 1, 1), ("conv3", 3, 1), ("conv_depth3", 3, 4), ("conv_depth5", 5, 4),
    ):  # fmt: skip
        built = block(name, 4, compiled=compiled)
        x = tensor(2, 4, 3, 5)
        conv = built.get_submodule(f"{name}_1")
        assert (conv.bias is None) == (groups > 1)
        windows = nn.functional.unfold(x, kernel, padding=kernel // 2).view(2, 4, kernel * kernel, 3, 5)
        if groups == 1:
            expected = torch.einsum("bckhw,ock->bohw", windows, conv.weight.flatten(2))
            expected = expected + conv.bias[:, None, None]
        else:
            expected = torch.einsum("bckhw,ck->bchw", windows, conv.weight.flatten(2)[:, 0])
        torch.testing.assert_close(built(x), expected)


def test_relative_bias_of_a_rectangular_grid():
    table = tensor(1, 5, 7)
    assert torch.equal(modules.relative_bias(table, 3, 4)[0, 0], table_bias(table[0], 3, 4))


def cubic(values, size):
    """Bicubic interpolation of a vector: first and last aligned, the ends continued (Keys, a = -3/4)."""

    def weight(t, a=-0.75):
        t = abs(t)
        if t <= 1:
            return (a + 2) * t**3 - (a + 3) * t**2 + 1
        return a * t**3 - 5 * a * t**2 + 8 * a * t - 4 * a if t < 2 else 0.0

    places = [i * (len(values) - 1) / (size - 1) for i in range(size)]
    return [
        sum(weight(place - j) * values[min(max(j, 0), len(values) - 1)] for j in range(-3, len(values) + 3))
        for place in places
    ]


def test_relative_bias_of_another_grid_interpolates_the_table():
    down = tensor(5)
    interpolated = cubic(down.tolist(), 9)
    bias = modules.relative_bias(down[:, None].expand(5, 3)[None], 5, 2)[0, 0]
    for row in range(10):
        for column in range(10):
            expected = interpolated[row // 2 - column // 2 + 4]
            assert float(bias[row, column]) == pytest.approx(expected, abs=1e-9)
    flat = torch.full((2, 5, 5), 0.7)
    torch.testing.assert_close(modules.relative_bias(flat, 6, 4), torch.full((1, 2, 24, 24), 0.7))
    # A table that is odd in each direction stays so: no position then gets the bias of its opposite.
    ramp = torch.linspace(-1, 1, 5)[:, None].expand(5, 5)[None]
    larger = modules.relative_bias(ramp, 5, 5)[0, 0]
    torch.testing.assert_close(larger, -larger.T, rtol=0, atol=1e-6)
    assert float(larger[20, 0]) > float(larger[10, 0]) > float(larger[5, 0]) > 0.1


@BOTH
@pytest.mark.parametrize("side", [4, 9])
def test_rel_pos_bias_on_a_square_map(side, compiled):
    built = block("rel_pos_bias", 3, (side, side), compiled=compiled)
    table = built.get_submodule("rel_pos_bias_1").table
    grid = math.isqrt(side)
    assert table.shape == (2 * grid - 1, 2 * grid - 1)
    x = tensor(2, 3, side, side)
    assert torch.equal(built(x), x + table_bias(table, grid, grid))
    assert built(tensor(2, 3, 5, 7)).shape == (2, 3, 5, 7)


@BOTH
def test_rel_pos_bias_of_a_pooled_map_is_one_number(compiled):
    built = block("global_avg rel_pos_bias up_sample", 3, compiled=compiled)
    x = tensor(2, 3, 6, 5)
    expected = x.mean((2, 3), keepdim=True) + built.get_submodule("rel_pos_bias_2").table
    torch.testing.assert_close(built(x), expected.expand_as(x))


def test_gelu_is_exact_in_every_layout():
    x = 3 * tensor(2, 3, 4, 5)
    expected = x * (1 + torch.erf(x / math.sqrt(2))) / 2
    for layout in (torch.contiguous_format, torch.channels_last):
        torch.testing.assert_close(modules.PixelGELU()(x.contiguous(memory_format=layout)), expected)


@pytest.mark.parametrize("biased", [True, False])
@pytest.mark.parametrize("limit", [1, 100, 1 << 24])
def test_attention_by_slices_and_by_torchs_kernel_are_the_same(biased, limit, monkeypatch):
    monkeypatch.setattr(modules, "MAP_NUMBERS", limit)
    q, k, v = tensor(3, 2, 5, 6, 4).unbind(0)
    bias = tensor(1, 5, 6, 6) if biased else None
    products = modules.attention_products(q, k, v, bias, True)
    torch.testing.assert_close(modules.fused_attention(q, k, v, bias, True), products)
    one_by_one = [
        modules.attention_products(
            q[:, i : i + 1], k[:, i : i + 1], v[:, i : i + 1],
            None if bias is None else bias[:, i : i + 1], True,
        )
        for i in range(5)
    ]  # fmt: skip
    torch.testing.assert_close(products, torch.cat(one_by_one, 1))


def test_proxies_find_torchs_own_modules():
    built = Subblock(read_graph("conv3 batch_norm gelu conv_depth3 layer_norm sigmoid"), 4, (4, 4))
    for module in built.modules():
        if isinstance(module, nn.Conv2d):
            assert type(module).forward is nn.Conv2d.forward
    known = (nn.Conv2d, nn.BatchNorm2d, nn.GELU, nn.LayerNorm, nn.Sigmoid)
    kinds = [next(kind for kind in known if isinstance(module, kind)) for module in built.children()]
    assert kinds == [nn.Conv2d, nn.BatchNorm2d, nn.GELU, nn.Conv2d, nn.LayerNorm, nn.Sigmoid]


@pytest.mark.filterwarnings("ignore:.*torch.jit:FutureWarning")  # torch's own, at its first use
def test_derivatives_of_every_kind():
    """Forward mode and second derivatives, which proxies take, exist for compiled attention, too."""
    head = "; ; matmul1 rel_pos_bias softmax ; matmul2"
    built = block(f"conv_chunk3x2 {head} {head} concat2 mask max_pool", 4, (2, 2))
    x, direction = tensor(1, 4, 2, 2), torch.ones(1, 4, 2, 2, dtype=torch.float64)
    _, tangent = torch.func.jvp(built, (x,), (direction,))
    step = 1e-6
    torch.testing.assert_close(
        tangent,
        (built(x + step * direction) - built(x - step * direction)) / (2 * step),
        rtol=1e-6,
        atol=1e-7,
    )
    x.requires_grad_()
    (gradient,) = torch.autograd.grad(built(x).square().sum(), x, create_graph=True)
    assert torch.autograd.grad(gradient.sum(), x)[0].abs().sum() > 0
