"""One recipe for every network and probe, and what comes between training and the score.

TF-NAS leaves the recipe to a supplement. Ours is AdamW with gradients clipped to norm 1 and a learning rate
that rises linearly over the first tenth of the steps and falls to 0 as a cosine: by it CNNs, transformers and
token mixers all learn within tens of steps, without a rate for each family.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from uninas_bench_plugins._micro_probes.probes.probe import Examples, Probe

CLIP = 1.0
WARM_UP = 0.1
"""Share of the steps."""
RECALIBRATION_BATCHES = 8
_FORWARD = 0.4
"""A forward pass by a step of training, in seconds; on the safe side."""
_RESERVE = 0.5
"""At most this share of a limit is kept back for what comes after training."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """How long and how fast.

    Attributes:
        batch: examples per step; the batches of an epoch are of equal size, up to one example.
        epochs: passes through the data.
        steps_per_epoch: 0: every example once; else that many steps, on examples drawn with replacement.
        lr: peak of the learning rate.
        weight_decay: of AdamW.
    """

    batch: int
    epochs: int
    steps_per_epoch: int
    lr: float
    weight_decay: float

    def steps(self, count: int) -> int:
        """Of a whole training on so many examples."""
        return self.epochs * (self.steps_per_epoch or math.ceil(count / self.batch))

    def batches(self, count: int, generator: Callable[[int], np.random.Generator]) -> Iterator[Tensor]:
        """The examples of every step; ``generator`` gives that of an epoch."""
        for epoch in range(self.epochs):
            rng = generator(epoch)
            chosen: list[NDArray[np.int64]]
            if self.steps_per_epoch:
                size = min(self.batch, count)
                chosen = [rng.integers(0, count, size) for _ in range(self.steps_per_epoch)]
            else:
                chosen = np.array_split(rng.permutation(count), math.ceil(count / self.batch))
            yield from map(torch.from_numpy, chosen)

    def rate(self, step: int, steps: int) -> float:
        """The learning rate of a step by its peak: above 0, at most 1."""
        warm = max(1, round(WARM_UP * steps))
        if step < warm:
            return (step + 1) / warm
        return 0.5 * (1 + math.cos(math.pi * (step - warm) / max(1, steps - warm)))


@dataclass(frozen=True, slots=True)
class Limit:
    """When to stop.

    Attributes:
        end: on the clock; infinite for no limit.
        clock: in seconds.
    """

    end: float
    clock: Callable[[], float]

    @property
    def left(self) -> float:
        """Seconds."""
        return self.end - self.clock()


def train(
    model: nn.Module, probe: Probe, data: Examples, recipe: Recipe, batches: Iterator[Tensor], limit: Limit
) -> list[float]:
    """Train until the steps, or the seconds but for what the evaluation needs, are used up.

    Returns:
        The loss of every step; the last is not finite where the network diverged, which ends the training.
    """
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(
        parameters, lr=recipe.lr, weight_decay=recipe.weight_decay, fused=_fuses(parameters)
    )
    steps = recipe.steps(len(data))
    losses: list[float] = []
    start, after = limit.clock(), _passes_after(model, probe, len(data), recipe)
    budget = limit.end - start
    model.train()
    for step, chosen in enumerate(batches):
        if losses and math.isfinite(limit.end):
            each = (limit.clock() - start) / len(losses)
            if limit.left < each + min(_FORWARD * each * after, _RESERVE * budget):
                break
        for group in optimizer.param_groups:
            group["lr"] = recipe.lr * recipe.rate(step, steps)
        examples = data[chosen]
        loss = probe.loss(model(examples.inputs), examples.targets)
        losses.append(loss.item())
        if not math.isfinite(losses[-1]):
            break
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(parameters, CLIP)
        optimizer.step()
    optimizer.zero_grad()
    return losses


@torch.no_grad()
def recalibrate(model: nn.Module, data: Examples, batch: int, limit: Limit) -> None:
    """Replace the running statistics of all norms by the mean over the first training batches.

    After tens of steps with a momentum of 0.1 a good part of them would still be what they began with, and
    a ranking would be one of that lag. Everything but the norms is as in an evaluation.
    """
    norms = [module for module in model.modules() if _running(module)]
    if not norms:
        return
    model.eval()
    for norm in norms:
        norm.reset_running_stats()  # type: ignore[operator]
        norm.momentum = None  # type: ignore[assignment]
        norm.train()
    for number, inputs in enumerate(_parts(data, batch)[:RECALIBRATION_BATCHES]):
        if number and limit.left <= 0:
            break
        model(inputs)
    model.eval()


@torch.no_grad()
def outputs(model: nn.Module, data: Examples, batch: int, limit: Limit) -> Tensor:
    """What the model makes of the examples, in eval mode: of the first of them, if seconds run out."""
    model.eval()
    found: list[Tensor] = []
    for inputs in _parts(data, batch):
        if found and limit.left <= 0:
            break
        found.append(model(inputs))
    return torch.cat(found)


def _parts(data: Examples, batch: int) -> tuple[Tensor, ...]:
    """Equal parts of at most ``batch``: a last one of one example would leave batch norms nothing to do."""
    return data.inputs.tensor_split(math.ceil(len(data) / batch))


def _running(module: nn.Module) -> bool:
    """Whether the module learns statistics as batch norms do, and can be told to begin again."""
    statistics = getattr(module, "running_mean", None)
    return (
        isinstance(statistics, Tensor)
        and hasattr(module, "momentum")
        and hasattr(module, "reset_running_stats")
    )


def _passes_after(model: nn.Module, probe: Probe, count: int, recipe: Recipe) -> float:
    """Forward passes of a batch between training and score, for as many test as training examples."""
    each = math.ceil(count / recipe.batch)
    recalibration = min(each, RECALIBRATION_BATCHES) * any(map(_running, model.modules()))
    return recalibration + each * (2 if probe.scores_training else 1)


def _fuses(parameters: list[nn.Parameter]) -> bool:
    """Whether one kernel can update all: on CPU it takes a tenth of the time."""
    return bool(parameters) and all(parameter.is_floating_point() for parameter in parameters)
