"""Conformance of an executor: subclass `ExecutorTestCase`, give the executor, run pytest."""

from __future__ import annotations

import os
import re
import signal
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import ClassVar

import pytest

from uninas_bench.errors import UnknownName, UserError
from uninas_bench.executors.executor import Executor, Failed


class _Scaled:
    """A function with a state, as the engine's is."""

    def __init__(self, factor: int) -> None:
        self.factor = factor

    def __call__(self, item: int) -> int:
        return self.factor * item


def _misnaming(item: int) -> int:
    if item == 2:
        raise UnknownName("module", "layr1", ["layer1"])
    return item


def _failing(item: int) -> int:
    if item == 2:
        raise ValueError("odd")
    return item


def _pid(item: int) -> int:
    return os.getpid()


def _touch(item: tuple[str, int]) -> int:
    folder, number = item
    Path(folder, str(number)).touch()
    time.sleep(0.05)
    return number


def _fatal(item: str) -> str:
    if item == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    if item == "exit 0":
        os._exit(0)
    if item == "hangs":
        time.sleep(600)
    return item


class ExecutorTestCase(ABC):
    """What every `Executor` must keep, as pytest tests.

    Attributes:
        stops_items: it ends items that take too long, and survives a worker that dies.
    """

    stops_items: ClassVar[bool] = True

    @abstractmethod
    def make_executor(self, workers: int) -> Executor:
        """A fresh executor."""

    def test_every_item_comes_back_with_its_result(self) -> None:
        """Nothing is lost and nothing comes twice."""
        results = dict(self.make_executor(2).run(_Scaled(3), range(50)))
        assert results == {item: 3 * item for item in range(50)}

    def test_nothing_to_do(self) -> None:
        """No items, no results."""
        assert list(self.make_executor(1).run(_Scaled(3), [])) == []

    def test_can_be_used_again(self) -> None:
        """A second run uses the second function."""
        executor = self.make_executor(1)
        assert dict(executor.run(_Scaled(2), [1])) == {1: 2}
        assert dict(executor.run(_Scaled(3), [1])) == {1: 3}

    def test_functions_and_items_of_no_module_travel(self) -> None:
        """Functions and items defined in a function or a notebook are sent as well."""
        offset = 10
        items: list[Callable[[], int]] = [lambda: 1, lambda: 2]

        def call(item: Callable[[], int]) -> int:
            return item() + offset

        results = [result for _, result in self.make_executor(1).run(call, items)]
        assert set(results) == {11, 12}

    def test_items_are_drawn_as_they_are_needed(self) -> None:
        """An endless iterable of items is no reason to wait."""
        drawn = 0

        def endless() -> Iterator[int]:
            nonlocal drawn
            while True:
                drawn += 1
                yield drawn

        results = self.make_executor(1).run(_Scaled(1), endless())
        next(results)
        results.close()
        assert drawn < 100

    def test_a_user_error_reaches_the_caller_in_its_words(self) -> None:
        """A `UserError` of the function is raised as such, with its message."""
        with pytest.raises(UserError, match=re.escape(str(UnknownName("module", "layr1", ["layer1"])))):
            list(self.make_executor(1).run(_misnaming, range(5)))

    def test_another_exception_reaches_the_caller(self) -> None:
        """Any other exception is raised, of whatever kind, with its message."""
        with pytest.raises(Exception, match="odd"):
            list(self.make_executor(1).run(_failing, range(5)))

    def test_closing_stops_the_work(self, tmp_path: Path) -> None:
        """No item starts after the iterator is closed."""
        results = self.make_executor(1).run(_touch, [(str(tmp_path), number) for number in range(200)])
        next(results)
        results.close()
        done = len(list(tmp_path.iterdir()))
        time.sleep(0.3)
        assert len(list(tmp_path.iterdir())) == done < 200

    def test_no_thread_stays_behind(self) -> None:
        """Every thread and worker ends with the run."""
        before = set(threading.enumerate())
        list(self.make_executor(1).run(_Scaled(1), range(3)))
        assert {thread for thread in threading.enumerate() if thread.is_alive()} <= before

    def test_an_item_that_takes_too_long_fails_alone(self) -> None:
        """A hung item gives ``timeout``; the others give their results."""
        if not self.stops_items:
            pytest.skip("this executor cannot stop an item")
        results = dict(self.make_executor(1).run(_fatal, ["good", "hangs", "fine"], timeout=1.0))
        hung = results.pop("hangs")
        assert isinstance(hung, Failed)
        assert hung.kind == "timeout"
        assert results == {"good": "good", "fine": "fine"}

    def test_an_item_whose_worker_dies_fails_alone(self) -> None:
        """A worker killed by a signal, or that exits by itself, gives ``crashed``."""
        if not self.stops_items:
            pytest.skip("this executor cannot stop an item")
        results = dict(self.make_executor(2).run(_fatal, ["good", "killed", "exit 0", "fine"]))
        for item in ("killed", "exit 0"):
            dead = results.pop(item)
            assert isinstance(dead, Failed)
            assert dead.kind == "crashed"
        assert results == {"good": "good", "fine": "fine"}

    def test_a_worker_does_many_items(self) -> None:
        """Items share a worker instead of starting one each."""
        processes = {result for _, result in self.make_executor(1).run(_pid, range(20))}
        assert len(processes) == 1
