"""Which axis of a map holds the channels, and which of its tokens are patches."""

from __future__ import annotations

from math import isqrt
from typing import Literal

import torch
from torch import Tensor, nn

Layout = Literal["bchw", "bhwc", "bnc", "bcn"]
"""Batch, channels, height and width, or number of places."""

MOST_PREFIX_TOKENS = 5
"""A class token and four registers; more than that over a square number of tokens are no prefix."""


def layout_of(found: Tensor, width: int | None, axes: tuple[int, ...] | None, network: nn.Module) -> Layout:
    """Which axis holds the channels: those that were pooled do not, places are square, classifiers tell."""
    first, last = found.shape[1], found.shape[-1]
    by_width: bool | None = None if (first == width) == (last == width) else first == width
    if found.ndim == 3:
        channels_first = axes == (2,) if axes in ((1,), (2,)) else by_width
        return "bcn" if channels_first else "bnc"
    if found.ndim > 4:
        return "bcn"
    second = found.shape[2]
    if axes in ((1, 2), (2, 3)):
        return "bhwc" if axes == (1, 2) else "bchw"
    if str(getattr(network, "output_fmt", "")).endswith("NHWC"):
        return "bhwc"
    if (first == second) != (second == last):
        return "bhwc" if first == second else "bchw"
    return "bhwc" if by_width is False else "bchw"


def prefix_of(tokens: int, network: nn.Module) -> slice:
    """The tokens that are no patches: a class token, registers."""
    known = getattr(network, "num_prefix_tokens", None)
    count = known if isinstance(known, int) and 0 <= known < tokens else tokens - isqrt(tokens) ** 2
    if isqrt(tokens - count) ** 2 != tokens - count:
        count = tokens - isqrt(tokens) ** 2
    if count > MOST_PREFIX_TOKENS:
        return slice(0)
    # Vision Mamba puts its class token into the middle of the sequence.
    start = tokens // 2 if getattr(network, "use_middle_cls_token", False) else 0
    return slice(start, start + count)


def channels_first(found: Tensor, layout: Layout, prefix: slice) -> Tensor:
    """(B, C, h, w); tokens that make no square are one column."""
    if layout == "bchw":
        return found
    if layout == "bhwc":
        return found.permute(0, 3, 1, 2)
    if layout == "bcn":
        found = found.flatten(2).transpose(1, 2)
    elif prefix.start:
        found = torch.cat([found[:, : prefix.start], found[:, prefix.stop :]], dim=1)
    else:
        found = found[:, prefix.stop :]
    side = isqrt(found.shape[1])
    places = (side, side) if side * side == found.shape[1] else (found.shape[1], 1)
    return found.transpose(1, 2).reshape(len(found), -1, *places)
