"""Teachers for distillation."""

from __future__ import annotations

import hashlib
import importlib
from typing import Any

import torch
from torch import nn

from uninas_bench import UserError


def timm_teacher(name: str) -> nn.Module:
    """A pretrained timm model that gives the maps of its stages; timm fetches its weights if need be.

    Raises:
        UserError: timm is missing, knows no such model, or cannot get its weights.
    """
    try:
        timm: Any = importlib.import_module("timm")
    except ImportError:
        raise UserError(f"teacher={name}: needs timm; python3 -m pip install timm") from None
    try:
        model: nn.Module = timm.create_model(name, pretrained=True, features_only=True)
    except Exception as error:
        # timm and its hub raise whatever comes along; all of it is about the name or the weights.
        raise UserError(f"teacher={name}: timm cannot give it: {str(error).partition(chr(10))[0]}") from None
    return model.eval()


def fingerprint(teacher: nn.Module) -> str:
    """A name for a module by what it is and by its weights, for the settings that a fit is found by."""
    digest = hashlib.sha256(repr(teacher).encode())
    for name, tensor in teacher.state_dict().items():
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().tobytes())
    return f"module-{digest.hexdigest()[:16]}"
