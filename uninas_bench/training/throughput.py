"""How many images a second a trained network answers."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

WARM_UP = 1
PASSES = 5
SECONDS = 5.0
"""After so long no further pass is begun."""


def images_per_second(
    model: nn.Module,
    images: Any,
    count: int,
    device: torch.device,
    clock: Callable[[], float] = time.perf_counter,
) -> float:
    """Images per second in eval mode: the median of a few passes over one batch, data already on the device.

    Args:
        model: takes ``images`` as its only argument; left in the mode that it was in.
        images: one batch, as the task's collate makes it, on the device.
        count: of the images in it.
        device: waited for before the clock is read.
        clock: seconds.
    """
    was_training = model.training
    model.eval()
    durations = []
    begun = clock()
    try:
        with torch.no_grad():
            for number in range(WARM_UP + PASSES):
                start = _now(device, clock)
                model(images)
                end = _now(device, clock)
                if number >= WARM_UP:
                    durations.append(end - start)
                if durations and end - begun > SECONDS:
                    break
    finally:
        model.train(was_training)
    return count / sorted(durations)[len(durations) // 2]


def _now(device: torch.device, clock: Callable[[], float]) -> float:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return clock()
