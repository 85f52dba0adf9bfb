"""The worker's side of the executor ``processes``. Importing it imports neither numpy nor torch."""

from __future__ import annotations

import os
import pickle
import threading
from multiprocessing import connection, parent_process
from typing import Any

from uninas_bench.errors import UserError
from uninas_bench.executors.shipping import ship

_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")
_worker: dict[str, Any] = {}


def start_worker(shipped: bytes) -> None:
    """Prepare a process, before anything heavy is imported: one thread per library, then the function.

    What goes wrong here is raised by the first `call`, where the driver hears of it.
    """
    os.environ.update(dict.fromkeys(_THREADS, "1"))
    threading.Thread(target=_end_with_driver, daemon=True).start()
    try:
        _worker["function"] = pickle.loads(shipped)  # noqa: S301  (our own driver's bytes)
    except Exception as error:
        _worker["error"] = error


def call(item: bytes) -> bytes:
    """The shipped result of the function on a shipped item.

    Raises:
        Exception: what the function raised, as a `UserError` or a `RuntimeError` that any process can read.
    """
    try:
        if "error" in _worker:
            raise _worker["error"]
        return ship(_worker["function"](pickle.loads(item)))  # noqa: S301  (our own driver's bytes)
    except UserError as error:
        raise UserError(str(error)) from None
    except Exception as error:
        raise RuntimeError(f"{type(error).__name__}: {error}") from error


def _end_with_driver() -> None:
    # A killed driver cannot stop its workers, and one in the middle of a long item looks at no pipe.
    driver = parent_process()
    if driver is not None:
        connection.wait([driver.sentinel])
        os._exit(1)
