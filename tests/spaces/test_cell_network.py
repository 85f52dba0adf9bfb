from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from uninas_bench.architecture import Task
from uninas_bench.features import block_features
from uninas_bench.space import SearchSpace
from uninas_bench.spaces.cell_costs import EDGES, OPERATIONS
from uninas_bench.spaces.cell_network import Cell, cell_blocks
from uninas_bench.spaces.nasbench201 import NasBench201
from uninas_bench.spaces.nats_size import NatsSize
from uninas_bench.tasks import find_task

TASKS = [find_task(name) for name in ("cifar10", "cifar100", "imagenet16-120", "digits", "fashion-mnist")]


def counted_flops(network: nn.Module, task: Task) -> int:
    """Multiply-accumulates seen by forward hooks: convolutions, and the linear map with its bias."""
    counts: list[int] = []

    def convolution(module: nn.Conv2d, _inputs: object, output: Tensor) -> None:
        counts.append(output[0].numel() * module.weight[0].numel())

    def linear(module: nn.Linear, _inputs: object, _output: Tensor) -> None:
        counts.append(sum(p.numel() for p in module.parameters()))

    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            module.register_forward_hook(convolution)
        elif isinstance(module, nn.Linear):
            module.register_forward_hook(linear)
    with torch.no_grad():
        network.eval()(torch.zeros(1, 3, task.resolution, task.resolution))
    return sum(counts)


@pytest.mark.parametrize("space", [NasBench201(), NatsSize()], ids=lambda space: space.name)
def test_params_of_200_networks_equal_the_costs(space: SearchSpace) -> None:
    for architecture in space.sample(200, np.random.default_rng(0)):
        with torch.device("meta"):
            network = space.build(architecture, TASKS[0])
        built = sum(p.numel() for p in network.parameters())
        assert built == space.costs(architecture, TASKS[0]).params


@pytest.mark.parametrize(
    ("space", "count"),
    [(NasBench201(), 50), (NatsSize(), 50), (NasBench201().scaled(channels=6, cells=2), 20)],
    ids=["nasbench201", "nats_size", "nasbench201-small"],
)
def test_flops_seen_by_forward_hooks_equal_the_costs(space: SearchSpace, count: int) -> None:
    for i, architecture in enumerate(space.sample(count, np.random.default_rng(1))):
        task = TASKS[i % len(TASKS)]
        assert counted_flops(space.build(architecture, task), task) == space.costs(architecture, task).flops


def test_parameters_stand_in_the_benchmark_order() -> None:
    space = NasBench201().scaled(channels=4, cells=1)
    cell = "|nor_conv_3x3~0|+|nor_conv_1x1~0|none~1|+|skip_connect~0|avg_pool_3x3~1|nor_conv_3x3~2|"
    network = space.build(space.parse(cell), TASKS[0])

    def normed(convolution: str, norm: str) -> list[str]:
        return [f"{convolution}.weight", f"{norm}.weight", f"{norm}.bias"]

    expected = normed("stem.0", "stem.1")
    for stage, reduction in ((0, 1), (2, 3), (4, None)):
        for edge in (0, 1, 5):
            prefix = f"cells.{stage}.layers.{edge}.op"
            expected += normed(f"{prefix}.1", f"{prefix}.2")
        if reduction:
            for name in ("conv_a", "conv_b"):
                expected += normed(f"cells.{reduction}.{name}.op.1", f"cells.{reduction}.{name}.op.2")
            expected.append(f"cells.{reduction}.downsample.1.weight")
    expected += ["lastact.0.weight", "lastact.0.bias", "classifier.weight", "classifier.bias"]
    assert [name for name, _ in network.named_parameters()] == expected


def plain_cell(cell: Cell, x: Tensor) -> Tensor:
    """The benchmark's definition: every node is the sum over all its edges, ``none`` included."""
    nodes = [x]
    for node in (1, 2, 3):
        terms = [cell.layers[i](nodes[source]) for i, (source, target) in enumerate(EDGES) if target == node]
        nodes.append(torch.stack(terms).sum(0))
    return nodes[3]


def cells_of_every_shape() -> list[Sequence[str]]:
    """All 64 patterns of ``none`` edges, with operations drawn for the others."""
    rng = np.random.default_rng(2)
    return [
        [OPERATIONS[int(rng.integers(1, 5))] if pattern >> i & 1 else "none" for i in range(6)]
        for pattern in range(64)
    ]


def test_cell_equals_the_plain_sum_over_all_edges() -> None:
    x = torch.randn(2, 4, 6, 6, generator=torch.Generator().manual_seed(0))
    for operations in cells_of_every_shape():
        cell = Cell(operations, 4, 4)
        results = []
        for forward in (cell, lambda x, cell=cell: plain_cell(cell, x)):
            image = x.clone().requires_grad_()
            out = forward(image)
            # without allow_unused: every parameter has a gradient, if only of zeros
            gradients = torch.autograd.grad(out.square().sum(), [image, *cell.parameters()])
            results.append([out.detach(), *gradients])
        for ours, plain in zip(*results, strict=True):
            torch.testing.assert_close(ours, plain, rtol=1e-4, atol=1e-5)


def test_disconnected_cells_give_zeros_and_zero_gradients() -> None:
    space = NasBench201().scaled(channels=4, cells=1)
    for cell in (
        "|none~0|+|none~0|none~1|+|none~0|none~1|none~2|",
        "|nor_conv_3x3~0|+|none~0|none~1|+|none~0|none~1|skip_connect~2|",
    ):
        network = space.build(space.parse(cell), find_task("digits"))
        images = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))
        tapped = block_features(network, [block for _, block in cell_blocks(network)], images)
        tapped.output.sum().backward()
        assert tapped.features[0].any()
        assert not tapped.features[1].any()
        assert all(p.grad is not None for p in network.parameters())
        stem = network.get_parameter("stem.0.weight").grad
        assert stem is not None
        assert not stem.any()


def test_channels_double_and_resolution_halves_at_each_reduction() -> None:
    network = NasBench201().scaled(channels=4, cells=1).build(NasBench201().parse("6111"), TASKS[4])
    tapped = block_features(network, [block for _, block in cell_blocks(network)], torch.zeros(2, 3, 28, 28))
    shapes = [tuple(feature.shape[1:]) for feature in tapped.features]
    assert shapes == [(4, 28, 28), (4, 28, 28), (8, 14, 14), (8, 14, 14), (16, 7, 7), (16, 7, 7)]


def test_benchmark_scale_has_17_blocks() -> None:
    space = NasBench201()
    with torch.device("meta"):
        network = space.build(space.parse("0"), TASKS[0])
    assert [name for name, _ in space.blocks(network)] == [f"cells.{i}" for i in range(17)]


def test_blocks_of_another_network_are_refused() -> None:
    with pytest.raises(TypeError, match="expected a CellNetwork, got Linear"):
        NasBench201().blocks(nn.Linear(1, 1))


def test_spaces_do_not_import_torch_until_they_build() -> None:
    code = (
        "import sys\n"
        "from uninas_bench.spaces.nasbench201 import NasBench201\n"
        "from uninas_bench.spaces.nats_size import NatsSize\n"
        "for space in (NasBench201(), NatsSize()):\n"
        "    a = space.parse('5')\n"
        "    space.costs(a, space.tasks[0]); space.canonical(a); space.spellings(a)\n"
        "print(sorted({'torch', 'pandas', 'scipy'} & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
