"""Costs against the paper's printed formulas, the authors' own totals, and the network as torch counts it."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from uninas_bench.architecture import Task
from uninas_bench.spaces.uninas import read_json
from uninas_bench.spaces.uninas.block import Design
from uninas_bench.spaces.uninas.costs import (
    Convention,
    design_costs,
    design_parts,
    graph_cost,
    node_cost,
    overhead,
    product_flops,
)
from uninas_bench.spaces.uninas.encoding import read_design
from uninas_bench.spaces.uninas.macro import UninasScale, places
from uninas_bench.spaces.uninas.network import UninasNetwork
from uninas_bench.spaces.uninas.notation import read_graph
from uninas_bench.spaces.uninas.operations import FAMILY, read_operation
from uninas_bench.spaces.uninas.templates import template
from uninas_bench.spaces.uninas.tensor_type import TensorType
from uninas_bench.tasks import find_task

SCALE = UninasScale()
IMAGENET = find_task("imagenet1k")

# Table I of the paper: its own names and formulas for an input (C, H, W).
PRINTED = {
    "Softmax": lambda c, h, w: (0, c * h * (3 * w - 1)),
    "Dropout": lambda c, h, w: (0, c * h * w),
    "MaxPool2d": lambda c, h, w: (0, 9 * c * h * w),
    "Mask": lambda c, h, w: (0, c * h * w),
    "Sigmoid": lambda c, h, w: (0, 3 * c * h * w),
    "GELU": lambda c, h, w: (0, 3 * c * h * w),
    "Conv1": lambda c, h, w: (c * (c + 1), 2 * c**2 * h * w),
    "Conv3": lambda c, h, w: (c * (9 * c + 1), 18 * c**2 * h * w),
    "ConvDepth3": lambda c, h, w: (9 * c, 18 * c * h * w),
    "ConvDepth5": lambda c, h, w: (25 * c, 50 * c * h * w),
    "BatchNorm": lambda c, h, w: (2 * c, 2 * c * h * w),
    "LayerNorm": lambda c, h, w: (2 * c, 2 * c * h * w),
    "Chunk2": lambda c, h, w: (0, 0),
    "Chunk3": lambda c, h, w: (0, 0),
    "Copy": lambda c, h, w: (0, 0),
    "Concat2": lambda c, h, w: (0, 0),
    "Concat3": lambda c, h, w: (0, 0),
    "Add": lambda c, h, w: (0, c * h * w),
    "ConvChunk3": lambda c, h, w: (3 * c * (c + 1), 6 * c**2 * h * w),
    "ConvExp4": lambda c, h, w: (4 * c * (c + 1), 8 * c**2 * h * w),
    "Multiply": lambda c, h, w: (0, 4 * c * h * w),
    "Matmul1": lambda c, h, w: (0, 2 * c * h**2 * w**2),
    "GlobalAvg": lambda c, h, w: (0, c * h * w),
    # Misprints: the table repeats ConvExp4's row, and has (sqrt(H)-1/2) for (2 sqrt(H)-1) once only.
    "ConvRed4": lambda c, h, w: (c // 4 * (c + 1), c**2 * h * w // 2),
    "RelPosBias": lambda c, h, w: ((2 * math.isqrt(h) - 1) * (2 * math.isqrt(w) - 1), c * h * w),
}


@pytest.mark.parametrize(("channels", "side"), [(12, 4), (96, 49), (384, 16)])
@pytest.mark.parametrize("name", PRINTED)
def test_every_row_of_table_one(name: str, channels: int, side: int) -> None:
    operation = read_operation(name)
    inputs = (TensorType(channels),) * operation.inputs
    expected = PRINTED[name](channels, side, side)
    assert node_cost(operation, inputs, (side, side), "exact") == expected


def test_nodes_whose_input_is_not_the_blocks_size() -> None:
    size = (4, 6)
    pooled, scores = TensorType(8, "p"), TensorType(1, "t")
    assert node_cost(read_operation("up_sample"), (pooled,), size, "exact") == (0, 8 * 4 * 6)
    assert node_cost(read_operation("conv1"), (pooled,), size, "exact") == (8 * 9, 2 * 8 * 8)
    assert node_cost(read_operation("matmul2"), (scores, TensorType(8)), size, "exact") == (0, 2 * 8 * 24**2)
    # One entry for each relative position of the grid of tokens; one addition for each entry of the map.
    assert node_cost(read_operation("rel_pos_bias"), (scores,), size, "exact") == (7 * 11, 24**2)
    assert node_cost(read_operation("softmax"), (scores,), size, "exact") == (0, 24 * (3 * 24 - 1))
    assert node_cost(read_operation("add3"), (TensorType(8),) * 3, size, "exact") == (0, 2 * 8 * 24)


def test_every_operation_has_a_cost() -> None:
    for kind in FAMILY:
        operation = read_operation(kind if not _needs_number(kind) else f"{kind}4")
        path = "p" if kind == "up_sample" else ""
        inputs = (TensorType(8, path),) * operation.inputs
        if kind == "matmul2":
            inputs = (TensorType(1, "t"), TensorType(8))
        for convention in ("exact", "toolkit"):
            params, flops = node_cost(operation, inputs, (4, 4), convention)
            free = {"chunk", "copy", "concat", "identity", "zero"} | (
                {"up_sample"} if convention == "toolkit" else set()
            )
            assert (flops == 0) == (kind in free), kind
            assert type(params) is type(flops) is int


def _needs_number(kind: str) -> bool:
    return kind in {"chunk", "copy", "concat", "add", "conv_exp", "conv_red", "conv_chunk"}


@pytest.mark.parametrize(("channels", "side"), [(96, 56), (192, 28), (384, 14), (768, 7), (64, 5)])
def test_closed_forms_of_the_templates(channels: int, side: int) -> None:
    """The toolkit's as measured on its own networks; the exact ones by hand from Table I."""
    c, n = channels, side * side
    heads, table = c // 32, (2 * side - 1) ** 2
    efficient, residual, transformer = template("E"), template("R"), template(f"T{heads}")

    def cost(block_half: Any, convention: Convention) -> tuple[int, int]:
        return graph_cost(block_half, c, (side, side), convention)

    params = 16 * c * c + 128 * c
    assert cost(efficient.first, "toolkit") == (params, 16 * c * c * n + 262 * c * n + 16 * c * c + 12 * c)
    # The gate's GELU is charged at C, not 4C, of 4C channels reduced by 4; up_sample costs 4C N.
    assert cost(efficient.first, "exact") == (params, 16 * c * c * n + 266 * c * n + 16 * c * c + 3 * c)
    assert cost(residual.first, "toolkit") == (18 * c * c + 6 * c, 36 * c * c * n + 10 * c * n)
    assert cost(residual.first, "exact") == cost(residual.first, "toolkit")
    attention = (4 * c * c + 4 * c + heads * table, 8 * c * c * n + heads * (132 * n * n - n))
    assert cost(transformer.first, "toolkit") == attention
    assert cost(transformer.first, "exact") == attention
    assert cost(transformer.second, "toolkit") == (8 * c * c + 13 * c, 16 * c * c * n + 11 * c * n)
    assert cost(transformer.second, "exact") == (8 * c * c + 13 * c, 16 * c * c * n + 20 * c * n)
    assert cost(efficient.second, "exact") == (0, 0)


