"""What a proxy could change for everybody: generators, modes, flags, environment, torch's own functions."""

from __future__ import annotations

import os
import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn


def global_state() -> Mapping[str, Any]:
    """By name, what must be equal before and after an evaluation."""
    cudnn = torch.backends.cudnn
    return {
        "torch's generator": torch.get_rng_state().numpy().tobytes(),
        "numpy's generator": str(np.random.get_state()),  # noqa: NPY002  (the global one is what is watched)
        "python's generator": random.getstate(),
        "gradient mode": torch.is_grad_enabled(),
        "default dtype": torch.get_default_dtype(),
        "threads": torch.get_num_threads(),
        "deterministic algorithms": torch.are_deterministic_algorithms_enabled(),
        "anomaly mode": torch.is_anomaly_enabled(),
        "float32 precision": torch.get_float32_matmul_precision(),
        "flags of cudnn": (cudnn.enabled, cudnn.benchmark, cudnn.deterministic),
        "environment variables": dict(os.environ),
        "working directory": Path.cwd(),
        "hooks of all modules": _global_hooks(),
        "functions of torch": _functions(),
    }


def changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """The names of what differs; of torch's functions, which."""
    changed = [name for name in before if before[name] != after[name]]
    functions = "functions of torch"
    if functions in changed:
        old, new = before[functions], after[functions]
        which = sorted(name for name in {*old, *new} if old.get(name) != new.get(name))
        changed[changed.index(functions)] = f"functions of torch: {', '.join(which[:3])}"
    return changed


def _global_hooks() -> tuple[int, ...]:
    module = torch.nn.modules.module
    names = ("_global_forward_hooks", "_global_forward_pre_hooks", "_global_backward_hooks")
    return tuple(len(getattr(module, name, ())) for name in names)


def _functions() -> dict[str, int]:
    """Identities of what is known to be replaced by proxies: methods of layers, functions, of tensors."""
    holders = {
        "torch.nn.functional": nn.functional,
        "torch.Tensor": torch.Tensor,
        **{f"torch.nn.{name}": kind for name, kind in vars(nn).items() if isinstance(kind, type)},
    }
    return {
        f"{holder}.{name}": id(value)
        for holder, where in holders.items()
        for name, value in vars(where).items()
        if callable(value)
    }
