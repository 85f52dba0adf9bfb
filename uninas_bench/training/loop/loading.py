"""Batches from samples, in the order of the sampler, read by workers or in place."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from uninas_bench.errors import InvalidFile, UserError
from uninas_bench.seeds import derive_seed
from uninas_bench.training.data.seeded import Seeded
from uninas_bench.training.loop.interruption import leave_it_to_the_parent

if TYPE_CHECKING:
    from uninas_bench.training.loop.sampler import Key
    from uninas_bench.training.objective import Objective, Samples

Sample = tuple[Tensor, Any]


def batches(
    objective: Objective,
    samples: Samples,
    keys: Iterable[list[Key]],
    *,
    seed: int,
    workers: int,
    device: torch.device,
    channels_last: bool,
) -> closing[Generator[tuple[Any, Any], None, None]]:
    """The images and targets of each list of keys, on the device, for a ``with`` block: it ends the workers.

    What a sample draws depends on seed and key alone, hence not on the number of workers.

    Raises:
        InvalidFile: a sample cannot be read.
    """
    loader: DataLoader[Any] = DataLoader(
        _Reported(Seeded(samples, seed)),
        batch_sampler=keys,
        num_workers=workers,
        collate_fn=_Collated(objective.collate),
        pin_memory=device.type == "cuda",
        worker_init_fn=leave_it_to_the_parent,
        # A loader draws a number for its workers, from the global generator unless it has its own.
        generator=torch.Generator().manual_seed(derive_seed(seed, "loader")),
    )
    image_format = torch.channels_last if channels_last else torch.preserve_format

    def read() -> Generator[tuple[Any, Any], None, None]:
        for batch in loader:
            if isinstance(batch, UserError):
                raise batch
            images, targets = batch
            yield moved(images, device, image_format), moved(targets, device)

    return closing(read())


def moved(value: Any, device: torch.device, image_format: torch.memory_format = torch.preserve_format) -> Any:
    """A structure of lists, tuples and dicts with its tensors on a device; batches of images in a format."""
    if isinstance(value, Tensor):
        layout = image_format if value.ndim == 4 else torch.preserve_format
        return value.to(device, non_blocking=True, memory_format=layout)
    if isinstance(value, dict):
        return {name: moved(part, device, image_format) for name, part in value.items()}
    if isinstance(value, list):
        return [moved(part, device, image_format) for part in value]
    if isinstance(value, tuple):
        return tuple(moved(part, device, image_format) for part in value)
    return value


@dataclass(frozen=True)
class _Reported(Dataset[Any]):
    """A sample, or the user's mistake that prevents it: a loader would raise it again as its traceback."""

    samples: Dataset[Any]

    def __getitem__(self, key: Key) -> Any:
        try:
            return self.samples[key]
        except UserError as error:
            return InvalidFile(str(error))


@dataclass(frozen=True)
class _Collated:
    """A batch, or the first mistake among its samples."""

    collate: Callable[[Sequence[Sample]], tuple[Any, Any]]

    def __call__(self, samples: Sequence[Any]) -> Any:
        mistakes = [sample for sample in samples if isinstance(sample, UserError)]
        return mistakes[0] if mistakes else self.collate(samples)
