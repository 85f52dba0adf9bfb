"""What a training will take: counted by hand, against the space's closed form, and as the paper met it."""

from __future__ import annotations

from typing import Any, cast

import pytest
import torch
from torch import nn

import uninas_bench as ub
from tests.training.toy import published
from uninas_bench.errors import UserError
from uninas_bench.training.estimate import (
    Footprint,
    backbone_macs,
    check_memory,
    footprint,
    padded_resolution,
)
from uninas_bench.training.networks.backbone import backbone_of
from uninas_bench.training.networks.trainee import trainee_of
from uninas_bench.training.planning import training_plan


def test_activations_are_counted_once_each() -> None:
    network = nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 5, 3, padding=1, bias=False)
    )
    recipe = published("classification", data={"resolution": (8, 8)}, run={"batch": 2})
    found = footprint(network, cast(Any, network), recipe)
    # The images, and the output of ReLU, which is the input of the second convolution as well.
    assert found.activation_bytes == 4 * 2 * (3 + 4) * 64
    assert found.largest_bytes == 4 * 2 * 4 * 64
    assert found.macs == 64 * 9 * (3 * 4 + 4 * 5)
    assert found.parameters == 3 * 4 * 9 + 4 + 4 * 5 * 9
    assert found.parameter_bytes == 16 * found.parameters


def test_frozen_parameters_have_no_gradients_and_no_means() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 1), nn.Conv2d(4, 2, 1))
    network[0].requires_grad_(False)
    recipe = published("classification", data={"resolution": (8, 8)}, run={"batch": 1})
    found = footprint(network, cast(Any, network), recipe)
    assert (found.parameters, found.parameter_bytes) == (10, 16 * 10 + 4 * 16)


@pytest.mark.parametrize("kind", ["classification", "segmentation", "detection"])
def test_memory_grows_with_the_batch(kind: str) -> None:
    space = ub.space("uninas", widths="16:16:16:16", depths="1:1:1:1", stem="8:8")
    trainee = trainee_of(space, space.parse("T1 | R | E | R"))
    size = {"data": {"resolution": (64, 64)}, "backbone": {"pretrained_resolution": 64}}
    two, four = (
        training_plan(trainee, published(kind, **size, run={"batch": batch}), images=100)  # type: ignore[arg-type]
        for batch in (2, 4)
    )
    # The maps of attention are the same for all images where they are biases.
    assert 1.9 < four.footprint.activation_bytes / two.footprint.activation_bytes <= 2.0
    assert four.footprint.parameters == two.footprint.parameters
    assert four.footprint.macs == pytest.approx(two.footprint.macs, rel=1e-3)


@pytest.mark.parametrize(
    ("name", "architecture"), [("nasbench201", "6111"), ("nats_size", "77"), ("hytra", "5")]
)
def test_multiply_accumulates_are_those_of_the_closed_form(name: str, architecture: str) -> None:
    space = ub.space(name)
    trainee = trainee_of(space, space.parse(architecture))
    with torch.device("meta"):
        backbone = backbone_of(trainee, resolution=64, classes=10, drop_path=0.0)
    costs = trainee.costs(64, 10)
    assert costs is not None
    # Poolings and biases are in one count and not in the other.
    assert backbone_macs(backbone, (64, 64), classify=True) == pytest.approx(costs.flops, rel=0.02)


def test_images_of_detection_are_padded() -> None:
    assert padded_resolution(published("detection")) == (800, 1280)
    assert padded_resolution(published("detection", data={"resolution": (750, 1333)})) == (768, 1344)
    assert padded_resolution(published("segmentation")) == (512, 512)


@pytest.mark.slow
def test_a_vision_transformer_does_not_fit_detection_as_in_the_paper() -> None:
    """UniNAS, footnote 4: the ViT "did not fit to GPU memory" of an A100; the others of Table V did."""
    space = ub.space("uninas")
    recipe = published("detection")
    memory = 80 * 2**30
    with pytest.raises(
        UserError, match=r"a batch of 4 needs at least \d{3}\.\d GiB .* a device has 80\.0 GiB"
    ):
        training_plan(trainee_of(space, space.parse("vit")), recipe, half=True, memory=memory)
    for name in ("resnet", "efficientnet", "coatnet"):
        training_plan(trainee_of(space, space.parse(name)), recipe, half=True, memory=memory)


def test_what_is_refused_is_what_surely_cannot_fit() -> None:
    found = Footprint(10, 160, 2000, 100, 5)
    recipe = published("classification")
    assert (found.least(half=False), found.least(half=True), found.most) == (2160, 1160, 2160)
    check_memory(found, recipe, 1160, half=True, where="a device")
    with pytest.raises(UserError, match=r"--set run\.batch=24 --set run\.accumulate=2"):
        check_memory(found, recipe, 1159, half=True, where="a device")


def test_a_plan_of_published_images() -> None:
    space = ub.space("nasbench201", channels=4, cells=1)
    trainee = trainee_of(space, space.parse("6111"))
    found = training_plan(trainee, published("classification"), devices=8)
    assert (found.images, found.counted) == (1_281_167, False)
    # 150 epochs of 384 images a step; the published number of steps of 8 GPUs.
    assert found.plan.steps == 500_400
    assert found.rates[0].rate == 8e-7
    assert max(point.rate for point in found.rates) == 8e-4
    # Three passes' worth of arithmetic for every image of every step.
    assert found.macs == 3 * found.footprint.macs * 384 * 500_400
    assert found.hours(2.0) == pytest.approx(2 * found.macs / (8 * 2e12) / 3600)


def test_data_that_nobody_knows_must_be_there() -> None:
    space = ub.space("nasbench201", channels=4, cells=1)
    trainee = trainee_of(space, space.parse("6111"))
    with pytest.raises(UserError, match="cifar100"):
        training_plan(trainee, published("fashion-mnist", data={"dataset": "cifar100"}))
    with pytest.raises(UserError, match="no such"):
        training_plan(trainee, published("classification"), data={"imagenet1k": "/nowhere"})
