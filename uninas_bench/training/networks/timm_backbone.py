"""timm's models as backbones, under timm's own names of parameters."""

from __future__ import annotations

from math import isqrt
from typing import Any, cast

import torch
from timm.layers.drop import DropPath
from timm.layers.pos_embed import resample_abs_pos_embed
from torch import Tensor, nn

from uninas_bench.errors import UserError
from uninas_bench.training.networks.backbone import Backbone, undisturbed
from uninas_bench.training.networks.pyramid import LEVELS, completed, resampled

_WINDOWS = 32
"""Pixels; models that must be told the resolution cut images into patches and windows that divide it."""
_ENOUGH = 224
"""Pixels, to ask any other model for its maps."""


class TimmBackbone(Backbone):
    """A model of timm's: the last maps of the four last resolutions among its intermediate ones.

    A model whose maps are all of one resolution, as of a plain transformer, gives those at the ends of its
    four quarters, resampled.

    Args:
        network: as timm made it; the rates of its stochastic depth say how they are to be shared out.
        name: timm's.
        resolution: that it was made for.
    """

    def __init__(self, network: nn.Module, name: str, resolution: int) -> None:
        super().__init__(network)
        self.name = name
        sized = getattr(network, "sized", False)
        self.probe = resolution if sized else min(resolution, _ENOUGH)
        self.multiple = _multiple(network) if sized else 1
        paths = [module for module in network.modules() if isinstance(module, DropPath)]
        largest = max((path.drop_prob for path in paths), default=0.0)
        self._paths = [(path, path.drop_prob / largest) for path in paths if path.drop_prob]
        self._indices: list[int] | None = None
        self._plain = False

    def set_drop_path(self, rate: float) -> int:
        """Let the residual that is dropped most often be dropped at this rate, the others in proportion."""
        for path, share in self._paths:
            path.drop_prob = rate * share
        return len(self._paths)

    def no_weight_decay(self) -> set[str]:
        """What timm says: position tables, class tokens and the like."""
        own = getattr(self.network, "no_weight_decay", None)
        named = {f"network.{name}" for name in own()} if own is not None else set()
        return named & {name for name, _ in self.named_parameters()}

    def resized_table(self, name: str, table: Tensor, shape: torch.Size) -> Tensor | None:
        """Of timm's tables those of absolute positions; see `Backbone.resized_table`."""
        if not name.endswith("pos_embed") or table.dim() != len(shape) or table.shape[-1] != shape[-1]:
            return None
        prefix = int(getattr(self.network, "num_prefix_tokens", 0))
        prefix = 0 if getattr(self.network, "no_embed_class", False) else prefix
        side = isqrt(shape[1] - prefix)
        if len(shape) != 3 or side**2 != shape[1] - prefix:
            return None
        resampled_table: Tensor = resample_abs_pos_embed(table, [side, side], num_prefix_tokens=prefix)
        return resampled_table

    def _maps(self, images: Tensor) -> list[Tensor]:
        if self._indices is None:
            self._indices = self._chosen()
        maps = self._intermediates(images, self._indices)
        size = (images.shape[-2], images.shape[-1])
        return resampled(maps, size) if self._plain else completed(maps)

    def _chosen(self) -> list[int]:
        """Which of the intermediate maps are taken."""
        with undisturbed(self.network), torch.no_grad():
            sizes = [found.shape[-2] for found in self._intermediates(self._probes(), None)]
        last = {size: number for number, size in enumerate(sizes)}
        self._plain = len(last) == 1
        if self._plain:
            return [-(-len(sizes) * quarter // LEVELS) - 1 for quarter in range(1, LEVELS + 1)]
        return sorted(last.values())[-LEVELS:]

    def _intermediates(self, images: Tensor, indices: list[int] | None) -> list[Tensor]:
        forward = getattr(self.network, "forward_intermediates", None)
        if forward is None:
            raise UserError(
                f"timm:{self.name}: the model gives no intermediate maps; "
                "it can be trained on classification only"
            )
        try:
            maps: list[Tensor] = cast("Any", forward)(images, indices=indices, intermediates_only=True)
        except (AssertionError, RuntimeError, ValueError) as error:
            height, width = images.shape[-2:]
            # What a size causes is told by timm's checks, or by torch where shapes do not fit.
            if isinstance(error, RuntimeError) and (
                isinstance(error, torch.OutOfMemoryError) or height == width == self.probe
            ):
                raise
            reason = str(error).partition("\n")[0] or "the model takes no such size"
            raise UserError(f"timm:{self.name}: images of {height} x {width} pixels: {reason}") from error
        return maps


def _multiple(network: nn.Module) -> int:
    """What both sides of an image must be multiples of: a patch of 14 pixels does not fit into 32."""
    patch = getattr(getattr(network, "patch_embed", None), "patch_size", None)
    side = patch[0] if isinstance(patch, tuple) else 1
    return _WINDOWS if _WINDOWS % side == 0 else int(side)
