import sys
from collections.abc import Sequence
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from tests.training.coco_sample import write_coco
from tests.training.networks import TRAINEES
from tests.training.toy import published
from uninas_bench.errors import UserError
from uninas_bench.training.data.detection import EvaluationImages, ShapeScenes, TrainingImages, collate
from uninas_bench.training.data.seeded import Seeded
from uninas_bench.training.loop.distributed import Processes
from uninas_bench.training.metrics.coco import CocoMeter
from uninas_bench.training.networks.backbone import Backbone, backbone_of, freeze_unused
from uninas_bench.training.recipes.recipe import MaskRcnnHead, Recipe
from uninas_bench.training.tasks.catalogue import network_of
from uninas_bench.training.tasks.detection import DetectionObjective
from uninas_bench.training.tasks.mask_rcnn import Detector

CHANNELS = (8, 12, 16, 24)
HEAD = {
    "pyramid_channels": 16,
    "proposals": 16,
    "proposals_kept": [64, 32],
    "proposals_kept_in_evaluation": [64, 32],
    "box_width": 32,
    "mask_layers": 1,
    "mask_width": 16,
}
LOSSES = {"loss_classifier", "loss_box_reg", "loss_mask", "loss_objectness", "loss_rpn_box_reg"}


class Tiny(nn.Module):
    """Maps of strides 4, 8, 16 and 32, and a classifier."""

    def __init__(self, classes: int = 6, first: int = 4) -> None:
        super().__init__()
        sides = (first, 2, 2, 2)
        self.stages = nn.ModuleList(
            nn.Sequential(nn.Conv2d(before, after, side, side), nn.GELU(), nn.Conv2d(after, after, 1))
            for before, after, side in zip((3, *CHANNELS), CHANNELS, sides, strict=False)
        )
        self.classifier = nn.Linear(CHANNELS[-1], classes)

    def features(self, images: Tensor) -> list[Tensor]:
        maps = []
        for stage in self.stages:
            images = stage(images)
            maps.append(images)
        return maps

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.classifier(self.features(images)[-1].mean((2, 3)))
        return logits


def small(**changes: Any) -> Recipe:
    """The published recipe on drawn shapes with a tiny head."""
    data = {"dataset": "shapes", "resolution": [64, 96], "training_images": 0, "test_images": 4}
    sections = {"head": HEAD, "data": data}
    return published(
        "detection", **{name: sections.get(name, {}) | changes.get(name, {}) for name in sections}
    )


@pytest.fixture
def detector() -> Detector:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = network_of(small(), Backbone(Tiny()), 6)
    assert isinstance(network, Detector)
    return network


def batch(indices: Sequence[int]) -> tuple[list[Tensor], list[dict[str, Tensor]]]:
    objective = DetectionObjective(small(), {})
    with torch.random.fork_rng():
        torch.manual_seed(0)
        images, targets = objective.collate([objective.training[index] for index in indices])
    return images, targets


@pytest.mark.parametrize(
    ("given", "resized", "canvas"),
    [
        ((480, 640), (800, 1066), (800, 1088)),
        ((640, 480), (1066, 800), (1088, 800)),
        ((427, 640), (800, 1199), (800, 1216)),
        ((333, 500), (800, 1201), (800, 1216)),
        ((240, 640), (480, 1280), (480, 1280)),
        ((640, 200), (1280, 400), (1280, 416)),
        ((800, 1280), (800, 1280), (800, 1280)),
    ],
)
def test_images_are_resized_as_table_iii_says_with_their_ratio_kept(
    detector: Detector, given: tuple[int, int], resized: tuple[int, int], canvas: tuple[int, int]
) -> None:
    recipe = published("detection")
    assert isinstance(recipe.head, MaskRcnnHead)
    head = recipe.head.model_copy(update=HEAD)
    made = Detector(Backbone(Tiny()), 91, head, recipe.data.resolution)
    for mode in (True, False):
        images, _ = made.train(mode).head.transform([torch.zeros(3, *given)])
        assert images.image_sizes == [resized]
        assert images.tensors.shape == (1, 3, *canvas)


