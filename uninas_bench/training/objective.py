"""The contract between the loop, which knows no task, and the tasks, which know no loop."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from torch import Tensor

    from uninas_bench.training.loop.distributed import Processes


class Samples(Protocol):
    """One split: samples by number, read from wherever they are.

    With ``augment`` a sample is drawn anew in every epoch; what is drawn follows from the global generators
    (Python's, numpy's, torch's), which the caller seeds for each sample and puts back.
    """

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> tuple[Tensor, Any]:
        """An image (3, H, W) float32, and its target: what the task's network and meter take.

        Raises:
            InvalidFile: a file of the sample is missing or damaged; one line that names it.
        """
        ...


class Meter(Protocol):
    """Gathers predictions over a split and says how good they are."""

    def update(self, predictions: Any, targets: Sequence[Any]) -> None:
        """Take in what the network gave, in eval mode, for one batch."""
        ...

    def result(self, processes: Processes) -> Mapping[str, float]:
        """The metrics over all processes, the headline first: percentages, except losses.

        Every process calls it and gets the same; each sample was shown to one process only.
        """
        ...


class Objective(Protocol):
    """A task of a recipe on its data.

    Attributes:
        metric: name of the headline among the meter's metrics: ``accuracy``, ``box_ap``, ``miou``.
        training: samples that are learnt, augmented.
        test: samples of the evaluation.
        classes: of the task.
        fingerprint: of the data: changes whenever a sample could.
    """

    metric: str
    training: Samples
    test: Samples
    classes: int
    fingerprint: str

    @property
    def collate(self) -> Callable[[Sequence[tuple[Tensor, Any]]], tuple[Any, Any]]:
        """From samples to (images, targets), the arguments of the network's forward."""
        ...

    def meter(self) -> Meter:
        """A fresh meter for the test split."""
        ...
