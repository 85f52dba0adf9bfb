"""What the two official packages share: records of trials, and the tasks that their splits become."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

_EPOCHS = re.compile(r"-(\d+)ep$")
FINAL_EPOCHS = {"nasbench201": 200, "nats_size": 90}
"""The schedule whose accuracies a task's name without epochs stands for."""


class Trial(NamedTuple):
    """One evaluation of one training. ``architecture`` is spelled as in the file; ``accuracy`` in percent."""

    architecture: str
    task: str
    seed: str
    accuracy: float
    loss: float


class Trainings(Protocol):
    """The ``ResultsCount`` of either package: one training."""

    eval_times: Any

    def get_eval_set(self) -> list[str]:
        """Names of the splits that were evaluated."""
        ...

    def get_eval(self, name: str, iepoch: int | None = None) -> dict[str, Any]:
        """Accuracy, loss and times on a split after an epoch; default the last."""
        ...


class Results(Protocol):
    """The ``ArchResults`` of either package: all trainings of an architecture under one schedule."""

    arch_str: str
    dataset_seed: dict[str, list[int]]

    def query(self, dataset: str, seed: int | None = None) -> Any:
        """The training of a seed, or all by seed."""
        ...


@dataclass(frozen=True, slots=True)
class _Measure:
    dataset: str
    split: str
    task: str
    trained: str
    evaluated: str


_HALF, _ALL, _ALL16 = (
    "25,000 training images",
    "the 50,000 training images",
    "the 151,700 training images",
)
_MEASURES = (
    _Measure("cifar10", "ori-test", "cifar10", _ALL, "the test set"),
    _Measure("cifar10-valid", "x-valid", "cifar10-valid", _HALF, "the other 25,000 (x-valid)"),
    _Measure("cifar10-valid", "ori-test", "cifar10-train25k", _HALF, "the test set"),
    _Measure("cifar100", "x-test", "cifar100", _ALL, "5,000 test images (x-test)"),
    _Measure("cifar100", "x-valid", "cifar100-valid", _ALL, "the other 5,000 test images (x-valid)"),
    _Measure("ImageNet16-120", "x-test", "imagenet16-120", _ALL16, "3,000 validation images (x-test)"),
    _Measure("ImageNet16-120", "x-valid", "imagenet16-120-valid", _ALL16, "the other 3,000 (x-valid)"),
)
_PROTOCOLS = {measure.task: measure for measure in _MEASURES}


def protocol(benchmark: str, task: str, space: str) -> str:
    """One sentence about what an official table holds: data set, split, schedule."""
    measure = _PROTOCOLS[_EPOCHS.sub("", task)]
    match = _EPOCHS.search(task)
    epochs = int(match[1]) if match else FINAL_EPOCHS[space]
    return (
        f"{benchmark}: trained on {measure.trained} of {measure.dataset.removesuffix('-valid')} for {epochs} "
        f"epochs, last epoch, accuracy on {measure.evaluated}"
    )


def trials(results: Results, epochs: int, space: str) -> Iterator[Trial]:
    """Accuracy and loss after the last epoch, of every training and split; what was not measured is left out.

    Args:
        results: a record of either package.
        epochs: of its schedule.
        space: decides which schedule is the final one.
    """
    suffix = "" if epochs == FINAL_EPOCHS[space] else f"-{epochs}ep"
    for measure in _MEASURES:
        for seed in sorted(results.dataset_seed.get(measure.dataset, ())):
            training: Trainings = results.query(measure.dataset, seed)
            if measure.split not in training.get_eval_set():
                continue
            # Without times the packages skip adding them up, which takes most of their time.
            training.eval_times = None
            found = training.get_eval(measure.split)
            yield Trial(
                results.arch_str, measure.task + suffix, str(seed),
                float(found["accuracy"]), float(found["loss"]),
            )  # fmt: skip


def space_of(spelling: str) -> str:
    """The space of an architecture spelled as in an official file.

    Raises:
        ValueError: neither of the two.
    """
    if spelling.startswith("|"):
        return "nasbench201"
    if re.fullmatch(r"\d+(:\d+)+", spelling):
        return "nats_size"
    raise ValueError(f"{spelling[:40]!r} is no architecture of NAS-Bench-201 or NATS-Bench")


def state_of(record: Any) -> dict[str, Any]:
    """The state of an ``ArchResults``, whether it was saved as such or as its ``state_dict``.

    Raises:
        ValueError: it is no such record.
    """
    state = _fields(record)
    if not {"arch_str", "all_results", "dataset_seed"} <= state.keys():
        raise ValueError("a record without arch_str, all_results and dataset_seed")
    return {**state, "all_results": {key: _fields(value) for key, value in state["all_results"].items()}}


def is_record(value: object) -> bool:
    """Whether a value is the state of an ``ArchResults``."""
    return isinstance(value, Mapping) and "all_results" in value


def empty_record(record: Any) -> None:
    """Free the figures per epoch, thousands in a record; an unpickler keeps all else alive anyway."""
    for training in record["all_results"].values():
        for value in _fields(training).values():
            if isinstance(value, dict):
                value.clear()


def _fields(record: Any) -> dict[str, Any]:
    return record if isinstance(record, dict) else dict(vars(record))
