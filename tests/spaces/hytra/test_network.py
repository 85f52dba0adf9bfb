"""Networks: attention against torch's own, the maps of a dense task, any resolution, depth that drops."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from uninas_bench.architecture import Task
from uninas_bench.features import find_blocks
from uninas_bench.spaces.hytra.modules import Attention, HytraBlock
from uninas_bench.spaces.hytra.network import HytraNetwork
from uninas_bench.spaces.hytra.space import Hytra

SPACE = Hytra().scaled(widths="8:16:24:32", stem=8, head=8, definition="A")
TASK = Task("toy", "toy", 64, 5)


def built(text: str, space: Hytra = SPACE, seed: int = 0) -> HytraNetwork:
    torch.manual_seed(seed)
    network = space.build(space.parse(text), TASK)
    assert isinstance(network, HytraNetwork)
    return network


def images(height: int = 64, width: int = 64) -> Tensor:
    return torch.randn(2, 3, height, width, generator=torch.Generator().manual_seed(0))


def test_attention_equals_torchs_own() -> None:
    torch.manual_seed(0)
    attention = Attention(24, heads=3)
    x = torch.randn(2, 24, 5, 7)
    tokens = attention.qkv(x).reshape(2, 3, 3, 8, 35).transpose(3, 4)
    expected = functional.scaled_dot_product_attention(tokens[:, 0], tokens[:, 1], tokens[:, 2])
    expected = expected.transpose(2, 3).reshape(2, 24, 5, 7)
    torch.testing.assert_close(attention(x), expected)


@pytest.mark.parametrize("name", ["bossnet-t0", "bot50-t", "vit-t/16", "vit-t/32", "random-t", "unnas-t"])
def test_features_are_four_maps(name: str) -> None:
    network = built(name).eval()
    for height, width in ((64, 64), (64, 96), (33, 50), (4, 4)):
        maps = network.features(images(height, width))
        sizes = [(-(-height // part), -(-width // part)) for part in (4, 8, 16, 32)]
        assert [tuple(m.shape) for m in maps] == [
            (2, channels, *size) for channels, size in zip((32, 64, 96, 128), sizes, strict=True)
        ]
    assert network(images()).shape == (2, 5)
    torch.testing.assert_close(network.head(network.features(images())[-1].mean((2, 3))), network(images()))


def test_a_stride_of_1_keeps_the_resolution_of_the_last_stage() -> None:
    network = built("bossnet-t1", SPACE.scaled(strides="1:2:2:1", style="se"))
    assert [m.shape[-1] for m in network.features(images())] == [16, 8, 4, 4]


@pytest.mark.parametrize(("name", "parts"), [("bossnet-t0", (1, 1, 5, 9)), ("vit-t/16", (0, 0, 16, 0))])
def test_blocks_are_the_layers_of_the_fabric(name: str, parts: tuple[int, ...]) -> None:
    network = built(name)
    names = [f"stages.{stage}.{number}" for stage, count in enumerate(parts) for number in range(count)]
    assert [block for block, _ in network.blocks()] == names
    assert find_blocks(network, None) == network.blocks() == list(SPACE.blocks(network))
    kinds = [
        isinstance(block.mix, Attention) for _, block in network.blocks() if isinstance(block, HytraBlock)
    ]
    assert kinds == [digit in "20" for digit in SPACE.digits(SPACE.parse(name))]


def test_only_convolutions_have_excitation_and_style_decides_activations() -> None:
    plain, excited = built("bossnet-t0"), built("bossnet-t0", SPACE.scaled(style="se"))
    kinds = {type(module).__name__ for module in plain.modules()}
    assert "ReLU" in kinds
    assert not {"SiLU", "SqueezeExcitation"} & kinds
    weighed = ["excitation.reduce.weight" in dict(block.named_parameters()) for _, block in excited.blocks()]
    assert weighed == [digit in "5431" for digit in "5433323000100000"]
    assert isinstance(excited.stem.act, nn.SiLU)


def test_residuals_begin_at_zero_and_learn() -> None:
    """The gain of the last norm: 0 at first, different from it after a few steps in both kinds of block."""
    network = built("[[1],[1],[1,0]*4,[0,1]*3]")
    gains = [block.norm3.weight for _, block in network.blocks() if isinstance(block, HytraBlock)]
    assert not any(gain.any() for gain in gains)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
    for _ in range(3):
        optimizer.zero_grad()
        functional.cross_entropy(network(images()), torch.tensor([0, 1])).backward()
        optimizer.step()
    assert all(gain.abs().max() > 1e-6 for gain in gains)


def test_drop_path_grows_with_depth_in_convolutions_alone() -> None:
    network = built("random-t")
    network.set_drop_path(0.3)
    rates = [getattr(block.drop_path, "p", None) for _, block in network.blocks()]
    expected = [None if d in "20" else pytest.approx(0.3 * i / 15) for i, d in enumerate("2333223233201011")]
    assert rates == expected
    x = images()
    network.eval()
    assert torch.equal(network(x), network(x))


def test_halving_of_a_block_is_in_its_position_encoding() -> None:
    network = built("bot50-t")
    strides = [block.position.stride[0] for _, block in network.blocks() if isinstance(block, HytraBlock)]
    assert strides == [1, 1, 1, 2, 1, 1, 1, 2, 1, 1, 1, 1, 1, 2, 1, 1]
    convolutions = [m for m in network.modules() if isinstance(m, nn.Conv2d) and m.groups == 1]
    assert [m.stride[0] for m in convolutions if m.stride[0] > 1] == [2], "the stem alone strides otherwise"
