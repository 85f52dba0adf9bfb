"""The last map of a network, before its places are pooled away, in any kind of module."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from uninas_bench import NotApplicable
from uninas_bench.features import first_tensor, logits_of

_POOLS = frozenset({
    functional.adaptive_avg_pool2d, functional.adaptive_max_pool2d, functional.avg_pool2d,
    functional.max_pool2d, torch.mean, torch.amax, Tensor.mean, Tensor.amax,
})  # fmt: skip


class LastMap(TorchFunctionMode):
    """Keeps the latest map of a forward pass that is seen on the way to the logits.

    A map has the batch first and several places: (B, C, H, W), or (B, N, C) of tokens. What a pooling
    takes in is a map too, even of one place: deep in a network on small images nothing larger is left.

    Attributes:
        map: None as long as there is none.
    """

    def __init__(self, batch: int) -> None:
        super().__init__()
        self.batch = batch
        self.map: Tensor | None = None

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        if func in _POOLS:
            self._see(args[0] if args else (kwargs or {}).get("input"), places=1)
        if isinstance(result, Tensor) or (isinstance(result, tuple) and result):
            self._see(first_tensor(result), places=2)
        return result

    def _see(self, found: Any, places: int) -> None:
        if (
            isinstance(found, Tensor)
            and found.ndim >= 3
            and len(found) == self.batch
            and found.is_floating_point()
            and _places(found) >= places
        ):
            self.map = found


def _places(found: Tensor) -> int:
    return found.shape[1] if found.ndim == 3 else found[0, 0].numel()


def last_map(network: nn.Module, images: Tensor) -> tuple[Tensor, Tensor]:
    """One forward pass: the last map (B, ...), and the logits (B, C).

    It is the input of the pooling before the head; in a transformer that reads a class token, all tokens as
    the last norm leaves them.

    Raises:
        NotApplicable: the network has no map.
    """
    tap = LastMap(len(images))
    with tap:
        logits = logits_of(network(images))
    if tap.map is None:
        raise NotApplicable("no map with places comes before the output")
    return tap.map, logits
