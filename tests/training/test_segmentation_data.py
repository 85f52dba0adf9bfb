"""What is done to images and labels together."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor
from torchvision.transforms import v2

from uninas_bench.training.data import joint
from uninas_bench.training.data.seeded import Seeded, seeded_generators
from uninas_bench.training.data.segmentation import (
    DEVIATION,
    IGNORED,
    MEAN,
    EvaluationMaps,
    Labelled,
    ShapeMaps,
    TrainingMaps,
    collate,
)
from uninas_bench.training.data.shapes import draw_scene
from uninas_bench.training.recipes.recipe import SegmentationAugmentation


class One:
    """A single image."""

    fingerprint = "one"

    def __init__(self, image: np.ndarray, labels: np.ndarray) -> None:
        self.found = Labelled(image, labels)

    def __len__(self) -> int:
        return 1

    def read(self, index: int) -> Labelled:
        return self.found


def augmentation(
    scale: tuple[float, float] = (1.0, 1.0), flip: float = 0.0, photometric: bool = False
) -> SegmentationAugmentation:
    return SegmentationAugmentation(kind="segmentation", scale=scale, flip=flip, photometric=photometric)


def blocks(height: int, width: int, side: int = 8) -> One:
    """Squares of one label each, and colours that tell it: red is 10 times the label."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 25, (height // side, width // side), dtype=np.uint8)
    labels = labels.repeat(side, 0).repeat(side, 1)
    return One(np.stack([10 * labels, 255 - 10 * labels, np.full_like(labels, 77)], 2), labels)


def colours(image: Tensor) -> Tensor:
    """Back to 0..255."""
    return 255 * (image * torch.tensor(DEVIATION)[:, None, None] + torch.tensor(MEAN)[:, None, None])


def inside(labels: Tensor, reach: int = 2) -> Tensor:
    """Pixels whose neighbours all have the same label, so that no interpolation has mixed them.

    Not those at a border, whose neighbours may have been cut off.
    """
    values = labels[None, None].float()
    high = torch.nn.functional.max_pool2d(values, 2 * reach + 1, 1, reach)
    low = -torch.nn.functional.max_pool2d(-values, 2 * reach + 1, 1, reach)
    same = (high == low)[0, 0]
    same[:reach], same[-reach:], same[:, :reach], same[:, -reach:] = False, False, False, False
    return same


def test_without_augmentation_a_sample_is_the_image() -> None:
    images = blocks(64, 64)
    image, labels = TrainingMaps(images, (64, 64), augmentation())[0]
    assert (image.dtype, labels.dtype) == (torch.float32, torch.int64)
    np.testing.assert_array_equal(labels.numpy(), images.found.labels)
    np.testing.assert_allclose(colours(image).permute(1, 2, 0).numpy(), images.found.image, atol=1e-3)


def test_image_and_labels_are_flipped_together() -> None:
    images = blocks(64, 96)
    image, labels = TrainingMaps(images, (64, 96), augmentation(flip=1.0))[0]
    np.testing.assert_array_equal(labels.numpy(), images.found.labels[:, ::-1])
    np.testing.assert_allclose(
        colours(image).permute(1, 2, 0).numpy(), images.found.image[:, ::-1], atol=1e-3
    )


def test_resized_cropped_and_flipped_labels_fit_the_colours() -> None:
    training = TrainingMaps(blocks(96, 128, 16), (64, 64), augmentation((0.5, 2.0), 0.5))
    seen = []
    for seed in range(30):
        with seeded_generators(seed):
            image, labels = training[0]
        assert image.shape == (3, 64, 64)
        there = (labels != IGNORED) & inside(labels)
        seen.append(float((labels != IGNORED).float().mean()))
        torch.testing.assert_close(colours(image)[0][there], 10.0 * labels[there], atol=1.5, rtol=0)
        # Padding is the mean colour and ignored, at the right and at the bottom.
        padding = labels == IGNORED
        assert not image[:, padding].any()
        rows, columns = (~padding).any(1), (~padding).any(0)
        assert torch.equal(~padding, rows[:, None] & columns)
        assert rows.tolist() == sorted(rows.tolist(), reverse=True)
        assert columns.tolist() == sorted(columns.tolist(), reverse=True)
    assert min(seen) < 0.5
    assert max(seen) == 1


def test_the_factor_of_the_recipe_is_that_of_the_short_side() -> None:
    image, labels = torch.zeros(3, 60, 80, dtype=torch.uint8), torch.zeros(1, 60, 80, dtype=torch.uint8)
    for short, expected in ((30, (30, 40)), (60, (60, 80)), (64, (64, 85)), (120, (120, 160))):
        found, also = joint.scaled(image, labels, short)
        assert found.shape[-2:] == also.shape[-2:] == expected
    assert joint.scaled(image, None, 64)[1] is None


