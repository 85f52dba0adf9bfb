"""What a block is trained for: bootstrapping, or one of the supervised ablations of the paper's Table 5."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import torch
from torch import Tensor, nn
from torch.nn import functional

from uninas_bench import UserError
from uninas_bench_plugins._bossnas.heads import cosine_loss
from uninas_bench_plugins._bossnas.networks import Siamese
from uninas_bench_plugins._bossnas.plan import Chain, Path
from uninas_bench_plugins._bossnas.supernet import last_choice
from uninas_bench_plugins._bossnas.teachers import FrozenTeacher

Teacher: TypeAlias = Callable[[Tensor], "Sequence[Tensor] | Tensor"]
"""Normalised images to feature maps (B, C, H, W), early ones first, or to one output (B, C)."""


@dataclass(frozen=True)
class Step:
    """One step of training.

    Attributes:
        block: that is trained.
        chain: the paths of the blocks before it.
        paths: that are sampled.
        views: for each path a pair of normalised views (B, 3, R, R), often the same pair.
        images: (B, 3, R, R), normalised.
        labels: (B,); unused without supervision.
    """

    block: int
    chain: Chain
    paths: Sequence[Path]
    views: Sequence[tuple[Tensor, Tensor]]
    images: Tensor
    labels: Tensor


class Objective(ABC):
    """A loss for each path of a step."""

    bootstraps = False
    """Whether the target side takes part, and the rating is the distance to the population's centre."""

    @abstractmethod
    def losses(self, networks: Siamese, step: Step) -> Iterator[Tensor]:
        """One loss per path, lazily: its graph may be freed before the next is asked for."""

    def head_loss(self, networks: Siamese, block: int, features: Tensor, target: Tensor) -> Tensor:
        """The loss of the supervised head of a block."""
        raise TypeError(f"{type(self).__name__} has no supervised head")

    def head_target(self, block: int, images: Tensor, labels: Tensor) -> Tensor:
        """What the supervised head of a block is to say of images."""
        raise TypeError(f"{type(self).__name__} has no supervised head")


class Bootstrapping(Objective):
    """A path's online representation of one view predicts the target side's of the other view.

    With ``ensemble`` that is the mean over the sampled paths of their unit vectors (equations 3 and 4), else
    the same path's.
    """

    bootstraps = True

    def __init__(self, ensemble: bool) -> None:
        self.ensemble = ensemble

    def losses(self, networks: Siamese, step: Step) -> Iterator[Tensor]:
        """For each path the sum over both orders of its views: from -4 to 4."""
        block, previous = step.block, last_choice(step.chain)
        targets = self._targets(networks, step)
        entered: dict[int, Tensor] = {}
        for index, (path, pair) in enumerate(zip(step.paths, step.views, strict=True)):
            loss = torch.zeros((), device=step.images.device)
            for view, other in ((0, 1), (1, 0)):
                x = _entered(entered, pair[view], networks.online.enter, step.chain)
                predicted = networks.predictors[block](networks.online(block, path, x, previous))
                loss = loss + cosine_loss(predicted, targets[other][index])
            yield loss

    @torch.no_grad()
    def _targets(self, networks: Siamese, step: Step) -> tuple[list[Tensor], list[Tensor]]:
        """For each view the target of every path."""
        previous = last_choice(step.chain)
        entered: dict[int, Tensor] = {}
        found: tuple[list[Tensor], list[Tensor]] = ([], [])
        for path, pair in zip(step.paths, step.views, strict=True):
            for view in (0, 1):
                x = _entered(entered, pair[view], networks.target.enter, step.chain)
                unit = functional.normalize(networks.target(step.block, path, x, previous), dim=1)
                found[view].append(unit)
        if not self.ensemble:
            return found
        first, second = (torch.stack(units).mean(0) for units in found)
        return [first] * len(step.paths), [second] * len(step.paths)


class _Supervised(Objective):
    def losses(self, networks: Siamese, step: Step) -> Iterator[Tensor]:
        """The head's loss on the first view."""
        previous = last_choice(step.chain)
        target = self.head_target(step.block, step.images, step.labels)
        entered: dict[int, Tensor] = {}
        for path, pair in zip(step.paths, step.views, strict=True):
            x = _entered(entered, pair[0], networks.online.enter, step.chain)
            features = networks.online.features(step.block, path, x, previous)
            yield self.head_loss(networks, step.block, features, target)


class Classification(_Supervised):
    """Cross-entropy of a linear head on a block's features."""

    def head_target(self, block: int, images: Tensor, labels: Tensor) -> Tensor:
        """The labels."""
        del block, images
        return labels

    def head_loss(self, networks: Siamese, block: int, features: Tensor, target: Tensor) -> Tensor:
        """Mean cross-entropy."""
        return functional.cross_entropy(networks.heads[block](features), target)


class Distillation(_Supervised):
    """A block's features say, by a linear map, the mean over space of a teacher's map at the same depth.

    After Li et al., "Blockwisely supervised neural architecture search with knowledge distillation", CVPR
    2020. They compare whole maps, which asks for a teacher with the space's resolutions, and feed each block
    by the teacher.
    """

    def __init__(self, teacher: Teacher, blocks: int, device: torch.device | None = None) -> None:
        # The copy goes to the device; the user's own module stays where it is.
        self.teacher = FrozenTeacher(teacher).to(device) if isinstance(teacher, nn.Module) else teacher
        self.blocks = blocks

    def head_target(self, block: int, images: Tensor, labels: Tensor) -> Tensor:
        """The teacher's features, standardised over the batch.

        Raises:
            UserError: what the teacher gives is no map.
        """
        del labels
        with torch.no_grad():
            maps = self.teacher(images)
        if not isinstance(maps, Tensor):
            maps = maps[-(-(block + 1) * len(maps) // self.blocks) - 1]
        if maps.ndim not in (2, 4) or len(maps) != len(images):
            shape = f"{len(images)} images gave {tuple(maps.shape)}"
            raise UserError(f"teacher: {shape}; expected maps (B, C, H, W), or one output (B, C)")
        means = maps.flatten(2).mean(2) if maps.ndim > 2 else maps
        return (means - means.mean(0)) / (means.std(0) + 1e-6)

    def head_loss(self, networks: Siamese, block: int, features: Tensor, target: Tensor) -> Tensor:
        """Mean squared error: 1 for a head that knows nothing."""
        return functional.mse_loss(networks.heads[block](features), target)


def _entered(
    known: dict[int, Tensor], view: Tensor, enter: Callable[[Chain, Tensor], Tensor], chain: Chain
) -> Tensor:
    """A view as the block's input; paths that share the view share it."""
    if id(view) not in known:
        known[id(view)] = enter(chain, view)
    return known[id(view)]
