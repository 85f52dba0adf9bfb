"""The features of any kind of network: its last map, and the vector that it makes of it.

A network is run once to see where they are. TF-NAS leaves open what its heads are put on; here it is what the
network's own classifier is put on, so that no family is favoured: the map before the places are pooled away
(of a transformer, the tokens of the patches), and the input of the classifier.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

from uninas_bench import NotApplicable
from uninas_bench.features import hooked
from uninas_bench_plugins._micro_probes.networks.layouts import Layout, channels_first, layout_of, prefix_of
from uninas_bench_plugins._micro_probes.networks.watching import Calls, Spot, Watch

Taps = Callable[[nn.Module, Tensor], Tensor]
"""The user's own extraction: of images (B, 3, s, s) a map (B, C, h, w), tokens (B, N, C), a vector (B, C)."""
_IMAGES = 3
"""Of the first run: no window or head of a network comes in threes."""


@dataclass(frozen=True, slots=True)
class Features:
    """What heads are put on.

    Attributes:
        map: (B, C, h, w); None of a network without places.
        vector: (B, W).
    """

    map: Tensor | None
    vector: Tensor


class Extractor:
    """From images (B, 3, s, s) to `Features`, through a network that gradients reach.

    Without ``features`` the map is what a method ``forward_features`` returns, as the models of timm have it,
    or else the last tensor with places that the network computes. The vector is the input of the last linear
    map after that; where there is none, the mean over the places of the map.

    Args:
        network: hooks stay on it, so it is to be the caller's own.
        side: s, for the first run, which is in eval mode and changes nothing.
        features: the user's own extraction.

    Attributes:
        channels: C; 0 without a map.
        size: (h, w).
        width: W.
        memory_format: of images; channels last where the network can run so, which is faster.

    Raises:
        NotApplicable: the network has neither a map nor a linear map.
    """

    def __init__(self, network: nn.Module, side: int, features: Taps | None = None) -> None:
        self._network = network
        self._features = features
        self._caught: dict[str, Tensor] = {}
        self._spots: dict[str, Spot] | None = {}
        self._watching: Watch | None = None
        self._layout: Layout = "bchw"
        self._prefix = slice(0)
        self.memory_format = torch.channels_last
        if features is None and callable(getattr(network, "forward_features", None)):
            self._catch_method(network)
        images = torch.zeros(_IMAGES, 3, side, side, device=_device(network))
        was_training = network.training
        network.eval()
        with torch.no_grad():
            try:
                network.to(memory_format=torch.channels_last)
                first = self._first_run(images.contiguous(memory_format=torch.channels_last))
            except RuntimeError:
                # A view across channels and places needs them in PyTorch's own order.
                network.to(memory_format=torch.contiguous_format)
                self.memory_format = torch.contiguous_format
                first = self._first_run(images)
        network.train(was_training)
        self.channels, *size = (0, 0, 0) if first.map is None else first.map.shape[1:]
        self.size = (size[0], size[1])
        self.width = first.vector.shape[1]

    def __call__(self, images: Tensor) -> Features:
        """One forward pass; images (B, 3, s, s) of any memory format."""
        # A copy, because the network may write into what it is given, and others are given the same.
        images = images.clone(memory_format=self.memory_format)
        if self._features is not None:
            return self._of(self._features(self._network, images), None)
        if self._spots is None:
            watch = self._watched(images, Watch(len(images)))
            found = self._of(watch.map, watch.vector)
        else:
            self._network(images)
            found = self._of(self._caught.get("map"), self._caught.get("vector"))
        self._caught.clear()
        return found

    def _first_run(self, images: Tensor) -> Features:
        if self._features is not None:
            found: Tensor | None = self._features(self._network, images)
            vector, axes = None, None
        else:
            watch = Watch(len(images))
            calls = Calls(watch.see)
            with hooked(calls.handles(self._network)):
                self._watched(images, watch)
            found, vector, axes = watch.map, watch.vector, watch.axes
            if found is None and vector is None:
                raise NotApplicable("neither a map with places nor a linear map comes before the output")
            self._spots = calls.spots(map=None if watch.settled else found, vector=vector)
        if found is not None and found.ndim > 2:
            self._layout = layout_of(found, None if vector is None else vector.shape[1], axes, self._network)
            if self._layout == "bnc":
                self._prefix = prefix_of(found.shape[1], self._network)
        features = self._of(found, vector)
        for name, (module, place) in (self._spots or {}).items():
            self._catch(name, module, place)
        return features

    def _watched(self, images: Tensor, watch: Watch) -> Watch:
        self._watching = watch
        try:
            with watch:
                self._network(images)
        finally:
            self._watching = None
        return watch

    def _catch_method(self, network: nn.Module) -> None:
        original = network.forward_features
        assert callable(original)

        def forward_features(images: Tensor, *args: Any, **kwargs: Any) -> Any:
            found = original(images, *args, **kwargs)
            # A method may also return one token alone, or several maps.
            if isinstance(found, Tensor) and (found.ndim == 4 or (found.ndim == 3 and found.shape[1] > 1)):
                self._caught["map"] = found
                if self._watching is not None:
                    self._watching.settle(found)
            return found

        network.forward_features = forward_features

    def _catch(self, name: str, module: nn.Module, place: Literal["input", "output"]) -> None:
        caught = self._caught

        def before(_module: nn.Module, inputs: tuple[Any, ...]) -> None:
            caught[name] = inputs[0]

        def after(_module: nn.Module, _inputs: Any, output: Tensor) -> None:
            caught[name] = output

        if place == "input":
            module.register_forward_pre_hook(before)
        else:
            module.register_forward_hook(after)

    def _of(self, found: Tensor | None, vector: Tensor | None) -> Features:
        if found is None or found.ndim == 2:
            vector = found if vector is None else vector
            assert vector is not None, "the first run has found one of them"
            return Features(None, vector)
        maps = channels_first(found, self._layout, self._prefix)
        return Features(maps, maps.mean((2, 3)) if vector is None else vector)


def _device(network: nn.Module) -> torch.device:
    first = next(network.parameters(), None)
    return first.device if first is not None else torch.device("cpu")