@pytest.mark.parametrize(
    ("size", "expected"),
    # (2048, 512) with the ratio kept, as mmcv's rescale_size rounds it.
    [
        ((480, 640), (512, 683)),
        ((683, 512), (683, 512)),
        ((300, 2000), (307, 2048)),
        ((256, 256), (512, 512)),
    ],
)
def test_sizes_in_evaluation(size: tuple[int, int], expected: tuple[int, int]) -> None:
    images = One(np.zeros((*size, 3), dtype=np.uint8), np.zeros(size, dtype=np.uint8))
    image, labels = EvaluationMaps(images, (512, 512))[0]
    assert tuple(image.shape) == (3, *expected)
    assert tuple(labels.shape) == size


def test_crops_are_everywhere() -> None:
    image = torch.arange(40 * 50, dtype=torch.int32).reshape(1, 40, 50)
    corners = set()
    for seed in range(400):
        with seeded_generators(seed):
            found, also = joint.cropped(image, image, (38, 47))
        assert found.shape == (1, 38, 47)
        assert torch.equal(found, also)
        corners.add(divmod(int(found[0, 0, 0]), 50))
    assert corners == {(row, column) for row in range(3) for column in range(4)}


def test_colours_are_distorted_without_permuting_channels() -> None:
    red = torch.tensor([0.8, 0.2, 0.25])[:, None, None].expand(3, 4, 4)
    grey = torch.full((3, 4, 4), 0.5)
    unchanged = 0
    for seed in range(200):
        with seeded_generators(seed):
            found = joint.distorted(red)
        assert int(found[:, 0, 0].argmax()) == 0
        assert float(found.min()) >= 0
        assert float(found.max()) <= 1
        unchanged += torch.equal(found, red)
        with seeded_generators(seed):
            found = joint.distorted(grey)
        torch.testing.assert_close(found[0], found[1], atol=1e-6, rtol=0)
    # Four distortions of probability 1/2 each.
    assert 3 <= unchanged <= 25
    permuting = v2.RandomPhotometricDistort(p=1.0)
    torch.manual_seed(0)
    assert {int(permuting(red)[:, 0, 0].argmax()) for _ in range(20)} == {0, 1, 2}


def test_ranges_of_the_distortion() -> None:
    grey = torch.full((3, 2, 2), 0.5)
    seen = []
    for seed in range(400):
        with seeded_generators(seed):
            seen.append(float(joint.distorted(grey)[0, 0, 0]))
    # Of a uniform grey only the brightness changes.
    assert min(seen) >= 0.5 * 0.875 - 1e-6
    assert max(seen) <= 0.5 * 1.125 + 1e-6
    assert min(seen) < 0.45
    assert max(seen) > 0.55


def test_a_sample_follows_from_its_key() -> None:
    samples = TrainingMaps(ShapeMaps("train", (48, 48), 4), (48, 48), augmentation((0.5, 2.0), 0.5, True))
    one, two = Seeded(samples, 3), Seeded(samples, 3)
    state = torch.get_rng_state()
    assert torch.equal(one[0, 1][0], two[0, 1][0])
    assert torch.equal(one[0, 1][1], two[0, 1][1])
    assert not torch.equal(one[0, 1][0], one[1, 1][0])
    assert torch.equal(state, torch.get_rng_state())


def test_shapes_have_the_ground_as_a_class() -> None:
    images = ShapeMaps("test", (32, 48), 3)
    assert len(images) == 3
    everything = [images.read(index) for index in range(3)]
    assert {found.labels.shape for found in everything} == {(32, 48)}
    assert min(int(found.labels.min()) for found in everything) == 0
    assert max(int(found.labels.max()) for found in everything) <= 5
    drawn = [draw_scene("test", index, (32, 48)).label_map.tobytes() for index in range(512)]
    assert all(found.labels.tobytes() in drawn for found in everything)
    assert images.fingerprint != ShapeMaps("test", (32, 32), 3).fingerprint


def test_batches_of_one_size_are_stacked() -> None:
    one = torch.zeros(3, 4, 4), torch.zeros(4, 4, dtype=torch.int64)
    other = torch.zeros(3, 4, 4), torch.zeros(6, 6, dtype=torch.int64)
    images, labels = collate([one, one])
    assert isinstance(images, Tensor)
    assert isinstance(labels, Tensor)
    assert images.shape == (2, 3, 4, 4)
    images, labels = collate([one, other])
    assert isinstance(images, Tensor)
    assert isinstance(labels, list)