def test_images_are_normalised_by_imagenets_statistics(detector: Detector) -> None:
    images, _ = detector.head.transform([torch.ones(3, 64, 96)])
    expected = (1 - torch.tensor([0.485, 0.456, 0.406])) / torch.tensor([0.229, 0.224, 0.225])
    assert torch.allclose(images.tensors[0, :, 30, 40], expected)


def test_the_published_heads_are_mask_rcnns_own() -> None:
    """The weights behind the pyramid are those of torchvision's maskrcnn_resnet50_fpn, by name and shape."""
    from torchvision.models.detection import maskrcnn_resnet50_fpn

    recipe = published("detection")
    assert isinstance(recipe.head, MaskRcnnHead)
    with torch.device("meta"):
        ours = Detector(Backbone(Tiny()), 91, recipe.head, recipe.data.resolution)
        theirs = maskrcnn_resnet50_fpn(weights=None, weights_backbone=None)
    for part in ("rpn", "roi_heads"):
        shapes = [
            {name: value.shape for name, value in getattr(model, part).named_parameters()}
            for model in (ours.head, theirs)
        ]
        assert shapes[0] == shapes[1]
    levels = list(ours.head.backbone.levels.layer_blocks)
    assert [tuple(level[0].weight.shape) for level in levels] == [(256, 256, 3, 3)] * 4
    assert ours.head.rpn.anchor_generator.sizes == ((32,), (64,), (128,), (256,), (512,))
    assert ours.head.roi_heads.fg_bg_sampler.batch_size_per_image == 512
    kept = ours.head.rpn
    assert (kept._pre_nms_top_n, kept._post_nms_top_n) == (
        {"training": 2000, "testing": 1000},
        {"training": 2000, "testing": 1000},
    )


def test_anchors_follow_the_strides_of_the_backbone() -> None:
    recipe = small()
    assert isinstance(recipe.head, MaskRcnnHead)
    fine = Detector(Backbone(Tiny(first=1)), 6, recipe.head, (64, 96))
    assert fine.head.rpn.anchor_generator.sizes == ((8,), (16,), (32,), (64,), (128,))
    losses = fine(*batch([0, 1]))
    assert all(torch.isfinite(loss) for loss in losses.values())
    with torch.no_grad():
        assert len(fine.eval()([torch.rand(3, 40, 64)])) == 1


def test_portrait_and_landscape_and_an_image_without_objects_in_one_batch(detector: Detector) -> None:
    images, targets = batch([0, 1, 2])
    assert [tuple(image.shape) for image in images] == [(3, 64, 96), (3, 96, 64), (3, 64, 96)]
    targets[2] = {
        "boxes": torch.zeros(0, 4),
        "labels": targets[2]["labels"][:0],
        "masks": targets[2]["masks"][:0],
    }
    losses = detector(images, targets)
    assert losses.keys() == LOSSES
    assert all(loss.ndim == 0 and torch.isfinite(loss) for loss in losses.values())
    sum(losses.values()).backward()
    assert [name for name, value in detector.named_parameters() if value.grad is None] == []


def test_a_batch_without_any_object_reaches_all_parameters(detector: Detector) -> None:
    """Several processes wait for the gradients of each other's parameters."""
    images, targets = batch([0])
    empty = {name: values[:0] for name, values in targets[0].items()}
    losses = detector(images, [empty])
    assert losses["loss_box_reg"].item() == losses["loss_mask"].item() == 0
    sum(losses.values()).backward()
    assert [name for name, value in detector.named_parameters() if value.grad is None] == []
    assert freeze_unused(detector) == []


