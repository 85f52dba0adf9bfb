"""The multi-proxy estimator: from a latent to the normalised scores of all proxies (equations 3 and 4)."""

from __future__ import annotations

import io
import math
import time
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.optim import Adam

from uninas_bench_plugins._up_nas.settings import UpNasSettings

if TYPE_CHECKING:
    from uninas_bench_plugins._arch2vec.training import Workplace

FILE = "estimator.pt"
SECONDS = 20.0
"""Between two savings of a training under way."""


class Estimator(nn.Module):
    """Hidden layers of linear, batch norm and ReLU, then one output for each proxy.

    Args:
        size: numbers of a latent.
        members: how many proxies.
        layers: hidden ones; the paper compares 1, 2 and 3.
        width: of each.
        generator: draws the weights.
    """

    def __init__(
        self, size: int, members: int, layers: int, width: int, generator: torch.Generator | None = None
    ) -> None:
        super().__init__()
        widths = [size] + [width] * layers
        parts: list[nn.Module] = []
        for before, after in pairwise(widths):
            parts += [_linear(before, after, generator), nn.BatchNorm1d(after), nn.ReLU(inplace=True)]
        self.layers = nn.Sequential(*parts, _linear(widths[-1], members, generator))

    def forward(self, latents: Tensor) -> Tensor:
        """(n, size) -> (n, members)."""
        found: Tensor = self.layers(latents)
        return found


def train_estimator(
    latents: Tensor, targets: Tensor, settings: UpNasSettings, workplace: Workplace
) -> Estimator:
    """Train an estimator, or go on with what lies in the folder, which has it afterwards.

    The loss of an architecture is the sum of the squared errors over the proxies (equation 3), that of a
    batch their mean. An interrupted training ends bit for bit as one that was not.

    Args:
        latents: (n, size), from the encoder, which stays as it is.
        targets: (n, members), normalised scores.
        settings: widths, epochs, rates.
        workplace: folder and generators.
    """
    run = _Run(latents.float(), targets.float(), settings, workplace)
    run.train()
    return run.network.eval().requires_grad_(False)


class _Run:
    def __init__(
        self, latents: Tensor, targets: Tensor, settings: UpNasSettings, workplace: Workplace
    ) -> None:
        self.latents = latents
        self.targets = targets
        self.settings = settings
        self.workplace = workplace
        self.network = Estimator(
            latents.shape[1], targets.shape[1], settings.layers, settings.width,
            workplace.generator("estimator/weights"),
        )  # fmt: skip
        self.optimizer = Adam(self.network.parameters(), settings.lr, fused=True)
        self.epoch = 0

    def train(self) -> None:
        state = load(self.workplace.folder)
        if state is not None:
            self.network.load_state_dict(state["network"])
            self.optimizer.load_state_dict(state["optimizer"])
            self.epoch = state["epoch"]
        self.network.train()
        saved = time.monotonic()
        while self.epoch < self.settings.epochs:
            loss = self._pass()
            self.epoch += 1
            text = f"estimator, epoch {self.epoch}: loss {loss:.4f}"
            self.workplace.report(self.epoch, self.settings.epochs, text)
            if time.monotonic() - saved >= SECONDS or self.epoch == self.settings.epochs:
                self._save()
                saved = time.monotonic()

    def _pass(self) -> float:
        """One pass over the architectures; the mean loss of a batch."""
        draw = self.workplace.generator(f"estimator/order/{self.epoch}")
        order, size = torch.randperm(len(self.latents), generator=draw), self.settings.minibatch
        total, steps = 0.0, 0
        for start in range(0, len(order), size):
            chosen = order[start : start + size]
            if len(chosen) < 2:
                break  # One architecture alone has no batch statistics.
            steps += 1
            errors = self.network(self.latents[chosen]) - self.targets[chosen]
            loss = errors.square().sum(1).mean()
            self.optimizer.zero_grad(set_to_none=True)
            loss.backward()
            self.optimizer.step()
            total += loss.item()
        return total / steps

    def _save(self) -> None:
        buffer = io.BytesIO()
        state = {
            "network": self.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "epoch": self.epoch,
        }
        torch.save(state, buffer)
        self.workplace.write(FILE, buffer.getvalue())


def load(folder: Path) -> dict[str, Any] | None:
    """What a training saved, without running any code that the file may carry; None where there is none."""
    if not (folder / FILE).exists():
        return None
    found: dict[str, Any] = torch.load(folder / FILE, map_location="cpu", weights_only=True)
    return found


def _linear(features: int, out: int, generator: torch.Generator | None) -> nn.Linear:
    """A layer, drawn as torch draws it by itself, but from a generator that can be chosen."""
    layer: nn.Linear = nn.utils.skip_init(nn.Linear, features, out)  # type: ignore[no-untyped-call]
    bound = 1 / math.sqrt(features)
    for tensor in (layer.weight, layer.bias):
        nn.init.uniform_(tensor, -bound, bound, generator=generator)
    return layer
