"""A plugin file whose proxy can be broken in every way that a gate must see, and a table for it."""

from __future__ import annotations

from pathlib import Path

from tests import toy
from uninas_bench.ground_truth.files import write_table
from uninas_bench.host import Host, build_host

TEMPLATE = r'''
import re

import torch
from uninas_bench import NotApplicable, Proxy, hookimpl, simple_proxy


@simple_proxy("spread", version={version}, needs={{"images"}}, batch={batch})
def spread(subject):
    """What the operations are worth, and a little of what the network makes of a batch."""
    images, _ = subject.batch()
    for _ in range({times}):
        with torch.no_grad():
            last = subject.features(images, subject.network())[-1]
    if {fails}:
        raise NotApplicable("it does not like this one")
    worth = {{"nor_conv_3x3": 9, "nor_conv_1x1": 7, "avg_pool_3x3": 3, "skip_connect": 4, "none": 0}}
    good = sum(worth[name] for name in re.findall(r"(\w+)~", subject.architecture.encoding)) / 9
    return {sign} * (good + 0.1 * ({statistic}))


@simple_proxy("skips", version=1)
def skips(subject):
    """How often nothing is done: worth less than convolutions."""
    return subject.architecture.encoding.count("skip")


class Ranks(Proxy):
    """No scores of its own."""

    name = "ranks"
    requires = ("spread",)

    def aggregate(self, components):
        return components["spread.spread"].rank()


{mark}
def {hook}():
    return {names}
{others}'''
PLAIN = {
    "version": 1,
    "batch": 8,
    "times": 1,
    "fails": "False",
    "sign": 1,
    "statistic": "last.abs().mean().item()",
    "mark": "@hookimpl",
    "hook": "uninas_bench_proxies",
    "names": "[spread, skips, Ranks()]",
    "others": "",
}
NAMES = ("spread", "skips")


def write_plugin(folder: Path, **changes: object) -> Path:
    """``gate_plugin.py``, with some of `PLAIN` changed."""
    path = folder / "gate_plugin.py"
    path.write_text(TEMPLATE.format(**{**PLAIN, **changes}))
    return path


def host(folder: Path, **changes: object) -> Host:
    """The installed plugins and this one."""
    return build_host([write_plugin(folder, **changes)])


def write_toy_table(folder: Path, n: int = 40) -> Path:
    """Accuracies that convolutions raise, at a tiny scale and on images of 12 pixels."""
    path = folder / "toy.csv.gz"
    write_table(toy.table(toy.architectures(n), task="mnist-hard"), path)
    return path
