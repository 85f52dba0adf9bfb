"""Weights of an earlier training, and networks at another resolution than that they were trained at."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from tests.training.networks import TEMPLATES, TRAINEES, UNINAS, of
from uninas_bench.errors import UserError
from uninas_bench.spaces.uninas.modules import relative_bias, resized
from uninas_bench.training.data.shapes import draw_single
from uninas_bench.training.networks.backbone import Backbone, backbone_of, load_pretrained
from uninas_bench.training.networks.trainee import TimmTrainee, Trainee


def made(trainee: Trainee | None = None, resolution: int = 64, classes: int = 5, seed: int = 0) -> Backbone:
    torch.manual_seed(seed)
    chosen = trainee or of(UNINAS, TEMPLATES)
    return backbone_of(chosen, resolution=resolution, classes=classes, drop_path=0.0).eval()


def images(height: int, width: int) -> Tensor:
    return torch.randn(2, 3, height, width, generator=torch.Generator().manual_seed(3))


@pytest.mark.parametrize("name", ["uninas", "hytra", "nasbench201", "timm-vit", "timm-resnet"])
def test_weights_go_from_one_classifier_to_the_next(name: str) -> None:
    old, new = made(TRAINEES[name]), made(TRAINEES[name], seed=1)
    assert load_pretrained(new, old.state_dict(), False) == []
    x = images(64, 64)
    assert torch.equal(old(x), new(x))


@pytest.mark.parametrize("name", ["uninas", "mbconv", "nats_size", "timm-vit", "timm-efficientnet"])
@pytest.mark.parametrize("bare", [False, True])
def test_weights_go_without_the_classifier_to_another_task(name: str, bare: bool) -> None:
    old, new = made(TRAINEES[name]), made(TRAINEES[name], classes=9, seed=1)
    if bare:
        new.without_classifier()
    head = {key: value.clone() for key, value in new.state_dict().items() if _of_head(new, key)}
    model = nn.ModuleDict({"backbone": old, "head": nn.Linear(2, 2)})
    assert load_pretrained(new, model.state_dict(), False) == []
    x = images(64, 64)
    for one, two in zip(old.features(x), new.features(x), strict=True):
        assert torch.equal(one, two)
    assert all(torch.equal(new.state_dict()[key], value) for key, value in head.items())
    assert bool(head) == (not bare)


def _of_head(backbone: Backbone, key: str) -> bool:
    return key.split(".")[1] in backbone.classifier


@pytest.mark.parametrize("name", ["nasbench201", "timm-resnet"])
def test_weights_of_a_detector_with_frozen_batch_norms(name: str) -> None:
    """A frozen batch norm has no counter of batches."""
    old, new = made(TRAINEES[name]), made(TRAINEES[name], seed=1)
    frozen = {key: value for key, value in old.state_dict().items() if "num_batches" not in key}
    assert len(frozen) < len(old.state_dict())
    load_pretrained(new, frozen, False)
    x = images(64, 64)
    assert torch.equal(old(x), new(x))


def test_weights_under_the_networks_own_names() -> None:
    """Published ones of timm's, say."""
    old, new = made(TRAINEES["timm-resnet"]), made(TRAINEES["timm-resnet"], seed=1)
    load_pretrained(new, old.network.state_dict(), False)
    assert torch.equal(old(images(64, 64)), new(images(64, 64)))


def test_weights_that_do_not_fit() -> None:
    backbone = made()
    before = {key: value.clone() for key, value in backbone.state_dict().items()}
    state = dict(made(seed=1).state_dict())
    stem = state.pop("network.stem.0.weight")
    with pytest.raises(UserError, match=r"^pretrained weights lack stem\.0\.weight: they are of another"):
        load_pretrained(backbone, state, True)
    with pytest.raises(
        UserError, match=r"have, and the network has not, odd and 1 more: they are of another"
    ):
        load_pretrained(
            backbone,
            {**state, "network.stem.0.weight": stem, "network.odd": stem, "network.rest": stem},
            True,
        )
    with pytest.raises(UserError, match=r"stem\.0\.weight is 8 x 3 x 3 instead of 8 x 3 x 3 x 3"):
        load_pretrained(backbone, {**state, "network.stem.0.weight": stem[..., 0]}, True)
    with pytest.raises(UserError, match=r"lack .* and \d+ more"):
        load_pretrained(backbone, made(TRAINEES["hytra"]).state_dict(), True)
    after = backbone.state_dict()
    assert all(torch.equal(after[key], value) for key, value in before.items())


