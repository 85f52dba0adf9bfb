"""Teachers for distillation: a module that gives feature maps, or a pretrained one of timm's by its name."""

from __future__ import annotations

import copy
import hashlib
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from uninas_bench import UserError


def timm_teacher(name: str) -> nn.Module:
    """A pretrained timm model that gives the maps of its stages; timm fetches its weights if need be.

    Raises:
        UserError: timm knows no such model, or cannot get its weights.
    """
    import timm

    try:
        model: nn.Module = timm.create_model(name, pretrained=True, features_only=True)
    except Exception as error:
        # timm and its hub raise whatever comes along; all of it is about the name or the weights.
        said = str(error).strip().partition("\n")[0]
        raise UserError(f"teacher={name}: timm cannot give it: {said or type(error).__name__}") from None
    return model


class FrozenTeacher(nn.Module):
    """A copy of a teacher in evaluation mode, asked in the size and the layout that it needs.

    A timm model says of itself which size it insists on, how far it reduces an image, and whether its maps
    end with their channels (Swin). Images that it could not take are resized, others come as they are.
    """

    def __init__(self, teacher: nn.Module) -> None:
        super().__init__()
        self.teacher = copy.deepcopy(teacher).eval().requires_grad_(False)
        self.size = _insisted_size(teacher)
        reductions = getattr(getattr(teacher, "feature_info", None), "reduction", None)
        self.least: int = max(reductions()) if callable(reductions) else 1
        self.channels_last = str(getattr(teacher, "output_fmt", "")).endswith("NHWC")

    @torch.no_grad()
    def forward(self, images: Tensor) -> list[Tensor] | Tensor:
        """Maps (B, C, H, W), early ones first, or one output (B, C)."""
        size = self.size or max(self.least, images.shape[-1])
        if size != images.shape[-1]:
            images = functional.interpolate(images, (size, size), mode="bilinear", antialias=True)
        maps: list[Tensor] | Tensor = self.teacher(images)
        if isinstance(maps, Tensor):
            return maps
        return [each.movedim(-1, 1) for each in maps] if self.channels_last else list(maps)


def _insisted_size(teacher: Any) -> int | None:
    for module in teacher.modules():
        if getattr(module, "strict_img_size", False):
            return int(module.img_size[-1])
    card = getattr(teacher, "pretrained_cfg", None) or {}
    return int(card["input_size"][-1]) if card.get("fixed_input_size") else None


def fingerprint(teacher: nn.Module) -> str:
    """A name for a module by what it is and by its weights, for the settings that a fit is found by."""
    digest = hashlib.sha256(repr(teacher).encode())
    for name, tensor in teacher.state_dict().items():
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().tobytes())
    return f"module-{digest.hexdigest()[:16]}"
