"""Fetching images, only where a user asks for it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from uninas_bench.data.catalogue import find_images
from uninas_bench.data.location import data_folder
from uninas_bench.data.torchvision_sets import torchvision_class
from uninas_bench.errors import UserError

if TYPE_CHECKING:
    from uninas_bench.data.source import ImageSource


def download_images(
    dataset: str, registered: Mapping[str, ImageSource], given: Mapping[str, str | Path | ImageSource]
) -> None:
    """Have torchvision fetch a data set into the data folder, unless it is at hand; checksums are verified.

    Args:
        dataset: by name.
        registered: the sources of plugins.
        given: the user's own places.

    Raises:
        UserError: torchvision has no such data set, or it cannot be fetched.
    """
    if find_images(dataset, registered, given) is not None:
        return
    kind = torchvision_class(dataset)
    if kind is None:
        raise UserError(f"--download: {dataset} is not among what torchvision fetches; give it with --data")
    root = data_folder()
    try:
        root.mkdir(parents=True, exist_ok=True)
        for train in (True, False):
            kind(root, train=train, download=True)
    except (OSError, RuntimeError) as error:
        raise UserError(f"--download: {dataset} cannot be fetched: {' '.join(str(error).split())}") from None
