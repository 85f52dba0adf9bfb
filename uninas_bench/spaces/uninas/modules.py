"""The elementary operations as modules and functions: what each node of a graph computes.

Tensors are (B, C, H, W). A node with parameters, or one that proxies hook, is a module; the rest are
functions. Semantics where the paper is silent are those of the authors' toolkit: `multiply` gates,
`softmax` runs along the width (the keys of a map between tokens), `matmul1` divides by sqrt(C).

Inside a network tensors lie in memory channels-last. There a layer norm over channels, heads of an attention
and convolutions need no copies, and depthwise convolutions take up to a seventh of the time on a CPU.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import isqrt
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional, init
from torch.utils.flop_counter import flop_registry, register_flop_formula

from uninas_bench.spaces.uninas.operations import Operation
from uninas_bench.spaces.uninas.tensor_type import TOKENS, TensorType, spatial_size

EPS = 1e-6
"""Of every layer norm of the network."""
BAND = 5
"""How far from the main diagonal `mask` keeps what it gets."""
MAP_NUMBERS = 1 << 24
"""How many numbers of maps between tokens `attention_products` makes at once."""
_TABLE_STD = 0.02


class GraphConv2d(nn.Conv2d):
    """A convolution of the space; pointwise ones run on CPUs as one matrix product over all pixels."""

    def _conv_forward(self, input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        # Not `forward`: a convolution that keeps torch's own is known as such to proxies.
        if self.kernel_size == (1, 1) and input.is_cpu:
            return channels_first(functional.linear(channels_last(input), weight.flatten(1), bias))
        out: Tensor = super()._conv_forward(input, weight, bias)
        return out


class FanOutConv2d(GraphConv2d):
    """Weights from N(0, 2 / (k k Cout)) and zero biases.

    It is the initialisation of every convolution but `conv_chunk`. For depthwise ones Cout stays in the
    denominator, as in `torch.nn.init.kaiming_normal_` with ``fan_out``, which the authors call.
    """

    def reset_parameters(self) -> None:
        """Draw the weights."""
        init.kaiming_normal_(self.weight, mode="fan_out", nonlinearity="relu")
        if self.bias is not None:
            init.zeros_(self.bias)


class XavierConv2d(GraphConv2d):
    """Weights from Glorot's uniform distribution and zero biases: queries, keys and values."""

    def reset_parameters(self) -> None:
        """Draw the weights."""
        init.xavier_uniform_(self.weight)
        if self.bias is not None:
            init.zeros_(self.bias)


class PixelGELU(nn.GELU):
    """Exact GELU, evaluated in the order in which channels-last tensors lie in memory.

    torch's fast CPU kernel takes plainly contiguous tensors alone; it is ten times faster than the other.
    """

    def forward(self, input: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C, H, W)."""
        out: Tensor = super().forward(input.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
        return out


class RelativeBias(nn.Module):
    """A learned scalar for every relative position of two places of an a x b grid.

    Attributes:
        table: (2a - 1, 2b - 1); entry (dy + a - 1, dx + b - 1) belongs to row place minus column place.
    """

    def __init__(self, height: int, width: int) -> None:
        super().__init__()
        self.table = nn.Parameter(torch.empty(2 * height - 1, 2 * width - 1))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the table."""
        init.trunc_normal_(self.table, std=_TABLE_STD)

    def extra_repr(self) -> str:
        """The size of the table."""
        return "{}, {}".format(*self.table.shape)


class TokenBias(RelativeBias):
    """`rel_pos_bias` on a map between the tokens of a grid; on another grid the table is interpolated."""

    def forward(self, x: Tensor, height: int, width: int) -> Tensor:
        """(B, C, N, N) -> the same, N = height * width being the tokens of the grid at hand."""
        return x + relative_bias(self.table[None], height, width)


