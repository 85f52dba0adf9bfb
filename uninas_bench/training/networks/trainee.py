"""What is trained: an architecture of a search space, or one of timm's models by its name."""

from __future__ import annotations

import hashlib
import re
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from uninas_bench.architecture import Architecture, Costs, Task
from uninas_bench.errors import UnknownName, UserError

if TYPE_CHECKING:
    from torch import nn

    from uninas_bench.space import SearchSpace

TIMM = "timm:"
"""What the name of one of timm's models begins with, where an architecture is asked for."""
_SLUG = 40


class Trainee(ABC):
    """A network to be trained, as a value: equal ones make equal networks.

    Attributes:
        space: the search space's name; ``timm`` for timm's models.
        scale: of the space, as text; empty where there is none.
        architecture: its encoding, or the model's name.
    """

    @property
    @abstractmethod
    def space(self) -> str: ...  # noqa: D102  (the class says it)

    @property
    @abstractmethod
    def scale(self) -> str: ...  # noqa: D102

    @property
    @abstractmethod
    def architecture(self) -> str: ...  # noqa: D102

    @abstractmethod
    def network(self, resolution: int, classes: int, drop_path: float = 0.0) -> nn.Module:
        """A network with fresh weights from the torch generator in force: (B, 3, R, R) -> (B, classes).

        Args:
            resolution: R, of the images that it is made for; decides the sizes of position tables.
            classes: of the task.
            drop_path: the last block's rate of stochastic depth; ignored where the network has none.

        Raises:
            InvalidArchitecture: the network does not exist at this resolution.
        """

    @abstractmethod
    def costs(self, resolution: int, classes: int) -> Costs | None:
        """Parameters and FLOPs of the network as its space counts them; None where nothing does."""

    @property
    def key(self) -> str:
        """A name for files, the same on every machine: some of the text, and ten digits of its hash."""
        text = "\n".join((self.space, self.scale, self.architecture))
        slug = re.sub(r"[^a-z0-9]+", "-", f"{self.space} {self.architecture}".lower())[:_SLUG].strip("-")
        return f"{slug}-{hashlib.sha256(text.encode()).hexdigest()[:10]}"

    def __str__(self) -> str:
        return f"{self.space}:{self.architecture}"


@dataclass(frozen=True)
class SpaceTrainee(Trainee):
    """An architecture of a search space, at the scale that the space has.

    Attributes:
        searched: the space.
        point: its architecture.
    """

    searched: SearchSpace
    point: Architecture

    @property
    def space(self) -> str:
        """The space's name."""
        return self.searched.name

    @property
    def scale(self) -> str:
        """The space's scale."""
        return str(self.searched.scale)

    @property
    def architecture(self) -> str:
        """The encoding."""
        return self.point.encoding

    def network(self, resolution: int, classes: int, drop_path: float = 0.0) -> nn.Module:
        """What the space builds; see `Trainee.network`."""
        network = self.searched.build(self.point, _task(resolution, classes))
        if hasattr(network, "set_drop_path"):
            cast("Any", network).set_drop_path(drop_path)
        return network

    def costs(self, resolution: int, classes: int) -> Costs | None:
        """The space's closed form; see `Trainee.costs`."""
        return self.searched.costs(self.point, _task(resolution, classes))

    def __str__(self) -> str:
        return str(self.point)


@dataclass(frozen=True)
class TimmTrainee(Trainee):
    """One of timm's models, without pretrained weights.

    Attributes:
        name: timm's, without the tag of any weights.
        listed: the space that the model was taken from.

    Raises:
        UnknownName: timm has no such model; with the nearest name that it has.
        UserError: the name has a tag of weights.
    """

    name: str
    listed: str = "timm"

    def __post_init__(self) -> None:
        import timm

        plain, dot, _ = self.name.partition(".")
        if not timm.is_model(plain):
            raise UnknownName("timm model", self.name, timm.list_models(), "timm.list_models()")
        if dot:
            raise UserError(
                f'timm model "{self.name}": published weights are not loaded; give the name without their '
                f"tag: {plain}"
            )

    @property
    def space(self) -> str:
        """``timm``, or the space that lists the model."""
        return self.listed

    @property
    def scale(self) -> str:
        """Nothing: a model has the size that its name says."""
        return ""

    @property
    def architecture(self) -> str:
        """The model's name."""
        return self.name

    def network(self, resolution: int, classes: int, drop_path: float = 0.0) -> nn.Module:
        """What timm makes; see `Trainee.network`."""
        from uninas_bench.training.networks.timm_networks import timm_network

        return timm_network(self.name, resolution, classes, drop_path)

    def costs(self, resolution: int, classes: int) -> Costs | None:
        """Nothing: timm states no costs."""
        return None


def _task(resolution: int, classes: int) -> Task:
    return Task(f"{classes} classes at {resolution} pixels", "", resolution, classes)


def trainee_of(space: SearchSpace, architecture: Architecture) -> Trainee:
    """An architecture as something to train.

    The space ``timm_zoo`` prices its networks at some resolutions only; for training they are timm's.
    """
    if space.name == "timm_zoo":
        return TimmTrainee(architecture.encoding, space.name)
    return SpaceTrainee(space, architecture)
