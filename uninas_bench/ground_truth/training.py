"""The small protocol that this project trains its own ground-truth tables under."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from uninas_bench.errors import UserError
from uninas_bench.proxy import AnySettings, Init, Proxy, Settings, Source

if TYPE_CHECKING:
    import torch
    from torch import nn

    from uninas_bench.data.source import ImageSet, ImageSource
    from uninas_bench.subject import Subject

_TEST_BATCH = 250
_INIT = {
    "model": "the space's own initialisation",
    "kaiming": "Kaiming initialisation",
    "gaussian": "Gaussian initialisation",
}


@dataclass(frozen=True, kw_only=True)
class TrainingSettings(Settings):
    """The constants of a training; the defaults are those of this project's own tables.

    Attributes:
        steps: optimiser steps.
        rate: the peak learning rate, reached linearly and left along a cosine to 0.
        warm_up: the part of the steps that the rise takes.
        momentum: of Nesterov's SGD.
        decay: weight decay, on every parameter.
    """

    batch: int = 32
    source: Source = "task"
    init: Init = "model"
    steps: int = 160
    rate: float = 0.1
    warm_up: float = 0.2
    momentum: float = 0.9
    decay: float = 5e-4

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.steps < 1:
            raise UserError(f"steps={self.steps}: expected at least 1")

    def learning_rate(self, step: int) -> float:
        """The rate of a step, counted from 0: linear warm-up, then half a cosine."""
        rise = max(1, int(self.warm_up * self.steps))
        if step < rise:
            return self.rate * (step + 1) / rise
        return self.rate * 0.5 * (1 + math.cos(math.pi * (step - rise) / max(1, self.steps - rise)))

    def sentence(self) -> str:
        """The protocol as a table's first line states it."""
        return (
            f"{self.steps} steps of {self.batch} images, Nesterov SGD, rate {self.rate} (linear warm-up over "
            f"{self.warm_up:.0%}, cosine to 0), momentum {self.momentum}, weight decay {self.decay}, "
            f"{_INIT[self.init]}, no augmentation; accuracy on the test split after the last step"
        )


class ShortTraining(Proxy):
    """Train from scratch for a few hundred steps and measure test accuracy: the costliest proxy of all.

    As a proxy it has all that the engine gives a cell: seeds, statuses, processes, resume. A table is
    this proxy's components under several seeds.
    """

    name = "short_training"
    version = 2
    components = ("accuracy", "loss")
    needs = frozenset({"images", "labels", "gradients"})
    reference = "this project's own protocol for small ground-truth tables"
    Settings = TrainingSettings
    settings: TrainingSettings

    def __init__(self, source: ImageSource, settings: TrainingSettings | None = None) -> None:
        super().__init__(settings)
        self.source = source

    def _with(self, settings: AnySettings) -> Self:
        assert isinstance(settings, TrainingSettings)
        return type(self)(self.source, settings)

    def evaluate(self, subject: Subject) -> Mapping[str, float]:
        """Accuracy in percent and mean cross-entropy, both on the test split."""
        import torch

        from uninas_bench.ground_truth.quick_convolutions import quicken_

        assert subject.task is not None
        resolution = subject.task.resolution
        network = subject.network().to(memory_format=torch.channels_last)
        if subject.device.type == "cpu":
            quicken_(network)
        train(network, self.source.load("train", resolution), self.settings, subject.generator("order"))
        accuracy, loss = test(network, self.source.load("test", resolution))
        return {"accuracy": accuracy, "loss": loss}


def train(
    network: nn.Module, images: ImageSet, settings: TrainingSettings, generator: torch.Generator
) -> None:
    """Train in place; ``generator`` fixes the order of the images, one permutation after another."""
    import torch
    from torch.nn import functional

    device = next(network.parameters()).device
    optimiser = torch.optim.SGD(
        network.parameters(),
        lr=settings.rate,
        momentum=settings.momentum,
        nesterov=True,
        weight_decay=settings.decay,
        fused=True,
    )
    wanted = settings.steps * settings.batch
    rounds = -(-wanted // len(images))
    order = torch.cat([torch.randperm(len(images), generator=generator) for _ in range(rounds)]).numpy()
    network.train()
    for step in range(settings.steps):
        pixels, labels = images.batch(order[step * settings.batch : (step + 1) * settings.batch])
        pixels = pixels.to(device, memory_format=torch.channels_last)
        optimiser.param_groups[0]["lr"] = settings.learning_rate(step)
        optimiser.zero_grad(set_to_none=True)
        loss = functional.cross_entropy(network(pixels), labels.to(device))
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()


def test(network: nn.Module, images: ImageSet) -> tuple[float, float]:
    """Accuracy in percent and mean cross-entropy in nats, in eval mode with running statistics."""
    import torch
    from torch.nn import functional

    device = next(network.parameters()).device
    network.eval()
    right, loss = 0, 0.0
    with torch.no_grad():
        for start in range(0, len(images), _TEST_BATCH):
            pixels, labels = images.batch(slice(start, start + _TEST_BATCH))
            logits = network(pixels.to(device, memory_format=torch.channels_last)).cpu()
            right += int((logits.argmax(1) == labels).sum())
            loss += float(functional.cross_entropy(logits, labels, reduction="sum"))
    return 100 * right / len(images), loss / len(images)
