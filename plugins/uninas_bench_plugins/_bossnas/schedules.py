"""What changes during a stage: the learning rate and the momentum of the mean teacher."""

from __future__ import annotations

import math


def teacher_momentum(update: int, updates: int, start: float = 0.99) -> float:
    """``start`` at the first update, 1 at the end of the stage, along a cosine."""
    return 1 - (1 - start) * (math.cos(math.pi * update / updates) + 1) / 2


def learning_rate(update: int, updates: int, warmup: int, peak: float) -> float:
    """Linear from ``peak``/10,000 over ``warmup`` updates, then along a cosine to 0; anew in each stage."""
    if update < warmup:
        return peak * (1e-4 + (1 - 1e-4) * update / warmup)
    return peak * (math.cos(math.pi * update / updates) + 1) / 2
