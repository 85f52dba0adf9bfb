"""Random views of a batch of images, drawn by one generator, for all images at once.

``crop``: random crop after padding, and flip, as the authors do on CIFAR. ``byol``: random resized crop,
flip, colour jitter, grey, blur and solarisation as in BYOL (2020), appendix B, with the authors' pair: blur
with probability 0.1 and no solarisation in the first view, 1 and 0.2 in the second.
"""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

Views = Literal["crop", "byol"]
GREY = (0.299, 0.587, 0.114)


def draw_view(images: Tensor, views: Views, second: bool, generator: torch.Generator) -> Tensor:
    """One view of each image (B, 3, R, R) with values in 0..1."""
    if views == "crop":
        return flip(shifted(images, generator), generator)
    images = flip(resized_crop(images, generator), generator)
    images = jitter(images, generator)
    images = _mix(images, _grey(images), 0.2, generator)
    images = _mix(images, blur(images, generator), 1.0 if second else 0.1, generator)
    return _mix(images, torch.where(images >= 0.5, 1 - images, images), 0.2 if second else 0.0, generator)


def shifted(images: Tensor, generator: torch.Generator) -> Tensor:
    """Crops of the images' own size after padding with 0 by an eighth of it: 4 pixels at 32."""
    n, _, size, _ = images.shape
    pad = max(1, size // 8)
    padded = functional.pad(images, (pad,) * 4)
    offsets = torch.randint(0, 2 * pad + 1, (2, n, 1), generator=generator)
    rows, columns = (offsets + torch.arange(size)).to(images.device)
    batch = torch.arange(n, device=images.device)[:, None, None]
    return padded[batch, :, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)


def flip(images: Tensor, generator: torch.Generator) -> Tensor:
    """Left to right with probability one half."""
    return _mix(images, images.flip(3), 0.5, generator)


def resized_crop(images: Tensor, generator: torch.Generator) -> Tensor:
    """Crops of 8% to 100% of the area and aspect 3/4 to 4/3, resampled to the images' size."""
    n = len(images)
    draw = torch.rand(4, n, generator=generator).to(images.device)
    area = 0.08 + 0.92 * draw[0]
    aspect = torch.exp(math.log(4 / 3) * (2 * draw[1] - 1))
    height, width = (area / aspect).sqrt().clamp(max=1), (area * aspect).sqrt().clamp(max=1)
    theta = torch.zeros(n, 2, 3, device=images.device)
    theta[:, 0, 0], theta[:, 1, 1] = width, height
    theta[:, 0, 2] = (1 - width) * (2 * draw[2] - 1)
    theta[:, 1, 2] = (1 - height) * (2 * draw[3] - 1)
    grid = functional.affine_grid(theta, list(images.shape), align_corners=False)
    out = functional.grid_sample(images, grid, mode="bicubic", padding_mode="border", align_corners=False)
    return out.clamp(0, 1)


def jitter(images: Tensor, generator: torch.Generator) -> Tensor:
    """Brightness, contrast, saturation by 0.4, 0.4, 0.2, then hue by 0.1, all with probability 0.8."""
    n = len(images)
    draw = (2 * torch.rand(4, n, generator=generator) - 1).to(images.device)[:, :, None, None, None]
    out = (images * (1 + 0.4 * draw[0])).clamp(0, 1)
    mean = _grey(out).mean((1, 2, 3), keepdim=True)
    out = (mean + (out - mean) * (1 + 0.4 * draw[1])).clamp(0, 1)
    grey = _grey(out)
    out = (grey + (out - grey) * (1 + 0.2 * draw[2])).clamp(0, 1)
    out = _turned(out, 0.1 * 2 * math.pi * draw[3, :, 0, 0, 0]).clamp(0, 1)
    return _mix(images, out, 0.8, generator)


def blur(images: Tensor, generator: torch.Generator) -> Tensor:
    """Gaussian with sigma from 0.1 to 2 pixels at size 224, less in proportion at smaller sizes."""
    n, channels, size, _ = images.shape
    sigma = (0.1 + 1.9 * torch.rand(n, 1, generator=generator)).to(images.device) * size / 224
    reach = max(1, math.ceil(3 * 2 * size / 224))
    places = torch.arange(-reach, reach + 1, device=images.device)
    kernel = torch.softmax(-(places**2) / (2 * sigma.clamp(min=1e-2) ** 2), dim=1).repeat_interleave(
        channels, 0
    )
    flat = functional.pad(images.reshape(1, n * channels, size, size), (reach,) * 4, mode="reflect")
    flat = functional.conv2d(flat, kernel[:, None, :, None], groups=n * channels)
    flat = functional.conv2d(flat, kernel[:, None, None, :], groups=n * channels)
    return flat.reshape(images.shape)


def _mix(images: Tensor, others: Tensor, probability: float, generator: torch.Generator) -> Tensor:
    """``others`` for each image with this probability."""
    chosen = torch.rand(len(images), 1, 1, 1, generator=generator).to(images.device) < probability
    return torch.where(chosen, others, images)


def _grey(images: Tensor) -> Tensor:
    weights = torch.tensor(GREY, device=images.device)[:, None, None]
    return (images * weights).sum(1, keepdim=True).expand_as(images)


def _turned(images: Tensor, angle: Tensor) -> Tensor:
    """The hue turned by ``angle``: a rotation of the chroma plane of YIQ, the same for all pixels."""
    to_yiq = torch.tensor([GREY, (0.5959, -0.2746, -0.3213), (0.2115, -0.5227, 0.3112)], device=images.device)
    turn = torch.eye(3, device=images.device).repeat(len(images), 1, 1)
    turn[:, 1, 1] = turn[:, 2, 2] = angle.cos()
    turn[:, 2, 1] = angle.sin()
    turn[:, 1, 2] = -turn[:, 2, 1]
    matrix = torch.linalg.inv(to_yiq) @ turn @ to_yiq
    return torch.einsum("nij,njhw->nihw", matrix, images)
