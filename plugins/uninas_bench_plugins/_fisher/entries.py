"""Which scalars of a network's parameters the Fisher matrix is about."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from torch import nn


@dataclass(frozen=True, slots=True, eq=False)
class Entry:
    """One scalar: the number at ``index`` of the flattened ``parameter``."""

    parameter: nn.Parameter
    index: int

    @property
    def key(self) -> tuple[int, int]:
        """What two spellings of the same scalar share: weights may be tied, blocks may overlap."""
        return id(self.parameter), self.index


def sample_entries(module: nn.Module, tensors: int, per_tensor: int) -> list[Entry]:
    """``per_tensor`` scalars of each of the first parameter tensors of ``module``, in registration order.

    A tensor of ``n`` numbers gives its flat entries ``floor(linspace(0, n - 1, per_tensor))``; one entry
    per tensor is its first number.

    Args:
        module: the network or a block of it.
        tensors: how many tensors to take; a negative ``-k`` takes the first ``1/k`` of them.
        per_tensor: scalars of each.

    Source: VKDNW code, ``params_grad_len`` and ``p``; VKDNW, CVPR 2025, section 4.
    """
    parameters = list(module.parameters())
    kept = parameters[: tensors if tensors >= 0 else len(parameters) // -tensors]
    return [
        Entry(parameter, int(index))
        for parameter in kept
        for index in np.linspace(0, parameter.numel() - 1, per_tensor).astype(int)
    ]
