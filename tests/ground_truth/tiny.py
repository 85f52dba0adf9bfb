"""Tiny official files, written by the classes of the official packages from a formula for the accuracies."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import nats_bench.api_utils

CELLS = (
    "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|+|skip_connect~0|nor_conv_3x3~1|nor_conv_1x1~2|",
    "|none~0|+|none~0|none~1|+|none~0|none~1|none~2|",
    "|avg_pool_3x3~0|+|nor_conv_1x1~0|skip_connect~1|+|nor_conv_1x1~0|skip_connect~1|skip_connect~2|",
)
SIZES = ("8:8:8:8:8", "64:64:64:64:64")
SPLITS = {
    "cifar10-valid": ("x-valid", "ori-test"),
    "cifar10": ("ori-test",),
    "cifar100": ("x-valid", "x-test", "ori-test"),
    "ImageNet16-120": ("x-valid", "x-test", "ori-test"),
}
SEEDS = ((777, 888, 999), (777,), (777, 888))
"""Which seeds each architecture has: the gaps must stay gaps."""


def accuracy(index: int, dataset: str, split: str, seed: int, epochs: int, epoch: int) -> float:
    """A number of its own for every evaluation, without rounding in binary."""
    data = list(SPLITS).index(dataset) + 1
    return (
        10.0
        + data
        + ("x-valid", "x-test", "ori-test").index(split) / 4
        + index / 8
        + seed / 1024
        + (epoch + 1) / 256
        + epochs / 8192
    )


def arch_results(package: Any, index: int, spelling: str, epochs: int, weights: object = None) -> Any:
    """An ``ArchResults`` of ``package`` with every data set, split and epoch."""
    results = package.ArchResults(index, spelling)
    config = {"channel": 16, "num_cells": 5, "arch_str": spelling, "class_num": 10}
    for dataset, splits in SPLITS.items():
        for seed in SEEDS[index % len(SEEDS)]:
            training = package.ResultsCount(
                dataset, weights, {}, {}, 1.0, 2.0, config, seed, epochs, [0.01, 0.02]
            )  # fmt: skip
            per_epoch = dict.fromkeys(range(epochs), 1.0)
            training.update_train_info(per_epoch, per_epoch, per_epoch, per_epoch)
            keys = [(split, e) for split in splits for e in range(epochs)]
            training.update_eval(
                {f"{s}@{e}": accuracy(index, dataset, s, seed, epochs, e) for s, e in keys},
                {f"{s}@{e}": accuracy(index, dataset, s, seed, epochs, e) / 100 for s, e in keys},
                {f"{s}@{e}": 0.5 for s, e in keys},
            )
            results.update(dataset, seed, training)
    return results


def nats_record(
    index: int, spelling: str, schedules: tuple[str, ...] = ("12", "200")
) -> OrderedDict[str, Any]:
    """One architecture as in NATS-Bench, with few epochs behind each schedule's name."""
    return OrderedDict(
        (schedule, arch_results(nats_bench.api_utils, index, spelling, 2 + i).state_dict())
        for i, schedule in enumerate(schedules)
    )


def benchmark(spellings: tuple[str, ...], records: dict[int, Any]) -> dict[str, Any]:
    """The single file's content."""
    return {
        "meta_archs": list(spellings),
        "total_archs": len(spellings),
        "arch2infos": records,
        "evaluated_indexes": set(records),
    }
