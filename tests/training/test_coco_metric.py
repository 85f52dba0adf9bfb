import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.training.coco_sample import CROWDED, annotation, split, write_coco
from uninas_bench.errors import UserError
from uninas_bench.training.data.coco import CocoImages
from uninas_bench.training.data.detection import ShapeScenes
from uninas_bench.training.data.run_lengths import decode, encode
from uninas_bench.training.loop.distributed import Processes
from uninas_bench.training.metrics.coco import CocoMeter, average_precisions

NAMES = ["ap", "ap50", "ap75", "ap_small", "ap_medium", "ap_large"]
SIZE = (200, 160)


class Gathering(Processes):
    """As many processes as were given texts, seen from one of them."""

    def __init__(self, others: Sequence[Any]) -> None:
        super().__init__(count=1 + len(others))
        object.__setattr__(self, "others", list(others))

    def gather_objects(self, value: Any) -> list[Any]:
        return [value, *self.others]  # type: ignore[attr-defined]


class Recording(Processes):
    """Keeps what a meter would send."""

    def gather_objects(self, value: Any) -> list[Any]:
        object.__setattr__(self, "sent", value)
        return [value]


def sent_by(meter: CocoMeter) -> Any:
    recording = Recording()
    meter.result(recording)
    return recording.sent  # type: ignore[attr-defined]


def boxed(edges: Sequence[float], size: tuple[int, int] = SIZE) -> Tensor:
    mask = torch.zeros(1, *size)
    left, top, right, bottom = (round(edge) for edge in edges)
    mask[0, top:bottom, left:right] = 1
    return mask


def detections(
    boxes: Sequence[Sequence[float]], labels: Sequence[int], scores: Sequence[float], masks: Sequence[Tensor]
) -> dict[str, Tensor]:
    return {
        "boxes": torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4),
        "labels": torch.tensor(labels, dtype=torch.int64),
        "scores": torch.tensor(scores),
        "masks": torch.stack(list(masks)) if masks else torch.zeros(0, 1, *SIZE),
    }


def truth(*boxes: Sequence[float], image: int = 3) -> dict[str, Any]:
    things = [
        annotation(number, image, 18, [left, top, right - left, bottom - top])
        for number, (left, top, right, bottom) in enumerate(boxes, 1)
    ]
    images = [{"id": number, "height": SIZE[0], "width": SIZE[1]} for number in (3, 7)]
    return {"images": images, "annotations": things, "categories": [{"id": 18}, {"id": 44}]}


def measured(ground_truth: dict[str, Any], **found: Any) -> dict[str, float]:
    meter = CocoMeter(ground_truth)
    meter.update([detections(**found)], [{"image_id": torch.tensor(3)}])
    return dict(meter.result(Processes()))


def test_one_box_that_overlaps_by_82_percent() -> None:
    """IoU 0.82 is enough for 7 of the thresholds 0.50, 0.55, ..., 0.95; 100 x 82 pixels are a medium size."""
    figures = measured(
        truth((10, 10, 110, 110)), boxes=[(10, 10, 110, 92)], labels=[18], scores=[0.6],
        masks=[boxed((10, 10, 110, 92))],
    )  # fmt: skip
    assert next(iter(figures)) == "box_ap"
    for kind in ("box", "mask"):
        assert figures[f"{kind}_ap"] == pytest.approx(70)
        assert figures[f"{kind}_ap50"] == figures[f"{kind}_ap75"] == pytest.approx(100)
        assert figures[f"{kind}_ap_large"] == pytest.approx(70)
        assert f"{kind}_ap_small" not in figures


def test_a_false_alarm_above_the_only_hit_halves_the_precision() -> None:
    box, other = (10, 10, 60, 60), (80, 80, 120, 120)
    figures = measured(
        truth(box), boxes=[box, other], labels=[18, 18], scores=[0.6, 0.7], masks=[boxed(box), boxed(other)]
    )
    assert figures["box_ap"] == figures["mask_ap"] == pytest.approx(50)


def test_one_of_two_objects_found() -> None:
    """Precision is 1 up to recall 1/2: 51 of the 101 points 0, 0.01, ..., 1."""
    box = (10, 10, 60, 60)
    figures = measured(
        truth(box, (80, 80, 120, 120)), boxes=[box], labels=[18], scores=[0.6], masks=[boxed(box)]
    )
    assert figures["box_ap"] == figures["mask_ap"] == pytest.approx(100 * 51 / 101)


