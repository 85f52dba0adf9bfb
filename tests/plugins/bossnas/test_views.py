"""Views are crops, flips and colours of the images they come from, and depend on their generator alone."""

from __future__ import annotations

import colorsys

import pytest
import torch

from uninas_bench_plugins._bossnas import views


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


IMAGES = torch.rand(64, 3, 16, 16, generator=seeded(9))


@pytest.mark.parametrize("kind", ["crop", "byol"])
@pytest.mark.parametrize("second", [False, True])
def test_same_generator_same_view(kind, second):
    copy = IMAGES.clone()
    state = torch.get_rng_state()
    first = views.draw_view(IMAGES, kind, second, seeded())
    assert torch.equal(first, views.draw_view(IMAGES, kind, second, seeded()))
    assert not torch.equal(first, views.draw_view(IMAGES, kind, second, seeded(1)))
    assert first.shape == IMAGES.shape
    assert first.isfinite().all()
    assert first.min() >= 0
    assert first.max() <= 1
    assert torch.equal(IMAGES, copy)
    assert torch.equal(torch.get_rng_state(), state)


def test_a_crop_is_a_window_of_the_padded_image():
    found = views.shifted(IMAGES, seeded())
    padded = torch.nn.functional.pad(IMAGES, (2,) * 4)
    offsets = set()
    for image, crop in zip(padded, found, strict=True):
        places = [
            (y, x) for y in range(5) for x in range(5) if torch.equal(image[:, y : y + 16, x : x + 16], crop)
        ]
        assert len(places) == 1
        offsets.update(places)
    assert len(offsets) > 20, "64 images should use most of the 25 offsets"


def test_half_of_the_images_are_flipped():
    found = views.flip(IMAGES.repeat(10, 1, 1, 1), seeded())
    flipped = (found == IMAGES.repeat(10, 1, 1, 1).flip(3)).flatten(1).all(1)
    assert 0.42 < flipped.double().mean() < 0.58
    assert torch.equal(found[~flipped], IMAGES.repeat(10, 1, 1, 1)[~flipped])


def test_crops_of_a_constant_image_are_constant():
    flat = torch.full((8, 3, 16, 16), 0.3)
    torch.testing.assert_close(views.resized_crop(flat, seeded()), flat)
    torch.testing.assert_close(views.blur(flat, seeded()), flat)


def test_blur_keeps_the_mean_and_lowers_the_contrast():
    images = torch.rand(32, 3, 64, 64, generator=seeded(2))
    found = views.blur(images, seeded())
    torch.testing.assert_close(found.mean((2, 3)), images.mean((2, 3)), atol=0.02, rtol=0)
    assert (found.std((2, 3)) <= images.std((2, 3)) + 1e-6).all()
    assert found.std((2, 3)).mean() < 0.95 * images.std((2, 3)).mean()


def test_hue_turns_and_grey_stays():
    angle = torch.tensor([0.0, 0.6])
    red = torch.tensor([0.6, 0.3, 0.3])[None, :, None, None].expand(2, 3, 1, 1)
    same, turned = views._turned(red, angle)
    torch.testing.assert_close(same, red[0], atol=1e-5, rtol=0)
    hue = colorsys.rgb_to_hsv(*turned.flatten().tolist())[0]
    assert min(hue, 1 - hue) > 0.05
    grey = torch.full((2, 3, 1, 1), 0.4)
    torch.testing.assert_close(views._turned(grey, angle), grey, atol=1e-3, rtol=0)


def test_every_second_view_is_blurred():
    images = torch.rand(200, 3, 64, 64, generator=seeded(5))
    first, second = (views.draw_view(images, "byol", side, seeded(6)) for side in (False, True))

    def detail(x):
        return (x[..., 1:] - x[..., :-1]).abs().mean().item()

    assert detail(second) < 0.9 * detail(first)
