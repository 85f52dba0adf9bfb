"""What a proxy may use of the architecture it evaluates, and nothing else.

Randomness: the weights of a cell come from a seed hashed from everything that names the cell; the
images are drawn from (task, source, seed) alone, so every architecture and every proxy of a run sees
the same ones (common random numbers: no data noise enters the ranking).
"""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from uninas_bench.architecture import Architecture, Costs, Task
from uninas_bench.errors import UserError
from uninas_bench.proxy import Settings, Source
from uninas_bench.seeds import derive_seed

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from uninas_bench.data.source import ImageSet
    from uninas_bench.sharing import Sharing
    from uninas_bench.space import SearchSpace

    Features = Callable[[nn.Module, Tensor], Sequence[Tensor]]

T = TypeVar("T")


class Subject(ABC):
    """One architecture under evaluation by one proxy.

    Attributes:
        space: that the architecture is of; None for a bare network.
        architecture: the point of the space; None for a bare network.
        task: resolution and classes; None for a bare network.
        settings: the proxy's; they are the defaults of `network` and `batch`.
        device: where networks and batches live.
        seed: fixes everything random in this evaluation.
        run_seed: the same for all architectures of a run; what a proxy draws for itself and shows to all of
            them comes from it. That of a bare network is its ``seed``.
        images: the task's training images, for a proxy that sees them; else None.
    """

    space: SearchSpace | None
    architecture: Architecture | None
    task: Task | None
    settings: Settings
    device: torch.device
    seed: int
    run_seed: int
    images: ImageSet | None = None
    _fitted: Path | None = None
    _sharing: Sharing | None = None

    @property
    @abstractmethod
    def costs(self) -> Costs:
        """Parameters and FLOPs."""

    @property
    @abstractmethod
    def resolution(self) -> int:
        """Of the images that the network is made for: the task's, or that of the caller's batches."""

    @abstractmethod
    def network(self, resolution: int | None = None) -> nn.Module:
        """A fresh instance in train mode, initialised as the settings say; the caller may spoil it.

        Args:
            resolution: of the images that it will be shown; default `resolution`. A bare network is what it
                is, whatever is asked for.
        """

    @abstractmethod
    def batch(self, index: int = 0) -> tuple[Tensor, Tensor]:
        """Images (B, 3, R, R) float32 and labels (B,) int64; another ``index``, another batch.

        The tensors are shared with later evaluations: never write into them.
        """

    @abstractmethod
    def blocks(self, network: nn.Module) -> Sequence[tuple[str, nn.Module]]:
        """The named blocks of a network from `network`, in forward order, without stem and head."""

    def features(self, images: Tensor, network: nn.Module | None = None) -> list[Tensor]:
        """The input of the first block and the output of every block, tapped in one forward pass."""
        from uninas_bench.features import block_features

        network = self.network() if network is None else network
        return block_features(network, [block for _, block in self.blocks(network)], images).features

    @property
    def fitted(self) -> Path:
        """The folder that `Proxy.fit` filled for this space; to be read only."""
        if self._fitted is None:
            raise TypeError('the proxy asks for its fit and has no "fit" in its needs')
        return self._fitted

    def shared(self, name: str, compute: Callable[[frozenset[str]], T]) -> T:
        """What proxies of one `Proxy.group` compute together: the same object for all of them.

        Args:
            name: the proxy's own.
            compute: is given the names of the group's proxies that are evaluated here, ``name`` among them;
                it is called once, or for each of them alone if that fails. Its result is kept until the last
                of them is done, so let it be numbers, not networks. What it says of one proxy must not depend
                on which others are asked for.
        """
        if self._sharing is None:
            return compute(frozenset({name}))
        result: T = self._sharing.get(name, compute)
        return result

    def spending_for(self, name: str) -> AbstractContextManager[None]:
        """Inside what `shared` calls: a part that only this proxy asked for, timed as its own."""
        return nullcontext() if self._sharing is None else self._sharing.spending_for(name)

    def generator(self, stream: str = "") -> torch.Generator:
        """A CPU generator of this evaluation's own; each ``stream`` is independent of the others."""
        import torch

        seed = derive_seed(self.seed, stream) if stream else self.seed
        return torch.Generator().manual_seed(seed)


