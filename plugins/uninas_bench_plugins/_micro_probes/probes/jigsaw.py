"""LGJ, the local-global jigsaw: a picture's patches are shuffled; where does each belong?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from uninas_bench import UserError
from uninas_bench_plugins._micro_probes.probes.images import Split
from uninas_bench_plugins._micro_probes.probes.probe import (
    Examples,
    HeadPlan,
    Probe,
    Source,
    Targets,
    normalised,
)
from uninas_bench_plugins._micro_probes.probes.scenes import pictures
from uninas_bench_plugins._micro_probes.probes.streams import Stream


@dataclass(frozen=True)
class Jigsaw(Probe):
    """Score: the mean distance, in image sides, between where patches belong and where they are put.

    Source: the note on TF-NAS, Score_LGJ. Slot i shows patch g(i); it counts only if the patch that belongs
    in slot i and the one that it shows have a cosine below ``gamma``. Ours: 4 x 4 patches; any permutation,
    as a few chosen ones would make it a plain classification; the cosine of pixels less the picture's mean
    colour, since by plain intensities most patches are alike; x_i and x_g(i) are patches in the order of the
    whole picture, so one that stayed in place has a cosine of 1 and never counts.

    Attributes:
        grid: patches per side.
        gamma: the cosine from which two patches cannot be told apart.
        assign: put each patch in one place (the assignment with the greatest sum of logits), where the score
            otherwise takes each slot's best answer by itself.
    """

    name: ClassVar[str] = "lgj"
    title: ClassVar[str] = "local-global jigsaw"
    question: ClassVar[str] = "Where does each patch belong?"
    truth: ClassVar[str] = "place"
    higher_is_better: ClassVar[bool] = False

    grid: int = 4
    gamma: float = 0.9
    assign: bool = False

    def __post_init__(self) -> None:
        if self.grid < 2:
            raise UserError(f"lgj: grid={self.grid}: expected at least 2 patches per side")
        if not 0 < self.gamma <= 1:
            raise UserError(f"lgj: gamma={self.gamma:g}: expected a cosine above 0, at most 1")

    @property
    def head(self) -> HeadPlan:
        """For each slot a logit per place."""
        return HeadPlan("slots", self.grid**2, self.grid)

    def examples(self, count: int, split: Split, source: Source) -> Examples:
        """Shuffled pictures; per slot (N, p) the ``place`` its patch belongs to, and whether it ``counts``.

        Raises:
            UserError: the side is no multiple of the patches per side.
        """
        if source.side % self.grid:
            raise UserError(f"lgj: side={source.side}: expected a multiple of {self.grid}, for the patches")
        stream = Stream(source.seed, self.name, split, count)
        patches = cut(pictures(source, stream, source.side), self.grid)
        place = stream.permutations("permutation", self.grid**2)
        counts = similarity(patches).gather(2, place[:, :, None]).squeeze(2) < self.gamma
        shown = patches[torch.arange(count)[:, None], place]
        return Examples(normalised(joined(shown, self.grid))[:, None], {"place": place, "counts": counts})

    def answer(self, output: Tensor) -> Tensor:
        """The place (N, p) that each slot's patch is put in."""
        logits = output.flatten(2)
        return _assigned(logits) if self.assign else logits.argmax(dim=1)

    def loss(self, output: Tensor, targets: Targets) -> Tensor:
        """Cross-entropy of the slots that count."""
        losses = functional.cross_entropy(output.flatten(2), targets["place"], reduction="none")
        counts = targets["counts"]
        return (losses * counts).sum() / counts.sum().clamp(min=1)

    def measure(self, output: Tensor, targets: Targets) -> float:
        """The mean over pictures of the formula; a picture without a slot that counts is left out."""
        return self._score(self.answer(output), targets)

    def baselines(self, examples: Examples) -> Mapping[str, float]:
        """The best single place (``blind``), ``random`` places, every patch left ``as shown``."""
        place = examples.targets["place"]
        single = [self._score(torch.full_like(place, j), examples.targets) for j in range(self.grid**2)]
        stay = torch.arange(self.grid**2, device=place.device).expand_as(place)
        return {
            "blind": min(single),
            "random": sum(single) / len(single),
            "as shown": self._score(stay, examples.targets),
        }

    def _score(self, answers: Tensor, targets: Targets) -> float:
        counts = targets["counts"]
        distances = (self._position(targets["place"]) - self._position(answers)).norm(dim=-1) * counts
        known = counts.any(dim=1)
        return float((distances.sum(dim=1)[known] / counts.sum(dim=1)[known]).mean().item())

    def _position(self, index: Tensor) -> Tensor:
        """P of the formula: centres of patches in image sides, x and y."""
        return (torch.stack([index % self.grid, index // self.grid], dim=-1) + 0.5) / self.grid


def cut(pictures: Tensor, grid: int) -> Tensor:
    """Patches (N, grid * grid, 3, k, k), row by row, of pictures (N, 3, s, s)."""
    n, channels, side, _ = pictures.shape
    k = side // grid
    rows = pictures.reshape(n, channels, grid, k, grid, k).permute(0, 2, 4, 1, 3, 5)
    return rows.reshape(n, grid * grid, channels, k, k)


def joined(patches: Tensor, grid: int) -> Tensor:
    """The inverse of `cut`."""
    n, _, channels, k, _ = patches.shape
    rows = patches.reshape(n, grid, grid, channels, k, k).permute(0, 3, 1, 4, 2, 5)
    return rows.reshape(n, channels, grid * k, grid * k)


def similarity(patches: Tensor) -> Tensor:
    """Cosines (N, p, p) between patches (N, p, 3, k, k) less their picture's mean colour.

    A patch has 1 with itself, and two have it that both are nothing but the mean colour.
    """
    centred = (patches - patches.mean(dim=(1, 3, 4), keepdim=True)).flatten(2)
    unit = functional.normalize(centred, dim=2)
    flat = centred.abs().amax(dim=2) < 1e-6
    same = torch.eye(patches.shape[1], dtype=torch.bool) | (flat[:, :, None] & flat[:, None, :])
    return torch.where(same, 1.0, unit @ unit.transpose(1, 2))


def _assigned(logits: Tensor) -> Tensor:
    """Places (N, slots), each once per picture, of logits (N, places, slots)."""
    from scipy.optimize import linear_sum_assignment

    every = logits.detach().double().cpu().numpy()
    answers = np.stack([linear_sum_assignment(one.T, maximize=True)[1] for one in every])
    return torch.from_numpy(answers).to(logits.device)
