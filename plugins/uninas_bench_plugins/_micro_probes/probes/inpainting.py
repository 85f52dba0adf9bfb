"""OIP, occlusion inpainting: blocks of a picture lie under a veil of another; what is under it?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor

from uninas_bench import UserError
from uninas_bench_plugins._micro_probes.probes.images import Split
from uninas_bench_plugins._micro_probes.probes.probe import (
    STD,
    Examples,
    HeadPlan,
    Probe,
    Source,
    Targets,
    normalised,
)
from uninas_bench_plugins._micro_probes.probes.scenes import pictures
from uninas_bench_plugins._micro_probes.probes.streams import Stream

_ROOT = 1e-6
"""Under the roots of the loss, whose slope at 0 would be infinite."""


@dataclass(frozen=True)
class Inpainting(Probe):
    """Score: the distance of restored from original pixels, and of their spreads, in intensities of 0 to 1.

    Source: the note on TF-NAS, Score_OIP. Ours: the distance is the root of the mean square over the whole
    picture, which is in the unit of the standard deviation whatever the resolution; the standard deviation is
    taken per channel, over pixels, and its difference averaged over channels; the veil is the next picture of
    the same split.

    Attributes:
        blocks: per side, that are veiled or not.
        ratio: of the blocks that are veiled; the same number of them in every picture.
        opacity: of the veil.
        mu: weight of the difference between standard deviations.
        masked_only: take the distance over veiled pixels alone.
    """

    name: ClassVar[str] = "oip"
    title: ClassVar[str] = "occlusion inpainting"
    question: ClassVar[str] = "What is under the veil?"
    truth: ClassVar[str] = "original"
    higher_is_better: ClassVar[bool] = False

    blocks: int = 8
    ratio: float = 0.4
    opacity: float = 0.75
    mu: float = 0.5
    masked_only: bool = False

    def __post_init__(self) -> None:
        if self.blocks < 2:
            raise UserError(f"oip: blocks={self.blocks}: expected at least 2 per side")
        for option in ("ratio", "opacity"):
            if not 0 < getattr(self, option) <= 1:
                raise UserError(f"oip: {option}={getattr(self, option):g}: expected more than 0, at most 1")
        if self.mu < 0:
            raise UserError(f"oip: mu={self.mu:g}: expected 0 or more")

    @property
    def head(self) -> HeadPlan:
        """A colour per pixel."""
        return HeadPlan("pixels", 3)

    def examples(self, count: int, split: Split, source: Source) -> Examples:
        """Veiled pictures; ``original`` (N, 3, s, s), normalised, and ``veiled`` (N, 1, s, s), 0 or 1."""
        stream = Stream(source.seed, self.name, split, count)
        # One more than the examples, as each is veiled by the next.
        originals = pictures(source, replace(stream, count=count + 1), source.side)
        veiled = self._veiled(stream, source.side)
        inputs = torch.lerp(originals[:-1], originals[1:], self.opacity * veiled)
        return Examples(
            normalised(inputs)[:, None], {"original": normalised(originals[:-1]), "veiled": veiled}
        )

    def loss(self, output: Tensor, targets: Targets) -> Tensor:
        """The score itself, in the unit of the inputs."""
        return self._distances(output, targets, _ROOT).mean()

    def measure(self, output: Tensor, targets: Targets) -> float:
        """The mean over pictures of the formula."""
        return float(self._distances(output, targets, 0.0).mean().item()) * STD

    def baselines(self, examples: Examples) -> Mapping[str, float]:
        """The input as it is (``copy``), its mean ``colour``, and the mean of all originals (``blind``)."""
        inputs, original = examples.inputs[:, 0], examples.targets["original"]
        answers = {
            "blind": original.mean(dim=0),
            "copy": inputs,
            "colour": inputs.mean(dim=(2, 3), keepdim=True),
        }
        return {
            name: self.measure(answer.expand_as(original), examples.targets)
            for name, answer in answers.items()
        }

    def _veiled(self, stream: Stream, side: int) -> Tensor:
        chosen = max(1, round(self.ratio * self.blocks**2))
        blocks = stream.permutations("veil", self.blocks**2) < chosen
        pixels = torch.arange(side) * self.blocks // side
        grid = blocks.reshape(-1, 1, self.blocks, self.blocks).float()
        return grid[:, :, pixels[:, None], pixels[None, :]]

    def _distances(self, output: Tensor, targets: Targets, root: float) -> Tensor:
        original = targets["original"]
        squares = (output - original).square().mean(dim=1, keepdim=True)
        if self.masked_only:
            veiled = targets["veiled"]
            square = (squares * veiled).sum(dim=(1, 2, 3)) / veiled.sum(dim=(1, 2, 3))
        else:
            square = squares.mean(dim=(1, 2, 3))
        spread = (_spread(output, root) - _spread(original, root)).abs().mean(dim=1)
        return (square + root).sqrt() + self.mu * spread


def _spread(pictures: Tensor, root: float) -> Tensor:
    """Standard deviation over pixels (N, 3)."""
    return (pictures.var(dim=(2, 3), correction=0) + root).sqrt()
