"""The features of any kind of network: its last map, and the vector that it makes of it.

A network is run once to see where they are. TF-NAS leaves open what its heads are put on; here it is what the
network's own classifier is put on, so that no family is favoured: the map before the places are pooled away
(of a transformer, the tokens of the patches), and the input of the classifier.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import isqrt
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from uninas_bench import NotApplicable
from uninas_bench.features import hooked
from uninas_bench_plugins._last_map import LastMap

Taps = Callable[[nn.Module, Tensor], Tensor]
"""The user's own extraction: of images (B, 3, s, s) a map (B, C, h, w), tokens (B, N, C), a vector (B, C)."""
Layout = Literal["bchw", "bhwc", "bnc", "bcn"]
Spot = tuple[nn.Module, Literal["input", "output"]]
"""Where a tensor can be had without watching every function: what a module is given, or what it gives."""

MOST_PREFIX_TOKENS = 5
"""A class token and four registers; more than that over a square number of tokens are no prefix."""
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

    Without ``features`` the map is the last tensor with places that the network computes, and the vector the
    input of the last linear map after it; where there is none, the mean over the places of the map.

    Args:
        network: hooks stay on it.
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
        self._layout: Layout = "bchw"
        self._prefix = slice(0)
        self.memory_format = torch.channels_last
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
        images = images.contiguous(memory_format=self.memory_format)
        if self._features is not None:
            return self._of(self._features(self._network, images), None)
        if self._spots is None:
            watch = _Watch(len(images))
            with watch:
                self._network(images)
            return self._of(watch.map, watch.vector)
        self._network(images)
        found = self._of(self._caught.get("map"), self._caught.get("vector"))
        self._caught.clear()
        return found

    def _first_run(self, images: Tensor) -> Features:
        if self._features is not None:
            found: Tensor | None = self._features(self._network, images)
            vector, axes = None, None
        else:
            watch = _Watch(len(images))
            calls = _Calls()
            with hooked(calls.handles(self._network)), watch:
                self._network(images)
            found, vector, axes = watch.map, watch.vector, watch.axes
            if found is None and vector is None:
                raise NotApplicable("neither a map with places nor a linear map comes before the output")
            self._spots = calls.spots(map=found, vector=vector)
        if found is not None and found.ndim > 2:
            self._layout = _layout(found, None if vector is None else vector.shape[1], axes, self._network)
            if self._layout == "bnc":
                self._prefix = _prefix(found.shape[1], self._network)
        features = self._of(found, vector)
        for name, (module, place) in (self._spots or {}).items():
            self._catch(name, module, place)
        return features

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
        maps = _channels_first(found, self._layout, self._prefix)
        return Features(maps, maps.mean((2, 3)) if vector is None else vector)


class _Watch(LastMap):
    """Keeps also what the last linear map takes in after the last map, and the axes that were pooled over."""

    def __init__(self, batch: int) -> None:
        super().__init__(batch)
        self.vector: Tensor | None = None
        self.axes: tuple[int, ...] | None = None

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        given = args[0] if args else (kwargs or {}).get("input")
        if func is functional.linear and isinstance(given, Tensor) and given.shape[:-1] == (self.batch,):
            self.vector = given
        before = self.map
        result = super().__torch_function__(func, types, args, kwargs)
        if self.map is not before:
            self.vector = self.axes = None
        if func in _MEANS and given is self.map and given is not None:
            self.axes = _axes(given.ndim, args, kwargs or {})
        return result


_MEANS = frozenset({torch.mean, torch.amax, Tensor.mean, Tensor.amax})


def _axes(ndim: int, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> tuple[int, ...] | None:
    axes = args[1] if len(args) > 1 else kwargs.get("dim", kwargs.get("axis"))
    if isinstance(axes, int):
        axes = (axes,)
    return tuple(sorted(axis % ndim for axis in axes)) if isinstance(axes, tuple | list) else None


class _Calls:
    """What every module was given and gave, the last time that it was called."""

    def __init__(self) -> None:
        self.tensors: dict[Spot, Tensor] = {}

    def handles(self, network: nn.Module) -> list[Any]:
        """Hooks on all modules but the network itself, whose output its own code may have changed."""
        modules = [module for module in network.modules() if module is not network]
        return [
            *(module.register_forward_pre_hook(self._before) for module in modules),
            *(module.register_forward_hook(self._after) for module in modules),
        ]

    def _before(self, module: nn.Module, inputs: tuple[Any, ...]) -> None:
        if inputs and isinstance(inputs[0], Tensor):
            self.tensors[module, "input"] = inputs[0]

    def _after(self, module: nn.Module, _inputs: Any, output: Any) -> None:
        if isinstance(output, Tensor):
            self.tensors[module, "output"] = output

    def spots(self, **wanted: Tensor | None) -> dict[str, Spot] | None:
        """Where each of the wanted tensors is had; None where one of them is nowhere."""
        found: dict[str, Spot] = {}
        for name, tensor in wanted.items():
            if tensor is None:
                continue
            spots = [spot for spot, seen in self.tensors.items() if seen is tensor]
            if not spots:
                return None
            found[name] = spots[-1]
        return found


def _layout(found: Tensor, width: int | None, axes: tuple[int, ...] | None, network: nn.Module) -> Layout:
    """Which axis holds the channels: those that were pooled do not, places are square, classifiers tell."""
    first, last = found.shape[1], found.shape[-1]
    by_width: bool | None = None if (first == width) == (last == width) else first == width
    if found.ndim == 3:
        channels_first = axes == (2,) if axes in ((1,), (2,)) else by_width
        return "bcn" if channels_first else "bnc"
    if found.ndim > 4:
        return "bcn"
    second = found.shape[2]
    if axes in ((1, 2), (2, 3)):
        return "bhwc" if axes == (1, 2) else "bchw"
    if str(getattr(network, "output_fmt", "")).endswith("NHWC"):
        return "bhwc"
    if (first == second) != (second == last):
        return "bhwc" if first == second else "bchw"
    return "bhwc" if by_width is False else "bchw"


def _prefix(tokens: int, network: nn.Module) -> slice:
    """The tokens that are no patches: a class token, registers."""
    known = getattr(network, "num_prefix_tokens", None)
    count = known if isinstance(known, int) and 0 <= known < tokens else tokens - isqrt(tokens) ** 2
    if isqrt(tokens - count) ** 2 != tokens - count:
        count = tokens - isqrt(tokens) ** 2
    if count > MOST_PREFIX_TOKENS:
        return slice(0)
    # Vision Mamba puts its class token into the middle of the sequence.
    start = tokens // 2 if getattr(network, "use_middle_cls_token", False) else 0
    return slice(start, start + count)


def _channels_first(found: Tensor, layout: Layout, prefix: slice) -> Tensor:
    """(B, C, h, w); tokens that make no square are one column."""
    if layout == "bchw":
        return found
    if layout == "bhwc":
        return found.permute(0, 3, 1, 2)
    if layout == "bcn":
        found = found.flatten(2).transpose(1, 2)
    elif prefix.start:
        found = torch.cat([found[:, : prefix.start], found[:, prefix.stop :]], dim=1)
    else:
        found = found[:, prefix.stop :]
    side = isqrt(found.shape[1])
    places = (side, side) if side * side == found.shape[1] else (found.shape[1], 1)
    return found.transpose(1, 2).reshape(len(found), -1, *places)


def _device(network: nn.Module) -> torch.device:
    first = next(network.parameters(), None)
    return first.device if first is not None else torch.device("cpu")