class SquareBias(RelativeBias):
    """`rel_pos_bias` on any other map: its rows and columns are taken for the places of a square grid.

    It exists where height and width are one and the same square number. At other sizes the bias of that
    size is interpolated.
    """

    def __init__(self, side: int) -> None:
        super().__init__(isqrt(side), isqrt(side))
        self.side = side

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C, H, W)."""
        grid = isqrt(self.side)
        bias = relative_bias(self.table[None], grid, grid)
        return x + resized(bias, x.shape[-2], x.shape[-1])


def relative_bias(tables: Tensor, height: int, width: int) -> Tensor:
    """The biases of several heads between all places of a grid: (K, 2a - 1, 2b - 1) -> (1, K, N, N).

    Tables of another grid are interpolated bicubically, as is usual for relative positions. Place (y, x)
    against (y', x') reads entry (y - y' + a - 1, x - x' + b - 1): sliding windows of the table, turned
    round, so no index needs to be kept.
    """
    tables = resized(tables[None], 2 * height - 1, 2 * width - 1)[0]
    windows = tables.unfold(1, height, 1).unfold(2, width, 1)
    return windows.flip(3, 4).reshape(1, -1, height * width, height * width)


def resized(maps: Tensor, height: int, width: int) -> Tensor:
    """(B, K, H, W) -> (B, K, height, width), bicubically; the same tensor where the size is the same.

    Corners stay corners: the farthest relative positions of a table are those of the other grid, and the
    middle, a place against itself, stays the middle.
    """
    if maps.shape[-2:] == (height, width):
        return maps
    if 1 in (height, width):
        # Of a single place both corners are the same; it is the middle, which the other alignment takes.
        size = (1 if height == 1 else maps.shape[-2], 1 if width == 1 else maps.shape[-1])
        maps = functional.interpolate(maps, size, mode="bicubic", align_corners=False)
    return functional.interpolate(maps, (height, width), mode="bicubic", align_corners=True)


def node_module(operation: Operation, type_: TensorType, size: tuple[int, int]) -> nn.Module | None:
    """The module of a node; None for an operation that is a function.

    Args:
        operation: of the node.
        type_: of its first input.
        size: height and width of the block at the resolution that the network is built for.
    """
    make = _MODULES.get(operation.kind)
    return None if make is None else make(operation, type_, size)


def _dense(kernel: int) -> _Maker:
    return lambda _, type_, __: FanOutConv2d(type_.channels, type_.channels, kernel, padding=kernel // 2)


def _depthwise(kernel: int) -> _Maker:
    return lambda _, type_, __: FanOutConv2d(
        type_.channels, type_.channels, kernel, padding=kernel // 2, groups=type_.channels, bias=False
    )


def _bias(_: Operation, type_: TensorType, size: tuple[int, int]) -> nn.Module:
    if type_.path.endswith(TOKENS):
        return TokenBias(*spatial_size(type_.path[:-1], *size))
    return SquareBias(spatial_size(type_.path, *size)[0])


_Maker = Callable[[Operation, TensorType, tuple[int, int]], nn.Module]
_MODULES: dict[str, _Maker] = {
    "conv1": _dense(1),
    "conv3": _dense(3),
    "conv_depth3": _depthwise(3),
    "conv_depth5": _depthwise(5),
    "conv_exp": lambda op, type_, _: FanOutConv2d(type_.channels, type_.channels * op.factor, 1),
    "conv_red": lambda op, type_, _: FanOutConv2d(type_.channels, type_.channels // op.factor, 1),
    "conv_chunk": lambda op, type_, _: XavierConv2d(type_.channels, type_.channels * op.factor, 1),
    "batch_norm": lambda _, type_, __: nn.BatchNorm2d(type_.channels),
    "layer_norm": lambda _, type_, __: nn.LayerNorm(type_.channels, eps=EPS),
    "rel_pos_bias": _bias,
    "gelu": lambda *_: PixelGELU(),
    "sigmoid": lambda *_: nn.Sigmoid(),
    "softmax": lambda *_: nn.Softmax(dim=-1),
    "dropout": lambda *_: nn.Dropout(0.5),
    "max_pool": lambda *_: nn.MaxPool2d(3, stride=1, padding=1),
}


def channels_last(x: Tensor) -> Tensor:
    """(B, C, H, W) -> (B, H, W, C), a view: layer norms normalise the last axis."""
    return x.permute(0, 2, 3, 1)


def channels_first(x: Tensor) -> Tensor:
    """(B, H, W, C) -> (B, C, H, W), a view."""
    return x.permute(0, 3, 1, 2)


def per_pixel(norm: nn.Module, x: Tensor) -> Tensor:
    """A layer norm over the channels of each pixel of (B, C, H, W)."""
    return channels_first(norm(channels_last(x)))


def band(x: Tensor) -> Tensor:
    """`mask`: zeros where row and column are more than `BAND` apart, whatever the size of the map."""
    return x.tril(BAND).triu(-BAND)


def global_average(x: Tensor) -> Tensor:
    """`global_avg`: (B, C, H, W) -> (B, C, 1, 1)."""
    return x.mean((2, 3), keepdim=True)


def up_sample(x: Tensor, height: int, width: int) -> Tensor:
    """(B, C, 1, 1) -> (B, C, height, width), nearest; a view."""
    return x.expand(-1, -1, height, width)


def gate(x: Tensor, by: Tensor) -> Tensor:
    """`multiply`: the first input times the sigmoid of the second."""
    return x * torch.sigmoid(by)


def token_map(queries: Tensor, keys: Tensor) -> Tensor:
    """`matmul1`: two (B, C, H, W) -> (B, 1, N, N), q^T k / sqrt(C), a row per query (equation 1)."""
    rows = queries.flatten(2).transpose(1, 2) * queries.shape[1] ** -0.5
    products: Tensor = rows @ keys.flatten(2)
    return products.unsqueeze(1)


def weighted(weights: Tensor, values: Tensor) -> Tensor:
    """`matmul2`: (B, 1, N, N) and (B, C, H, W) -> (B, C, H, W), sums over tokens (equation 2)."""
    rows = weights.squeeze(1) @ values.flatten(2).transpose(1, 2)
    return channels_first(rows.reshape(len(values), *values.shape[2:], values.shape[1]))


FUNCTIONS: dict[str, Callable[..., Tensor]] = {
    "zero": torch.zeros_like,
    "mask": band,
    "global_avg": global_average,
    "multiply": gate,
    "matmul1": token_map,
    "matmul2": weighted,
}
"""Operations with one output that need nothing but their inputs."""


def attend(
    pieces: Tensor, heads: int, chosen: tuple[int, ...] | None, bias: Tensor | None, normalised: bool
) -> Tensor:
    """Several heads of one `conv_chunk` at once: matmul1, rel_pos_bias, softmax and matmul2 of each.

    Args:
        pieces: (B, 3 heads d, H, W), queries, keys and values head by head.
        heads: of the ``conv_chunk``.
        chosen: which of them; None for all.
        bias: (1, K, N, N) for the K chosen heads, or None.
        normalised: with softmax or without.

    Returns:
        (B, K d, H, W).
    """
    batch, channels, height, width = pieces.shape
    rows = channels_last(pieces).reshape(batch, height * width, heads, 3, channels // (3 * heads))
    if chosen is not None:
        rows = rows[:, :, list(chosen)]
    queries, keys, values = (part.transpose(1, 2) for part in rows.unbind(3))
    # With gradients the processor's kernel saves little, has no forward-mode and no second derivatives, which
    # proxies take, and torch leaves it where the bias is learned.
    fused = normalised and not (pieces.is_cpu and torch.is_grad_enabled())
    products = fused_attention if fused else attention_products
    mixed = products(queries, keys, values, bias, normalised)
    return channels_first(mixed.transpose(1, 2).reshape(batch, height, width, -1))


def attention_products(
    queries: Tensor, keys: Tensor, values: Tensor, bias: Tensor | None, normalised: bool
) -> Tensor:
    """Attention of all heads as batched products, (B, K, N, d) each.

    Maps of many tokens are made for a few heads at a time. Without softmax the products could be taken
    from the right, for less. They are not: the network then costs what its graph says.
    """
    batch, heads, tokens, channels = queries.shape
    at_once = max(1, MAP_NUMBERS // (batch * tokens**2))
    mixed = []
    for start in range(0, heads, at_once):
        part = slice(start, start + at_once)
        weights = (queries[:, part] * channels**-0.5) @ keys[:, part].mT
        if bias is not None:
            weights = weights + bias[:, part]
        mixed.append((weights.softmax(-1) if normalised else weights) @ values[:, part])
    return mixed[0] if len(mixed) == 1 else torch.cat(mixed, 1)


def fused_attention(
    queries: Tensor, keys: Tensor, values: Tensor, bias: Tensor | None, normalised: bool
) -> Tensor:
    """The same by torch's own kernels, which never hold the (N, N) maps."""
    assert normalised
    return functional.scaled_dot_product_attention(queries, keys, values, attn_mask=bias)


def _attention_flops(
    query: Sequence[int], key: Sequence[int], value: Sequence[int], *_: Any, **__: Any
) -> int:
    """FLOPs of the processor's attention kernel, from the shapes (B, heads, N, d) of its inputs."""
    batch, heads, tokens, channels = query
    return 2 * batch * heads * tokens * key[2] * (channels + value[3])


_KERNEL = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu
if _KERNEL not in flop_registry:
    # FlopCounterMode knows the kernels of all other devices; without this one it would count nothing here.
    register_flop_formula(_KERNEL)(_attention_flops)