def test_tables_of_another_resolution_are_refused_unless_resizing_is_asked_for() -> None:
    small, large = made(resolution=64), made(resolution=128, seed=1)
    with pytest.raises(
        UserError, match=r"position table .*\.table is 7 x 7 instead of 15 x 15: .* another res"
    ):
        load_pretrained(large, small.state_dict(), False)


def test_resizing_once_is_interpolating_in_every_pass() -> None:
    small, large = made(resolution=64), made(resolution=160, seed=1)
    names = load_pretrained(large, small.state_dict(), True)
    assert sorted(names) == sorted(small.no_weight_decay())
    assert len(names) == 4
    x = images(160, 160)
    torch.testing.assert_close(small(x), large(x), rtol=1e-5, atol=1e-6)
    # 20 pixels between corners are three times 6, so that nothing is lost on the way back.
    torch.testing.assert_close(small(images(64, 64)), large(images(64, 64)), rtol=1e-5, atol=1e-6)
    nn.init.zeros_(large.get_parameter(names[0]))
    assert not torch.allclose(small(x), large(x), rtol=1e-3)


def test_tables_of_timms_transformers_are_resized() -> None:
    small, large = made(TRAINEES["timm-vit"]), made(TRAINEES["timm-vit"], resolution=128, seed=1)
    assert load_pretrained(large, small.state_dict(), True) == ["network.pos_embed"]
    # timm's own interpolation in a forward pass, which `dynamic_img_size` allows, is the same.
    torch.testing.assert_close(small(images(128, 128)), large(images(128, 128)), rtol=1e-4, atol=1e-5)
    for one, two in zip(small.features(images(128, 128)), large.features(images(128, 128)), strict=True):
        torch.testing.assert_close(one, two, rtol=1e-4, atol=1e-5)


def test_a_table_of_the_size_at_hand_is_the_table_itself() -> None:
    table = torch.randn(3, 9, 13)
    assert resized(table, 9, 13) is table
    small = made()
    twin = made(seed=1)
    assert load_pretrained(twin, small.state_dict(), True) == []
    assert torch.equal(small(images(64, 64)), twin(images(64, 64)))


def test_corners_stay_corners_and_the_middle_the_middle() -> None:
    table = torch.randn(1, 1, 9, 13, dtype=torch.float64)
    for height, width in ((17, 25), (5, 7), (21, 13), (3, 3)):
        found = resized(table, height, width)[0, 0]
        for row in (0, -1):
            for column in (0, -1):
                assert float(found[row, column]) == pytest.approx(float(table[0, 0, row, column]))
        assert float(found[height // 2, width // 2]) == pytest.approx(float(table[0, 0, 4, 6]))
    assert float(resized(table, 1, 1)) == pytest.approx(float(table[0, 0, 4, 6]))
    column = resized(table, 17, 1)[0, 0, :, 0]
    torch.testing.assert_close(column[::2], table[0, 0, :, 6])
    # A place against itself, at any resolution.
    bias = relative_bias(table[0], 3, 8)[0, 0]
    torch.testing.assert_close(bias.diagonal(), table[0, 0, 4, 6].expand(24))


def test_a_network_trained_at_one_size_works_at_another() -> None:
    """Shapes at 32 pixels, then the same at 48: attention learns where things are by its tables."""
    count = 96
    trainee = of(UNINAS.scaled(depths="1:1:1:1"), "E | T1 | T1 | T2")
    backbone = made(trainee, resolution=32).train()

    def batch(side: int) -> tuple[Tensor, Tensor]:
        drawn = [draw_single("train", index, (side, side)) for index in range(count)]
        pixels = torch.stack([torch.from_numpy(image).permute(2, 0, 1).float() for image, _ in drawn])
        return pixels / 127.5 - 1, torch.tensor([label for _, label in drawn])

    small, labels = batch(32)
    optimiser = torch.optim.AdamW(backbone.parameters(), lr=3e-3)
    for _ in range(60):
        optimiser.zero_grad()
        functional.cross_entropy(backbone(small), labels).backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    backbone.eval()
    accuracy = {side: _accuracy(backbone, *batch(side)) for side in (32, 48)}
    assert accuracy[32] > 0.9
    assert accuracy[48] > 0.5  # 0.2 is guessing


@torch.no_grad()
def _accuracy(backbone: Backbone, pixels: Tensor, labels: Tensor) -> float:
    return float((backbone(pixels).argmax(1) == labels).float().mean())


def test_a_table_that_timm_does_not_say_how_to_resize() -> None:
    small, large = (made(TimmTrainee("levit_128s"), resolution=side) for side in (64, 96))
    with pytest.raises(UserError, match=r"attention_biases is .* instead of .*: they are of another arch"):
        load_pretrained(large, small.state_dict(), True)
