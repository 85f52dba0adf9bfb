import json
import pickle
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from tests.training.coco_sample import CROWDED, DEGENERATE, EMPTY, split, write_coco
from uninas_bench.errors import InvalidFile, UserError
from uninas_bench.training.data import run_lengths
from uninas_bench.training.data.coco import CocoImages
from uninas_bench.training.data.detection import EvaluationImages, ShapeScenes, TrainingImages, collate
from uninas_bench.training.data.places import folder_of
from uninas_bench.training.data.shapes import draw_scene


@pytest.fixture
def coco(tmp_path: Path) -> Path:
    return write_coco(tmp_path / "coco")


def ids(images: CocoImages) -> list[int]:
    return [images.image_id(index) for index in range(len(images))]


def test_training_leaves_out_what_cannot_be_learnt(coco: Path) -> None:
    training, test = CocoImages(coco, "train"), CocoImages(coco, "test")
    assert ids(training) == [CROWDED, 196, 197, 198, 199, 200]
    assert ids(test) == [EMPTY, CROWDED, DEGENERATE, 196, 197, 198, 199, 200]
    crowded = training.read(0)
    assert crowded.labels.tolist() == [18]
    # The box is cut at the lower edge of the image, which is 32 high.
    np.testing.assert_array_equal(crowded.boxes, [[4.5, 3.0, 16.5, 32.0]])
    annotations = test.ground_truth()["annotations"]
    assert {thing["id"] for thing in annotations} >= {800, 801, 802, 803}
    assert next(thing for thing in annotations if thing["id"] == 800)["iscrowd"] == 1


def test_boxes_labels_and_masks_are_those_that_torchvision_reads(coco: Path) -> None:
    from torchvision.datasets import CocoDetection, wrap_dataset_for_transforms_v2

    with run_lengths.quiet():
        theirs = CocoDetection(coco / "train2017", coco / "annotations" / "instances_train2017.json")
        wrapped = wrap_dataset_for_transforms_v2(theirs, ["boxes", "labels", "masks", "image_id"])
        expected = {target["image_id"]: (image, target) for image, target in wrapped if "boxes" in target}
    ours = CocoImages(coco, "train")
    for index in range(1, len(ours)):
        found = ours.read(index)
        image, target = expected[ours.image_id(index)]
        np.testing.assert_array_equal(found.image, np.asarray(image))
        np.testing.assert_array_equal(found.boxes, target["boxes"].numpy())
        np.testing.assert_array_equal(found.labels, target["labels"].numpy())
        np.testing.assert_array_equal(found.masks, target["masks"].numpy().astype(bool))
        assert set(found.labels) <= {1, 18, 44, 89, 90}


def test_masks_are_those_that_were_drawn(coco: Path) -> None:
    found = CocoImages(coco, "train").read(5)
    scene = draw_scene("train", 0, (48, 64))
    np.testing.assert_array_equal(found.masks, scene.masks)
    np.testing.assert_array_equal(found.boxes, scene.boxes)


def test_the_ground_truth_is_what_the_file_says(coco: Path) -> None:
    content, _ = split("val2017")
    # Files made by other tools leave out what COCO's own have; pycocotools cannot do without.
    assert not all("iscrowd" in thing for thing in content["annotations"])
    for thing in content["annotations"]:
        thing.setdefault("iscrowd", 0)
    truth = CocoImages(coco, "test").ground_truth()
    by_id: Callable[[dict[str, Any]], int] = lambda entry: entry["id"]  # noqa: E731
    for key in ("images", "annotations", "categories"):
        assert sorted(truth[key], key=by_id) == sorted(content[key], key=by_id)


def test_a_part_of_the_images(coco: Path) -> None:
    part = CocoImages(coco, "test", 4)
    assert len(part) == 4
    truth = part.ground_truth()
    assert [image["id"] for image in truth["images"]] == ids(part)
    assert {thing["image_id"] for thing in truth["annotations"]} <= set(ids(part))
    with pytest.raises(UserError, match="coco train: 7 images wanted, but there are 6"):
        CocoImages(coco, "train", 7)


def test_the_fingerprint_follows_annotations_and_images(coco: Path) -> None:
    before = CocoImages(coco, "test").fingerprint
    assert CocoImages(coco, "test").fingerprint == before
    assert CocoImages(coco, "train").fingerprint != before
    (coco / "val2017" / "README").write_text("not of the data set")
    assert CocoImages(coco, "test").fingerprint == before
    Image.new("RGB", (64, 48)).save(coco / "val2017" / "000000000200.jpg")
    changed = CocoImages(coco, "test").fingerprint
    assert changed != before
    file = coco / "annotations" / "instances_val2017.json"
    file.write_text(file.read_text().replace("bottle", "flask"))
    assert CocoImages(coco, "test").fingerprint not in {before, changed}


