"""COCO's layout with drawn shapes: polygons, run lengths, a crowd, empty images, boxes without area."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from uninas_bench.training.data.run_lengths import encode
from uninas_bench.training.data.shapes import draw_scene

# Of COCO's own numbers, with gaps between them.
CATEGORIES = {1: "person", 18: "dog", 44: "bottle", 89: "hair drier", 90: "toothbrush"}
SIZES = ((48, 64), (64, 48), (40, 72))
EMPTY, CROWDED, DEGENERATE = 107, 111, 113


def run_lengths(mask: NDArray[np.bool_]) -> dict[str, Any]:
    """The uncompressed form, computed without pycocotools."""
    column = np.concatenate([[False], mask.ravel(order="F"), [False]])
    edges = np.flatnonzero(column[1:] != column[:-1]).tolist()
    ends = [0, *edges, mask.size]
    counts = np.diff(ends).tolist()
    return {"size": list(mask.shape), "counts": counts if counts[-1] else counts[:-1]}


def annotation(number: int, image: int, category: int, box: list[float], **fields: Any) -> dict[str, Any]:
    left, top, width, height = box
    right, bottom = left + width, top + height
    outline = [[left, top, right, top, right, bottom, left, bottom]]
    content = {"segmentation": outline, "area": width * height, "iscrowd": 0}
    identity = {"id": number, "image_id": image, "category_id": category, "bbox": box}
    return identity | content | fields


def split(name: str, count: int = 5) -> tuple[dict[str, Any], dict[str, NDArray[np.uint8]]]:
    """The JSON of a split and its pixels by file name."""
    images: list[dict[str, Any]] = []
    things: list[dict[str, Any]] = []
    pixels = {}
    categories = list(CATEGORIES)

    def add_image(number: int, size: tuple[int, int], scene: int) -> NDArray[np.bool_]:
        file = f"{number:012}.jpg"
        drawn = draw_scene("train" if name == "train2017" else "test", scene, size)
        images.append({"id": number, "file_name": file, "height": size[0], "width": size[1], "license": 1})
        pixels[file] = drawn.image
        for mask, box, label in zip(drawn.masks, drawn.boxes.tolist(), drawn.labels, strict=True):
            left, top, right, bottom = box
            kept = encode(mask[None])[0] if len(things) % 2 else run_lengths(mask)
            things.append(
                annotation(
                    900 + len(things), number, categories[label],
                    [left, top, right - left, bottom - top], segmentation=kept, area=int(mask.sum()),
                )
            )  # fmt: skip
        return drawn.masks.any(0)

    for index in range(count):
        add_image(200 - index, SIZES[index % 3], index)
    del things[-1]["iscrowd"]
    for number, scene in ((EMPTY, 20), (CROWDED, 21), (DEGENERATE, 22)):
        before = len(things)
        mask = add_image(number, (32, 40), scene)
        del things[before:]
        if number == CROWDED:
            crowd = [1.0, 2.0, 30.0, 20.0]
            things.append(annotation(800, number, 1, crowd, iscrowd=1, segmentation=run_lengths(mask)))
            things.append(annotation(801, number, 18, [4.5, 3.0, 12.0, 50.0]))
        if number == DEGENERATE:
            things.append(annotation(802, number, 18, [3.0, 3.0, 0.0, 9.0]))
            things.append(annotation(803, number, 18, [40.0, 3.0, 5.0, 9.0]))
    named = [{"id": number, "name": text, "supercategory": "thing"} for number, text in CATEGORIES.items()]
    return {"info": {}, "images": images, "annotations": things, "categories": named}, pixels


def write_coco(root: Path) -> Path:
    """Both splits, below ``root``."""
    (root / "annotations").mkdir(parents=True)
    for name in ("train2017", "val2017"):
        (root / name).mkdir()
        content, pixels = split(name)
        (root / "annotations" / f"instances_{name}.json").write_text(json.dumps(content))
        for file, image in pixels.items():
            Image.fromarray(image).save(root / name / file, quality=95)
    return root