def test_the_toolkits_mistakes_are_its_own() -> None:
    size = (8, 8)
    double = read_graph("conv_exp2 gelu conv_red2")
    half = read_graph("conv_red2 gelu conv_exp2")
    c, n = 96, 64
    # An expand-and-reduce counts as one of 4 whatever its factor; a reduce-and-expand as it is.
    assert graph_cost(double, c, size, "exact") == (37_152, 8 * c * c * n + 6 * c * n)
    assert graph_cost(double, c, size, "toolkit") == (37_152, 16 * c * c * n + 6 * c * n)
    assert graph_cost(half, c, size, "toolkit") == graph_cost(half, c, size, "exact")
    assert graph_cost(half, c, size, "exact")[1] == 2 * c * c * n + 3 * c * n // 2
    # A wrong declaration moves the toolkit's total and nothing else; matrix products cost 32 channels.
    assert graph_cost(read_graph("gelu@4"), c, size, "toolkit") == (0, 12 * c * n)
    assert graph_cost(read_graph("gelu@4"), c, size, "exact") == (0, 3 * c * n)
    narrow = read_graph("conv_chunk3 ; ; matmul1 ; matmul2")
    assert graph_cost(narrow, c, size, "toolkit")[1] == 6 * c * c * n + 4 * 32 * n * n
    assert graph_cost(narrow, c, size, "exact")[1] == 6 * c * c * n + 4 * c * n * n


