"""CIFAR-10, CIFAR-100 and Fashion-MNIST in the folders torchvision makes; nothing is ever downloaded."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from uninas_bench.data.arrays import square_images
from uninas_bench.data.source import ImageSet, Split
from uninas_bench.errors import InvalidFile

_CLASSES = {"cifar10": "CIFAR10", "cifar100": "CIFAR100", "fashion-mnist": "FashionMNIST"}


def is_torchvision_folder(name: str, root: Path) -> bool:
    """Whether ``root`` looks like torchvision's folder of that data set."""
    marks = {
        "cifar10": "cifar-10-batches-py",
        "cifar100": "cifar-100-python",
        "fashion-mnist": "FashionMNIST",
    }
    return name in marks and (root / marks[name]).is_dir()


def torchvision_class(name: str) -> Any:
    """The class of a data set in torchvision; None where it has none that is read here."""
    from torchvision import datasets

    return getattr(datasets, _CLASSES[name]) if name in _CLASSES else None


@dataclass(frozen=True, slots=True)
class TorchvisionSource:
    """A data set that torchvision reads; its own checksums verify the files."""

    name: str
    path: Path

    @property
    def fingerprint(self) -> str:
        """The set's name: torchvision verifies the checksum of every file it reads."""
        return f"torchvision:{_CLASSES[self.name]}"

    def load(self, split: Split, resolution: int) -> ImageSet:
        """One split at a resolution that `square_images` can make.

        Raises:
            InvalidFile: the files are missing or their checksums differ.
        """
        return _load(self.name, self.path, split, resolution)


@cache
def _load(name: str, root: Path, split: Split, resolution: int) -> ImageSet:
    try:
        found = torchvision_class(name)(root, train=split == "train", download=False)
    except RuntimeError as error:
        raise InvalidFile(f"{root}: torchvision cannot read {_CLASSES[name]} there: {error}") from None
    pixels = np.asarray(found.data, dtype=np.uint8)
    return square_images(pixels, np.asarray(found.targets), resolution, str(root))
