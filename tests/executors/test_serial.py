from __future__ import annotations

from uninas_bench.executors.executor import Executor
from uninas_bench.executors.serial import serial
from uninas_bench.testing.executors import ExecutorTestCase


class TestSerial(ExecutorTestCase):
    stops_items = False

    def make_executor(self, workers: int) -> Executor:
        return serial.create(workers)