def test_parts_add_up_and_overhead_is_what_the_blocks_are_not() -> None:
    design = read_design("E, R | [copy3 ; ; gelu ; add3 / -], T6 | T12 | R", SCALE.widths)
    scale = UninasScale(depths=(2, 2, 1, 1))
    task = Task("small", "small", 64, 10)
    for convention in ("exact", "toolkit"):
        costs = design_costs(design, scale, task, convention)
        parts = design_parts(design, scale, task, convention)
        around = overhead(design, scale, task, convention)
        assert list(parts) == list(around)
        assert (costs.params, costs.flops) == tuple(map(sum, zip(*parts.values(), strict=True)))
        assert costs.convention == convention
        for place in places(design, scale, 64):
            for number, graph in enumerate(place.block, 1):
                name = f"block{place.stage}_{place.place}_subblock{number}"
                assert around.pop(name) == (0, 0)
                assert parts.pop(name) == graph_cost(graph, place.channels, place.size, convention)
        assert around == parts


def test_what_surrounds_the_blocks() -> None:
    """Paper's scale at 224: stem 19,360 parameters; a stage that keeps its channels projects nothing."""
    scale = UninasScale(widths=(64, 64, 128, 256), depths=(1, 1, 1, 1))
    empty = read_design("[- / -] | [- / -] | [- / -] | [- / -]", scale.widths)
    toolkit = design_parts(empty, scale, IMAGENET, "toolkit")
    assert toolkit["stem"] == (19_360, 484_098_048)
    assert toolkit["block1_0_shortcut"] == (0, 0)
    assert toolkit["block1_0_norm1"] == (128, 0)
    assert toolkit["block2_0_shortcut"] == (128 * 65, 2 * 64 * 128 * 14 * 14)
    assert toolkit["block2_0_norm1"] == (128 * 65 + 128, 2 * 64 * 128 * 14 * 14)
    assert toolkit["head"] == (257_000, 512_000)
    exact = design_parts(empty, scale, IMAGENET, "exact")
    assert exact["stem"][1] - toolkit["stem"][1] == 5 * 32 * 112 * 112  # batch norm and GELU
    assert exact["block2_0_shortcut"][1] - toolkit["block2_0_shortcut"][1] == 64 * 28**2 + 128 * 14**2
    assert exact["block2_0_norm1"][1] - toolkit["block2_0_norm1"][1] == (2 + 1) * 64 * 28**2
    assert exact["block2_0_norm2"][1] == (2 + 1) * 128 * 14**2
    assert {name: cost[0] for name, cost in exact.items()} == {name: c[0] for name, c in toolkit.items()}


TABLE_FOUR = {
    "{64:128:384:512} R, R | R, R, R | R, R, R, R, R | R, R": ("24.8", 9_038_373_888),
    "{96:192:384:512} E, E | E, E, E | E, E, E, E, E | E, E": ("23.9", 6_161_699_328),
    "T3, T3 | T6, T6, T6 | T12, T12, T12, T12, T12 | T24, T24": ("26.4", 18_645_030_912),
    "E, E | E, E, E | T12, T12, T12, T12, T12 | T24, T24": ("26.9", 8_506_216_608),
}
"""Table IV's parameters (it prints 24.0 for EfficientNet, which has 23.86), and the toolkit's own FLOPs."""


@pytest.mark.parametrize("text", TABLE_FOUR)
def test_table_four(text: str) -> None:
    design = read_design(text, SCALE.widths)
    toolkit = design_costs(design, SCALE, IMAGENET, "toolkit")
    exact = design_costs(design, SCALE, IMAGENET)
    params, flops = TABLE_FOUR[text]
    assert f"{toolkit.params / 1e6:.1f}" == params
    assert toolkit.flops == flops
    assert exact.params == toolkit.params
    assert 1 <= exact.flops / toolkit.flops < 1.005


def models(real_data: Path) -> Mapping[str, Mapping[str, Any]]:
    text = (real_data / "parity" / "uninas_reference_costs.json").read_text(encoding="utf-8")
    return {model["name"]: model for model in json.loads(text)["models"]}


