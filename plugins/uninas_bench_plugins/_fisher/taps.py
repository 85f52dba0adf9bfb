"""Derivatives of a loss by single parameter entries, from what flows through the module that owns them.

Every rule gives, for one entry, the output unit it feeds and a factor: the derivative of sample b is the
sum over positions of ``gradient[b, unit, position] * factor[b, position]``. Only that unit's gradient is
ever read. Rules hold for modules whose ``forward`` is torch's own; a subclass that overrides it has none.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

Unit = tuple[Any, ...]
"""An index into an output whose images come first, e.g. ``(slice(None), channel)``."""
Wanted = Mapping[nn.Module, Mapping[str, Sequence[tuple[int, int]]]]
"""By module and name of its parameter: (flat index, column of the Jacobian) of the entries asked for."""
_ALL = slice(None)


class Tap(NamedTuple):
    """The entries that share one output unit: their columns and their factors (B, entries, positions)."""

    unit: Unit
    columns: list[int]
    factors: Tensor

    def derivatives(self, gradient: Tensor) -> Tensor:
        """(B, entries) from the gradient by the module's output, images first."""
        unit = gradient[self.unit].reshape(len(gradient), 1, -1).contiguous()
        return (self.factors * unit).sum(2)


def has_rule(module: nn.Module) -> bool:
    """Whether every parameter of the module itself has a rule here."""
    return any(type(module).forward is kind.forward for kind in _RULES)


def taps_of(
    module: nn.Module, wanted: Mapping[str, Sequence[tuple[int, int]]], inputs: Tensor, output: Tensor
) -> list[Tap]:
    """The taps of one call of a module with a rule.

    Args:
        module: the module that was called.
        wanted: for each of its parameters, (flat index, column of the Jacobian) pairs.
        inputs: its input, images first.
        output: its output, images first.
    """
    rule = next(rule for kind, rule in _RULES.items() if type(module).forward is kind.forward)
    grouped: dict[str, tuple[Unit, list[int], list[Tensor]]] = {}
    for attribute, pairs in wanted.items():
        for index, column in pairs:
            unit, factor = rule(module, attribute, index, inputs)
            _, columns, factors = grouped.setdefault(repr(unit), (unit, [], []))
            columns.append(column)
            factors.append(torch.ones_like(output[unit]) if factor is None else factor)
    return [
        Tap(unit, columns, torch.stack([factor.reshape(len(output), -1) for factor in factors], 1))
        for unit, columns, factors in grouped.values()
    ]


def normalised(module: nn.modules.batchnorm._BatchNorm, inputs: Tensor, channel: int) -> Tensor:
    """One channel of what an evaluation-mode batch norm multiplies with its weight."""
    assert module.running_mean is not None
    assert module.running_var is not None
    return (inputs[:, channel] - module.running_mean[channel]) * torch.rsqrt(
        module.running_var[channel] + module.eps
    )


def _unravel(index: int, shape: Sequence[int]) -> list[int]:
    return [index // math.prod(shape[dim + 1 :]) % size for dim, size in enumerate(shape)]


def _convolution(
    module: nn.modules.conv._ConvNd, attribute: str, index: int, inputs: Tensor
) -> tuple[Unit, Tensor | None]:
    if attribute == "bias":
        return (_ALL, index), None
    out, within, *offset = _unravel(index, module.weight.shape)
    group = out // (module.out_channels // module.groups)
    plane = inputs[:, group * (module.in_channels // module.groups) + within].unsqueeze(1)
    mode = "constant" if module.padding_mode == "zeros" else module.padding_mode
    padded = functional.pad(plane, module._reversed_padding_repeated_twice, mode=mode).squeeze(1)
    window: list[Any] = [_ALL]
    for dim, start in enumerate(offset):
        reach = module.dilation[dim] * (module.kernel_size[dim] - 1)
        first, stop = start * module.dilation[dim], padded.shape[dim + 1] - reach
        window.append(slice(first, first + stop, module.stride[dim]))
    return (_ALL, out), padded[tuple(window)]


def _linear(module: nn.Linear, attribute: str, index: int, inputs: Tensor) -> tuple[Unit, Tensor | None]:
    if attribute == "bias":
        return (_ALL, ..., index), None
    out, within = _unravel(index, module.weight.shape)
    return (_ALL, ..., out), inputs[..., within]


def _batch_norm(
    module: nn.modules.batchnorm._BatchNorm, attribute: str, index: int, inputs: Tensor
) -> tuple[Unit, Tensor | None]:
    return (_ALL, index), None if attribute == "bias" else normalised(module, inputs, index)


def _layer_norm(
    module: nn.LayerNorm, attribute: str, index: int, inputs: Tensor
) -> tuple[Unit, Tensor | None]:
    place: list[Any] = [*_unravel(index, module.normalized_shape)]
    unit = (_ALL, ..., *place)
    if attribute == "bias":
        return unit, None
    dims = tuple(range(-len(module.normalized_shape), 0))
    variance, mean = torch.var_mean(inputs, dims, correction=0)
    return unit, (inputs[(..., *place)] - mean) * torch.rsqrt(variance + module.eps)


def _group_norm(
    module: nn.GroupNorm, attribute: str, index: int, inputs: Tensor
) -> tuple[Unit, Tensor | None]:
    if attribute == "bias":
        return (_ALL, index), None
    size = module.num_channels // module.num_groups
    first = index // size * size
    members = inputs[:, first : first + size].flatten(1)
    variance, mean = torch.var_mean(members, 1, correction=0)
    flat = inputs[:, index].reshape(len(inputs), -1)
    return (_ALL, index), (flat - mean[:, None]) * torch.rsqrt(variance + module.eps)[:, None]


_Rule = Callable[[Any, str, int, Tensor], tuple[Unit, Tensor | None]]
_RULES: dict[type[nn.Module], _Rule] = {
    nn.Conv1d: _convolution,
    nn.Conv2d: _convolution,
    nn.Conv3d: _convolution,
    nn.Linear: _linear,
    nn.modules.batchnorm._BatchNorm: _batch_norm,
    nn.LayerNorm: _layer_norm,
    nn.GroupNorm: _group_norm,
}
