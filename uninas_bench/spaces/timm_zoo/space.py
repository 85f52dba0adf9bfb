"""The search space `timm_zoo`: networks of timm's whose accuracies on ImageNet-1k are published."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from functools import lru_cache
from typing import TYPE_CHECKING, Any, cast

from uninas_bench.architecture import Architecture, Costs, Task
from uninas_bench.errors import InvalidArchitecture
from uninas_bench.space import Scale
from uninas_bench.spaces.finite import FiniteSpace, Order
from uninas_bench.spaces.indexed import shown
from uninas_bench.spaces.timm_zoo.costs import check_resolution, zoo_costs
from uninas_bench.spaces.timm_zoo.models import MODELS, Family, Model
from uninas_bench.tasks import find_task

if TYPE_CHECKING:
    from torch import nn

_MODELS = {model.name: model for model in MODELS}


@lru_cache(maxsize=1)
def _order() -> Order:
    return Order.of(((name,) for name in _MODELS), lambda choices: choices[0])


class TimmZoo(FiniteSpace[Scale]):
    """Convolutional networks, vision transformers, hybrids and mixers, under their names in timm.

    Not a space to search in: a set to test on whether what a proxy says holds across families. The order
    is by family, and in it by published accuracy. Networks are timm's own, without pretrained weights.
    """

    name = "timm_zoo"
    version = 1
    size: int | None = len(MODELS)
    options = (tuple(_MODELS),)
    tasks = tuple(map(find_task, ("imagenet1k", "cifar10", "cifar100")))

    def __init__(self, scale: Scale | None = None) -> None:
        super().__init__(scale or Scale())

    def order(self) -> Order:
        """By family, and in it by published accuracy."""
        return _order()

    def assemble(self, choices: Sequence[str]) -> Architecture:
        """The architecture of one name."""
        return Architecture(self.name, choices[0])

    def family(self, architecture: Architecture) -> Family:
        """The family of a network: ``cnn``, ``vit``, ``hybrid`` or ``mixer``.

        Raises:
            InvalidArchitecture: the architecture is not of this space.
        """
        return self._model(architecture).family

    def families(self, architecture: Architecture) -> Mapping[str, str]:
        """`family`, under that name; see `uninas_bench.space.StratifiedSpace`."""
        return {"family": self.family(architecture)}

    def spellings(self, architecture: Architecture) -> Mapping[str, str]:
        """Every spelling that `parse` accepts: timm's name and the index."""
        return {"string": architecture.encoding, "index": str(self.index(architecture))}

    def parse(self, text: str) -> Architecture:
        """Read a name of timm's, or an index.

        Raises:
            InvalidArchitecture: the zoo has no such network; with the names that are like it.
        """
        body, _ = self._stripped(text)
        by_index = self._by_index(body)
        if by_index is not None:
            return by_index
        if body not in _MODELS:
            alike = get_close_matches(body[:60], _MODELS) or ["resnet18", f"or an index 0..{self._count - 1}"]
            raise InvalidArchitecture(
                f"{self.name}: there is no network {shown(body)}; expected, say, {', '.join(alike)}"
            )
        return self.assemble([body])

    def canonical(self, architecture: Architecture) -> str:
        """The name: no two networks are the same function."""
        return self._model(architecture).name

    def costs(self, architecture: Architecture, task: Task) -> Costs:
        """Parameters and FLOPs as they were counted once, at 32, 64, ..., 256 pixels.

        Raises:
            InvalidArchitecture: another resolution.
        """
        return zoo_costs(self._model(architecture), task)

    def build(self, architecture: Architecture, task: Task) -> nn.Module:
        """The network with fresh weights of its own initialisation: images (B, 3, R, R) -> (B, classes).

        Raises:
            InvalidArchitecture: a resolution that not all networks take.
        """
        import timm

        model = self._model(architecture)
        check_resolution(task)
        options: dict[str, Any] = {"img_size": task.resolution} if model.sized else {}
        network: nn.Module = timm.create_model(model.name, num_classes=task.classes, **options)
        return network

    def blocks(self, network: nn.Module) -> Sequence[tuple[str, nn.Module]]:
        """The residual blocks, whatever they mix by; class attention at the end is part of the head."""
        # timm leaves the name of the architecture in a network's configuration.
        configuration = cast("Mapping[str, str]", network.pretrained_cfg)
        pattern = re.compile(_MODELS[configuration["architecture"]].blocks)
        return [(name, module) for name, module in network.named_modules() if pattern.fullmatch(name)]

    def _model(self, architecture: Architecture) -> Model:
        return _MODELS[self.choices(architecture)[0]]
