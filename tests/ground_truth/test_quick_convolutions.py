"""Convolutions by products against torch's own, values and gradients."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import uninas_bench as ub
from uninas_bench.ground_truth.quick_convolutions import quicken_
from uninas_bench.tasks import find_task


def results(network: nn.Module, x: Tensor) -> dict[str, Tensor]:
    """Output and all gradients of a fixed loss."""
    x = x.clone().requires_grad_()
    out = network(x)
    (out * torch.arange(out.numel()).view(out.shape).cos()).sum().backward()
    assert x.grad is not None
    found = {name: p.grad for name, p in network.named_parameters() if p.grad is not None}
    return {"out": out.detach(), "x": x.grad, **found}


def assert_same(network: nn.Module, x: Tensor) -> None:
    network = network.double().to(memory_format=torch.channels_last)
    quick = copy.deepcopy(network)
    quicken_(quick)
    expected, got = results(network, x), results(quick, x)
    assert expected.keys() == got.keys()
    for name, values in expected.items():
        torch.testing.assert_close(got[name], values, rtol=1e-9, atol=1e-9, msg=name)


@pytest.mark.parametrize("size", [1, 2, 3, 4, 6, 9])
@pytest.mark.parametrize("kernel", [3, 5])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("bias", [False, True])
def test_depthwise(size: int, kernel: int, stride: int, bias: bool) -> None:
    torch.manual_seed(0)
    module = nn.Conv2d(7, 7, kernel, stride, kernel // 2, groups=7, bias=bias)
    assert_same(module, torch.randn(5, 7, size, size + 1, dtype=torch.float64))


@pytest.mark.parametrize(
    "options",
    [{"kernel_size": 1}, {"kernel_size": 1, "stride": 2}, {"kernel_size": 1, "padding": 1},
     {"kernel_size": 1, "groups": 2}, {"kernel_size": 3}, {"kernel_size": 3, "padding": "same", "groups": 4},
     {"kernel_size": 3, "dilation": 2, "padding": 2, "groups": 4},
     {"kernel_size": 3, "padding": 1, "groups": 4, "padding_mode": "circular"}],
)  # fmt: skip
def test_any_convolution_keeps_its_meaning(options: Mapping[str, Any]) -> None:
    torch.manual_seed(0)
    assert_same(nn.Conv2d(4, 4, **options), torch.randn(3, 4, 4, 4, dtype=torch.float64))


@pytest.mark.parametrize(
    ("space", "scale", "task"),
    [("mbconv", {"depths": "1:1:1:1:1", "widths": "8:8:8:8:8", "stem": "8:8", "final": 8}, "digits"),
     ("hytra", {"blocks": "1:1:1:1", "widths": "8:8:8:8", "stem": 8, "head": 8}, "digits"),
     ("uninas", {"widths": "8:8:8:8", "depths": "1:1:1:1", "stem": "8:8"}, "mnist-hard"),
     ("nasbench201", {"channels": 4, "cells": 1}, "digits")],
)  # fmt: skip
def test_whole_networks(space: str, scale: Mapping[str, Any], task: str) -> None:
    found, at = ub.space(space, **scale), find_task(task)
    torch.manual_seed(0)
    network = found.build(found.sample(1, np.random.default_rng(2))[0], at)
    for module in network.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    assert_same(network, torch.randn(4, 3, at.resolution, at.resolution, dtype=torch.float64))
