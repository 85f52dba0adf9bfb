"""The whole network: parameters against the authors' counts, shapes, names, copies, drop path."""

from __future__ import annotations

import copy
import pickle

import cloudpickle
import pytest
import torch
from torch import nn
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

from uninas_bench.architecture import Task
from uninas_bench.errors import InvalidArchitecture
from uninas_bench.features import block_features
from uninas_bench.spaces.uninas.costs import product_flops
from uninas_bench.spaces.uninas.encoding import read_design
from uninas_bench.spaces.uninas.macro import UninasScale
from uninas_bench.spaces.uninas.network import UninasNetwork
from uninas_bench.spaces.uninas.notation import read_graph

SMALL = UninasScale(widths=(8, 16, 32, 32), depths=(1, 2, 2, 1), stem=(4, 8))
TEXT = "E | R, E | T4, [copy2 ; conv1 ; softmax dropout add2 / mask] | T2"
OFFICIAL = {
    "resnet": ("{64:128:384:512} R, R | R, R, R | R*5 | R, R", 24_817_416, 9_027_084_288),
    "efficientnet": ("{96:192:384:512} E, E | E, E, E | E*5 | E, E", 23_864_136, 6_069_882_880),
    "transformer": ("T, T | T, T, T | T*5 | T, T", 26_398_156, 18_338_555_904),
    "coatnet": ("E, E | E, E, E | T*5 | T, T", 26_871_124, 8_426_244_096),
    "example": ("E, E | E, R, R | T*5 | E, R", 32_938_660, 9_638_725_632),
}
"""The toolkit's examples at 224: true parameters, and FLOPs that torch counted of the authors' networks."""


def network(text=TEXT, scale=SMALL, resolution=32, seed=0, **settings):
    torch.manual_seed(seed)
    return UninasNetwork(read_design(text, scale.widths), scale, resolution, 10, **settings)


def images(*size, batch=2):
    return torch.randn(batch, 3, *size, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("name", OFFICIAL)
def test_official_networks_have_the_authors_parameters_and_flops(name):
    text, params, flops = OFFICIAL[name]
    scale = UninasScale()
    with torch.device("meta"):
        built = UninasNetwork(read_design(text, scale.widths), scale, 224, 1000)
        with FlopCounterMode(display=False) as counter:
            built(torch.empty(1, 3, 224, 224))
    assert sum(p.numel() for p in built.parameters() if p.requires_grad) == params
    assert counter.get_total_flops() == flops


def test_attention_on_the_processor_is_the_same_with_gradients_and_without():
    """Two kernels: equal logits, and FLOPs that are those of the closed form."""
    built = network().eval()
    task = Task("toy", "toy", 32, 10)
    logits, flops = [], set()
    for gradients in (True, False):
        with torch.set_grad_enabled(gradients), FlopCounterMode(display=False) as counter:
            logits.append(built(images(32, 32, batch=1)).detach())
        flops.add(counter.get_total_flops())
    assert torch.allclose(*logits, rtol=1e-4, atol=1e-5)
    assert flops == {product_flops(read_design(TEXT, SMALL.widths), SMALL, task)}


def test_flops_of_a_pass_on_the_processor_are_all_seen():
    flops = set()
    for compiled in (True, False):
        built = network(compiled=compiled).eval()
        with torch.no_grad(), FlopCounterMode(display=False) as counter:
            built(images(32, 32))
        flops.add(counter.get_total_flops())
    assert len(flops) == 1


def test_parameters_are_named_after_their_nodes_whether_compiled_or_not():
    compiled, plain = network(), network(compiled=False)
    names = [name for name, _ in compiled.named_parameters()]
    assert names == [name for name, _ in plain.named_parameters()]
    assert "stages.0.0.shortcut.conv.weight" not in names  # 8 channels come in and go out
    for name in (
        "stem.0.weight",
        "stages.0.0.first.conv_exp4_1.weight",
        "stages.1.0.shortcut.conv.bias",
        "stages.1.0.reduction.conv.weight",
        "stages.2.0.first.conv_chunk3x4_1.bias",
        "stages.2.0.first.rel_pos_bias_3.table",
        "stages.2.1.first.conv1_2.weight",
        "stages.3.0.norm1.weight",
        "head.bias",
    ):
        assert name in names
    assert compiled.state_dict().keys() == plain.state_dict().keys()


def test_equal_seeds_give_equal_weights_and_another_seed_others():
    first, again, other = network(), network(compiled=False), network(seed=1)
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), again.parameters(), strict=True))
    assert not torch.equal(first.head.weight, other.head.weight)