class CellSubject(Subject):
    """An architecture of a space, on a task: what the engine hands to a proxy."""

    def __init__(
        self,
        space: SearchSpace,
        architecture: Architecture,
        task: Task,
        settings: Settings,
        *,
        cell_seed: int,
        run_seed: int,
        images: ImageSet | None,
        fitted: Path | None = None,
        sharing: Sharing | None = None,
        device: str = "cpu",
    ) -> None:
        import torch

        self.space: SearchSpace = space
        self.architecture: Architecture = architecture
        self.task: Task = task
        self.settings = settings
        self.seed = cell_seed
        self.run_seed = run_seed
        self.images = images
        self._fitted = fitted
        self._sharing = sharing
        self.device = torch.device(device)

    @property
    def costs(self) -> Costs:
        """The space's closed form."""
        return self.space.costs(self.architecture, self.task)

    @property
    def resolution(self) -> int:
        """The task's."""
        return self.task.resolution

    def network(self, resolution: int | None = None) -> nn.Module:
        """A network of the space; the same one whenever it is asked for."""
        import torch

        from uninas_bench.initialisation import initialise_

        task = replace(self.task, resolution=resolution or self.task.resolution)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(derive_seed(self.seed, "build"))
            network = self.space.build(self.architecture, task)
        initialise_(network, self.settings.init, self.generator("init"))
        return network.to(self.device).train()

    def batch(self, index: int = 0) -> tuple[Tensor, Tensor]:
        """What `draw_batch` draws for the run, on this subject's device."""
        images, labels = draw_batch(
            self.task, self.settings.source, self.settings.batch, self.run_seed, index, self.images
        )
        return images.to(self.device), labels.to(self.device)

    def blocks(self, network: nn.Module) -> Sequence[tuple[str, nn.Module]]:
        """The blocks that the space names."""
        return self.space.blocks(network)


class NetworkSubject(Subject):
    """Any module with the caller's own tensors: what `uninas_bench.score_network` hands to a proxy."""

    def __init__(
        self,
        module: nn.Module,
        batches: Sequence[tuple[Tensor, Tensor]],
        settings: Settings,
        *,
        init: str,
        seed: int,
        features: Sequence[str] | Features | None,
        sharing: Sharing | None = None,
    ) -> None:
        import torch

        self.space = None
        self.architecture = None
        self.task = None
        self.module = module
        self.batches = batches
        self.settings = settings
        self.init = init
        self.seed = self.run_seed = seed
        self.taps = features
        self._sharing = sharing
        first = next(module.parameters(), None)
        self.device = first.device if first is not None else torch.device("cpu")

    @property
    def costs(self) -> Costs:
        """Counted during a forward pass of one image."""
        from uninas_bench.features import measured_costs

        return measured_costs(copy.deepcopy(self.module), self.batches[0][0])

    @property
    def resolution(self) -> int:
        """The width of the caller's images."""
        return self.batches[0][0].shape[-1]

    def network(self, resolution: int | None = None) -> nn.Module:
        """A copy of the caller's module, in train mode, every parameter with a gradient."""
        from uninas_bench.initialisation import initialise_

        network = copy.deepcopy(self.module)
        if self.init == "proxy":
            initialise_(network, self.settings.init, self.generator("init"))
        network.requires_grad_(True)
        return network.train()

    def batch(self, index: int = 0) -> tuple[Tensor, Tensor]:
        """The caller's batch number ``index``; raises `UserError` where there are fewer."""
        if index >= len(self.batches):
            raise UserError(f"{index + 1} batches are needed, {len(self.batches)} were given")
        return self.batches[index]

    def blocks(self, network: nn.Module) -> Sequence[tuple[str, nn.Module]]:
        """The modules that the caller named, else the entries of the longest module list."""
        from uninas_bench.features import find_blocks

        names = None if callable(self.taps) else self.taps
        return find_blocks(network, names)

    def features(self, images: Tensor, network: nn.Module | None = None) -> list[Tensor]:
        """What the caller's own function gives, or the outputs of the modules that the caller named."""
        network = self.network() if network is None else network
        if callable(self.taps):
            return list(self.taps(network, images))
        features = super().features(images, network)
        return features if self.taps is None else features[1:]


def draw_batch(
    task: Task, source: Source, size: int, run_seed: int, index: int, images: ImageSet | None
) -> tuple[Tensor, Tensor]:
    """Batch number ``index`` of a run: the same for every architecture and proxy.

    ``gaussian``: standard normal images and uniform labels. ``task``: consecutive slices of one
    random order of the training images, so batches of a run never share an image while they last.
    """
    import torch

    rng = np.random.default_rng(derive_seed("batch", task.dataset, source, run_seed, index))
    if source == "gaussian":
        shape = (size, 3, task.resolution, task.resolution)
        pixels = rng.standard_normal(shape, dtype=np.float32)
        labels = rng.integers(0, task.classes, size)
        return torch.from_numpy(pixels), torch.from_numpy(labels)
    if images is None:
        raise UserError(
            f"{task.dataset}: no images at hand; give them with --data {task.dataset}=FILE.npz|FOLDER "
            "or choose source=gaussian"
        )
    order = np.random.default_rng(derive_seed("order", task.dataset, run_seed)).permutation(len(images))
    chosen = np.take(order, np.arange(index * size, (index + 1) * size), mode="wrap")
    return images.batch(chosen)
