import numpy as np
import pytest

from uninas_bench.errors import UserError
from uninas_bench.training.data.shapes import SHAPES, Scene, draw_scene, draw_single
from uninas_bench.training.data.subset import subset


def scenes(count: int = 60) -> list[Scene]:
    return [draw_scene("train", index, (64, 80)) for index in range(count)]


def test_an_image_is_a_function_of_split_number_and_size() -> None:
    one, two = draw_scene("train", 7, (48, 64)), draw_scene("train", 7, (48, 64))
    assert one.image.shape == (48, 64, 3)
    np.testing.assert_array_equal(one.image, two.image)
    np.testing.assert_array_equal(one.masks, two.masks)
    for other in (draw_scene("train", 11, (48, 64)), draw_scene("test", 7, (48, 64))):
        assert not np.array_equal(one.image, other.image)


def test_boxes_are_tight_and_masks_do_not_overlap() -> None:
    for scene in scenes():
        assert scene.masks.sum(0).max() == 1
        for mask, (left, top, right, bottom) in zip(scene.masks, scene.boxes.astype(int), strict=True):
            assert mask[top:bottom, left:right].sum() == mask.sum() > 0
            assert mask[top, left:right].any()
            assert mask[bottom - 1, left:right].any()
            assert mask[top:bottom, left].any()
            assert mask[top:bottom, right - 1].any()


def test_the_label_map_says_what_masks_and_labels_say() -> None:
    for scene in scenes():
        expected = np.zeros(scene.image.shape[:2], dtype=np.uint8)
        for label, mask in zip(scene.labels, scene.masks, strict=True):
            expected[mask] = label + 1
        np.testing.assert_array_equal(scene.label_map, expected)


def test_all_shapes_and_numbers_of_objects_occur() -> None:
    drawn = scenes(200)
    assert {len(scene.labels) for scene in drawn} == {1, 2, 3, 4}
    assert (np.bincount(np.concatenate([scene.labels for scene in drawn])) > 50).all()
    singles = np.bincount([draw_single("test", index, (32, 32))[1] for index in range(300)])
    assert len(singles) == len(SHAPES)
    assert (singles > 35).all()


def test_the_outlines_are_those_of_the_shapes() -> None:
    """The filled part of the bounding box without a turn; turns lower some."""
    filled: dict[int, list[float]] = {label: [] for label in range(5)}
    for index in range(400):
        scene = draw_scene("train", 4 * index, (128, 128))
        (left, top, right, bottom), label = scene.boxes[0], int(scene.labels[0])
        filled[label].append(float(scene.masks[0].sum() / ((right - left) * (bottom - top))))
    closed = (1.0, np.pi / 4, 1 / 2, 5 / 9, 0.64 * np.pi / 4)
    for label, expected in enumerate(closed):
        assert max(filled[label]) == pytest.approx(expected, abs=0.04), SHAPES[label]


def test_objects_stand_out_from_the_ground() -> None:
    for scene in scenes(20):
        ground = np.median(scene.image[scene.label_map == 0], axis=0)
        for mask in scene.masks:
            assert (np.abs(np.median(scene.image[mask], axis=0) - ground) > 40).all()


def test_an_image_too_small_for_shapes() -> None:
    with pytest.raises(UserError, match="images of 64 x 8 pixels: expected at least 16"):
        draw_scene("train", 0, (64, 8))


def test_a_subset_is_fixed_nested_and_never_larger_than_the_set() -> None:
    small, large = subset(100, 10, "coco", "train"), subset(100, 40, "coco", "train")
    assert len(small) == 10
    assert sorted(set(small)) == small
    assert set(small) < set(large)
    assert subset(5, 0, "coco", "train") == list(range(5))
    assert subset(100, 10, "coco", "test") != small
    with pytest.raises(UserError, match="coco train: 101 images wanted, but there are 100"):
        subset(100, 101, "coco", "train")