def test_boxes_and_masks_are_compared_each_with_their_own() -> None:
    box = (10, 10, 60, 60)
    figures = measured(
        truth(box), boxes=[box], labels=[18], scores=[0.6], masks=[boxed((100, 100, 150, 150))]
    )
    assert (figures["box_ap"], figures["mask_ap"]) == (pytest.approx(100), 0)


def test_half_transparent_masks_are_no_masks() -> None:
    box = (10, 10, 60, 60)
    found = {"boxes": [box], "labels": [18], "scores": [0.6]}
    assert measured(truth(box), masks=[0.51 * boxed(box)], **found)["mask_ap"] == pytest.approx(100)
    assert measured(truth(box), masks=[0.5 * boxed(box)], **found)["mask_ap"] == 0


def test_another_label_is_no_hit() -> None:
    box = (10, 10, 60, 60)
    for label in (44, 17, 1):
        assert measured(truth(box), boxes=[box], labels=[label], scores=[0.6], masks=[boxed(box)]) == {
            f"{kind}_{name}": 0.0 for kind in ("box", "mask") for name in ("ap", "ap50", "ap75", "ap_medium")
        }


def test_nothing_found_is_0_and_not_minus_1() -> None:
    ground_truth = truth((10, 10, 60, 60))
    assert measured(ground_truth, boxes=[], labels=[], scores=[], masks=[])["box_ap"] == 0
    assert CocoMeter(ground_truth).result(Processes())["mask_ap"] == 0


def perfect(ground_truth: dict[str, Any]) -> list[tuple[int, dict[str, Tensor]]]:
    """The objects themselves as detections, crowds left out."""
    given = []
    for image in ground_truth["images"]:
        size = image["height"], image["width"]
        things = [
            thing
            for thing in ground_truth["annotations"]
            if thing["image_id"] == image["id"] and not thing.get("iscrowd")
        ]
        edges = [(box[0], box[1], box[0] + box[2], box[1] + box[3]) for box in (t["bbox"] for t in things)]
        masks = [torch.from_numpy(decode(thing["segmentation"], size)[None]).float() for thing in things]
        labels = [thing["category_id"] for thing in things]
        found = detections(edges, labels, [0.9] * len(things), masks)
        if not things:
            found["masks"] = torch.zeros(0, 1, *size)
        given.append((image["id"], found))
    return given


def test_perfect_predictions_of_shapes_score_100() -> None:
    ground_truth = ShapeScenes("test", (64, 96), 12).ground_truth()
    meter = CocoMeter(ground_truth)
    for image, found in perfect(ground_truth):
        meter.update([found], [{"image_id": torch.tensor(image)}])
    figures = meter.result(Processes())
    assert min(figures.values()) == max(figures.values()) == pytest.approx(100)
    assert "box_ap_large" not in figures


def test_perfect_predictions_of_cocos_files_score_100(tmp_path: Any) -> None:
    ground_truth = CocoImages(write_coco(tmp_path / "coco"), "test").ground_truth()
    # A box without area has no overlap with anything, not even with itself.
    ground_truth["annotations"] = [t for t in ground_truth["annotations"] if t["id"] not in {802, 803}]
    meter = CocoMeter(ground_truth)
    for image, found in perfect(ground_truth):
        meter.update([found], [{"image_id": image}])
    figures = meter.result(Processes())
    assert min(figures.values()) == max(figures.values()) == pytest.approx(100)


def test_detections_inside_a_crowd_are_no_false_alarms(tmp_path: Any) -> None:
    ground_truth = CocoImages(write_coco(tmp_path / "coco"), "test").ground_truth()
    ground_truth["annotations"] = [t for t in ground_truth["annotations"] if t["id"] not in {802, 803}]
    given = perfect(ground_truth)
    figures = []
    for label in (1, 44):
        meter = CocoMeter(ground_truth)
        for image, right in given:
            found = right
            if image == CROWDED:
                inside = boxed((5, 6, 25, 18), (32, 40))
                extra = {"boxes": torch.tensor([[5.0, 6, 25, 18]]), "masks": inside[None]}
                extra |= {"labels": torch.tensor([label]), "scores": torch.tensor([0.99])}
                found = {key: torch.cat([value, extra[key]]) for key, value in right.items()}
            meter.update([found], [{"image_id": image}])
        figures.append(meter.result(Processes())["box_ap"])
    # Category 1 has a crowd there, category 44 has none.
    assert figures[0] == pytest.approx(100)
    assert figures[1] < 99


