"""The zoo: what timm itself publishes of its networks, a recount of the table of costs, and the contract."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from uninas_bench.architecture import Architecture, Task
from uninas_bench.errors import InvalidArchitecture
from uninas_bench.features import block_features
from uninas_bench.space import SearchSpace
from uninas_bench.spaces.timm_zoo.costs import RESOLUTIONS
from uninas_bench.spaces.timm_zoo.models import FAMILIES, MODELS
from uninas_bench.spaces.timm_zoo.space import TimmZoo
from uninas_bench.tasks import find_task
from uninas_bench.testing.spaces import SpaceTestCase

SPACE = TimmZoo()
# Millions of parameters and GMACs at 224 pixels and 1,000 classes, as timm's results folder has them:
# huggingface/pytorch-image-models, results/benchmark-infer-amp-nchw-pt240-cu124-rtx4090.csv, commit 5c33776.
PUBLISHED = {
    "mobilenetv3_small_100": (2.54, 0.06), "regnetx_002": (2.68, 0.2), "resnet18": (11.69, 1.82),
    "mobilenetv2_100": (3.5, 0.31), "regnety_004": (4.34, 0.41), "resnet50": (25.56, 4.11),
    "efficientnet_b0": (5.29, 0.4), "rexnet_150": (9.73, 0.9), "xcit_nano_12_p16_224": (3.05, 0.56),
    "deit_tiny_patch16_224": (5.72, 1.26), "pit_ti_224": (4.85, 0.7), "vit_base_patch32_224": (88.22, 4.41),
    "xcit_tiny_12_p16_224": (6.72, 1.24), "deit_small_patch16_224": (22.05, 4.61), "pit_s_224": (23.46, 2.88),
    "twins_svt_small": (24.06, 2.94), "pvt_v2_b0": (3.67, 0.57), "coat_lite_tiny": (5.72, 1.6),
    "visformer_tiny": (10.32, 1.27), "pvt_v2_b1": (14.01, 2.12), "coat_lite_mini": (11.01, 2.0),
    "coatnet_nano_rw_224": (15.14, 2.41), "resmlp_12_224": (15.35, 3.01), "poolformer_s12": (11.92, 1.82),
    "gmixer_24_224": (24.72, 5.28), "resmlp_24_224": (30.02, 5.96),
}  # fmt: skip


class TestConformance(SpaceTestCase):
    task = Task("conformance", "conformance", 32, 5)
    samples = 8
    malformed = ("30", "-1", "resnet", "resnet50.tv_in1k", "resnet18,resnet50")

    def make_space(self) -> SearchSpace:
        return TimmZoo()


@pytest.mark.parametrize("name", PUBLISHED)
def test_costs_at_224_pixels_are_those_that_timm_publishes(name: str) -> None:
    costs = SPACE.costs(SPACE.parse(name), find_task("imagenet1k"))
    params, gmacs = PUBLISHED[name]
    # timm rounds to two places.
    assert costs.params / 1e6 == pytest.approx(params, abs=0.0051)
    # It also counts pooling and the products of squeeze-and-excitation.
    assert costs.flops / 1e9 == pytest.approx(gmacs, rel=0.03, abs=0.015)


@pytest.fixture(scope="module")
def networks() -> dict[str, tuple[nn.Module, int]]:
    """Every network without storage, for 7 classes, and its resolution: another one for each."""
    with torch.device("meta"):
        return {
            model.name: (SPACE.build(SPACE.parse(model.name), Task("t", "t", side, 7)), side)
            for model, side in zip(MODELS, RESOLUTIONS * 4, strict=False)
        }


@pytest.mark.slow
def test_the_table_is_what_torch_counts_for_any_number_of_classes(
    networks: dict[str, tuple[nn.Module, int]],
) -> None:
    for name, (network, side) in networks.items():
        with FlopCounterMode(display=False) as counter:
            network.eval().requires_grad_(False)(torch.empty(1, 3, side, side, device="meta"))
        costs = SPACE.costs(SPACE.parse(name), Task("t", "t", side, 7))
        assert costs.params == sum(p.numel() for p in network.parameters()), name
        assert 2 * costs.flops == counter.get_total_flops(), name


def test_every_family_has_its_share() -> None:
    families = [SPACE.family(architecture) for architecture in SPACE.enumerate()]
    assert {family: families.count(family) for family in FAMILIES} == {
        "cnn": 9, "vit": 8, "hybrid": 7, "mixer": 6
    }  # fmt: skip
    assert families == sorted(families, key=FAMILIES.index)


@pytest.mark.slow
def test_features_are_maps_with_channels_first_or_tokens(networks: dict[str, tuple[nn.Module, int]]) -> None:
    # As many blocks as the papers have.
    depths = {"resnet50": 16, "deit_tiny_patch16_224": 12, "resmlp_24_224": 24, "caformer_s18": 18}
    for name, (network, side) in networks.items():
        blocks = SPACE.blocks(network)
        assert len(blocks) == depths.get(name, len(blocks)) >= 8, name
        with torch.no_grad():
            images = torch.empty(2, 3, side, side, device="meta")
            tapped = block_features(network.eval(), [block for _, block in blocks], images)
        for feature in tapped.features:
            if feature.ndim == 4:
                assert feature.shape[2] == feature.shape[3] <= side // 2, (name, feature.shape)
            else:
                # Tokens of a square grid, with or without a class token.
                tokens = feature.shape[1]
                assert any(math.isqrt(n) ** 2 == n for n in (tokens, tokens - 1)), (name, feature.shape)


def test_a_resolution_that_not_all_take_is_refused() -> None:
    architecture = SPACE.parse("resnet18")
    for call in (SPACE.costs, SPACE.build):
        with pytest.raises(InvalidArchitecture, match=r"32, 64, .*, 256 pixels, not the 12 of mnist-hard"):
            call(architecture, find_task("mnist-hard"))


def test_names_that_are_not_there() -> None:
    with pytest.raises(InvalidArchitecture, match=r'no network "resnet34"; expected, say, .*resnet18'):
        SPACE.parse("resnet34")
    with pytest.raises(InvalidArchitecture, match=r"an index 0\.\.29"):
        SPACE.parse("?")
    with pytest.raises(InvalidArchitecture):
        SPACE.family(Architecture("timm_zoo", "resnet34"))


def test_numbers_of_timms_names_are_no_indices() -> None:
    assert SPACE.parse("0").encoding == "mobilenetv3_small_100"
    assert SPACE.parse("timm_zoo:resnet50") == SPACE.parse("5")
