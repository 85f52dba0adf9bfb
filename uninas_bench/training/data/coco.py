"""COCO's instances from its files: ``train2017/``, ``val2017/``, ``annotations/instances_*2017.json``."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from uninas_bench.errors import InvalidFile
from uninas_bench.training.data.detection import Annotated, GroundTruth
from uninas_bench.training.data.run_lengths import decode, require_pycocotools
from uninas_bench.training.data.subset import subset

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from uninas_bench.data.source import Split

CLASSES = 91
"""Of a detector: COCO's own category numbers, 1 to 90, of which 80 are used; 0 is "no object"."""
LAYOUT = "train2017/, val2017/ and annotations/instances_train2017.json, instances_val2017.json"
_NAMES = {"train": "train2017", "test": "val2017"}


class CocoImages:
    """One split: what the JSON says, checked once; pixels and masks are read when they are asked for.

    In the training split, images without an object that can be learnt are left out (117,266 of COCO's stay),
    and so are crowds and boxes without area. The evaluation sees all images, and crowds as pycocotools wants.

    Args:
        root: the folder with both splits and ``annotations/``.
        split: ``test`` is COCO's val2017.
        wanted: use only so many images; 0 for all.

    Raises:
        InvalidFile: the layout is another, the JSON is none of COCO's, names an image that is not there, or
            has a category outside 1..90; one line that names the file.
        UserError: there are fewer images than are wanted, or pycocotools is missing.
    """

    def __init__(self, root: Path, split: Split, wanted: int = 0) -> None:
        require_pycocotools()
        self._folder = root / _NAMES[split]
        self._file = root / "annotations" / f"instances_{_NAMES[split]}.json"
        sizes = _file_sizes(self._folder)
        content, sha = _content(self._file)
        images = _images(content, self._file)
        names = [image["file_name"] for image in images.values()]
        missing = next((name for name in names if name not in sizes), None)
        if missing is not None:
            raise InvalidFile(f"{self._folder / missing}: no such image, but {self._file} lists it")
        objects = _objects(content, images, self._file)
        ids = sorted(images)
        if split == "train":
            ids = [number for number in ids if any(_learnt(images[number], objects[number]))]
        ids = [ids[place] for place in subset(len(ids), wanted, "coco", split)]
        if not any(not thing["iscrowd"] for number in ids for thing in objects[number]):
            raise InvalidFile(f"{self._file}: no object in any of the {len(ids)} images")
        self._ids = np.asarray(ids, dtype=np.int64)
        self._entries = _Packed([(images[number], objects[number]) for number in ids])
        self._categories = content["categories"]
        listing = "\n".join(sorted(f"{name} {sizes[name]}" for name in names))
        self.fingerprint = f"coco:{hashlib.sha256(f'{sha} {listing}'.encode()).hexdigest()[:16]}"

    def __len__(self) -> int:
        return len(self._ids)

    def image_id(self, index: int) -> int:
        """COCO's number of the image."""
        return int(self._ids[index])

    def image(self, index: int) -> NDArray[np.uint8]:
        """The pixels (H, W, 3), RGB.

        Raises:
            InvalidFile: the file cannot be decoded, or has another size than the JSON says.
        """
        return self._pixels(self._entries[index][0])

    def read(self, index: int) -> Annotated:
        """The pixels with all objects that are no crowds and have an area.

        Raises:
            InvalidFile: the image or the outline of an object cannot be read.
        """
        entry, things = self._entries[index]
        size = entry["height"], entry["width"]
        boxes, labels, masks = [], [], []
        for thing in _learnt(entry, things):
            try:
                mask = decode(thing["segmentation"], size)
            except (TypeError, ValueError) as error:
                raise InvalidFile(f"{self._file}: annotation {thing['id']}: segmentation: {error}") from None
            if mask is not None:
                boxes.append(_box(entry, thing))
                labels.append(thing["category_id"])
                masks.append(mask)
        return Annotated(
            self._pixels(entry),
            np.asarray(boxes, dtype=np.float32).reshape(-1, 4),
            np.asarray(labels, dtype=np.int64),
            np.asarray(masks, dtype=np.bool_).reshape(-1, *size),
        )

    def ground_truth(self) -> GroundTruth:
        """The images of this split, or of the part of it that is wanted, as they stand in the JSON."""
        entries = [self._entries[index] for index in range(len(self))]
        return {
            "images": [entry for entry, _ in entries],
            "annotations": [thing for _, things in entries for thing in things],
            "categories": self._categories,
        }

    def _pixels(self, entry: dict[str, Any]) -> NDArray[np.uint8]:
        from PIL import Image, UnidentifiedImageError

        path = self._folder / entry["file_name"]
        try:
            with Image.open(path) as image:
                pixels = np.array(image.convert("RGB"))
        except (UnidentifiedImageError, OSError, ValueError, SyntaxError) as error:
            raise InvalidFile(f"{path}: not a readable image: {error}") from None
        expected = entry["height"], entry["width"]
        if pixels.shape[:2] != expected:
            found = f"{pixels.shape[0]} x {pixels.shape[1]}"
            raise InvalidFile(f"{path}: {found} pixels, but {self._file} says {expected[0]} x {expected[1]}")
        return pixels


