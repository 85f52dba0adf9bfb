"""UperNet on any backbone: its losses, what it gives in evaluation, and that it learns."""

from __future__ import annotations

import sys

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from tests.training.networks import TRAINEES, UNINAS, of
from uninas_bench.errors import UserError
from uninas_bench.training.loop.distributed import Processes
from uninas_bench.training.networks.backbone import Backbone, backbone_of, freeze_unused
from uninas_bench.training.recipes.reading import load_recipe
from uninas_bench.training.recipes.recipe import UperNetHead
from uninas_bench.training.tasks.catalogue import network_of
from uninas_bench.training.tasks.segmentation import SegmentationObjective
from uninas_bench.training.tasks.upernet import UperNet

HEAD = UperNetHead(kind="upernet", channels=16, auxiliary_weight=0.4, auxiliary_channels=8)
SMALL = ["data.dataset=shapes", "data.resolution=[64,64]", "head.channels=32", "head.auxiliary_channels=16"]
PLAIN = ["augmentation.scale=[1.0,1.0]", "augmentation.flip=0.0", "augmentation.photometric=false"]


def backbone(name: str = "uninas", drop_path: float = 0.0) -> Backbone:
    torch.manual_seed(0)
    return backbone_of(TRAINEES[name], resolution=64, classes=1000, drop_path=drop_path)


def batch(side: int = 64) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(2, 3, side, side, generator=generator)
    return images, torch.randint(6, (2, side, side), generator=generator)


@pytest.mark.parametrize("name", [name for name in TRAINEES if name != "timm-three-maps"])
def test_every_parameter_of_every_network_learns(name: str) -> None:
    model = UperNet(backbone(name, 0.3), 6, HEAD).train()
    frozen = set(freeze_unused(model))
    losses = model(*batch())
    assert list(losses) == ["cross_entropy", "auxiliary"]
    sum(losses.values()).backward()
    for key, parameter in model.named_parameters():
        assert (parameter.grad is None) == (key in frozen), key
    assert not any(key.startswith(("decoder", "classifier", "auxiliary")) for key in frozen)


def test_losses_are_means_over_labelled_pixels() -> None:
    model = UperNet(backbone(), 6, HEAD).train()
    images, labels = batch()
    labels[0, :40] = 255
    twin = UperNet(backbone(), 6, HEAD)
    twin.load_state_dict(model.state_dict())
    losses = model(images, labels)
    maps = twin.train().backbone.features(images)
    whole = functional.interpolate(twin._logits(list(maps)), (64, 64), mode="bilinear")
    expected = functional.cross_entropy(whole, labels, ignore_index=255)
    torch.testing.assert_close(losses["cross_entropy"], expected)
    assert twin.auxiliary is not None
    whole = functional.interpolate(twin.auxiliary(maps[2]), (64, 64), mode="bilinear")
    expected = 0.4 * functional.cross_entropy(whole, labels, ignore_index=255)
    torch.testing.assert_close(losses["auxiliary"], expected)


def test_a_batch_without_labels_teaches_nothing() -> None:
    model = UperNet(backbone(), 6, HEAD).train()
    images, labels = batch()
    losses = model(images, torch.full_like(labels, 255))
    assert [float(loss.detach()) for loss in losses.values()] == [0.0, 0.0]
    sum(losses.values()).backward()
    assert all(not p.grad.any() for p in model.parameters() if p.grad is not None)


def test_losses_are_float32_in_bfloat16() -> None:
    model = UperNet(backbone(), 6, HEAD).train()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        losses = model(*batch())
        model.eval()
        logits = model(batch()[0])
    assert {loss.dtype for loss in losses.values()} == {torch.float32}
    assert logits.dtype == torch.bfloat16
    assert all(bool(loss.isfinite()) for loss in losses.values())


def test_without_weight_there_is_no_auxiliary_head() -> None:
    model = UperNet(backbone(), 6, HEAD.model_copy(update={"auxiliary_weight": 0.0})).train()
    assert list(model(*batch())) == ["cross_entropy"]
    assert not any(name.startswith("auxiliary") for name, _ in model.named_parameters())