@pytest.mark.parametrize("compiled", [True, False])
@pytest.mark.parametrize(("height", "width"), [(8, 8), (32, 32), (33, 57), (64, 40), (88, 88), (9, 100)])
def test_runs_at_every_size_from_eight_pixels_on(height, width, compiled):
    built = network(compiled=compiled)
    maps = built.features(images(height, width))
    assert built(images(height, width)).shape == (2, 10)
    for stage, feature in enumerate(maps):
        step = 4 << stage
        expected = (2, SMALL.widths[stage], -(-height // step), -(-width // step))
        assert feature.shape == expected
        assert feature.isfinite().all()


@pytest.mark.parametrize("compiled", [True, False])
def test_gradients_reach_everything_but_norms_of_vanishing_subblocks(compiled):
    built = network(compiled=compiled)
    built(images(32, 32)).square().sum().backward()
    silent = {name for name, p in built.named_parameters() if p.grad is None}
    assert silent == {
        f"stages.{block}.norm2.{kind}" for block in ("0.0", "1.0", "1.1") for kind in ("weight", "bias")
    }
    assert all(p.grad.isfinite().all() for p in built.parameters() if p.grad is not None)


def test_blocks_are_listed_in_order_and_can_be_tapped():
    built = network()
    places = ("0.0", "1.0", "1.1", "2.0", "2.1", "3.0")
    assert [name for name, _ in built.blocks()] == [f"stages.{place}" for place in places]
    built.eval()
    tapped = block_features(built, [block for _, block in built.blocks()], images(32, 32))
    for feature, stage_end in zip(built.features(images(32, 32)), (1, 3, 5, 6), strict=True):
        assert torch.equal(feature, tapped.features[stage_end])


def test_drop_path_rises_linearly_and_drops_whole_images():
    built = network("R | R, R | R, R | R", drop_path=0.5)
    assert [block.drop_path.p for _, block in built.blocks()] == pytest.approx([0, 0.1, 0.2, 0.3, 0.4, 0.5])
    built.set_drop_path(1.0)
    block = built.blocks()[-1][1]
    x = images(8, 8).repeat(1, 11, 1, 1)[:, :32]
    assert torch.equal(block(x), block.shortcut(x))
    block.eval()
    assert not torch.equal(block(x), block.shortcut(x))


def test_empty_subblocks_add_the_normed_input():
    scale = UninasScale(widths=(8, 8, 8, 8), depths=(2, 1, 1, 1), stem=(4, 8))
    block = network("[zero / zero], [- / -] | R | R | R", scale).stages[0][1]
    x = images(4, 4).repeat(1, 3, 1, 1)[:, :8]

    def normed(x):
        centred = x - x.mean(1, keepdim=True)
        return centred / (centred.square().mean(1, keepdim=True) + 1e-6).sqrt()

    y = x + normed(x)
    torch.testing.assert_close(block(x), y + normed(y))


def test_stem_and_head_are_the_papers():
    built = network().eval()
    weights = built.state_dict()
    x = images(32, 32)
    first = functional.conv2d(x, weights["stem.0.weight"], stride=2, padding=1)
    normed = first / (1 + 1e-5) ** 0.5  # running statistics of a new batch norm
    active = normed * (1 + torch.erf(normed / 2**0.5)) / 2
    torch.testing.assert_close(built.stem(x), functional.conv2d(active, weights["stem.3.weight"], padding=1))

    with torch.no_grad():
        built.stages[3][-1].register_forward_hook(lambda _module, _inputs, output: 1e-3 * output)
        last = built.features(images(64, 96))[-1]  # so small that eps counts
        centred = last - last.mean(1, keepdim=True)
        pooled = (centred / (centred.square().mean(1, keepdim=True) + 1e-6).sqrt()).mean((2, 3))
        torch.testing.assert_close(
            built(images(64, 96)), pooled @ weights["head.weight"].T + weights["head.bias"]
        )


def test_head_drops_features_in_training_alone():
    torch.manual_seed(0)
    built = network(drop_rate=1.0)
    assert torch.equal(built(images(32, 32)), built.head.bias.expand(2, 10))
    built.eval()
    assert not torch.equal(built(images(32, 32)), built.head.bias.expand(2, 10))


def test_odd_sizes_are_averaged_without_what_lies_outside():
    built = network()
    x = images(3, 3).repeat(1, 3, 1, 1)[:, :8]
    pooled = built.stages[0][0].shortcut(x)
    assert torch.allclose(pooled[..., 0, 0], x[..., :2, :2].mean((2, 3)))
    assert torch.allclose(pooled[..., 1, 1], x[..., 2, 2])
    assert torch.allclose(pooled[..., 0, 1], x[..., :2, 2].mean(-1))


@pytest.mark.parametrize("compiled", [True, False])
@pytest.mark.parametrize("copier", [copy, pickle, cloudpickle])
def test_copies_compute_the_same_and_share_nothing(copier, compiled):
    built = network(compiled=compiled).eval()
    twin = copy.deepcopy(built) if copier is copy else pickle.loads(copier.dumps(built))
    expected = built(images(32, 32))
    assert torch.equal(twin(images(32, 32)), expected)
    nn.init.zeros_(twin.head.weight)
    assert torch.equal(built(images(32, 32)), expected)


def test_a_graph_travels_to_other_processes_without_its_hash():
    graph = read_graph("conv1 gelu")
    before = pickle.dumps(graph)
    hash(graph)
    assert pickle.dumps(graph) == before
    assert pickle.loads(before) == graph


def test_memory_layout_of_the_images_does_not_matter():
    built, x = network().eval(), images(32, 32)
    torch.testing.assert_close(built(x.contiguous(memory_format=torch.channels_last)), built(x))


@pytest.mark.parametrize("compiled", [True, False])
def test_half_precision_by_autocast(compiled):
    built = network(compiled=compiled).eval()
    with torch.autocast("cpu", torch.bfloat16):
        rough = built(images(32, 32))
    assert rough.dtype == torch.bfloat16
    exact = built(images(32, 32))
    assert (rough.float() - exact).abs().max() < 0.1 * exact.std()


def test_initialisation_is_the_authors():
    scale = UninasScale(widths=(64, 64, 64, 64), depths=(1, 1, 1, 1), stem=(32, 64))
    weights = dict(
        network("T2 | R | [conv_depth5 / conv_exp4 gelu conv_red4] | T16", scale).named_parameters()
    )
    deviations = {  # sqrt(2 / (k k Cout)); Cout also of depthwise ones; Glorot: sqrt(2 / (Cin + Cout))
        "stem.0.weight": (2 / (9 * 32)) ** 0.5,
        "stages.1.0.first.conv3_1.weight": (2 / (9 * 64)) ** 0.5,
        "stages.2.0.first.conv_depth5_1.weight": (2 / (25 * 64)) ** 0.5,
        "stages.2.0.second.conv_exp4_1.weight": (2 / 256) ** 0.5,
        "stages.2.0.second.conv_red4_3.weight": (2 / 64) ** 0.5,
        "stages.0.0.first.conv_chunk3x2_1.weight": (2 / 256) ** 0.5,
        "stages.0.0.first.rel_pos_bias_3.table": 0.02,
    }
    for name, deviation in deviations.items():
        assert float(weights[name].detach().std()) == pytest.approx(deviation, rel=0.1), name
    chunk = weights["stages.0.0.first.conv_chunk3x2_1.weight"]
    assert chunk.abs().max() <= (6 / 256) ** 0.5  # uniform, so bounded
    biases = [p for name, p in weights.items() if name.endswith("bias") and "head" not in name]
    assert all(not bias.any() for bias in biases)


def test_a_wrong_design_is_refused_before_building():
    odd = UninasScale(widths=(8, 15, 16, 16), depths=(1, 2, 2, 1))
    with pytest.raises(
        InvalidArchitecture, match=r"block 2\.1, subblock 1: node 1 \(chunk2\) needs channels"
    ):
        network("R | [chunk2 ; ; concat2 / -], R | R, R | R", odd)


@pytest.mark.slow
def test_torch_compile_takes_it():
    scale = UninasScale(widths=(8, 8, 8, 8), depths=(1, 1, 1, 1), stem=(4, 8))
    built = network("R | T2 | [global_avg conv_red4 conv_exp4 up_sample / mask] | R", scale).eval()
    with torch.no_grad():
        compiled = torch.compile(built, fullgraph=True)(images(32, 32))
        torch.testing.assert_close(compiled, built(images(32, 32)), rtol=1e-4, atol=1e-5)
