"""Images in folders: ``train/<class>/*.png`` and ``test/`` or ``val/`` beside it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from uninas_bench.data.arrays import image_set
from uninas_bench.data.source import ImageSet, Split
from uninas_bench.errors import InvalidFile

_SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".webp"}


@dataclass(frozen=True, slots=True)
class FolderSource:
    """One folder per split and class; labels are the ranks of the sorted class names."""

    name: str
    path: Path

    @property
    def fingerprint(self) -> str:
        """``folder:`` and a hash of every file's relative path and size."""
        return f"folder:{_fingerprint(self.path)}"

    def load(self, split: Split, resolution: int) -> ImageSet:
        """One split, each image centre-cropped to a square and resized (antialiased bilinear).

        Raises:
            InvalidFile: no such split, no class folders, or an image that cannot be read; names the path.
        """
        return _load(self.path, split, resolution)


def _files(root: Path) -> list[Path]:
    return sorted(path for path in root.rglob("*") if path.suffix.lower() in _SUFFIXES)


@cache
def _fingerprint(root: Path) -> str:
    if not root.is_dir():
        raise InvalidFile(f"{root}: no such folder")
    listing = "\n".join(f"{path.relative_to(root)} {path.stat().st_size}" for path in _files(root))
    return hashlib.sha256(listing.encode()).hexdigest()[:16]


@cache
def _load(root: Path, split: Split, resolution: int) -> ImageSet:
    from PIL import Image, ImageOps, UnidentifiedImageError

    names = ("train",) if split == "train" else ("test", "val")
    folder = next((root / name for name in names if (root / name).is_dir()), None)
    if folder is None:
        raise InvalidFile(f"{root}: no folder {' or '.join(names)}/ with one folder per class")
    classes = sorted(path.name for path in folder.iterdir() if path.is_dir())
    pixels: list[np.ndarray[tuple[int, ...], np.dtype[np.uint8]]] = []
    labels: list[int] = []
    for label, name in enumerate(classes):
        for path in _files(folder / name):
            try:
                with Image.open(path) as image:
                    size = (resolution, resolution)
                    square = ImageOps.fit(image.convert("RGB"), size, Image.Resampling.BILINEAR)
            except (UnidentifiedImageError, OSError) as error:
                raise InvalidFile(f"{path}: not a readable image: {error}") from None
            pixels.append(np.asarray(square, dtype=np.uint8))
            labels.append(label)
    if not pixels:
        raise InvalidFile(f"{folder}: no images; expected {folder.name}/<class>/*.png or .jpg")
    return image_set(np.stack(pixels), np.asarray(labels))
