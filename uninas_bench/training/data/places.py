"""Where the folder of a data set is."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from uninas_bench.data.location import data_folder
from uninas_bench.errors import InvalidFile, UserError


def folder_of(dataset: str, data: Mapping[str, str | Path], layout: str) -> Path:
    """The folder that ``data`` gives for a data set, else ``DATASET/`` in the data folder.

    Args:
        dataset: a name of the catalogue of tasks.
        data: the user's own places.
        layout: what the folder should have inside, for the message.

    Raises:
        UserError: nobody says where it is.
        InvalidFile: what ``data`` says is no folder.
    """
    given = data.get(dataset)
    if given is not None:
        if not Path(given).is_dir():
            raise InvalidFile(f"{given}: no such folder; {dataset} is one with {layout}")
        return Path(given)
    usual = data_folder() / dataset
    if usual.is_dir():
        return usual
    raise UserError(
        f"no images of {dataset}: give the folder with {layout} by --data {dataset}=FOLDER, "
        f"or keep it as {usual} (UNINAS_BENCH_DATA names that folder)"
    )