def test_a_reader_can_be_sent_to_another_process(coco: Path) -> None:
    images = CocoImages(coco, "train")
    again = pickle.loads(pickle.dumps(images))
    np.testing.assert_array_equal(again.read(3).masks, images.read(3).masks)


def edited(root: Path, change: Callable[[dict[str, Any]], None]) -> None:
    file = root / "annotations" / "instances_train2017.json"
    content = json.loads(file.read_text())
    change(content)
    file.write_text(json.dumps(content))


def first_thing(**fields: Any) -> Callable[[Path], None]:
    return lambda root: edited(root, lambda content: content["annotations"][0].update(fields))


def first_image(**fields: Any) -> Callable[[Path], None]:
    return lambda root: edited(root, lambda content: content["images"][0].update(fields))


def written(text: str) -> Callable[[Path], object]:
    return lambda root: (root / "annotations" / "instances_train2017.json").write_text(text)


LAYOUTS: list[tuple[Callable[[Path], object], str]] = [
    (
        lambda root: (root / "train2017").rename(root / "train"),
        r"train2017: no such folder; expected train20",
    ),
    (
        lambda root: (root / "annotations" / "instances_train2017.json").unlink(),
        r"instances_train2017.json: no such file; expected train2017/, val2017/ and annotations/instances_t",
    ),
    (written("{"), r"instances_train2017.json: not JSON: "),
    (written("[]"), r'instances_train2017.json: no list "images", so these are not COCO\'s instances'),
    (written('{"images": [], "annotations": {}}'), r'instances_train2017.json: no list "annotations"'),
    (written('{"images": [1]}'), r'instances_train2017.json: "images" is no list of objects'),
    (
        written('{"images": [], "annotations": [], "categories": []}'),
        r"instances_train2017.json: no object in any of the 0 images",
    ),
    (lambda root: (root / "train2017" / "000000000200.jpg").unlink(), r"train2017/000000000200.jpg: no such"),
    (
        first_thing(image_id=5),
        r"instances_train2017.json: annotation 900: is of image 5, which the file does",
    ),
    (first_thing(category_id=91), r"annotation 900: category_id 91: expected .* between 1 and 90"),
    (first_thing(category_id=0), r"annotation 900: category_id 0: expected one of the file's categories"),
    (first_thing(category_id=12), r"annotation 900: category_id 12: expected one of the file's categories"),
    (first_thing(bbox=[1, 2, 3]), r"annotation 900: bbox \[1, 2, 3\]: expected four numbers"),
    (first_thing(bbox=[1, 2, 3, float("nan")]), r"annotation 900: bbox .*: expected four numbers"),
    (first_thing(segmentation=None), r"annotation 900: expected a segmentation and an area"),
    (first_thing(iscrowd="no"), r"annotation 900: iscrowd 'no': expected 0 or 1"),
    (first_thing(id=None), r"annotation None: its id is no number"),
    (first_image(id=199), r"instances_train2017.json: image 199: expected a number of its own"),
    (first_image(height=0), r"instances_train2017.json: image 200: height and width are 0 and 64"),
    (first_image(file_name="gone.jpg"), r"train2017/gone.jpg: no such image, but .*train2017.json lists it"),
]


@pytest.mark.parametrize(("damage", "message"), LAYOUTS)
def test_a_wrong_layout_is_one_line_that_names_the_file(
    coco: Path, damage: Callable[[Path], object], message: str
) -> None:
    damage(coco)
    with pytest.raises(InvalidFile, match=message) as caught:
        CocoImages(coco, "train")
    assert "\n" not in str(caught.value)
    assert str(coco) in str(caught.value)


@pytest.mark.parametrize(
    ("segmentation", "message"),
    [
        ({"size": [1, 2], "counts": "00"}, "polygons or run lengths of 48 x 64 pixels expected"),
        ({"size": [48, 64], "counts": [5]}, "run lengths that sum up to 48 x 64 expected"),
        ({"size": [48, 64], "counts": "\x01\x02"}, "Invalid RLE"),
        ({"size": [48, 64]}, "run lengths without counts"),
        ([3, 4], "polygons expected"),
        ([["a"] * 6], "could not convert"),
        ([[0, 0, 1e9, 0, 5, 5]], "polygons inside the image expected"),
    ],
)
def test_a_damaged_outline_is_one_line_that_names_the_annotation(
    coco: Path, segmentation: Any, message: str
) -> None:
    first_thing(segmentation=segmentation)(coco)
    samples = TrainingImages(CocoImages(coco, "train"), 0.0)
    with pytest.raises(InvalidFile, match=f"train2017.json: annotation 900: segmentation: {message}"):
        samples[5]