def jittered(seed: int, images: int = 30) -> tuple[dict[str, Any], list[tuple[int, dict[str, Tensor]]]]:
    """Ground truth with crowds and empty images, and detections of all qualities, many with equal scores."""
    content, _ = split("val2017", images)
    for thing in content["annotations"]:
        thing.setdefault("iscrowd", 0)
    random = np.random.default_rng(seed)
    given = []
    for image, found in perfect(content):
        keep = random.random(len(found["labels"])) < 0.9
        boxes = found["boxes"][torch.from_numpy(keep)]
        boxes = (boxes + torch.from_numpy(random.normal(0, 1.5, boxes.shape)).float()).clamp(min=0)
        boxes[:, 2:] = torch.maximum(boxes[:, 2:], boxes[:, :2] + 1)
        labels = found["labels"][torch.from_numpy(keep)]
        wrong = torch.from_numpy(random.random(len(labels)) < 0.2)
        labels = torch.where(wrong, torch.full_like(labels, 44), labels)
        masks = found["masks"][torch.from_numpy(keep)].roll(int(random.integers(-1, 2)), dims=-1)
        twice = [torch.cat([part, part]) for part in (boxes, labels, masks)]
        scores = torch.from_numpy(np.round(random.random(len(twice[1])), 1)).float()
        parts = dict(zip(("boxes", "labels", "masks"), twice, strict=True))
        given.append((image, parts | {"scores": scores}))
    return content, given


def faster(ground_truth: dict[str, Any], found: list[dict[str, Any]], kind: str) -> list[float]:
    from faster_coco_eval import COCO, COCOeval_faster

    kept = {"bbox": "bbox", "segm": "segmentation"}[kind]
    keys = ("image_id", "category_id", "score", kept)
    reference = COCO(ground_truth)
    evaluation = COCOeval_faster(
        reference,
        reference.loadRes([{key: one[key] for key in keys} for one in found]),
        kind,
        print_function=len,
    )
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    return [float(value) for value in evaluation.stats[:6]]


@pytest.mark.parametrize("seed", [0, 1])
def test_jittered_detections_score_as_another_implementation_says(seed: int) -> None:
    ground_truth, given = jittered(seed)
    found = [
        {
            "image_id": image, "category_id": label, "score": score, "segmentation": lengths,
            "bbox": [box[0], box[1], box[2] - box[0], box[3] - box[1]],
        }
        for image, one in given
        for label, score, box, lengths in zip(
            one["labels"].tolist(), one["scores"].tolist(), one["boxes"].double().tolist(),
            encode(one["masks"][:, 0].numpy() > 0.5), strict=True,
        )
    ]  # fmt: skip
    meter = CocoMeter(ground_truth)
    for image, one in given:
        meter.update([one], [{"image_id": image}])
    figures = meter.result(Processes())
    for prefix, kind in (("box", "bbox"), ("mask", "segm")):
        expected = faster(ground_truth, found, kind)
        ours = average_precisions(ground_truth, found, kind)
        assert list(ours) == NAMES
        assert list(ours.values()) == pytest.approx(expected, abs=1e-6)
        assert 0.05 < ours["ap"] < 0.9
        for name, value in zip(NAMES, expected, strict=True):
            assert figures.get(f"{prefix}_{name}", -100) == pytest.approx(100 * value, abs=1e-4)


def test_the_ground_truth_stays_as_it_was() -> None:
    first, given = jittered(0, 6)
    second, _ = jittered(0, 6)
    meter = CocoMeter(first)
    for image, one in given:
        meter.update([one], [{"image_id": image}])
    assert meter.result(Processes()) == meter.result(Processes())
    assert first == second


def test_the_figures_do_not_depend_on_the_number_of_processes() -> None:
    ground_truth, given = jittered(2)
    alone = CocoMeter(ground_truth)
    for image, one in given:
        alone.update([one], [{"image_id": image}])
    parts = [CocoMeter(ground_truth) for _ in range(3)]
    for number, (image, one) in enumerate(given):
        parts[number % 3].update([one], [{"image_id": image}])
    texts = [sent_by(part) for part in parts]
    assert all(isinstance(text, str) for text in texts)
    together = parts[0].result(Gathering(texts[1:]))
    assert together == alone.result(Processes())
    # A sampler that pads shows images twice; they count once.
    assert parts[0].result(Gathering([*texts[1:], texts[2], texts[0]])) == together


def test_without_pycocotools_the_message_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pycocotools", None)
    monkeypatch.delitem(sys.modules, "pycocotools.mask", raising=False)
    with pytest.raises(UserError, match=r"pip install 'uninas-bench\[detection\]'"):
        CocoMeter(truth((1, 1, 5, 5)))


def test_nothing_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    box = (10, 10, 60, 60)
    measured(truth(box), boxes=[box], labels=[18], scores=[0.6], masks=[boxed(box)])
    assert capsys.readouterr() == ("", "")