def test_images_of_several_sizes_are_evaluated_one_by_one() -> None:
    model = UperNet(backbone(), 6, HEAD).eval().requires_grad_(False)
    images = [torch.randn(3, 64, 96), torch.randn(3, 75, 64), torch.randn(3, 64, 96)]
    found = model(images)
    assert [tuple(logits.shape) for logits in found] == [(6, 16, 24), (6, 19, 16), (6, 16, 24)]
    for image, logits in zip(images, found, strict=True):
        torch.testing.assert_close(model(image[None])[0], logits)
    stacked = model(torch.stack([images[0], images[2]]))
    torch.testing.assert_close(stacked[1], found[2])


def test_the_decoder_does_not_write_into_the_backbones_maps() -> None:
    model = UperNet(backbone(), 6, HEAD).eval()
    maps = model.backbone.features(batch()[0])
    before = [values.clone() for values in maps]
    model._logits(maps)
    assert all(torch.equal(one, two) for one, two in zip(maps, before, strict=True))


def test_position_tables_do_not_decay_in_the_tasks_network_either() -> None:
    model = UperNet(backbone(), 6, HEAD)
    names = model.no_weight_decay()
    assert len(names) == 3
    assert names <= {name for name, _ in model.named_parameters()}


def test_the_objective_on_shapes() -> None:
    objective = SegmentationObjective(load_recipe("segmentation", [*SMALL, "data.test_images=5"]), {})
    assert (objective.metric, objective.classes) == ("miou", 6)
    assert (len(objective.training), len(objective.test)) == (4096, 5)
    other = SegmentationObjective(load_recipe("segmentation", [*SMALL, "data.test_images=6"]), {})
    assert objective.fingerprint != other.fingerprint
    meter = objective.meter()
    assert next(iter(meter.result(Processes()))) == objective.metric


def test_what_cannot_be_segmented() -> None:
    recipe = load_recipe("segmentation", SMALL)
    boxes = recipe.model_copy(update={"data": recipe.data.model_copy(update={"dataset": "coco"})})
    with pytest.raises(UserError, match='data set "coco": has no labels of pixels'):
        SegmentationObjective(boxes, {})
    with pytest.raises(UserError, match=r"run\.batch=1: expected at least 2"):
        SegmentationObjective(load_recipe("segmentation", [*SMALL, "run.batch=1"]), {})


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "segmentation_models_pytorch", None)
    with pytest.raises(UserError, match=r"pip install 'uninas-bench\[segmentation\]'"):
        SegmentationObjective(load_recipe("segmentation", SMALL), {})


def _trained(rate: float, steps: int) -> float:
    """The mIoU on the eight images that were learnt."""
    changes = [*SMALL, *PLAIN, "data.training_images=8"]
    recipe = load_recipe("segmentation", changes)
    objective = SegmentationObjective(recipe, {})
    torch.manual_seed(0)
    trainee = of(UNINAS.scaled(depths="1:1:1:1"), "E | R | T1 | T2")
    model = network_of(recipe, backbone_of(trainee, resolution=64, classes=6, drop_path=0.0), 6)
    freeze_unused(model)
    images, labels = objective.collate([objective.training[index] for index in range(8)])
    optimiser = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=rate)
    model.train()
    for step in range(steps):
        for group in optimiser.param_groups:
            group["lr"] = rate * min(1, (steps - step) / (0.7 * steps))
        optimiser.zero_grad()
        sum(model(images, labels).values()).backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
    model.eval()
    meter = objective.meter()
    with torch.inference_mode():
        meter.update(model(images), labels)
    return meter.result(Processes())["miou"]


@pytest.mark.slow
def test_eight_images_are_learnt_by_heart() -> None:
    assert _trained(5e-3, 180) > 90


def test_a_learning_rate_that_is_a_thousandfold_too_high_learns_nothing() -> None:
    assert _trained(5.0, 15) < 30
