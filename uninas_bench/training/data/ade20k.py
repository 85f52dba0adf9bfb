"""ADE20K's scene parsing from its files: ``images/`` and ``annotations/``, each with two splits."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from uninas_bench.errors import InvalidFile
from uninas_bench.training.data.segmentation import IGNORED, Labelled
from uninas_bench.training.data.subset import subset

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from uninas_bench.data.source import Split

CLASSES = 150
LAYOUT = "images/ and annotations/, each with training/ and validation/"
_NAMES = {"train": "training", "test": "validation"}


class Ade20kImages:
    """One split, as ADEChallengeData2016 has it: a .jpg per image, and a .png of the same name with labels.

    Labels in the files are 1 to 150, and 0 where there is none of the classes. Here they are 0 to 149, and
    `IGNORED`, as everybody trains on them. Pixels are read when they are asked for.

    Source: Zhou et al., "Scene Parsing through ADE20K Dataset", CVPR 2017.

    Args:
        root: the folder with ``images/`` and ``annotations/``.
        split: ``test`` is the validation split.
        wanted: use only so many images; 0 for all.

    Raises:
        InvalidFile: the layout is another, or an image or an annotation lacks its counterpart; one line that
            names the file.
        UserError: there are fewer images than are wanted.
    """

    def __init__(self, root: Path, split: Split, wanted: int = 0) -> None:
        images, image_sizes = _files(root / "images" / _NAMES[split], {".jpg", ".jpeg"})
        maps, map_sizes = _files(root / "annotations" / _NAMES[split], {".png"})
        for name in sorted(images.keys() - maps.keys()):
            missing = root / "annotations" / _NAMES[split] / f"{name}.png"
            raise InvalidFile(f"{missing}: no such annotation, but there is the image {images[name]}")
        for name in sorted(maps.keys() - images.keys()):
            missing = root / "images" / _NAMES[split] / f"{name}.jpg"
            raise InvalidFile(f"{missing}: no such image, but there is the annotation {maps[name]}")
        names = sorted(images)
        self._files = [
            (images[names[place]], maps[names[place]])
            for place in subset(len(names), wanted, "ade20k", split)
        ]
        listing = "\n".join(f"{name} {image_sizes[name]} {map_sizes[name]}" for name in names)
        chosen = f"{len(self._files)} of {len(names)}"
        self.fingerprint = f"ade20k:{hashlib.sha256(f'{chosen} {listing}'.encode()).hexdigest()[:16]}"

    def __len__(self) -> int:
        return len(self._files)

    def read(self, index: int) -> Labelled:
        """An image with its labels.

        Raises:
            InvalidFile: a file cannot be decoded, sizes differ, or a label is above 150; names the file.
        """
        image, annotation = self._files[index]
        pixels, labels = _decoded(image, "RGB"), _decoded(annotation, None)
        if labels.ndim != 2:
            raise InvalidFile(
                f"{annotation}: an image in colours; expected one channel with labels 0 to {CLASSES}"
            )
        if labels.shape != pixels.shape[:2]:
            sizes = [f"{shape[1]} x {shape[0]} pixels" for shape in (labels.shape, pixels.shape)]
            raise InvalidFile(f"{annotation}: {sizes[0]}, but {image} has {sizes[1]}")
        highest = int(labels.max())
        if highest > CLASSES:
            raise InvalidFile(f"{annotation}: label {highest}; expected 0 to {CLASSES}")
        shifted = labels.astype(np.int16) - 1
        return Labelled(pixels, np.where(shifted < 0, IGNORED, shifted).astype(np.uint8))


def _files(folder: Path, suffixes: set[str]) -> tuple[dict[str, Path], dict[str, int]]:
    """The files of a folder and their sizes in bytes, by name without suffix."""
    if not folder.is_dir():
        raise InvalidFile(f"{folder}: no such folder; ade20k is a folder with {LAYOUT}")
    paths, sizes = {}, {}
    with os.scandir(folder) as entries:
        for entry in entries:
            stem, suffix = os.path.splitext(entry.name)  # noqa: PTH122  (of 20,000 names)
            if suffix.lower() in suffixes:
                paths[stem], sizes[stem] = folder / entry.name, entry.stat().st_size
    if not paths:
        raise InvalidFile(f"{folder}: no file that ends in {' or '.join(sorted(suffixes))}")
    return paths, sizes


def _decoded(path: Path, mode: str | None) -> NDArray[np.uint8]:
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(path) as image:
            return np.array(image.convert(mode) if mode else image)
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError) as error:
        raise InvalidFile(f"{path}: not a readable image: {error}") from None
