"""The confusion matrix against torchmetrics, and by hand."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor
from torch.nn import functional
from torchmetrics.classification import MulticlassAccuracy, MulticlassJaccardIndex

from uninas_bench.training.loop.distributed import Processes
from uninas_bench.training.metrics.segmentation import SegmentationMeter

CLASSES = 7


def batches(absent: tuple[int, ...] = ()) -> Iterator[tuple[Tensor, Tensor]]:
    """Predicted classes and labels; a tenth is ignored, some classes are nowhere."""
    generator = torch.Generator().manual_seed(0)
    present = torch.tensor([label for label in range(CLASSES) if label not in absent])
    for height, width in ((20, 30), (30, 20), (11, 13)):
        drawn = present[torch.randint(len(present), (2, height, width), generator=generator)]
        right = torch.rand(height, width, generator=generator) < 0.4
        predicted, labels = drawn[0], torch.where(right, drawn[0], drawn[1])
        labels[torch.rand(height, width, generator=generator) < 0.1] = 255
        yield predicted, labels


@pytest.mark.parametrize("absent", [(), (2,), (0, 5, 6)])
def test_means_are_those_of_torchmetrics(absent: tuple[int, ...]) -> None:
    meter = SegmentationMeter(CLASSES)
    overlap = MulticlassJaccardIndex(CLASSES, ignore_index=255, average=None)
    recall = MulticlassAccuracy(CLASSES, ignore_index=255, average=None)
    every = MulticlassAccuracy(CLASSES, ignore_index=255, average="micro")
    for predicted, labels in batches(absent):
        meter.count(predicted, labels)
        for metric in (overlap, recall, every):
            metric.update(predicted, labels)
    there = [label for label in range(CLASSES) if label not in absent]
    found = meter.result(Processes())
    assert list(found) == ["miou", "mean_accuracy", "pixel_accuracy"]
    assert found["miou"] == pytest.approx(100 * float(overlap.compute()[there].mean()), rel=1e-6)
    assert found["mean_accuracy"] == pytest.approx(100 * float(recall.compute()[there].mean()), rel=1e-6)
    assert found["pixel_accuracy"] == pytest.approx(100 * float(every.compute()), rel=1e-6)
    macro = MulticlassJaccardIndex(CLASSES, ignore_index=255)
    for predicted, labels in batches(absent):
        macro.update(predicted, labels)
    assert found["miou"] == pytest.approx(100 * float(macro.compute()), rel=1e-6)


def test_by_hand() -> None:
    meter = SegmentationMeter(4)
    labels = torch.tensor([[0, 0, 0, 1], [1, 255, 255, 0]])
    predicted = torch.tensor([[0, 0, 1, 1], [2, 3, 0, 0]])
    meter.count(predicted, labels)
    # Class 0: 3 of 4; class 1: 1 of 3; class 2: predicted, nowhere true; class 3: neither.
    found = meter.result(Processes())
    assert found["miou"] == pytest.approx(100 * (3 / 4 + 1 / 3 + 0) / 3)
    assert found["mean_accuracy"] == pytest.approx(100 * (3 / 4 + 1 / 2) / 2)
    assert found["pixel_accuracy"] == pytest.approx(100 * 4 / 6)
    assert meter.confusion.dtype == torch.int64


def test_logits_are_judged_at_the_labels_resolution() -> None:
    generator = torch.Generator().manual_seed(1)
    labels = [torch.randint(CLASSES, size, generator=generator) for size in ((8, 8), (31, 17))]
    logits = [torch.randn(CLASSES, 8, 8, generator=generator) for _ in labels]
    logits[0] = functional.one_hot(labels[0], CLASSES).permute(2, 0, 1).to(torch.bfloat16)
    meter = SegmentationMeter(CLASSES)
    meter.update(logits[:1], labels[:1])
    assert meter.result(Processes()) == {"miou": 100.0, "mean_accuracy": 100.0, "pixel_accuracy": 100.0}
    meter.update(logits, labels)
    larger = functional.interpolate(logits[1][None], (31, 17), mode="bilinear")[0].argmax(0)
    assert int(meter.confusion.diagonal().sum()) == 2 * 64 + int((larger == labels[1]).sum())
    assert int(meter.confusion.sum()) == 2 * 64 + 31 * 17


def test_nothing_to_judge_is_0() -> None:
    meter = SegmentationMeter(CLASSES)
    meter.update(torch.randn(2, CLASSES, 4, 4), torch.full((2, 8, 8), 255))
    assert set(meter.result(Processes()).values()) == {0.0}


def test_processes_are_added_up() -> None:
    whole, parts = SegmentationMeter(CLASSES), [SegmentationMeter(CLASSES), SegmentationMeter(CLASSES)]
    for number, (predicted, labels) in enumerate(batches()):
        whole.count(predicted, labels)
        parts[number % 2].count(predicted, labels)

    class Two(Processes):
        def sum(self, tensor: Tensor) -> Tensor:
            assert tensor is parts[0].confusion
            return tensor + parts[1].confusion

    assert parts[0].result(Two()) == whole.result(Processes())
