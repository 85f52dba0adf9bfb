"""Classification as a task of the loop: the network's own classifier under cross-entropy."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from uninas_bench.training.data.classification import classification_data
from uninas_bench.training.recipes.recipe import Recipe

if TYPE_CHECKING:
    from uninas_bench.data.source import ImageSource
    from uninas_bench.training.loop.distributed import Processes
    from uninas_bench.training.objective import Samples

_TOP = 5


class ClassificationObjective:
    """Accuracy on the test split: an `Objective`.

    Args:
        recipe: of the kind ``classification``.
        data: where data sets are that are not in the usual places.
        registered: image sources of plugins; default the built-in ones.

    Raises:
        UserError: there are no images, or they are not what the recipe needs.
    """

    metric = "accuracy"

    def __init__(
        self,
        recipe: Recipe,
        data: Mapping[str, str | Path | ImageSource],
        registered: Mapping[str, ImageSource] | None = None,
    ) -> None:
        found = classification_data(recipe, data, registered)
        self.training: Samples = found.training
        self.test: Samples = found.test
        self.classes = found.classes
        self.fingerprint = found.fingerprint

    @property
    def collate(self) -> Callable[[Sequence[tuple[Tensor, Any]]], tuple[Tensor, Tensor]]:
        """Images (B, 3, R, R) and labels (B,) int64."""
        return stack

    def meter(self) -> ClassificationMeter:
        """A fresh meter."""
        return ClassificationMeter(self.classes)


def stack(samples: Sequence[tuple[Tensor, Any]]) -> tuple[Tensor, Tensor]:
    """One batch of images of equal size and of labels."""
    images, labels = zip(*samples, strict=True)
    return torch.stack(images), torch.tensor(labels, dtype=torch.int64)


class Classifier(nn.Module):
    """A backbone that gives its loss in train mode.

    Attributes:
        backbone: gives logits.
        smoothing: of the labels, in training.
    """

    def __init__(self, backbone: nn.Module, smoothing: float) -> None:
        super().__init__()
        self.backbone = backbone
        self.smoothing = smoothing

    def forward(self, images: Tensor, labels: Tensor | None = None) -> Tensor | dict[str, Tensor]:
        """In train mode the mean cross-entropy of the batch in float32, in eval mode the logits."""
        logits: Tensor = self.backbone(images)
        if not self.training:
            return logits
        assert labels is not None
        loss = functional.cross_entropy(logits.float(), labels, label_smoothing=self.smoothing)
        return {"cross_entropy": loss}


class ClassificationMeter:
    """Accuracy, of more than five classes also among the first five, and cross-entropy without smoothing."""

    def __init__(self, classes: int) -> None:
        self._top = _TOP if classes > _TOP else 0
        self._sums: Tensor | None = None

    def update(self, predictions: Tensor, targets: Sequence[int] | Tensor) -> None:
        """Take in logits (B, classes) and labels (B,); nothing is read back from the device."""
        logits = predictions.float()
        labels = torch.as_tensor(targets, device=logits.device)
        ranked = logits.topk(max(1, self._top), dim=1).indices == labels[:, None]
        sums = torch.stack(
            [
                ranked[:, 0].double().sum(),
                ranked.any(dim=1).double().sum(),
                functional.cross_entropy(logits, labels, reduction="none").double().sum(),
                torch.tensor(len(labels), dtype=torch.float64, device=logits.device),
            ]
        )
        self._sums = sums if self._sums is None else self._sums + sums

    def result(self, processes: Processes) -> Mapping[str, float]:
        """``accuracy`` and, of more than five classes, ``top5`` in percent; ``loss`` in nats."""
        sums = torch.zeros(4, dtype=torch.float64) if self._sums is None else self._sums
        right, among, loss, images = processes.sum(sums).tolist()
        metrics = {"accuracy": 100 * right / images}
        if self._top:
            metrics["top5"] = 100 * among / images
        return metrics | {"loss": loss / images}