NAMES = [
    *(f"official_{name}" for name in ("coatnet", "efficientnet", "resnet", "transformer", "example")),
    *(f"small{number}" for number in range(0, 16, 2)),
    "full_efficientnet_1", "full_transformer_3",
]  # fmt: skip


def check_numbers(model: Mapping[str, Any]) -> None:
    space, architecture, task = read_json(model["model_json"])
    design, scale = space.design(architecture), space.scale
    parts = design_parts(design, scale, task, "toolkit")
    assert {part: params for part, (params, _) in parts.items()} == model["toolkit_params"]
    toolkit = design_costs(design, scale, task, "toolkit")
    assert toolkit.params == model["toolkit_params_total"]
    if (
        "toolkit_flops_total_corrected" in model
    ):  # read from a file, its own parts are off: see the specification
        assert toolkit.flops == model["toolkit_flops_total_corrected"]
    else:
        assert toolkit.flops == model["toolkit_flops_total"]
        assert {part: flops for part, (_, flops) in parts.items()} == model["toolkit_flops"]
    assert design_costs(design, scale, task).params == model["true_params"]
    assert product_flops(design, scale, task) == model["torch_flopcounter_total"]


@pytest.mark.data
@pytest.mark.parametrize("name", NAMES)
def test_the_authors_own_numbers(name: str, real_data: Path) -> None:
    check_numbers(models(real_data)[name])


@pytest.mark.data
def test_the_authors_numbers_of_further_models(real_data: Path) -> None:
    """A file with more models than ours has is checked, too."""
    found = models(real_data)
    assert {*NAMES} <= {*found}
    for name in {*found} - {*NAMES}:
        check_numbers(found[name])
        check_built(found[name])


def counted(design: Design, scale: UninasScale, task: Task, *, compiled: bool) -> tuple[int, int]:
    """Parameters and torch's own count of FLOPs of the network, without computing anything."""
    with torch.device("meta"):
        network = UninasNetwork(design, scale, task.resolution, task.classes, compiled=compiled).eval()
        images = torch.empty(1, 3, task.resolution, task.resolution)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network(images)
    return sum(p.numel() for p in network.parameters()), counter.get_total_flops()


def check_built(model: Mapping[str, Any]) -> None:
    space, architecture, task = read_json(model["model_json"])
    design, scale = space.design(architecture), space.scale
    expected = (design_costs(design, scale, task).params, product_flops(design, scale, task))
    assert counted(design, scale, task, compiled=False) == expected
    assert counted(design, scale, task, compiled=True) == expected


@pytest.mark.data
@pytest.mark.parametrize("name", NAMES)
def test_the_built_network_is_what_is_priced(name: str, real_data: Path) -> None:
    check_built(models(real_data)[name])


@pytest.mark.parametrize(
    "block",
    [
        "[copy3 ; ; conv_depth3 ; conv1 add3 / chunk3 ; conv1 ; conv3 ; concat3]",
        "[conv_chunk3 ; ; matmul1 mask rel_pos_bias softmax ; matmul2 / global_avg conv1 up_sample]",
        "[conv_exp2 layer_norm conv_red2 / conv_red4 rel_pos_bias conv_exp4]",
        "[conv_chunk3x12 12*( ; ; matmul1 ; matmul2 ) concat12 / max_pool dropout sigmoid]",
        "[copy2 ; conv_exp3 ; conv_exp3 multiply conv_red3 / copy2 ; global_avg conv1 up_sample ; multiply]",
    ],
)
def test_graphs_that_the_toolkit_does_not_have(block: str) -> None:
    """Parameters and products of the network, where no reference of the authors exists."""
    scale = UninasScale(widths=(24, 48, 48, 96), depths=(1, 1, 1, 1))
    task = Task("small", "small", 128, 10)
    design = read_design(f"R | {block} | E | R", scale.widths)
    expected = (design_costs(design, scale, task).params, product_flops(design, scale, task))
    assert counted(design, scale, task, compiled=False) == expected
    assert counted(design, scale, task, compiled=True) == expected


def test_prices_need_no_torch() -> None:
    code = (
        "import sys; from uninas_bench.spaces.uninas import read_json, write_json\n"
        "space, architecture, task = read_json('{}')\n"
        "space.costs(architecture, task); write_json(space, architecture, task)\n"
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0
