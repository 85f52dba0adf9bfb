"""The folder in which a user keeps images and tables."""

from __future__ import annotations

import os
from pathlib import Path


def data_folder() -> Path:
    """``UNINAS_BENCH_DATA``, else the user's data folder of this platform; it may not exist yet."""
    chosen = os.environ.get("UNINAS_BENCH_DATA")
    if chosen:
        return Path(chosen).expanduser()
    import platformdirs

    return Path(platformdirs.user_data_dir("uninas-bench"))