class _Packed(Sequence[Any]):
    """Values of JSON in one block of bytes.

    As Python objects, COCO's 860,000 annotations would take gigabytes, and every process of a loader would
    come to own a copy, because reading an object writes its reference count.
    """

    def __init__(self, values: Sequence[Any]) -> None:
        texts = [json.dumps(value, separators=(",", ":")).encode() for value in values]
        self._ends = np.cumsum([0, *map(len, texts)])
        self._bytes = np.frombuffer(b"".join(texts), dtype=np.uint8)

    def __len__(self) -> int:
        return len(self._ends) - 1

    def __getitem__(self, index: Any) -> Any:
        return json.loads(self._bytes[self._ends[index] : self._ends[index + 1]].tobytes())


def _file_sizes(folder: Path) -> dict[str, int]:
    try:
        with os.scandir(folder) as entries:
            return {entry.name: entry.stat().st_size for entry in entries if entry.is_file()}
    except OSError:
        raise InvalidFile(f"{folder}: no such folder; expected {LAYOUT} in {folder.parent}") from None


def _content(file: Path) -> tuple[dict[str, Any], str]:
    """The JSON, of which the three lists are there, and its sha256."""
    try:
        text = file.read_bytes()
    except OSError:
        raise InvalidFile(f"{file}: no such file; expected {LAYOUT} in {file.parents[1]}") from None
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InvalidFile(f"{file}: not JSON: {error}") from None
    for key in ("images", "annotations", "categories"):
        if not isinstance(content, dict) or not isinstance(content.get(key), list):
            raise InvalidFile(f'{file}: no list "{key}", so these are not COCO\'s instances')
        if not all(isinstance(entry, dict) for entry in content[key]):
            raise InvalidFile(f'{file}: "{key}" is no list of objects')
    return content, hashlib.sha256(text).hexdigest()


def _images(content: dict[str, Any], file: Path) -> dict[int, dict[str, Any]]:
    """The images by their numbers."""
    images: dict[int, dict[str, Any]] = {}
    for image in content["images"]:
        number, name = image.get("id"), image.get("file_name")
        sides = image.get("height"), image.get("width")
        if not isinstance(number, int) or not isinstance(name, str) or number in images:
            raise InvalidFile(f"{file}: image {number!r}: expected a number of its own and a file_name")
        if not all(isinstance(side, int) and side > 0 for side in sides):
            raise InvalidFile(f"{file}: image {number}: height and width are {sides[0]!r} and {sides[1]!r}")
        images[number] = image
    return images


def _objects(
    content: dict[str, Any], images: dict[int, dict[str, Any]], file: Path
) -> dict[int, list[dict[str, Any]]]:
    """The annotations by the numbers of their images, each checked."""
    objects: dict[int, list[dict[str, Any]]] = {number: [] for number in images}
    named = {str(category.get("id")) for category in content["categories"]}
    for thing in content["annotations"]:
        where = f"{file}: annotation {thing.get('id')!r}"
        image, category, box = thing.get("image_id"), thing.get("category_id"), thing.get("bbox")
        if not isinstance(thing.get("id"), int):
            raise InvalidFile(f"{where}: its id is no number")
        if not isinstance(image, int) or image not in objects:
            raise InvalidFile(f"{where}: is of image {image!r}, which the file does not list")
        if not isinstance(category, int) or not 0 < category < CLASSES or str(category) not in named:
            raise InvalidFile(
                f"{where}: category_id {category!r}: expected one of the file's categories, "
                f"between 1 and {CLASSES - 1}"
            )
        if not isinstance(box, list) or len(box) != 4 or not all(map(_is_number, box)):
            raise InvalidFile(f"{where}: bbox {box!r}: expected four numbers: left, top, width, height")
        if not isinstance(thing.get("segmentation"), list | dict) or not _is_number(thing.get("area")):
            raise InvalidFile(f"{where}: expected a segmentation and an area")
        if thing.setdefault("iscrowd", 0) not in {0, 1}:
            raise InvalidFile(f"{where}: iscrowd {thing['iscrowd']!r}: expected 0 or 1")
        objects[image].append(thing)
    return objects


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and abs(value) < float("inf")


def _learnt(image: dict[str, Any], things: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """The objects that are no crowds and have an area inside the image."""
    for thing in things:
        left, top, right, bottom = _box(image, thing)
        if not thing["iscrowd"] and left < right and top < bottom:
            yield thing


def _box(image: dict[str, Any], thing: dict[str, Any]) -> tuple[float, float, float, float]:
    """Left, top, right and bottom edge, inside the image."""
    left, top, width, height = thing["bbox"]
    right, bottom = min(left + width, image["width"]), min(top + height, image["height"])
    return max(left, 0.0), max(top, 0.0), right, bottom
