"""A network under test as all tasks use it: logits for a classifier, four maps for every other head."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from math import log2
from typing import Any, cast

import torch
from torch import Tensor, nn
from torchvision.ops import StochasticDepth

from uninas_bench.errors import UserError
from uninas_bench.spaces.cell_network import CellNetwork
from uninas_bench.spaces.uninas.modules import RelativeBias, resized
from uninas_bench.training.networks.pyramid import completed, cut, padded
from uninas_bench.training.networks.trainee import TimmTrainee, Trainee

_COUNTER = ".num_batches_tracked"
_FULL = 0.5
"""The rate that networks are made with, before it is set: some make no stochastic depth for a rate of 0."""
_PROBE = 64
"""Pixels of the images by which a network of a search space is asked for its maps."""


class Backbone(nn.Module):
    """A network of a search space. Its parameters are called ``network.`` and what they are called there.

    Four maps need a method ``features`` of the network: images -> the maps at the ends of its stages.

    Attributes:
        network: as it was built.
        multiple: of pixels; images are padded to it before maps are made.
        probe: height and width of images that the network surely takes.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        # Halved by an average pooling that rounds down beside a convolution that rounds up.
        self.multiple = 4 if isinstance(network, CellNetwork) else 1
        self.probe = _PROBE
        self._levels: tuple[tuple[int, int], ...] | None = None
        self._classifier: frozenset[str] | None = None
        self._bare = False

    def forward(self, images: Tensor) -> Tensor:
        """Logits (B, classes) of images (B, 3, H, W)."""
        logits: Tensor = self.network(images)
        return logits

    def features(self, images: Tensor) -> list[Tensor]:
        """Four maps (B, `channels`, H / `reductions`, W / `reductions`), sizes rounded up.

        Raises:
            UserError: the network has no maps to give.
        """
        height, width = images.shape[-2:]
        whole = padded(images, self.multiple)
        maps = self._maps(whole)
        return maps if whole is images else cut(maps, self.reductions, (height, width))

    def _maps(self, images: Tensor) -> list[Tensor]:
        features = getattr(self.network, "features", None)
        if not callable(features) or isinstance(features, nn.Module):
            raise UserError(
                f"{type(self.network).__name__}: the network has no method features(images) that gives its "
                "maps; it can be trained on classification only"
            )
        return completed(features(images))

    @property
    def channels(self) -> tuple[int, ...]:
        """Of the four maps."""
        return tuple(channels for channels, _ in self._found_levels())

    @property
    def reductions(self) -> tuple[int, ...]:
        """Height of the images over that of each of the four maps."""
        return tuple(reduction for _, reduction in self._found_levels())

    def _found_levels(self) -> tuple[tuple[int, int], ...]:
        if self._levels is None:
            with undisturbed(self.network), torch.no_grad():
                maps = self._maps(self._probes())
            # Maps of convolutions without padding are a little smaller than a power of 2 says.
            self._levels = tuple(
                (found.shape[1], 2 ** round(log2(self.probe / found.shape[-2]))) for found in maps
            )
        return self._levels

    def _probes(self) -> Tensor:
        parameter = next(self.network.parameters())
        return torch.linspace(
            -1, 1, 3 * self.probe**2, dtype=parameter.dtype, device=parameter.device
        ).reshape(1, 3, self.probe, self.probe)

    def set_drop_path(self, rate: float) -> int:
        """Let block i of n drop its residuals for an image at i / (n - 1) of ``rate``.

        Returns:
            How many places of the network follow the rate; 0 where it has no stochastic depth.
        """
        if not hasattr(self.network, "set_drop_path"):
            return 0
        cast("Any", self.network).set_drop_path(rate)
        return sum(
            isinstance(child, StochasticDepth) and getattr(module, "skips", True)
            for module in self.network.modules()
            for child in module.children()
        )

    def no_weight_decay(self) -> set[str]:
        """Names of the position tables among `named_parameters`."""
        return {
            f"{name}.table" for name, module in self.named_modules() if isinstance(module, RelativeBias)
        } & {name for name, _ in self.named_parameters()}

    def resized_table(self, name: str, table: Tensor, shape: torch.Size) -> Tensor | None:
        """A position table made for another size, resampled; None where ``name`` is no such table.

        Args:
            name: of the parameter, as in `named_parameters`.
            table: its values.
            shape: that this network has.
        """
        if name not in self.no_weight_decay():
            return None
        return resized(table[None, None], shape[0], shape[1])[0, 0]

    @property
    def classifier(self) -> frozenset[str]:
        """Names of the network's children that logits need and maps do not: the last linear map, say."""
        if self._classifier is None:
            reached = {id(parameter) for parameter in self._reached(with_logits=False)}
            self._classifier = frozenset(
                name
                for name, child in self.network.named_children()
                if (own := {id(parameter) for parameter in child.parameters() if parameter.requires_grad})
                and not own & reached
            )
        return self._classifier

    def without_classifier(self) -> list[str]:
        """Take away what only a classifier needs; heads that take the four maps begin with it.

        Afterwards the network gives no logits.

        Returns:
            Names of the network's children that are gone.
        """
        removed = sorted(self.classifier)
        for name in removed:
            setattr(self.network, name, _nothing(getattr(self.network, name)))
        self._bare = True
        return removed

    def unreached(self) -> list[str]:
        """Names of trainable parameters that have no part in what the network gives.

        Such are the norm before a subblock that is a mere ``zero``, or blocks that lead nowhere. What is
        given are maps after `without_classifier`, logits before it.
        """
        reached = {id(parameter) for parameter in self._reached(with_logits=not self._bare)}
        return [
            name
            for name, parameter in self.named_parameters()
            if parameter.requires_grad and id(parameter) not in reached
        ]

    def _reached(self, *, with_logits: bool) -> list[nn.Parameter]:
        """The trainable parameters that have a gradient, if only one of 0."""
        parameters = [parameter for parameter in self.network.parameters() if parameter.requires_grad]
        with undisturbed(self.network), torch.enable_grad():
            images = self._probes()
            given = [self.network(images)] if with_logits else self._maps(images)
            total = torch.stack([values.float().sum() for values in given]).sum()
            gradients = torch.autograd.grad(total, parameters, allow_unused=True)
        pairs = zip(parameters, gradients, strict=True)
        return [parameter for parameter, gradient in pairs if gradient is not None]


