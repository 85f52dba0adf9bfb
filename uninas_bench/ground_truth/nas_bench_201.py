"""NAS-Bench-201 through its own package: the ``.pth`` file and the folders of one ``.pth`` each."""

from __future__ import annotations

from typing import Any

from uninas_bench.ground_truth.trials import Trial, state_of, trials

BENCHMARK = "NAS-Bench-201"
SCHEDULES = {"less": 12, "full": 200}
"""Epochs by the key of the file."""


def read_record(schedule: str, record: Any) -> list[Trial]:
    """Every trial of one architecture under one schedule, as the package reads them.

    Raises:
        Exception: whatever the package raises on a malformed record.
    """
    from nas_201_api.api_utils import ArchResults

    results = ArchResults.create_from_state_dict(state_of(record))
    return list(trials(results, SCHEDULES[schedule], "nasbench201"))