def test_detections_are_in_the_pixels_of_the_images_given(detector: Detector) -> None:
    detector.head.roi_heads.score_thresh = 0.0
    sizes = [(48, 72), (130, 65), (64, 96)]
    with torch.no_grad():
        found = detector.eval()([torch.rand(3, *size) for size in sizes])
    for (height, width), one in zip(sizes, found, strict=True):
        count = len(one["scores"])
        assert count > 0
        assert one["boxes"].shape == (count, 4)
        assert one["masks"].shape == (count, 1, height, width)
        assert one["boxes"].min() >= 0
        assert one["boxes"][:, 2].max() <= width
        assert one["boxes"][:, 3].max() <= height
        assert 0 <= one["masks"].min() <= one["masks"].max() <= 1
        assert (one["scores"].diff() <= 0).all()


def types(values: Any) -> set[torch.dtype]:
    """Of all tensors in nested lists and tuples."""
    return {values.dtype} if isinstance(values, Tensor) else set().union(*map(types, values))


def test_under_autocast_anchors_boxes_and_losses_stay_in_float32(detector: Detector) -> None:
    seen: dict[str, set[torch.dtype]] = {}
    roi = detector.head.roi_heads
    for name, part in {
        "body": detector.backbone.network.stages[0],
        "box head": roi.box_head,
        "anchors": detector.head.rpn.anchor_generator,
        "rpn": detector.head.rpn.head,
        "boxes": roi.box_predictor,
        "masks": roi.mask_predictor,
    }.items():
        part.register_forward_hook(lambda _, __, out, name=name: seen.update({name: types(out)}))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        losses = detector(*batch([0, 1]))
    assert seen.pop("body") == seen.pop("box head") == {torch.bfloat16}
    assert all(kinds == {torch.float32} for kinds in seen.values())
    assert types(list(losses.values())) == {torch.float32}
    with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
        (found,) = detector.eval()([torch.rand(3, 64, 96)])
    assert found["boxes"].dtype == found["masks"].dtype == torch.float32


def test_the_network_is_built_without_memory_for_an_estimate() -> None:
    with torch.device("meta"):
        network = network_of(small(), Backbone(Tiny()), 6)
    assert {parameter.device.type for parameter in network.parameters()} == {"meta"}


def test_the_classifier_goes_and_the_backbone_keeps_its_names(detector: Detector) -> None:
    names = [name for name, _ in detector.named_parameters()]
    assert not any("classifier" in name for name in names)
    assert "backbone.network.stages.0.0.weight" in names


def trained(rate: float, steps: int = 20) -> list[float]:
    """Losses of a detector that sees the same two images, of one object each, in every step."""
    recipe = small(head={"pyramid_channels": 32, "box_width": 64, "mask_width": 32})
    images, targets = batch([0, 4])
    losses = []
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = network_of(recipe, Backbone(Tiny()), 6).train()
        optimiser = torch.optim.AdamW(network.parameters(), lr=rate)
        for _ in range(steps):
            optimiser.zero_grad()
            loss = sum(network(images, targets).values())
            losses.append(loss.item())
            loss.backward()
            optimiser.step()
    return losses


def test_the_loss_halves_in_20_steps() -> None:
    losses = trained(5e-3)
    assert sum(losses[-5:]) / 5 < losses[0] / 2


def test_a_rate_a_thousand_times_too_high_does_not_halve_the_loss() -> None:
    losses = trained(5.0)
    assert not sum(losses[-5:]) / 5 < losses[0] / 2


@pytest.mark.slow
def test_a_detector_finds_and_outlines_the_objects_that_it_has_learnt() -> None:
    """Boxes, masks, labels, flips and the way back to the pixels given: all have to be right for it."""
    head = {"pyramid_channels": 32, "box_width": 64, "mask_width": 32, "mask_layers": 2, "proposals": 32}
    kept = {"proposals_kept": [200, 100], "proposals_kept_in_evaluation": [200, 100]}
    scenes = ShapeScenes("train", (64, 96), 8)
    training, test = TrainingImages(scenes, 0.5), EvaluationImages(scenes)
    steps, rate = 200, 5e-3
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = network_of(small(head=head | kept), Backbone(Tiny()), 6).train()
        optimiser = torch.optim.AdamW(network.parameters(), lr=rate)
        for step in range(steps):
            optimiser.param_groups[0]["lr"] = rate * min(1, (step + 1) / 20) * (1 - step / steps)
            optimiser.zero_grad()
            first = 4 * (step % 2)
            sum(network(*collate([training[first + index] for index in range(4)])).values()).backward()
            nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimiser.step()
    meter = CocoMeter(scenes.ground_truth())
    with torch.no_grad():
        for index in range(8):
            images, targets = collate([test[index]])
            meter.update(network.eval()(images), targets)
    figures = meter.result(Processes())
    assert figures["box_ap50"] > 90
    assert figures["box_ap"] > 60
    assert figures["mask_ap50"] > 75


