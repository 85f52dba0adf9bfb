"""Teachers of timm's, untrained: their maps block by block, in sizes and layouts of all kinds; and none."""

from __future__ import annotations

import numpy as np
import pytest
import timm
import torch
from torch import nn

import uninas_bench as ub
from tests.plugins.bossnas.test_proxy import Cifar, proxy
from uninas_bench import UserError
from uninas_bench_plugins._bossnas.objectives import Distillation
from uninas_bench_plugins._bossnas.teachers import FrozenTeacher

LABELS = torch.zeros(6, dtype=torch.int64)


@pytest.fixture(autouse=True)
def _cache(tmp_path, monkeypatch):
    monkeypatch.setenv("UNINAS_BENCH_CACHE", str(tmp_path))


def images(size: int) -> torch.Tensor:
    return torch.randn(6, 3, size, size, generator=torch.Generator().manual_seed(0))


def untrained(name: str, **options) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return timm.create_model(name, pretrained=False, features_only=True, **options)


def swin() -> nn.Module:
    return untrained(
        "swin_tiny_patch4_window7_224", embed_dim=12, depths=(1, 1, 1, 1), num_heads=(1, 1, 1, 1)
    )


def vit(**options) -> nn.Module:
    return untrained("vit_tiny_patch16_224", embed_dim=24, depth=3, num_heads=2, **options)


@pytest.mark.parametrize(("blocks", "chosen"), [(3, (1, 3, 4)), (4, (1, 2, 3, 4)), (5, (0, 1, 2, 3, 4))])
def test_blocks_are_taught_by_maps_in_their_order(blocks, chosen):
    model = untrained("resnet10t").eval()
    with torch.no_grad():
        means = [each.mean((2, 3)) for each in model(images(32))]
    objective = Distillation(model, blocks)
    for block, place in enumerate(chosen):
        target = objective.head_target(block, images(32), LABELS)
        wanted = (means[place] - means[place].mean(0)) / (means[place].std(0) + 1e-6)
        torch.testing.assert_close(target, wanted)


@pytest.mark.parametrize("name", ["resnet10t", "convnext_atto", "mobilenetv3_small_050"])
@pytest.mark.parametrize("size", [8, 16, 32])
def test_no_image_is_too_small(name, size):
    model = untrained(name)
    maps = FrozenTeacher(model)(images(size))
    assert [each.shape[1] for each in maps] == model.feature_info.channels()
    assert [each.shape[2] for each in maps] == [32 // r for r in model.feature_info.reduction()]
    assert all(each.isfinite().all() for each in maps)


def test_images_of_enough_pixels_come_as_they_are():
    model = untrained("resnet10t").eval()
    with torch.no_grad():
        wanted = model(images(40))
    torch.testing.assert_close(FrozenTeacher(model)(images(40)), wanted, rtol=0, atol=0)


def test_maps_that_end_with_their_channels_are_turned():
    model = swin().eval()
    with torch.no_grad():
        asked = nn.functional.interpolate(images(16), (224, 224), mode="bilinear", antialias=True)
        wanted = [each.mean((1, 2)) for each in model(asked)]
    maps = FrozenTeacher(model)(images(16))
    assert [each.shape[1] for each in maps] == [12, 24, 48, 96]
    torch.testing.assert_close([each.mean((2, 3)) for each in maps], wanted)


@pytest.mark.parametrize(("options", "side"), [({}, 14), ({"img_size": 64}, 4)])
def test_a_transformer_sees_images_of_the_size_that_it_was_made_for(options, side):
    maps = FrozenTeacher(vit(**options))(images(32))
    assert {tuple(each.shape) for each in maps} == {(6, 24, side, side)}


def test_a_fit_of_small_images():
    distilled = proxy(epochs=1).distilling(untrained("resnet10t"))
    frame = ub.score(["8:16:24:32:64"], [distilled], space="nats_size", data={"cifar10": Cifar()})
    assert frame["status"].tolist() == ["ok"]
    assert np.isfinite(frame["value"]).all()


def test_a_teacher_in_training_mode_learns_nothing():
    teacher = nn.Sequential(nn.Conv2d(3, 5, 3), nn.BatchNorm2d(5), nn.Dropout(0.5)).train()
    before = {name: tensor.clone() for name, tensor in teacher.state_dict().items()}
    objective = Distillation(teacher, 2)
    first, second = (objective.head_target(0, images(8), LABELS) for _ in range(2))
    assert torch.equal(first, second)
    assert teacher.training
    assert all(parameter.requires_grad for parameter in teacher.parameters())
    assert all(torch.equal(tensor, before[name]) for name, tensor in teacher.state_dict().items())


def test_the_copy_moves_and_the_users_module_stays():
    teacher = nn.Conv2d(3, 5, 3)
    maps = Distillation(teacher, 2, torch.device("meta")).teacher(images(8).to("meta"))
    assert maps.device.type == "meta"
    assert teacher.weight.device.type == "cpu"


def test_tokens_are_no_map():
    with pytest.raises(UserError, match=r"teacher: 6 images gave \(6, 49, 8\); expected maps \(B, C, H, W\)"):
        Distillation(lambda x: [x.new_zeros(len(x), 49, 8)], 2).head_target(0, images(8), LABELS)


def test_a_name_without_weights_is_one_line(monkeypatch):

    def offline(name, **options):
        assert options == {"pretrained": True, "features_only": True}
        raise OSError("We couldn't connect to the hub.\nCheck your internet connection.")

    monkeypatch.setattr(timm, "create_model", offline)
    with pytest.raises(
        UserError, match="teacher=resnet18: timm cannot give it: We couldn't connect"
    ) as caught:
        ub.score(
            ["8:8:8:8:8"],
            [proxy(training="distillation", teacher="resnet18")],
            space="nats_size",
            data={"cifar10": Cifar()},
        )
    assert "\n" not in str(caught.value)
