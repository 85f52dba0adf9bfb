"""What classifiers see: timm's pipeline draw for draw, magnitudes as they are, and no policy that raises."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from timm.data import create_transform
from timm.data.auto_augment import rand_augment_transform

from uninas_bench.training.data.augmentation import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    effective_magnitude,
    evaluation_transform,
    rand_augment,
    training_transform,
)
from uninas_bench.training.data.seeded import seeded_generators
from uninas_bench.training.recipes.policy import check_policy
from uninas_bench.training.recipes.reading import load_recipe
from uninas_bench.training.recipes.recipe import ClassificationAugmentation

PAPER = "rand-m15-n2-mstd0.5"
HALF = (0.5, 0.5, 0.5)


def augmentation(**changes: Any) -> ClassificationAugmentation:
    found = load_recipe("classification").augmentation
    assert isinstance(found, ClassificationAugmentation)
    return found.model_copy(update=changes)


def photographs(count: int, height: int = 40, width: int = 56) -> list[Image.Image]:
    """Smooth colours with noise: every operation has something to do."""
    rng = np.random.default_rng(1)
    coarse = rng.integers(0, 256, (count, 5, 7, 3), dtype=np.uint8)
    noise = rng.integers(0, 30, (count, height, width, 3), dtype=np.uint8)
    images = [Image.fromarray(each).resize((width, height)) for each in coarse]
    return [Image.fromarray(np.asarray(each) // 2 + some) for each, some in zip(images, noise, strict=True)]


@pytest.mark.parametrize(
    ("policy", "interpolation", "area", "flip"),
    [
        (PAPER, "random", (0.08, 1.0), 0.5),
        ("rand-m15-mmax30-n2-mstd0.5", "random", (0.08, 1.0), 0.5),
        (PAPER, "bilinear", (0.5, 0.9), 0.25),
        (PAPER, "bicubic", (0.08, 1.0), 0.5),
        ("", "random", (0.08, 1.0), 0.5),
    ],
)
def test_training_is_timms_transform_draw_for_draw(
    policy: str, interpolation: str, area: tuple[float, float], flip: float
) -> None:
    chosen = augmentation(policy=policy, interpolation=interpolation, crop_area=area, flip=flip)
    ours = training_transform(chosen, 32, IMAGENET_MEAN, IMAGENET_STD)
    theirs = create_transform(
        32, is_training=True, scale=area, hflip=flip, color_jitter=None, auto_augment=policy or None,
        interpolation=interpolation, mean=IMAGENET_MEAN, std=IMAGENET_STD,
    )  # fmt: skip
    for seed, image in enumerate(photographs(25)):
        with seeded_generators(seed):
            left = ours(image)
        with seeded_generators(seed):
            right = theirs(image)
        assert torch.equal(left, right)


def test_evaluation_is_timms_transform() -> None:
    ours = evaluation_transform(augmentation(), 32, IMAGENET_MEAN, IMAGENET_STD)
    theirs = create_transform(
        32, crop_pct=0.875, interpolation="bicubic", mean=IMAGENET_MEAN, std=IMAGENET_STD
    )
    for image in (
        *photographs(3),
        *photographs(1, 100, 33),
        *photographs(1, 36, 36),
        *photographs(1, 32, 32),
    ):
        assert torch.equal(ours(image), theirs(image))


def test_evaluation_of_224_pixels_is_the_centre_of_256() -> None:
    ramp = np.broadcast_to(np.arange(256, dtype=np.uint8)[None, :, None], (256, 256, 3))
    tensor = evaluation_transform(augmentation(), 224, (0.0,) * 3, (1 / 255,) * 3)(Image.fromarray(ramp))
    assert tensor.shape == (3, 224, 224)
    torch.testing.assert_close(tensor[0, 0], torch.arange(16.0, 240.0))


def test_whole_images_are_evaluated_as_they_are() -> None:
    (image,) = photographs(1, 32, 32)
    whole = augmentation(evaluation_crop=1.0)
    tensor = evaluation_transform(whole, 32, (0.0,) * 3, (1 / 255,) * 3)(image)
    np.testing.assert_allclose(tensor.permute(1, 2, 0), np.asarray(image), atol=1e-4)


def test_a_padded_crop_is_the_image_moved_by_at_most_the_padding() -> None:
    (image,) = photographs(1, 16, 16)
    chosen = augmentation(crop="padded", padding=2, flip=0.5, policy="")
    transform = training_transform(chosen, 16, (0.0,) * 3, (1 / 255,) * 3)
    pixels = np.asarray(image).astype(np.float32)
    possible = set()
    for flipped in (pixels, pixels[:, ::-1]):
        padded = np.pad(flipped, ((2, 2), (2, 2), (0, 0)))
        possible |= {padded[y : y + 16, x : x + 16].tobytes() for y in range(5) for x in range(5)}
    seen = set()
    for seed in range(400):
        with seeded_generators(seed):
            tensor = transform(image).round()
        seen.add(tensor.permute(1, 2, 0).contiguous().numpy().tobytes())
    assert len(possible) == 50
    assert seen == possible


def test_no_crop_and_no_flip_leave_the_image() -> None:
    (image,) = photographs(1, 16, 16)
    chosen = augmentation(crop="none", flip=0.0, policy="")
    tensor = training_transform(chosen, 16, HALF, HALF)(image)
    assert torch.equal(tensor, evaluation_transform(augmentation(evaluation_crop=1.0), 16, HALF, HALF)(image))


@pytest.mark.parametrize(
    ("policy", "magnitude"),
    [
        (PAPER, 10.0),
        ("rand-m15-n2", 10.0),
        ("rand-m15-mmax30-n2", 15.0),
        ("rand-m5", 5.0),
        ("rand-m9-mmax8", 8.0),
        # Uniform from 0 to m: timm's meaning of so much noise.
        ("rand-m8-mstd101", 4.0),
    ],
)
def test_the_effective_magnitude_is_what_timm_clamps_to(policy: str, magnitude: float) -> None:
    assert effective_magnitude(policy) == pytest.approx(magnitude, abs=0.1)


def test_the_papers_magnitude_is_exactly_10_and_the_variant_has_noise_about_15() -> None:
    assert effective_magnitude(PAPER) == 10
    assert 14.5 < effective_magnitude("rand-m15-mmax30-n2-mstd0.5") < 15.5


def test_the_papers_string_parses_into_two_of_fifteen_operations() -> None:
    parsed = rand_augment(PAPER, {"translate_const": 100, "img_mean": (124, 116, 104)})
    assert (len(parsed.ops), parsed.num_layers) == (15, 2)
    assert {(op.prob, op.magnitude, op.magnitude_std) for op in parsed.ops} == {(0.5, 15, 0.5)}


POLICIES = [
    PAPER,
    "rand-m15-mmax30-n2-mstd0.5",
    "rand-m9-mstd0.5-inc1",
    "rand-m15-n2-mstd0.5-inc1",
    "rand-m15-mmax30-n2-inc1",
    "rand-m0-n2",
    "rand-m9-p0.8-t3a",
    "rand-m9-tweights-inc1",
]


@pytest.mark.parametrize("policy", POLICIES)
def test_five_hundred_images_never_raise(policy: str) -> None:
    check_policy(policy)
    chosen = augmentation(policy=policy.replace("-p0.8", "-p1"))
    transform = training_transform(chosen, 16, IMAGENET_MEAN, IMAGENET_STD)
    images = photographs(20, 20, 20)
    for seed in range(500):
        with seeded_generators(seed):
            assert transform(images[seed % 20]).isfinite().all()


@pytest.mark.parametrize("policy", POLICIES)
def test_posterize_keeps_a_bit_at_least_and_else_what_timm_keeps(policy: str) -> None:
    settings = {"translate_const": 1, "img_mean": (0, 0, 0)}
    pairs = zip(rand_augment(policy, settings).ops, rand_augment_transform(policy, settings).ops, strict=True)
    for ours, theirs in pairs:
        if ours.name.startswith("Posterize"):
            for magnitude in np.linspace(0, 30, 61):
                wanted = max(1, theirs.level_fn(magnitude, {})[0])
                assert ours.level_fn(magnitude, {}) == (wanted,)


def test_transforms_reach_workers_of_any_start_method() -> None:
    transform = training_transform(augmentation(policy="rand-m9-inc1"), 16, HALF, HALF)
    again = pickle.loads(pickle.dumps(transform))
    (image,) = photographs(1)
    with seeded_generators(3):
        left = transform(image)
    with seeded_generators(3):
        right = again(image)
    assert torch.equal(left, right)