def test_an_outline_with_less_than_three_corners_is_no_object(coco: Path) -> None:
    first_thing(segmentation=[[1, 2, 3, 4]])(coco)
    image, target = TrainingImages(CocoImages(coco, "train"), 0.0)[5]
    assert target["boxes"].shape == (0, 4)
    assert target["masks"].shape == (0, *image.shape[1:])


def test_a_damaged_image_is_one_line_when_it_is_read(coco: Path) -> None:
    path = coco / "val2017" / "000000000200.jpg"
    content = path.read_bytes()
    samples = EvaluationImages(CocoImages(coco, "test"))
    for damaged, message in (
        (b"no picture", "not a readable image"),
        (content[: len(content) // 2], "not a readable image"),
        (b"", "not a readable image"),
    ):
        path.write_bytes(damaged)
        with pytest.raises(InvalidFile, match=f"000000000200.jpg: {message}") as caught:
            samples[7]
        assert "\n" not in str(caught.value)
    Image.new("RGB", (48, 64)).save(path)
    with pytest.raises(InvalidFile, match=r"200.jpg: 64 x 48 pixels, but .*val2017.json says 48 x 64"):
        samples[7]


def test_grey_images_have_three_channels(coco: Path) -> None:
    path = coco / "val2017" / "000000000200.jpg"
    Image.open(path).convert("L").save(path)
    image, target = EvaluationImages(CocoImages(coco, "test"))[7]
    assert image.shape == (3, 48, 64)
    assert int(target["image_id"]) == 200
    assert torch.equal(image[0], image[2])


def test_a_flip_turns_image_boxes_and_masks_together() -> None:
    images = ShapeScenes("train", (48, 64), 0)
    for index in range(8):
        plain, target = TrainingImages(images, 0.0)[index]
        flipped, turned = TrainingImages(images, 1.0)[index]
        assert torch.equal(flipped.flip(-1), plain)
        assert torch.equal(turned["masks"].flip(-1), target["masks"])
        assert torch.equal(turned["labels"], target["labels"])
        # Boxes of shapes are tight, so the flipped masks say where the flipped boxes are.
        for mask, box in zip(turned["masks"], turned["boxes"], strict=True):
            rows, columns = torch.nonzero(mask, as_tuple=True)
            corners = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
            assert box.tolist() == [float(corner) for corner in corners]


def test_half_of_the_images_are_flipped_by_torchs_generator() -> None:
    images = ShapeScenes("train", (32, 32), 1)
    samples = TrainingImages(images, 0.5)
    plain = TrainingImages(images, 0.0)[0][0]
    with torch.random.fork_rng():
        torch.manual_seed(0)
        kept = [torch.equal(samples[0][0], plain) for _ in range(200)]
        torch.manual_seed(0)
        assert [torch.equal(samples[0][0], plain) for _ in range(200)] == kept
    assert 75 < sum(kept) < 125


def test_shapes_come_in_both_formats_with_values_between_0_and_1() -> None:
    samples = TrainingImages(ShapeScenes("train", (40, 64), 0), 0.0)
    (wide, first), (high, _) = samples[0], samples[1]
    assert (wide.shape, high.shape) == ((3, 40, 64), (3, 64, 40))
    assert wide.dtype == torch.float32
    assert 0 <= wide.min() < wide.max() <= 1
    assert (first["boxes"].dtype, first["labels"].dtype) == (torch.float32, torch.int64)
    assert first["masks"].dtype == torch.uint8
    assert 1 <= first["labels"].min() <= first["labels"].max() <= 5
    images, targets = collate([samples[0], samples[1]])
    assert [image.shape for image in images] == [wide.shape, high.shape]
    assert len(targets) == 2


def test_without_pycocotools_the_message_says_how_to_get_it(
    coco: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pycocotools", None)
    monkeypatch.delitem(sys.modules, "pycocotools.mask", raising=False)
    with pytest.raises(UserError, match=r"pip install 'uninas-bench\[detection\]'"):
        CocoImages(coco, "train")


def test_where_a_folder_is_looked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("UNINAS_BENCH_DATA", raising=False)
    (tmp_path / "kept" / "coco").mkdir(parents=True)
    (tmp_path / "given").mkdir()
    with pytest.raises(
        UserError, match="no images of coco: give the folder with a and b by --data coco=FOLD"
    ):
        folder_of("coco", {}, "a and b")
    monkeypatch.setenv("UNINAS_BENCH_DATA", str(tmp_path / "kept"))
    assert folder_of("coco", {"ade20k": "elsewhere"}, "a and b") == tmp_path / "kept" / "coco"
    assert folder_of("coco", {"coco": str(tmp_path / "given")}, "a and b") == tmp_path / "given"
    with pytest.raises(InvalidFile, match="nowhere: no such folder; coco is one with a and b"):
        folder_of("coco", {"coco": tmp_path / "nowhere"}, "a and b")