def backbone_of(trainee: Trainee, *, resolution: int, classes: int, drop_path: float) -> Backbone:
    """The network of a trainee with fresh weights from the torch generator in force.

    Args:
        trainee: what is trained.
        resolution: that position tables are made for.
        classes: of its classifier.
        drop_path: rate of the last block; see `Backbone.set_drop_path`.

    Raises:
        UserError: the network does not exist at this resolution, or gives no maps.
    """
    network = trainee.network(resolution, classes, _FULL)
    if isinstance(trainee, TimmTrainee):
        # It is a Backbone itself.
        from uninas_bench.training.networks.timm_backbone import TimmBackbone

        backbone: Backbone = TimmBackbone(network, trainee.name, resolution)
    else:
        backbone = Backbone(network)
    backbone.set_drop_path(drop_path)
    return backbone


def freeze_unused(model: nn.Module) -> list[str]:
    """Freeze the parameters of a model's backbone that have no part in what it gives; see `unreached`.

    Gradients that are never made would stop training by several processes. Generators, running statistics
    and modes stay as they are.

    Returns:
        Their names, as the model has them.
    """
    frozen = []
    for prefix, module in model.named_modules():
        if isinstance(module, Backbone):
            for name in module.unreached():
                module.get_parameter(name).requires_grad_(False)
                frozen.append(f"{prefix}.{name}" if prefix else name)
    return frozen


def load_pretrained(backbone: Backbone, state: Mapping[str, Tensor], resize_tables: bool) -> list[str]:
    """Load the weights of an earlier training, all but those of a classifier that is not the same one.

    Args:
        backbone: is changed in place.
        state: weights by their names in a backbone, in a task's network that holds it as ``backbone``, or in
            the network itself.
        resize_tables: resample position tables that were made for another resolution.

    Returns:
        Names of the tables that were resampled.

    Raises:
        UserError: weights are missing, unknown or of another shape; nothing is changed.
    """
    given = _own_names(state)
    # A frozen batch norm has no such counter, and without it a trained one begins to count anew.
    own = {
        name: value
        for name, value in backbone.state_dict().items()
        if name in given or not name.endswith(_COUNTER)
    }
    heads = tuple(f"network.{child}." for child in backbone.classifier)
    same_head = all(
        name in given and given[name].shape == own[name].shape for name in own if name.startswith(heads)
    )
    if not same_head or not any(name.startswith(heads) for name in own):
        given = {name: value for name, value in given.items() if not name.startswith(heads)}
        own = {name: value for name, value in own.items() if not name.startswith(heads)}
    for what, names in (
        ("lack", own.keys() - given.keys()),
        ("have, and the network has not,", given.keys() - own),
    ):
        if names:
            raise UserError(f"pretrained weights {what} {_some(names)}: they are of another architecture")
    tables = []
    for name, value in own.items():
        if given[name].shape == value.shape:
            continue
        table = backbone.resized_table(name, given[name], value.shape)
        sizes = f"{_size(given[name])} instead of {_size(value)}"
        if table is None:
            raise UserError(f"pretrained weights: {name} is {sizes}: they are of another architecture")
        if not resize_tables:
            raise UserError(
                f"pretrained weights: the position table {name} is {sizes}: they were trained at another "
                "resolution; make the network for that one, or set backbone.position_tables=resized"
            )
        given[name] = table
        tables.append(name)
    backbone.load_state_dict(given, strict=False)
    return tables


def _nothing(module: nn.Module) -> nn.Module:
    """What does nothing in a module's place; as many of them where it is a list that may be gone through."""
    if isinstance(module, nn.ModuleList):
        return nn.ModuleList(nn.Identity() for _ in module)
    return nn.Identity()


def _own_names(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The part of a state that is a backbone's, by the names that a backbone has."""
    prefix = "backbone."
    if any(name.startswith(prefix) for name in state):
        state = {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}
    if any(name.startswith("network.") for name in state):
        return dict(state)
    return {f"network.{name}": value for name, value in state.items()}


def _some(names: Collection[str]) -> str:
    more = f" and {len(names) - 1} more" if len(names) > 1 else ""
    return f"{min(names).removeprefix('network.')}{more}"


def _size(tensor: Tensor) -> str:
    return " x ".join(map(str, tensor.shape)) or "a number"


@contextmanager
def undisturbed(network: nn.Module) -> Iterator[None]:
    """In eval mode, where no statistics are taken and nothing is drawn; as it was afterwards."""
    training = [module for module in network.modules() if module.training]
    network.eval()
    try:
        yield
    finally:
        for module in training:
            module.training = True
