"""Batch norm that is differentiated twice by formula, against torch's own derivatives."""

from __future__ import annotations

import pytest
import torch
from torch.autograd import gradcheck, gradgradcheck
from torch.nn import functional

from uninas_bench_plugins._twice import TwiceDifferentiable

SHAPES = [(5, 3), (4, 3, 6), (4, 3, 5, 2), (2, 3, 2, 3, 2)]


def draw(shape, affine, dtype=torch.float64):
    generator = torch.Generator().manual_seed(0)
    x = (2 + 3 * torch.randn(shape, generator=generator, dtype=dtype)).requires_grad_()
    if not affine:
        return x, None, None
    return (
        x,
        torch.randn(3, generator=generator, dtype=dtype),
        torch.randn(3, generator=generator, dtype=dtype),
    )


def derivatives(x, weight, bias, *, twice):
    """The output, its gradient, and the gradient of a function of that."""
    leaves = [t.requires_grad_() for t in (x, weight, bias) if t is not None]
    out = functional.batch_norm(x, None, None, weight, bias, training=True)
    loss = (out**3).sum() + out.sin().sum()
    first = torch.autograd.grad(loss, leaves, create_graph=twice)
    if not twice:
        return out, first, ()
    v = torch.linspace(-1, 1, x.numel(), dtype=x.dtype).view_as(x)
    return out, first, torch.autograd.grad((first[0] * v).sum() + (first[0] ** 3).sum(), x)


@pytest.mark.parametrize("affine", [True, False])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_torch_gives_the_same(shape, affine):
    expected = derivatives(*draw(shape, affine), twice=True)
    with TwiceDifferentiable():
        found = derivatives(*draw(shape, affine), twice=True)
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("twice", [True, False])
def test_values_and_first_gradients_are_the_same_bits(twice):
    stock = derivatives(*draw((8, 3, 9, 7), True, torch.float32), twice=False)
    with TwiceDifferentiable():
        found = derivatives(*draw((8, 3, 9, 7), True, torch.float32), twice=twice)
    assert torch.equal(found[0], stock[0])
    assert all(map(torch.equal, found[1], stock[1]))


@pytest.mark.parametrize("weight", [None, torch.tensor([0.5, -2.0, 0.0], dtype=torch.float64)])
def test_numerical_derivatives(weight):
    x = draw((4, 3, 2, 2), False)[0]

    def normed(x):
        return functional.batch_norm(x, None, None, weight, weight, training=True)

    with TwiceDifferentiable():
        assert gradcheck(normed, (x,))
        assert gradgradcheck(normed, (x,))


def test_running_statistics_are_as_ever_and_eval_mode_is_left_alone():
    x = draw((4, 3, 5, 2), False)[0].detach()
    stock, ours = torch.nn.BatchNorm2d(3).double(), torch.nn.BatchNorm2d(3).double()
    stock(x)
    with TwiceDifferentiable():
        ours(x)
        assert torch.equal(ours.eval()(x), stock.eval()(x))
    assert torch.equal(ours.running_mean, stock.running_mean)
    assert torch.equal(ours.running_var, stock.running_var)


def test_a_single_value_is_refused_as_ever():
    with TwiceDifferentiable(), pytest.raises(ValueError, match="more than 1 value per channel"):
        torch.nn.BatchNorm1d(3)(torch.zeros(1, 3))
