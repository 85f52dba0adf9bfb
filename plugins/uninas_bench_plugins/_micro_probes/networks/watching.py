"""A forward pass that is watched: where the last map comes from, and what becomes of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from uninas_bench_plugins._last_map import LastMap

Spot = tuple[nn.Module, Literal["input", "output"]]
"""Where a tensor can be had without watching every function: what a module is given, or what it gives."""


class Watch(LastMap):
    """Keeps also what the last linear map takes in after the last map, and the axes that were pooled over.

    Attributes:
        settled: the map is known, and what comes after it is none.
    """

    def __init__(self, batch: int) -> None:
        super().__init__(batch)
        self.vector: Tensor | None = None
        self.axes: tuple[int, ...] | None = None
        self.settled = False

    def settle(self, found: Tensor) -> None:
        """This is the map."""
        self.map, self.vector, self.axes, self.settled = found, None, None, True

    def see(self, output: Tensor) -> None:
        """The output of a module."""
        self._see(output, places=2)

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        given = args[0] if args else (kwargs or {}).get("input")
        if func is functional.linear and isinstance(given, Tensor) and given.shape[:-1] == (self.batch,):
            self.vector = given
        result = super().__torch_function__(func, types, args, kwargs)
        if func in _MEANS and given is self.map and given is not None:
            self.axes = _axes(given.ndim, args, kwargs or {})
        return result

    def _see(self, found: Any, places: int) -> None:
        # A vector after the pooling may have been given axes of length 1 before and behind, for a norm.
        if self.settled or (places > 1 and isinstance(found, Tensor) and _is_vector(found)):
            return
        before = self.map
        super()._see(found, places)
        if self.map is not before:
            self.vector = self.axes = None


def _is_vector(found: Tensor) -> bool:
    return sum(length > 1 for length in found.shape[1:]) < 2


_MEANS = frozenset({torch.mean, torch.amax, Tensor.mean, Tensor.amax})


def _axes(ndim: int, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> tuple[int, ...] | None:
    axes = args[1] if len(args) > 1 else kwargs.get("dim", kwargs.get("axis"))
    if isinstance(axes, int):
        axes = (axes,)
    return tuple(sorted(axis % ndim for axis in axes)) if isinstance(axes, tuple | list) else None


class Calls:
    """What every module was given and gave, the last time that it was called.

    Args:
        see: told every output, in their order: one may come of a function that is none of torch's.
    """

    def __init__(self, see: Callable[[Tensor], None]) -> None:
        self.see = see
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
            self.see(output)

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
