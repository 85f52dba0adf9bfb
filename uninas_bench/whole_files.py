"""Write a file whole or not at all: a reader never meets half of it, whenever the writer is killed."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from uninas_bench.errors import UserError


def write_whole(path: Path, data: bytes) -> None:
    """Write ``data`` to ``path``, which then has it all or is as it was; the folder is made where it lacks.

    Raises:
        UserError: the folder cannot be made or written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            Path(name).chmod(0o644)
            Path(name).replace(path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise UserError(f"{path}: cannot be written: {error.strerror or error}") from None
