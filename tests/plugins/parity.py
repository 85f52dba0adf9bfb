"""Networks and inputs of the reference scores, rebuilt from numpy's frozen legacy generator.

The scores are what the authors' own code gave. Weights and inputs do not depend on torch's generator,
so any version rebuilds them, and checksums say so.
"""

from __future__ import annotations

import copy
import json
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

import uninas_bench as ub
from uninas_bench.architecture import Task
from uninas_bench.proxy import Proxy
from uninas_bench.subject import NetworkSubject

FILE = "parity/reference_scores.json"


@dataclass(frozen=True)
class Rebuilt:
    """An entry's network with its weights, the batches (X1, y1) and (X2, y2), and the blocks to tap."""

    network: nn.Module
    batches: list[tuple[Tensor, Tensor]]
    features: list[str]
    input_seed: int

    def subject(self, proxy: Proxy) -> NetworkSubject:
        return NetworkSubject(
            self.network, self.batches, proxy.settings, init="keep", seed=self.input_seed,
            features=self.features,
        )  # fmt: skip


def default_folder() -> Path | None:
    """The folder of real data, at collection time; None where the file is absent."""
    beside = Path(__file__).resolve().parents[3] / "shared" / "data"
    folder = Path(os.environ.get("UNINAS_BENCH_TEST_DATA", beside))
    return folder if (folder / FILE).is_file() else None


def read_entries(folder: Path) -> list[dict[str, Any]]:
    """The entries of the file, which holds NaN and -Infinity and so is not strict JSON."""
    entries: list[dict[str, Any]] = json.loads((folder / FILE).read_text())
    return entries


def entry_name(entry: Mapping[str, Any]) -> str:
    if entry["kind"] == "small":
        return str(entry["name"])
    return f"nb201-{entry['index']}-C{entry['C']}-N{entry['N']}"


def rebuild(entry: Mapping[str, Any]) -> Rebuilt:
    """Rebuild an entry and check it against its checksums."""
    network, features = _stack(entry) if entry["kind"] == "small" else _nasbench201(entry)
    _fill(network, entry["weight_seed"])
    sums = [sum(p.double().sum().item() for p in network.parameters())]
    sums.append(sum(p.double().abs().sum().item() for p in network.parameters()))
    sums.append(sum(p.numel() for p in network.parameters()))
    sums.append(len(list(network.parameters())))
    assert sums == _close(entry["weight_checksum"]), "the weights differ from the reference's"

    batches = _batches(entry)
    assert [x.double().sum().item() for x, _ in batches] == _close(entry["x_checksum"]), "the inputs differ"
    assert [y.sum().item() for _, y in batches] == [entry["y1_sum"], entry["y2_sum"]], "the labels differ"
    return Rebuilt(network, batches, features, entry["input_seed"])


class _Close(list[float]):
    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, list)
            and len(self) == len(other)
            and all(math.isclose(a, b, rel_tol=1e-6, abs_tol=1e-3) for a, b in zip(self, other, strict=True))
        )

    __hash__ = None  # type: ignore[assignment]


def _close(values: Sequence[float]) -> _Close:
    return _Close(values)


def with_unit_weights(entry: Mapping[str, Any], rebuilt: Rebuilt) -> Rebuilt:
    """The same with weights of deviation 1, on which the reference scores of Zen were computed."""
    network = copy.deepcopy(rebuilt.network)
    _fill(network, entry["weight_seed"], unit=True)
    return replace(rebuilt, network=network)


@torch.no_grad()
def _fill(network: nn.Module, seed: int, *, unit: bool = False) -> None:
    rs = np.random.RandomState(seed)
    for name, parameter in network.named_parameters():
        if parameter.ndim >= 2:
            deviation = 1.0 if unit else math.sqrt(2 / parameter[0].numel())
            draw = rs.standard_normal(parameter.numel()) * deviation
            parameter.copy_(torch.from_numpy(draw.astype(np.float32)).view(parameter.shape))
        else:
            parameter.fill_(0.0 if name.endswith("bias") else 1.0)


def _batches(entry: Mapping[str, Any]) -> list[tuple[Tensor, Tensor]]:
    rs = np.random.RandomState(entry["input_seed"])
    shape = (entry["batch"], 3, entry["resolution"], entry["resolution"])
    images = [torch.from_numpy(rs.standard_normal(shape).astype(np.float32)) for _ in range(2)]
    labels = [torch.from_numpy(rs.randint(0, entry["classes"], entry["batch"])) for _ in range(2)]
    return list(zip(images, labels, strict=True))


def _nasbench201(entry: Mapping[str, Any]) -> tuple[nn.Module, list[str]]:
    space = ub.space("nasbench201", channels=entry["C"], cells=entry["N"])
    task = Task("parity", "parity", entry["resolution"], entry["classes"])
    network = space.build(space.parse(entry["arch"]), task)
    return network, ["stem", *(name for name, _ in space.blocks(network))]


class _Stack(nn.Module):
    """Stages of conv, batch norm and perhaps ReLU, then mean pooling and a linear head."""

    def __init__(self, stages: Sequence[Sequence[Sequence[Any]]], classes: int) -> None:
        super().__init__()
        self.stages = nn.ModuleList(
            nn.Sequential(*(layer for spec in stage for layer in self._layers(*spec))) for stage in stages
        )
        self.head = nn.Linear(stages[-1][-1][1], classes)

    @staticmethod
    def _layers(
        inputs: int, outputs: int, kernel: int, stride: int, groups: int, relu: bool, bias: bool
    ) -> list[nn.Module]:
        conv = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=bias)
        return [conv, nn.BatchNorm2d(outputs), *([nn.ReLU()] if relu else [])]

    def forward(self, x: Tensor) -> Tensor:
        for stage in self.stages:
            x = stage(x)
        logits: Tensor = self.head(x.mean((2, 3)))
        return logits


def _stack(entry: Mapping[str, Any]) -> tuple[nn.Module, list[str]]:
    network = _Stack(entry["spec"], entry["classes"])
    return network, [f"stages.{i}" for i in range(len(network.stages))]
