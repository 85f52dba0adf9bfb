"""MNIST's own format, idx: four files, gzipped or not, as Fashion-MNIST and its Debian package have them."""

from __future__ import annotations

import gzip
import hashlib
import zlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from uninas_bench.data.arrays import square_images
from uninas_bench.data.source import ImageSet, Split
from uninas_bench.errors import InvalidFile

PACKAGED = {"fashion-mnist": Path("/usr/share/datasets/fashion-mnist")}
"""Where Debian's package ``dataset-fashion-mnist`` puts the files."""
_PREFIXES: dict[Split, str] = {"train": "train", "test": "t10k"}
_IMAGES, _LABELS = "images-idx3-ubyte", "labels-idx1-ubyte"
_UNSIGNED_BYTES = 8


@dataclass(frozen=True, slots=True)
class IdxSource:
    """A folder with ``train-images-idx3-ubyte.gz``, ``train-labels-idx1-ubyte.gz``, and both of ``t10k``."""

    name: str
    path: Path

    @property
    def fingerprint(self) -> str:
        """``idx:`` and a hash of the four files."""
        return f"idx:{_fingerprint(self.path)}"

    def load(self, split: Split, resolution: int) -> ImageSet:
        """One split at a resolution that `square_images` can make.

        Raises:
            InvalidFile: a file is missing, cut short or damaged, or the labels are not those of the images.
        """
        return _load(self.path, split, resolution)


def is_idx_folder(root: Path) -> bool:
    """Whether one of the four files is in ``root``."""
    return any(_candidates(root, split, kind) for split in _PREFIXES for kind in (_IMAGES, _LABELS))


def _candidates(root: Path, split: Split, kind: str) -> list[Path]:
    plain = root / f"{_PREFIXES[split]}-{kind}"
    return [path for path in (plain.with_name(f"{plain.name}.gz"), plain) if path.is_file()]


def _file(root: Path, split: Split, kind: str) -> Path:
    found = _candidates(root, split, kind)
    if not found:
        raise InvalidFile(f"{root}: no {_PREFIXES[split]}-{kind}.gz, nor the same without .gz")
    return found[0]


@cache
def _fingerprint(root: Path) -> str:
    total = hashlib.sha256()
    for split in _PREFIXES:
        for kind in (_IMAGES, _LABELS):
            path = _file(root, split, kind)
            try:
                with path.open("rb") as file:
                    total.update(hashlib.file_digest(file, "sha256").digest())
            except OSError as error:
                raise InvalidFile(f"{path}: {error.strerror or error}") from None
    return total.hexdigest()[:16]


@cache
def _load(root: Path, split: Split, resolution: int) -> ImageSet:
    path = _file(root, split, _IMAGES)
    pixels, labels = _array(path, 3), _array(_file(root, split, _LABELS), 1)
    if len(pixels) != len(labels) or not len(pixels):
        raise InvalidFile(f"{path}: {len(pixels)} images, but {len(labels)} labels beside them")
    return square_images(pixels, labels, resolution, str(path))


def _array(path: Path, dimensions: int) -> NDArray[np.uint8]:
    """The unsigned bytes of one idx file, with so many dimensions."""
    header = 4 + 4 * dimensions
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            content = file.read()
    except (OSError, EOFError, zlib.error) as error:
        raise InvalidFile(f"{path}: cannot be read: {error}") from None
    if len(content) < header or content[:4] != bytes([0, 0, _UNSIGNED_BYTES, dimensions]):
        raise InvalidFile(f"{path}: not an idx file of unsigned bytes in {dimensions} dimensions")
    shape = tuple(np.frombuffer(content[4:header], dtype=">u4").tolist())
    expected = int(np.prod(shape, dtype=object))
    if len(content) - header != expected:
        raise InvalidFile(f"{path}: {len(content) - header} bytes of data, expected {expected} for {shape}")
    return np.frombuffer(content, dtype=np.uint8, offset=header).reshape(shape)
