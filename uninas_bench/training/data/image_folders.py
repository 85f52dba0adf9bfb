"""ImageNet's layout: ``train/<class>/*.JPEG`` and ``val/<class>/*.JPEG``, listed once, read one by one."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from uninas_bench.errors import InvalidFile

if TYPE_CHECKING:
    from PIL.Image import Image

LAYOUT = "train/<class>/*.JPEG and val/<class>/*.JPEG"
_FOLDERS = ("train", "val")
_SUFFIXES = (".jpeg", ".jpg", ".png", ".bmp", ".webp")


@dataclass(frozen=True, slots=True, eq=False)
class FolderImages:
    """One split: labels are the ranks of the sorted class names, as in torchvision's ``ImageFolder``.

    Attributes:
        root: the folder of the split.
        classes: names of the class folders, sorted.
        names: (N,) file names as bytes, sorted within their class: an array, since a million Python strings
            would be copied into every worker of a loader.
        labels: (N,) int64, rising.
    """

    root: Path
    classes: tuple[str, ...]
    names: NDArray[np.bytes_]
    labels: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.labels)

    def read(self, index: int) -> tuple[Image, int]:
        """The image as it is stored, in RGB, and its label; EXIF's orientation is passed over, as usual.

        Raises:
            InvalidFile: the file is gone, or no image, or cut short.
        """
        from PIL import Image

        label = int(self.labels[index])
        path = self.root / self.classes[label] / os.fsdecode(self.names[index])
        try:
            with Image.open(path) as image:
                return image.convert("RGB"), label
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
            raise InvalidFile(f"{path}: not a readable image: {error}") from None


@dataclass(frozen=True, slots=True, eq=False)
class ImageFolders:
    """Both splits, and a hash of every file's place and size."""

    train: FolderImages
    test: FolderImages
    fingerprint: str


def list_image_folders(root: Path) -> ImageFolders:
    """List ImageNet's layout without opening an image: a few seconds for a million files.

    Raises:
        InvalidFile: no ``train`` or ``val``, no class folders, other ones in ``val`` than in ``train``, or an
            empty one; one line that names the folder.
    """
    (train, listed), (test, listed_too) = (_split(root / name) for name in _FOLDERS)
    odd = sorted(set(train.classes) ^ set(test.classes))
    if odd:
        have, lack = (train, test) if odd[0] in train.classes else (test, train)
        raise InvalidFile(f"{lack.root}: no class folder {odd[0]}, which {have.root} has ({len(odd)} differ)")
    return ImageFolders(train, test, f"folders:{hashlib.sha256(listed + listed_too).hexdigest()[:16]}")


def _split(folder: Path) -> tuple[FolderImages, bytes]:
    """The images of a split, and a hash of their places and sizes."""
    if not folder.is_dir():
        raise InvalidFile(f"{folder}: no such folder; expected {LAYOUT} in {folder.parent}")
    classes = sorted(entry.name for entry in _entries(folder) if entry.is_dir())
    if not classes:
        raise InvalidFile(f"{folder}: no class folders; expected {LAYOUT} in {folder.parent}")
    listing = hashlib.sha256()
    names: list[bytes] = []
    labels: list[NDArray[np.int64]] = []
    for label, name in enumerate(classes):
        found = sorted(_images(folder / name))
        if not found:
            raise InvalidFile(f"{folder / name}: no images in this class folder")
        listing.update(b"%b\n" % os.fsencode(name))
        for file, size in found:
            listing.update(b"%b %d\n" % (file, size))
            names.append(file)
        labels.append(np.full(len(found), label, dtype=np.int64))
    images = FolderImages(folder, tuple(classes), np.array(names), np.concatenate(labels))
    return images, listing.digest()


def _images(folder: Path) -> Iterator[tuple[bytes, int]]:
    for entry in _entries(folder):
        if entry.name.lower().endswith(_SUFFIXES):
            try:
                yield os.fsencode(entry.name), entry.stat().st_size
            except OSError as error:
                raise InvalidFile(f"{entry.path}: {error.strerror or error}") from None


def _entries(folder: Path) -> Iterator[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            yield from entries
    except OSError as error:
        raise InvalidFile(f"{folder}: {error.strerror or error}") from None