@pytest.mark.parametrize("name", sorted(TRAINEES))
def test_every_space_has_a_detector_whose_parameters_all_learn(name: str) -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        backbone = backbone_of(TRAINEES[name], resolution=64, classes=6, drop_path=0.0)
        network = network_of(small(), backbone, 6).train()
        freeze_unused(network)
        images, targets = batch([0, 1])
        losses = network(images, targets)
        sum(losses.values()).backward()
        with torch.no_grad():
            found = network.eval()(images)
    assert all(torch.isfinite(loss) for loss in losses.values())
    learning = {name: value for name, value in network.named_parameters() if value.requires_grad}
    assert [name for name, value in learning.items() if value.grad is None] == []
    assert [one["masks"].shape[2:] for one in found] == [(64, 96), (96, 64)]


def test_without_pycocotools_nothing_is_trained(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pycocotools", None)
    monkeypatch.delitem(sys.modules, "pycocotools.mask", raising=False)
    with pytest.raises(UserError, match=r"pip install 'uninas-bench\[detection\]'"):
        DetectionObjective(small(), {})


def test_the_objective_of_shapes() -> None:
    objective = DetectionObjective(small(data={"training_images": 3}), {})
    assert (objective.metric, objective.classes, objective.fingerprint) == ("box_ap", 6, "shapes:1")
    assert (len(objective.training), len(objective.test)) == (3, 4)
    network = network_of(small(), Backbone(Tiny()), objective.classes).eval()
    meter = objective.meter()
    images, targets = objective.collate([objective.test[index] for index in range(4)])
    with torch.no_grad():
        meter.update(network(images), targets)
    assert next(iter(meter.result(Processes()))) == objective.metric


def test_the_objective_of_cocos_layout(tmp_path: Any) -> None:
    root = write_coco(tmp_path / "coco")
    recipe = small(data={"dataset": "coco", "test_images": 0})
    objective = DetectionObjective(recipe, {"coco": root})
    assert objective.classes == 91
    assert (len(objective.training), len(objective.test)) == (6, 8)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = network_of(recipe, Backbone(Tiny()), objective.classes)
        seeded = Seeded(objective.training, seed=5)
        losses = network(*objective.collate([seeded[0, index] for index in range(len(seeded))]))
    assert all(torch.isfinite(loss) for loss in losses.values())
    meter = objective.meter()
    network.eval()
    with torch.no_grad():
        for index in range(8):
            images, targets = objective.collate([objective.test[index]])
            meter.update(network(images), targets)
    assert 0 <= meter.result(Processes())["box_ap"] < 50


def test_a_sample_follows_from_seed_epoch_and_number() -> None:
    seeded = Seeded(DetectionObjective(small(), {}).training, seed=5)
    flips = []
    for epoch in range(12):
        image, target = seeded[epoch, 2]
        again, twice = seeded[epoch, 2]
        assert torch.equal(image, again)
        assert torch.equal(target["masks"], twice["masks"])
        flips.append(float(image.sum(0)[:, 0].sum()))
    assert len(set(flips)) == 2


def test_a_data_set_without_boxes() -> None:
    with pytest.raises(UserError, match=r'data set "imagenet1k": has no boxes; .* takes coco or shapes'):
        DetectionObjective(small(data={"dataset": "imagenet1k"}), {})
