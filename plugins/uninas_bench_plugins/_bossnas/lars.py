"""Layer-wise adaptive rates (You et al., "Large batch training of convolutional networks", 2017)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch.optim import Optimizer


class Lars(Optimizer):
    """SGD with momentum whose rate of each weight is ``eta |w| / (|g| + decay |w|)``.

    v = momentum v + lr local (g + decay w); w = w - v. Norms and biases, that is every parameter of one
    dimension, have local rate 1 and no decay. (The authors tell them by their names, miss some, and so hold
    a scale that starts at 0 there for ever.) A parameter whose gradient is exactly 0 took no part in the
    step and stays.
    """

    def __init__(
        self,
        parameters: Iterable[torch.Tensor],
        lr: float,
        momentum: float = 0.9,
        decay: float = 1e-6,
        eta: float = 1e-3,
    ) -> None:
        super().__init__(parameters, {"lr": lr, "momentum": momentum, "decay": decay, "eta": eta})

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        """One update of every parameter with a gradient."""
        del closure
        for group in self.param_groups:
            for weight in group["params"]:
                if weight.grad is not None:
                    self._update(weight, weight.grad, group)

    def _update(self, weight: torch.Tensor, gradient: torch.Tensor, group: dict[str, Any]) -> None:
        norm = gradient.norm()
        if norm == 0:
            return
        rate = group["lr"]
        if weight.ndim > 1:
            length = weight.norm()
            if length > 0:
                rate = rate * group["eta"] * length / (norm + group["decay"] * length)
            gradient = gradient + group["decay"] * weight
        state = self.state[weight]
        if "velocity" not in state:
            state["velocity"] = torch.zeros_like(weight)
        weight.sub_(state["velocity"].mul_(group["momentum"]).add_(rate * gradient))
