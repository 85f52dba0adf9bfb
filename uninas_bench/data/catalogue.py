"""Which images there are for a data set: the user's own first, then the data folder, then built-ins."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from uninas_bench.data.arrays import NpzSource
from uninas_bench.data.digits import Digits
from uninas_bench.data.folder import FolderSource
from uninas_bench.data.idx import PACKAGED, IdxSource, is_idx_folder
from uninas_bench.data.location import data_folder
from uninas_bench.data.mnist_hard import MnistHard
from uninas_bench.data.source import ImageSource
from uninas_bench.data.torchvision_sets import TorchvisionSource, is_torchvision_folder
from uninas_bench.errors import InvalidFile


def image_sources() -> list[ImageSource]:
    """The image sources that need no file of the user's."""
    return [Digits(), MnistHard()]


def source_of_path(dataset: str, path: Path) -> ImageSource:
    """The source of a .npz file or a folder: torchvision's, idx files, or images.

    Raises:
        InvalidFile: the path does not exist, or is a file of another kind.
    """
    if path.is_dir():
        if is_torchvision_folder(dataset, path):
            return TorchvisionSource(dataset, path)
        if is_idx_folder(path):
            return IdxSource(dataset, path)
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

    Looked up in this order: ``overrides``; ``DATASET.npz`` or the folder ``DATASET/`` in the data folder
    (`location.data_folder`); a torchvision folder there; the sources that plugins ``registered``; the place
    of an operating system's package.
    """
    given = (overrides or {}).get(dataset)
    if given is not None:
        return source_of_path(dataset, Path(given)) if isinstance(given, str | Path) else given
    root = data_folder()
    for candidate in (root / f"{dataset}.npz", root / dataset):
        if candidate.exists():
            return source_of_path(dataset, candidate)
    if is_torchvision_folder(dataset, root):
        return TorchvisionSource(dataset, root)
    found = registered.get(dataset)
    packaged = PACKAGED.get(dataset)
    if found is None and packaged is not None and is_idx_folder(packaged):
        return IdxSource(dataset, packaged)
    return found
