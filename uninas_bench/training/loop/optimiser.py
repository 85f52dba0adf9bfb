"""AdamW with two groups of parameters: those that decay and those that do not."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

import torch
from torch import nn

if TYPE_CHECKING:
    from uninas_bench.training.recipes.recipe import Recipe


def make_optimiser(model: nn.Module, recipe: Recipe) -> torch.optim.AdamW:
    """AdamW over the parameters that are trained, on the device where they are.

    Table III of UniNAS states the weight decay only. What it is not applied to is what timm leaves out:
    vectors and scalars, which are the gains and shifts of norms, biases, and what the model, or a part of it,
    names in ``no_weight_decay()``, such as tables of position biases. Frozen parameters are in no group.

    The fused implementation is as reproducible as the others: each number is computed by itself.
    """
    settings = recipe.optimiser
    kept = set() if settings.decay_all else _without_decay(model)
    groups: tuple[list[nn.Parameter], list[nn.Parameter]] = [], []
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            groups[name in kept].append(parameter)
    decayed, undecayed = groups
    return torch.optim.AdamW(
        [
            {"params": decayed, "weight_decay": settings.weight_decay},
            {"params": undecayed, "weight_decay": 0.0},
        ],
        lr=recipe.schedule.rate,
        betas=settings.betas,
        eps=settings.eps,
        fused=True,
    )


def _without_decay(model: nn.Module) -> set[str]:
    """Names of the parameters that never decay."""
    named = [name for name, value in model.named_parameters() if value.ndim <= 1 or name.endswith(".bias")]
    names = set(named)
    for prefix, module in model.named_modules():
        patterns = getattr(module, "no_weight_decay", None)
        if callable(patterns):
            # timm's models name parameters relative to themselves, some by shell patterns.
            wanted = set(patterns())
            for name, _ in module.named_parameters():
                if any(fnmatchcase(name, pattern) for pattern in wanted):
                    names.add(f"{prefix}.{name}" if prefix else name)
    return names
