"""NATS-Bench through its own package: both spaces, the single file and the folders of one file each."""

from __future__ import annotations

from typing import Any

from uninas_bench.ground_truth.trials import Trial, space_of, state_of, trials

BENCHMARK = "NATS-Bench"
SCHEDULES = {"01": 1, "12": 12, "90": 90, "200": 200}
"""Epochs by the key that the package calls ``hp``."""


def read_record(schedule: str, record: Any) -> list[Trial]:
    """Every trial of one architecture under one schedule, as the package reads them.

    Raises:
        Exception: whatever the package raises on a malformed record.
    """
    from nats_bench.api_utils import ArchResults

    state = state_of(record)
    results = ArchResults.create_from_state_dict(state)
    return list(trials(results, SCHEDULES[schedule], space_of(state["arch_str"])))
