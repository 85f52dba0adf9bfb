"""The catalogue of tasks: which resolution and how many classes a data set's name stands for."""

from __future__ import annotations

import re
from dataclasses import replace

from uninas_bench.architecture import Task
from uninas_bench.errors import UnknownName, UserError

_CATALOGUE = {
    task.name: task
    for task in (
        Task("cifar10", "cifar10", 32, 10),
        Task("cifar10-valid", "cifar10", 32, 10),
        Task("cifar10-train25k", "cifar10", 32, 10),
        Task("cifar100", "cifar100", 32, 100),
        Task("cifar100-valid", "cifar100", 32, 100),
        Task("imagenet16-120", "imagenet16-120", 16, 120),
        Task("imagenet16-120-valid", "imagenet16-120", 16, 120),
        Task("imagenet1k", "imagenet1k", 224, 1000),
        Task("fashion-mnist", "fashion-mnist", 28, 10),
        Task("digits", "digits", 8, 10),
        Task("mnist-hard", "mnist-hard", 12, 10),
        Task("coco", "coco", 800, 91),
        Task("ade20k", "ade20k", 512, 150),
        Task("shapes", "shapes", 64, 5),
    )
}
_EPOCHS = re.compile(r"-(\d+)ep$")


def task_names() -> tuple[str, ...]:
    """Every name in the catalogue, without the forms that carry epochs."""
    return tuple(_CATALOGUE)


def find_task(task: str | Task) -> Task:
    """The task of a name such as ``cifar10``, ``cifar10-valid-12ep`` or ``imagenet1k@64``.

    ``@64`` asks for another resolution than the benchmark's own. A `Task` passes through.

    Raises:
        UnknownName: the name without its epochs is not in the catalogue.
    """
    if isinstance(task, Task):
        return task
    plain, at, resolution = task.partition("@")
    base = _EPOCHS.sub("", plain)
    if base not in _CATALOGUE:
        raise UnknownName("task", plain, _CATALOGUE)
    found = replace(_CATALOGUE[base], name=task)
    if not at:
        return found
    if not resolution.isdecimal() or not 8 <= int(resolution[:6]) <= 4096:
        raise UserError(f'task "{task}": expected a resolution between 8 and 4096 after @, as in {base}@64')
    return replace(found, resolution=int(resolution))
