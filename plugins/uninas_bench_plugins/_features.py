"""What AZ-NAS reads off a network's features: entropies of their spectra, and gains of random gradients."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional


def rows(feature: Tensor) -> Tensor:
    """One row of channels per sample and place: (B, C, H, W), (B, N, C) or (B, C) -> (rows, C)."""
    return (feature.permute(0, 2, 3, 1) if feature.ndim == 4 else feature).flatten(0, -2)


def entropies(features: Sequence[Tensor], *, clamp: bool) -> list[float]:
    """Entropy of the normalised principal components of each feature (AZ-NAS, equation 2).

    Args:
        features: any shapes that `rows` reads.
        clamp: take eigenvalues below 0 for 0. Without it, one of them can make the entropy NaN.

    Returns:
        One entropy per feature, in 0..ln C; NaN for a feature that is constant.
    """
    return [_entropy(rows(feature.detach()), clamp) for feature in features]


def _entropy(sample: Tensor, clamp: bool) -> float:
    centred = sample - sample.mean(0)
    variances = torch.linalg.eigvalsh(centred.T @ centred / len(centred))
    if clamp:
        variances = variances.double().clamp(min=0)
    shares = variances / variances.sum()
    return -float((shares * (shares + 1e-8).log()).sum())


def trainability(features: Sequence[Tensor], generator: torch.Generator, *, robust: bool) -> float:
    """Mean over the blocks of 2 - sigma - 1 / (sigma + 1e-6) (AZ-NAS, equations 5 to 7).

    Each block carries random signs at its output back to its input; sigma is the largest singular value
    of what comes out there against what went in. At best about 0, where sigma is 1.

    Args:
        features: successive outputs with their graph, which is freed from the last to the first.
        generator: draws the signs in that order.
        robust: leave out blocks that return their input; NaN where nothing passes a block.
    """
    scores = []
    for before, after in zip(reversed(features[:-1]), reversed(features[1:]), strict=True):
        out = random_signs(after, generator)
        back = _pulled_back(before, after, out)
        if back.shape == out.shape and torch.equal(back, out):
            if not robust:
                return -math.inf
            continue
        sigma = gain(back, out)
        if sigma == 0 and robust:
            return math.nan
        scores.append(2 - sigma - 1 / (sigma + 1e-6))
    return sum(scores) / len(scores) if scores else math.nan


def _pulled_back(before: Tensor, after: Tensor, out: Tensor) -> Tensor:
    if not after.requires_grad:
        return torch.zeros_like(before)
    back = torch.autograd.grad(after, before, out, allow_unused=True)[0]
    return torch.zeros_like(before) if back is None else back


def random_signs(like: Tensor, generator: torch.Generator) -> Tensor:
    """Signs +-1 in the layout of ``like``, on a CPU generator.

    The signs are those of ``torch.bernoulli(0.5 * ones)`` to the bit, which compares the low 24 bits of
    each word with a half, one number at a time; reading that bit takes a tenth of the time.
    """
    words = torch.empty(like.shape, dtype=torch.int32).random_(generator=generator)
    signs = words.bitwise_and_(1 << 23).sub_(1 << 22).to(like.dtype).mul_(-(2.0**-22)).to(like.device)
    return torch.empty_like(like).copy_(signs)


def gain(back: Tensor, out: Tensor) -> float:
    """Largest singular value of back^T out / rows, with ``back`` brought to the grid of ``out``."""
    back, out = _aligned(back, out)
    product = rows(back).T @ rows(out) / len(rows(out))
    return float(torch.linalg.matrix_norm(product, ord=2))


def _aligned(back: Tensor, out: Tensor) -> tuple[Tensor, Tensor]:
    """Both on one grid: places of the finer one become channels where they tile, else are averaged.

    The published code knows the tiling; averaging is the rule here for what it cannot align.
    """
    if back.ndim == out.ndim == 3 and back.shape[1] == out.shape[1]:
        return back, out
    if back.ndim <= 2 or out.ndim <= 2:
        return pooled(back), pooled(out)
    back, out = _grid(back), _grid(out)
    height, width = out.shape[2:]
    step = back.shape[2] // height
    if step > 1 and back.shape[2:] == (step * height, step * width):
        return functional.pixel_unshuffle(back, step), out
    if back.shape[2:] != out.shape[2:]:
        back = functional.adaptive_avg_pool2d(back, (height, width))
    return back, out


def _grid(feature: Tensor) -> Tensor:
    """Tokens (B, N, C) as a grid (B, C, H, W): a square where N or, without its class token, N - 1 is one."""
    if feature.ndim == 4:
        return feature
    batch, tokens, channels = feature.shape
    side = math.isqrt(tokens)
    if side > 1 and side * side == tokens - 1:
        feature = feature[:, 1:]
    elif side * side != tokens:
        return feature.transpose(1, 2).unsqueeze(-1)
    return feature.transpose(1, 2).reshape(batch, channels, side, side)


def pooled(feature: Tensor) -> Tensor:
    """One row of channels per sample: the mean over all places."""
    if feature.ndim <= 2:
        return feature
    return feature.mean((2, 3)) if feature.ndim == 4 else feature.mean(1)
