"""Differentiating a network twice: fast through batch norm, and aware of what rounds otherwise.

torch differentiates the backward pass of batch norm operation by operation; over a convolutional network
that is more than half of a Hessian-vector product. Here it takes a few passes over the data, as the first
derivative does.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function
from torch.nn import functional
from torch.overrides import TorchFunctionMode

_backward = torch.ops.aten.native_batch_norm_backward
_OTHERWISE = frozenset(
    {
        functional.silu, functional.mish, functional.group_norm, functional.rms_norm, torch.group_norm,
        torch.rms_norm, torch.logit, torch.special.logit, Tensor.logit,
    }
)  # fmt: skip
"""Their first gradients come from another kernel when they are to be differentiated again."""


class TwiceDifferentiable(TorchFunctionMode):
    """Inside, batch norms that take their statistics from the batch are differentiated twice by formula.

    Values and first gradients come from the same kernels, so they are the same bit for bit. Scale and
    shift count as constants in second derivatives.

    Attributes:
        exact: whether first gradients with a graph of their own are those without one, bit for bit.
    """

    exact = True

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if func is functional.batch_norm:
            return _batch_norm(func, *args, **kwargs)
        if func in _OTHERWISE:
            self.exact = False
        return func(*args, **kwargs)


def _batch_norm(
    func: Any,
    x: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Any:
    if training and x.is_cpu and x.numel() > x.shape[1]:
        return _BatchNorm.apply(x, weight, bias, running_mean, running_var, momentum, eps)
    return func(x, running_mean, running_var, weight, bias, training, momentum, eps)


class _BatchNorm(Function):
    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        weight: Tensor | None,
        bias: Tensor | None,
        running_mean: Tensor | None,
        running_var: Tensor | None,
        momentum: float,
        eps: float,
    ) -> Tensor:
        out, mean, scale = torch.native_batch_norm(
            x, weight, bias, running_mean, running_var, True, momentum, eps
        )
        ctx.save_for_backward(x, weight, mean, scale)
        ctx.eps = eps
        return out

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        x, weight, mean, scale = ctx.saved_tensors
        to_x, to_weight, to_bias = _BatchNormBackward.apply(gradients[0], x, weight, mean, scale, ctx.eps)
        if weight is None:
            to_weight = to_bias = None
        return to_x, to_weight, to_bias, None, None, None, None


class _BatchNormBackward(Function):
    """The gradient s w (g - mean(g) - x^ mean(g x^)) per channel, x^ = (x - mean) s; differentiable."""

    @staticmethod
    def forward(
        ctx: Any, g: Tensor, x: Tensor, weight: Tensor | None, mean: Tensor, scale: Tensor, eps: float
    ) -> tuple[Tensor, Tensor, Tensor]:
        found = _backward(g, x, weight, None, None, mean, scale, True, eps, [True, True, True])
        to_x, along, total = found  # the last two are the sums over a channel of g x^ and of g
        ctx.save_for_backward(g, x, weight, mean, scale, along, total)
        ctx.eps = eps
        ctx.mark_non_differentiable(along, total)
        ctx.set_materialize_grads(False)
        return to_x, along, total

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        v = gradients[0]
        if v is None:
            return None, None, None, None, None, None
        g, x, weight, mean, scale, g_along, g_total = ctx.saved_tensors
        # The map from g to the gradient is symmetric, so v goes back to g through the same kernel.
        to_g, v_along, v_total = _backward(
            v, x, weight, None, None, mean, scale, True, ctx.eps, [True, True, True]
        )
        count = x.numel() // x.shape[1]
        both = (v * g).sum((0, *range(2, x.ndim)))
        factor = -scale.square() / count if weight is None else -weight * scale.square() / count
        on_x = factor * scale * (both - (v_total * g_total + 3 * v_along * g_along) / count)
        constant = -on_x * mean - factor * (g_along * v_total + v_along * g_total) / count
        shape = (1, -1, *(1,) * (x.ndim - 2))
        to_x = v * (factor * g_along).view(shape)
        to_x.addcmul_(g, (factor * v_along).view(shape)).addcmul_(x, on_x.view(shape))
        return to_g, to_x.add_(constant.view(shape)), None, None, None, None
