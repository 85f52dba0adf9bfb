from __future__ import annotations

import pytest
import torch

from tests.spaces.uninas.graphs import random_graph
from uninas_bench.spaces.uninas.costs import graph_cost
from uninas_bench.spaces.uninas.liveness import dead_flops, dead_nodes
from uninas_bench.spaces.uninas.network import Subblock
from uninas_bench.spaces.uninas.notation import read_graph
from uninas_bench.spaces.uninas.templates import template


@pytest.mark.parametrize(
    ("text", "channels", "size", "dead"),
    [
        ("zero", 8, (4, 4), ()),
        ("conv3 zero", 8, (4, 4), (1,)),
        ("zero gelu", 8, (4, 4), (2,)),
        ("copy2 ; conv3 zero ; gelu add2", 8, (4, 4), (2,)),
        ("copy2 ; gelu ; conv3 zero multiply", 8, (4, 4), (3,)),
        # the gate's sigmoid of zero is a half: the other factor lives
        ("copy2 ; conv1 zero ; gelu multiply", 8, (4, 4), (1, 2, 4, 5)),
        ("global_avg conv1 softmax up_sample", 8, (4, 4), (1, 2, 3, 4)),
        ("conv1 softmax", 8, (4, 4), ()),
        ("conv1 softmax", 8, (4, 1), (1, 2)),
        ("conv3 softmax conv1 batch_norm global_avg up_sample", 8, (4, 4), (1, 2, 3, 4, 5, 6)),
        ("softmax gelu global_avg up_sample", 8, (4, 4), ()),
        ("conv_chunk3 ; ; matmul1 layer_norm ; matmul2", 8, (4, 4), (2, 3)),
        ("layer_norm conv1", 1, (4, 4), (1, 2)),
    ],
)
def test_dead_nodes(text: str, channels: int, size: tuple[int, int], dead: tuple[int, ...]) -> None:
    assert dead_nodes(read_graph(text), channels, size) == dead


def test_templates_are_alive() -> None:
    for code in ("E", "R", "T3"):
        for graph in template(code):
            assert dead_nodes(graph, 96, (14, 14)) == ()


def test_dead_flops_are_those_of_the_dead_nodes() -> None:
    graph = read_graph("copy2 ; conv3 zero ; gelu add2")
    assert dead_flops(graph, 8, (4, 4), "exact") == 18 * 8 * 8 * 16
    assert graph_cost(graph, 8, (4, 4), "exact")[1] == (18 * 64 + 3 * 8 + 8) * 16


@pytest.mark.parametrize("seed", range(60))
def test_the_output_is_dead_exactly_if_it_ignores_the_input(seed: int) -> None:
    """Against the gradient of the interpreted network by its input, in double precision."""
    graph = random_graph(seed, channels=4, nodes=14, plain=True)
    torch.manual_seed(seed)
    network = Subblock(graph, 4, (6, 6), compiled=False).double().eval()
    for parameter in network.parameters():  # dead means: whatever is learnt
        torch.nn.init.normal_(parameter)
    images = torch.randn(2, 4, 6, 6, dtype=torch.double, requires_grad=True)
    weights = torch.randn(2, 4, 6, 6, dtype=torch.double)
    (gradient,) = torch.autograd.grad((network(images) * weights).sum(), images, allow_unused=True)
    depends = gradient is not None and bool(gradient.abs().max() > 1e-7)  # a norm of one channel rounds
    assert (graph.output[0] in dead_nodes(graph, 4, (6, 6))) == (not depends)
