"""Which images there are for a data set: the user's own first, then the data folder, then built-ins."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from uninas_bench.data.arrays import NpzSource
from uninas_bench.data.digits import Digits
from uninas_bench.data.folder import FolderSource
from uninas_bench.data.mnist_hard import MnistHard
from uninas_bench.data.source import ImageSource
from uninas_bench.data.torchvision_sets import TorchvisionSource, is_torchvision_folder
from uninas_bench.errors import InvalidFile


def image_sources() -> list[ImageSource]:
    """The image sources that need no file of the user's."""
    return [Digits(), MnistHard()]


def source_of_path(dataset: str, path: Path) -> ImageSource:
    """The source of a .npz file or a folder of images.

    Raises:
        InvalidFile: the path does not exist, or is a file of another kind.
    """
    if path.is_dir():
        if is_torchvision_folder(dataset, path):
            return TorchvisionSource(dataset, path)
        return FolderSource(dataset, path)
    if not path.exists():
        raise InvalidFile(f"{path}: no such file or folder (images of {dataset})")
    if path.suffix != ".npz":
        raise InvalidFile(f"{path}: expected a .npz file or a folder of images for {dataset}")
    return NpzSource(dataset, path)


def find_images(
    dataset: str,
    registered: Mapping[str, ImageSource],
    overrides: Mapping[str, str | Path | ImageSource] | None = None,
) -> ImageSource | None:
    """Where the images of ``dataset`` come from; None when nobody has them.

    Looked up in this order: ``overrides``; ``DATASET.npz`` or the folder ``DATASET/`` in the folder named by
    ``UNINAS_BENCH_DATA``; a torchvision folder there; the sources that plugins ``registered``.
    """
    given = (overrides or {}).get(dataset)
    if given is not None:
        return source_of_path(dataset, Path(given)) if isinstance(given, str | Path) else given
    root = os.environ.get("UNINAS_BENCH_DATA")
    if root:
        for candidate in (Path(root) / f"{dataset}.npz", Path(root) / dataset):
            if candidate.exists():
                return source_of_path(dataset, candidate)
        if is_torchvision_folder(dataset, Path(root)):
            return TorchvisionSource(dataset, Path(root))
    return registered.get(dataset)
