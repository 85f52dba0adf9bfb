"""The images of a fit: which are trained on, which rated on, in what order, and their views."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from uninas_bench import UserError
from uninas_bench_plugins._bossnas.rating import Examples
from uninas_bench_plugins._bossnas.settings import BossnasSettings
from uninas_bench_plugins._bossnas.views import draw_view

if TYPE_CHECKING:
    from uninas_bench import FitContext

RATING_BATCH = 256


class Images:
    """Images of the training split in two disjoint parts.

    Attributes:
        updates: of the weights in one epoch.
        validation: what paths are rated on, in batches, each image with a fixed pair of views.
        calibration: one batch of the images that are trained on, likewise.
    """

    def __init__(self, context: FitContext, settings: BossnasSettings) -> None:
        self.context = context
        self.settings = settings
        found = context.images("train")
        self.pixels, self.labels = found.pixels, torch.from_numpy(found.labels)
        # Views are drawn of values in 0..1, whatever the unit of the pixels.
        self.unit = 255.0 if self.pixels.dtype == np.uint8 else float(self.pixels.max()) or 1.0
        self.mean = torch.tensor(found.mean)[:, None, None] / self.unit
        self.std = torch.tensor(found.std)[:, None, None] / self.unit
        self.size = settings.resolution or self.pixels.shape[-1]
        if self.size > self.pixels.shape[-1]:
            raise UserError(
                f"resolution={self.size}: the images have {self.pixels.shape[-1]} pixels a side; "
                "0 takes them as they are"
            )
        order = torch.randperm(len(found), generator=context.generator("split"))
        rated, rest = order[: settings.validation], order[settings.validation :]
        self.trained = rest[: settings.images] if settings.images else rest
        per_update = settings.batch * settings.accumulate
        self.updates = len(self.trained) // per_update
        if settings.epochs and not self.updates:
            raise UserError(
                f"batch={settings.batch}, accumulate={settings.accumulate}: an update takes {per_update} "
                f"images; of {len(found)}, validation={settings.validation} leaves {len(self.trained)}"
            )
        parts = max(1, round(len(rated) / RATING_BATCH))
        self.validation = [
            self._examples(part, f"validation/{i}") for i, part in enumerate(rated.tensor_split(parts))
        ]
        count = min(len(self.trained), 4 * RATING_BATCH if settings.rating == "linear" else RATING_BATCH)
        self.calibration = self._examples(self.trained[:count], "calibration")

    def step(self, block: int, number: int, paths: int) -> tuple[list[tuple[Tensor, Tensor]], Tensor, Tensor]:
        """Pairs of normalised views for each path, the images and labels of step ``number`` of a stage."""
        steps = self.updates * self.settings.accumulate
        epoch, place = divmod(number, steps)
        order = torch.randperm(len(self.trained), generator=self.context.generator(f"order/{block}/{epoch}"))
        chosen = self.trained[order[place * self.settings.batch : (place + 1) * self.settings.batch]]
        images, labels = self._load(chosen)
        if self.settings.pairs == "shared":
            views = [self._pair(images, f"views/{block}/{number}")] * paths
        else:
            views = [self._pair(images, f"views/{block}/{number}/{path}") for path in range(paths)]
        return views, self._normalised(images), labels

    def _examples(self, chosen: Tensor, stream: str) -> Examples:
        images, labels = self._load(chosen)
        return Examples(self._normalised(images), labels, self._pair(images, stream))

    def _load(self, chosen: Tensor) -> tuple[Tensor, Tensor]:
        """Images (B, 3, R, R) in 0..1 and labels (B,)."""
        images = torch.from_numpy(self.pixels[chosen.numpy()]).float() / self.unit
        if self.size != images.shape[-1]:
            images = functional.adaptive_avg_pool2d(images, self.size)
        return images.to(self.context.device), self.labels[chosen].to(self.context.device)

    def _pair(self, images: Tensor, stream: str) -> tuple[Tensor, Tensor]:
        draw = self.context.generator(stream)
        first = draw_view(images, self.settings.views, False, draw)
        second = draw_view(images, self.settings.views, True, draw)
        return self._normalised(first), self._normalised(second)

    def _normalised(self, images: Tensor) -> Tensor:
        mean, std = self.mean.to(images.device), self.std.to(images.device)
        return ((images - mean) / std).contiguous(memory_format=torch.channels_last)
