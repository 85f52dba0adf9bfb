"""COCO's average precision of boxes and masks, by pycocotools, the reference."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from copy import deepcopy
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from uninas_bench.training.data.run_lengths import encode, quiet, require_pycocotools

if TYPE_CHECKING:
    from uninas_bench.training.data.detection import GroundTruth
    from uninas_bench.training.loop.distributed import Processes

_KINDS = {"box": "bbox", "mask": "segm"}
_NAMES = ("ap", "ap50", "ap75", "ap_small", "ap_medium", "ap_large")
"""The first six of pycocotools' twelve figures, in its order: at IoU 0.50:0.95, at 0.5, at 0.75, by area."""
_LIKELY = 0.5


class CocoMeter:
    """Gathers detections and scores them against all images of a split.

    An image without detections counts as one where nothing was found. Where several processes saw one image,
    the first one's detections count.

    Args:
        ground_truth: of the whole split, with at least one object that is no crowd.

    Raises:
        UserError: pycocotools is not installed.
    """

    def __init__(self, ground_truth: GroundTruth) -> None:
        require_pycocotools()
        self._ground_truth = ground_truth
        self._found: dict[int, list[dict[str, Any]]] = {}

    def update(self, predictions: Sequence[Mapping[str, Tensor]], targets: Sequence[Any]) -> None:
        """Take in the detections of one batch.

        Args:
            predictions: per image ``boxes`` (N, 4), edges in pixels of the image as it was read: left, top,
                right, bottom; ``labels`` (N,), ``scores`` (N,) and ``masks`` (N, 1, H, W), probabilities.
            targets: per image a mapping with ``image_id``.
        """
        for found, target in zip(predictions, targets, strict=True):
            edges = found["boxes"].detach().to("cpu", dtype=torch.float64)
            sides = (edges[:, 2:] - edges[:, :2]).tolist()
            masks = encode((found["masks"][:, 0] > _LIKELY).cpu().numpy())
            self._found[int(target["image_id"])] = [
                {"category_id": label, "score": score, "bbox": [*corner[:2], *size], "segmentation": mask}
                for label, score, corner, size, mask in zip(
                    found["labels"].tolist(),
                    found["scores"].tolist(),
                    edges.tolist(),
                    sides,
                    masks,
                    strict=True,
                )
            ]

    def result(self, processes: Processes) -> Mapping[str, float]:
        """``box_ap``, ``box_ap50``, ..., ``mask_ap_large``, in percent, over the detections of all processes.

        Up to 100 detections per image count. A size of objects that the split has none of is left out.
        Without a single detection everything is 0, where pycocotools gives up.
        """
        gathered: dict[int, list[dict[str, Any]]] = {}
        for text in processes.gather_objects(json.dumps(self._found)):
            for number, found in json.loads(text).items():
                gathered.setdefault(int(number), found)
        # In the order of the images, so that the number of processes does not show in ties.
        found = [{"image_id": number, **one} for number in sorted(gathered) for one in gathered[number]]
        metrics: dict[str, float] = {}
        for kind, name in _KINDS.items():
            figures = average_precisions(self._ground_truth, found, name)
            metrics.update({f"{kind}_{key}": 100 * value for key, value in figures.items() if value >= 0})
        return metrics


def average_precisions(ground_truth: GroundTruth, found: list[dict[str, Any]], kind: str) -> dict[str, float]:
    """Six average precisions by pycocotools, 0 to 1; -1 for a size of which there are no objects.

    Args:
        ground_truth: as in COCO's JSON; left as it is.
        found: detections with ``image_id``, ``category_id``, ``score``, ``bbox`` (left, top, width, height)
            and ``segmentation``, run lengths.
        kind: ``bbox`` or ``segm``: what has to overlap.
    """
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    # The sizes small, medium and large are those of what is compared: boxes of boxes, masks of masks.
    kept = {"bbox": "bbox", "segm": "segmentation"}[kind]
    results = [{key: one[key] for key in ("image_id", "category_id", "score", kept)} for one in found]
    with quiet():
        truth = COCO()
        # The evaluation writes into the objects that it compares.
        truth.dataset = deepcopy(ground_truth)
        truth.createIndex()
        if results:
            detected = truth.loadRes(results)
        else:
            detected = COCO()
            detected.dataset = {**truth.dataset, "annotations": []}
            detected.createIndex()
        evaluation = COCOeval(truth, detected, kind)
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return dict(zip(_NAMES, np.asarray(evaluation.stats, dtype=np.float64).tolist(), strict=False))
