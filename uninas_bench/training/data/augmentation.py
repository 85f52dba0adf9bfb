"""From an image to what a classifier sees, in training and in evaluation: timm's parts, every one stated."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from typing import TYPE_CHECKING

import numpy as np
import torch
from PIL.Image import Resampling
from timm.data.auto_augment import RandAugment, rand_augment_transform
from timm.data.transforms import RandomResizedCropAndInterpolation
from torchvision import transforms

from uninas_bench.training.data.seeded import seeded_generators

if TYPE_CHECKING:
    from PIL.Image import Image
    from torch import Tensor

    from uninas_bench.training.recipes.recipe import ClassificationAugmentation

Transform = Callable[["Image"], "Tensor"]
Channels = tuple[float, float, float]
IMAGENET_MEAN: Channels = (0.485, 0.456, 0.406)
IMAGENET_STD: Channels = (0.229, 0.224, 0.225)
_SHIFT = 0.45
"""The largest translation, as a part of the image's width: timm's."""
_DRAWS = 200


def training_transform(
    augmentation: ClassificationAugmentation, resolution: int, mean: Channels, std: Channels
) -> Transform:
    """Crop, flip, policy and normalisation, drawn from the global generators for every image.

    With a random resized crop it is timm's ``create_transform`` under the same settings, draw for draw.

    Args:
        augmentation: of the recipe.
        resolution: height and width of the result.
        mean: per channel, where white is 1.
        std: per channel, where white is 1.
    """
    steps: list[object] = []
    if augmentation.crop == "random-resized":
        crop = RandomResizedCropAndInterpolation(  # type: ignore[no-untyped-call]
            resolution, scale=augmentation.crop_area, interpolation=augmentation.interpolation
        )
        steps.append(crop)
    else:
        steps.append(_Centre(resolution, resolution))
    if augmentation.crop == "padded":
        steps.append(transforms.RandomCrop(resolution, padding=augmentation.padding))
    steps.append(transforms.RandomHorizontalFlip(augmentation.flip))
    if augmentation.policy:
        settings: dict[str, object] = {
            "translate_const": int(resolution * _SHIFT),
            "img_mean": tuple(min(255, round(255 * value)) for value in mean),
        }
        if augmentation.interpolation != "random":
            settings["interpolation"] = Resampling[augmentation.interpolation.upper()]
        steps.append(rand_augment(augmentation.policy, settings))
    return _composed([*steps, _Normalised(mean, std)])


def evaluation_transform(
    augmentation: ClassificationAugmentation, resolution: int, mean: Channels, std: Channels
) -> Transform:
    """The centre of the image, its short side resized by bicubic interpolation, as timm's ``train.py`` does.

    Args:
        augmentation: of the recipe; ``evaluation_crop`` counts.
        resolution: height and width of the result.
        mean: per channel, where white is 1.
        std: per channel, where white is 1.
    """
    side = math.floor(resolution / augmentation.evaluation_crop)
    return _composed([_Centre(side, resolution), _Normalised(mean, std)])


def rand_augment(policy: str, settings: dict[str, object]) -> RandAugment:
    """RandAugment of one of timm's strings, as `check_policy` passes them, safe on every Pillow.

    Posterize at high magnitudes asks to keep 0 bits or fewer, which Pillow 13 refuses and older ones answer
    with a black image; here 1 bit is the least.
    """
    augment: RandAugment = rand_augment_transform(policy, settings)
    for operation in augment.ops:
        if operation.name.startswith("Posterize"):
            operation.level_fn = partial(_at_least_one_bit, operation.level_fn)
    return augment


@cache
def effective_magnitude(policy: str) -> float:
    """The mean magnitude that operations get: measured, since timm clamps what a string asks for.

    ``rand-m15-n2-mstd0.5`` gives 10: without ``mmax`` nothing is above it, and 15 +- 0.5 never falls below.
    """
    seen: list[float] = []

    def record(magnitude: float, _settings: object) -> tuple[()]:
        seen.append(magnitude)
        return ()

    with seeded_generators(0):
        for operation in rand_augment(policy, {"translate_const": 1, "img_mean": (0, 0, 0)}).ops:
            operation.prob, operation.level_fn, operation.aug_fn = 1.0, record, _unchanged
            for _ in range(_DRAWS):
                operation(None)
    return round(sum(seen) / len(seen), 2)


def _unchanged(image: object, **_: object) -> object:
    return image


def _at_least_one_bit(
    level: Callable[[float, object], tuple[int]], magnitude: float, settings: object
) -> tuple[int]:
    return (max(1, level(magnitude, settings)[0]),)


class _Centre:
    """The central square of ``resolution`` pixels, once the short side has ``side`` pixels."""

    def __init__(self, side: int, resolution: int) -> None:
        bicubic = transforms.InterpolationMode.BICUBIC
        self.fitting = (resolution, resolution) if side == resolution else None
        self.steps = transforms.Resize(side, interpolation=bicubic), transforms.CenterCrop(resolution)

    def __call__(self, image: Image) -> Image:
        if image.size == self.fitting:
            return image
        resize, crop = self.steps
        cropped: Image = crop(resize(image))
        return cropped


@dataclass(frozen=True, slots=True)
class _Normalised:
    """A tensor (3, H, W), bit for bit as by torchvision's ``ToTensor`` and ``Normalize``, but sooner."""

    mean: Channels
    std: Channels

    def __call__(self, image: Image) -> Tensor:
        pixels = np.asarray(image).transpose(2, 0, 1).astype(np.float32, order="C")
        pixels /= 255
        pixels -= np.asarray(self.mean, dtype=np.float32)[:, None, None]
        pixels /= np.asarray(self.std, dtype=np.float32)[:, None, None]
        return torch.from_numpy(pixels)


def _composed(steps: list[object]) -> Transform:
    composed: Transform = transforms.Compose(steps)
    return composed
