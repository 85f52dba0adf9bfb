from __future__ import annotations

import math

import numpy as np
import pytest
import torch

import uninas_bench as ub
from uninas_bench.errors import InvalidArchitecture
from uninas_bench.spaces.uninas import magnitude
from uninas_bench.spaces.uninas.graph import GraphError
from uninas_bench.spaces.uninas.magnitude import check_magnitudes
from uninas_bench.spaces.uninas.network import Subblock
from uninas_bench.spaces.uninas.notation import read_graph
from uninas_bench.spaces.uninas.space import NAMED
from uninas_bench.tasks import find_task

LINEAR_ATTENTION = "conv_chunk3 ; ; matmul1 ; matmul2"


def estimate(text: str, channels: int, size: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> float:
    """Log10 of the scale at the output of a graph."""
    kept, found = magnitude._scale, [0.0]

    def spy(*arguments: object) -> float:
        found.append(kept(*arguments))  # type: ignore[arg-type]
        return found[-1]

    monkeypatch.setattr(magnitude, "_scale", spy)
    check_magnitudes(read_graph(text), channels, size)
    return found[-1] * math.log10(2)


@pytest.mark.parametrize(
    "text",
    ["conv1 conv1", "conv3 conv3", "conv_exp4 conv_red4", "conv_red4 conv_exp4", "conv_depth3 conv_depth5",
     "copy2 ; conv1 ; conv3 add2", "conv1 batch_norm conv1"],
)  # fmt: skip
def test_scales_of_linear_graphs_are_those_that_are_measured(
    text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(0)
    images = torch.randn(8, 32, 12, 12)
    outputs = torch.stack([Subblock(read_graph(text), 32, (12, 12))(images) for _ in range(5)])
    measured = outputs.square().mean().sqrt().log10().item()
    assert abs(estimate(text, 32, (12, 12), monkeypatch) - measured) < 0.75


def test_products_of_products_are_refused_where_they_overflow() -> None:
    four = " ".join([LINEAR_ATTENTION] * 4)
    graph = read_graph(four)
    with pytest.raises(GraphError, match=r"node \d+ \(matmul\d\) would give numbers of about 1e\d\d in \("):
        check_magnitudes(graph, 32, (16, 16))
    with torch.no_grad():
        wild = Subblock(read_graph(f"{four} {LINEAR_ATTENTION}"), 32, (16, 16))(torch.randn(2, 32, 16, 16))
    assert not wild.isfinite().all()
    check_magnitudes(read_graph(f"{LINEAR_ATTENTION} layer_norm {LINEAR_ATTENTION}"), 32, (16, 16))
    check_magnitudes(read_graph(" ".join(["conv_chunk3 ; ; matmul1 softmax ; matmul2"] * 20)), 32, (56, 56))


def test_published_networks_and_samples_pass() -> None:
    space = ub.space("uninas")
    for name in NAMED:
        design = space.design(space.parse(name))  # type: ignore[attr-defined]
        for resolution in ("imagenet1k", "imagenet1k@512"):
            space._check_magnitudes(design, find_task(resolution))  # type: ignore[attr-defined]


def test_a_network_that_would_overflow_is_a_failed_cell_with_its_reason() -> None:
    wild = " ".join([LINEAR_ATTENTION] * 6)
    space = ub.space("uninas", widths="32:32:32:32", depths="1:1:1:1", stem="8:16")
    bad = space.parse(f"[{wild} / -] | R | R | R")
    good = space.parse("R | R | R | R")
    with pytest.raises(InvalidArchitecture, match=r"block 1.1, subblock 1: node \d+ \(matmul"):
        space.build(bad, find_task("cifar10"))
    frame = ub.score([bad, good], [ub.proxy("nwot", batch=4)], space=space, task="cifar10")
    status = dict(zip(frame["architecture"], frame["status"], strict=True))
    assert status == {bad.encoding: "not-applicable", good.encoding: "ok"}
    assert frame["message"].str.contains("would give numbers of about 1e").sum() == 1
    assert np.isfinite(frame.loc[frame["status"] == "ok", "value"]).all()
