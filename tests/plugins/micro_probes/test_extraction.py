"""Features of networks of every kind, against what each network itself says that they are."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

import uninas_bench as ub
from tests.plugins.micro_probes.toy import KINDS, SmallCNN, Transformer, Viewing, made
from uninas_bench.tasks import find_task
from uninas_bench_plugins._micro_probes.networks.extraction import Extractor
from uninas_bench_plugins._micro_probes.networks.layouts import layout_of, prefix_of


def images(n=2, side=32):
    return torch.randn(n, 3, side, side, generator=torch.Generator().manual_seed(3))


@pytest.fixture(params=KINDS)
def network(request):
    return made(KINDS[request.param])


def test_features_are_the_networks_own(network) -> None:
    extract = Extractor(network, 32)
    network.eval()
    found = extract(images())
    maps, vector = network.features(images())
    torch.testing.assert_close(found.vector, vector)
    assert extract.width == vector.shape[1]
    if maps is None:
        assert found.map is None
        assert extract.channels == 0
    else:
        torch.testing.assert_close(found.map, maps)
        assert (extract.channels, *extract.size) == maps.shape[1:]


def test_gradients_reach_all_but_the_classifier(network) -> None:
    extract = Extractor(network, 32)
    found = extract(images())
    total = found.vector.square().sum() + (0 if found.map is None else found.map.square().sum())
    total.backward()
    without = [name for name, weight in network.named_parameters() if weight.grad is None]
    last = "head" if hasattr(network, "head") else "classifier"
    assert without == [f"{last}.weight", f"{last}.bias"]


def test_the_first_run_changes_nothing(network) -> None:
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    network.train()
    Extractor(network, 32)
    assert all(module.training for module in network.modules())
    for name, tensor in network.state_dict().items():
        assert torch.equal(tensor, before[name]), name


def test_a_second_pass_finds_its_own_features(network) -> None:
    extract = Extractor(network, 32)
    network.eval()
    first, second = images(3), images(5)
    extract(first)
    torch.testing.assert_close(extract(second).vector, network.features(second)[1])


def test_another_number_of_images_may_be_that_of_the_first_run(network) -> None:
    extract = Extractor(network, 32)
    network.eval()
    torch.testing.assert_close(extract(images(3)).vector, network.features(images(3))[1])


def test_places_are_where_the_image_has_them() -> None:
    """Without attention, what is drawn into one patch changes one place of the map."""
    network = made(Transformer)
    network.attention.out_proj.weight.data.zero_()
    extract = Extractor(network, 32)
    network.eval()
    plain = images(1)
    drawn = plain.clone()
    drawn[:, :, 8:16, 24:32] += 1
    changed = (extract(plain).map - extract(drawn).map).abs().sum(1)[0] > 1e-6
    assert changed.nonzero().tolist() == [[1, 3]]


def test_a_network_that_views_its_map_keeps_the_plain_layout() -> None:
    assert Extractor(made(Viewing), 32).memory_format == torch.contiguous_format
    assert Extractor(made(SmallCNN), 32).memory_format == torch.channels_last


def test_a_network_may_write_into_its_images() -> None:
    class Writing(Viewing):
        def forward(self, images):
            return super().forward(images.mul_(2))

    extract, given = Extractor(made(Writing), 32), images()
    extract(given)
    assert torch.equal(given, images())


def test_the_users_own_extraction() -> None:
    network = made(SmallCNN)

    def early(network, images):
        return network.body[:3](images)

    extract = Extractor(network, 32, early)
    network.eval()
    found = extract(images())
    torch.testing.assert_close(found.map, network.body[:3](images()))
    torch.testing.assert_close(found.vector, found.map.mean((2, 3)))


def test_a_network_without_features_is_declined() -> None:
    class Sine(nn.Module):
        def forward(self, images):
            return images.flatten(1)[:, :10].sin()

    with pytest.raises(ub.NotApplicable, match="neither a map"):
        Extractor(Sine(), 32)


@pytest.mark.parametrize("name", ["nasbench201", "nats_size", "uninas", "hytra", "mbconv"])
def test_spaces(name) -> None:
    space = ub.space(name)
    for architecture in space.sample(2, np.random.default_rng(1)):
        network = made(lambda found=architecture: space.build(found, find_task("cifar10")))
        extract = Extractor(network, 32)
        network.eval()
        found = extract(images())
        classifier = [module for module in network.modules() if isinstance(module, nn.Linear)][-1]
        torch.testing.assert_close(classifier(found.vector), network(images()))
        # All of them take the mean over the places of their last map.
        torch.testing.assert_close(found.map.mean((2, 3)), found.vector)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "options", "shape", "width"),
    [
        ("resnet18", {}, (512, 2, 2), 512),
        ("resnet18", {"num_classes": 0}, (512, 2, 2), 512),
        ("mobilenetv3_small_100", {}, (576, 2, 2), 1024),
        ("convnext_atto", {}, (320, 2, 2), 320),
        ("vit_tiny_patch16_224", {"img_size": 64}, (192, 4, 4), 192),
        ("deit_tiny_distilled_patch16_224", {"img_size": 64}, (192, 4, 4), 192),
        ("swin_tiny_patch4_window7_224", {"img_size": 64}, (768, 2, 2), 768),
        ("mixer_s16_224", {"img_size": 64}, (512, 4, 4), 512),
        ("gmlp_ti16_224", {"img_size": 64}, (128, 4, 4), 128),
        ("poolformer_s12", {}, (512, 2, 2), 512),
        ("mobilevit_xxs", {}, (320, 2, 2), 320),
    ],
)
def test_timm(name, options, shape, width) -> None:
    timm = pytest.importorskip("timm")
    network = made(lambda: timm.create_model(name, **options))
    extract = Extractor(network, 64)
    network.eval()
    found = extract(images(side=64))
    assert found.map.shape == (2, *shape)
    assert found.vector.shape == (2, width)
    # What timm itself would put its classifier on; that of DeiT are two, each on a token of its own.
    if options.get("num_classes") != 0 and "distilled" not in name:
        vector = network.forward_head(network.forward_features(images(side=64)), pre_logits=True)
        torch.testing.assert_close(found.vector, vector)


@pytest.mark.parametrize(
    ("shape", "width", "axes", "expected"),
    [
        ((3, 8, 4, 4), 8, None, "bchw"),
        ((3, 4, 4, 8), 8, None, "bhwc"),
        ((3, 4, 4, 4), 4, (1, 2), "bhwc"),
        ((3, 4, 4, 4), 4, (2, 3), "bchw"),
        ((3, 4, 4, 4), 4, None, "bchw"),
        ((3, 4, 6, 8), 8, None, "bhwc"),
        ((3, 16, 8), 8, None, "bnc"),
        ((3, 8, 16), 8, None, "bcn"),
        ((3, 16, 16), 16, (2,), "bcn"),
        ((3, 16, 16), 16, (1,), "bnc"),
        ((3, 16, 16), None, None, "bnc"),
    ],
)
def test_layouts(shape, width, axes, expected) -> None:
    assert layout_of(torch.empty(shape), width, axes, nn.Identity()) == expected


@pytest.mark.parametrize(
    ("tokens", "known", "expected"),
    [(16, None, (0, 0)), (17, None, (0, 1)), (18, None, (0, 2)), (21, 5, (0, 5)), (16, 1, (0, 0))],
)
def test_prefixes(tokens, known, expected) -> None:
    network = nn.Identity()
    if known is not None:
        network.num_prefix_tokens = known
    found = prefix_of(tokens, network)
    assert (found.start or 0, found.stop) == expected


def test_tokens_that_make_no_square_are_a_column() -> None:
    def tokens(_network, images):
        return images.flatten(2)[:, :, :60].transpose(1, 2)

    extract = Extractor(made(SmallCNN), 32, tokens)
    assert (extract.channels, *extract.size) == (3, 60, 1)
