"""How good labels of pixels are: intersection over union, from one confusion matrix of a whole split."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional

from uninas_bench.training.data.segmentation import IGNORED

if TYPE_CHECKING:
    from uninas_bench.training.loop.distributed import Processes


class SegmentationMeter:
    """Counts pixels by their class and the predicted one; ignored ones are left out.

    Attributes:
        classes: of the task.
        confusion: (classes, classes) int64; row: ground truth, column: prediction.
    """

    def __init__(self, classes: int) -> None:
        self.classes = classes
        self.confusion = torch.zeros(classes, classes, dtype=torch.int64)

    def update(self, predictions: Sequence[Tensor] | Tensor, targets: Sequence[Tensor] | Tensor) -> None:
        """Take in logits (classes, h, w) of each image, and labels (H, W) of any other resolution.

        Logits are interpolated bilinearly to the labels' resolution, and the largest one decides.
        """
        for logits, labels in zip(predictions, targets, strict=True):
            size = (labels.shape[0], labels.shape[1])
            whole = functional.interpolate(logits[None].float(), size, mode="bilinear", align_corners=False)
            self.count(whole[0].argmax(0), labels)

    def count(self, predicted: Tensor, labels: Tensor) -> None:
        """Take in predicted classes and labels, both (H, W)."""
        labels = labels.to(predicted.device)
        judged = labels != IGNORED
        pairs = self.classes * labels[judged] + predicted[judged]
        counts = torch.bincount(pairs, minlength=self.classes**2)
        self.confusion += counts.reshape(self.classes, self.classes).cpu()

    def result(self, processes: Processes) -> Mapping[str, float]:
        """In percent, over the pixels of all processes.

        Returns:
            ``miou``: the mean of intersection over union over all classes that are in the ground truth or
            among the predictions; ``mean_accuracy``: the mean over the classes in the ground truth of the
            part of their pixels that is found; ``pixel_accuracy``: the part of all pixels.
        """
        confusion = processes.sum(self.confusion).to(torch.float64)
        right, there, predicted = confusion.diagonal(), confusion.sum(1), confusion.sum(0)
        union = there + predicted - right
        return {
            "miou": _percent((right / union)[union > 0]),
            "mean_accuracy": _percent((right / there)[there > 0]),
            "pixel_accuracy": _percent((right.sum() / there.sum())[None][there.sum() > 0]),
        }


def _percent(parts: Tensor) -> float:
    """The mean; 0 of nothing, as of images without any label."""
    return 100 * float(parts.mean()) if len(parts) else 0.0
