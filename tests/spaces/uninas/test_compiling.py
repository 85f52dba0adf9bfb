"""Straight-line code against the interpreter; in double precision, as random graphs are ill-conditioned."""

from __future__ import annotations

import random

import pytest
import torch
from torch import fx

from tests.spaces.uninas.graphs import random_graph
from uninas_bench.spaces.uninas import modules
from uninas_bench.spaces.uninas.compiling import heads_of, program, straight_line
from uninas_bench.spaces.uninas.encoding import read_design
from uninas_bench.spaces.uninas.graph import Graph, graph_of
from uninas_bench.spaces.uninas.macro import UninasScale
from uninas_bench.spaces.uninas.network import Subblock, UninasNetwork
from uninas_bench.spaces.uninas.notation import read_graph

SQUARE = (4, 4)
HEAD = "; ; matmul1 rel_pos_bias softmax ; matmul2"
BARE = "; ; matmul1 ; matmul2"
GRAPHS = {
    "empty": "-",
    "alike heads": f"conv_chunk3x4 4*( {HEAD} ) concat4 conv1",
    "one head": f"conv_chunk3 {HEAD} conv1",
    "softmax alone": "conv_chunk3x2 2*( ; ; matmul1 softmax ; matmul2 ) concat2",
    "bare": f"conv_chunk3x4 4*( {BARE} ) concat4",
    "one bare head": f"conv_chunk3 {BARE} gelu",
    "a head that differs": f"conv_chunk3x4 {HEAD} {HEAD} ; gelu ; matmul1 softmax ; matmul2 {HEAD} concat4",
    "two kinds": f"conv_chunk3x4 {HEAD} {BARE} {HEAD} {BARE} concat4 conv1",
    "something after each": f"conv_chunk3x2 2*( {HEAD} gelu ) concat2",
    "something after one": f"conv_chunk3x2 {HEAD} {HEAD} conv1 concat2",
    "bias without softmax": "conv_chunk3x2 2*( ; ; matmul1 rel_pos_bias ; matmul2 ) concat2",
    "softmax before bias": "conv_chunk3x2 2*( ; ; matmul1 softmax rel_pos_bias ; matmul2 ) concat2",
    "swapped": "conv_chunk3x2 ;1.1 ;1.0 matmul1 softmax ; matmul2 ; ; matmul1 softmax ; matmul2 concat2",
    "keys of another head": "conv_chunk3x2 ; ;1.4 matmul1 softmax ;1.2 matmul2 "
    ";1.3 ;1.1 matmul1 softmax ; matmul2 concat2",
    "heads in another order": "conv_chunk3x2 ;1.3 ;1.4 matmul1 softmax ;1.5 matmul2 "
    "; ; matmul1 softmax ; matmul2 concat2",
    "four times the channels": "conv_chunk4 ; ; matmul1 softmax ; matmul2 ; add2",
    "pooled inside": "conv_chunk3x2 ; ; matmul1 global_avg gelu up_sample softmax ; matmul2 "
    "; ; matmul1 ; matmul2 concat2",
    "heads that die": f"copy2 ; conv_chunk3x2 2*( {HEAD} ) concat2 zero ; add2",
    "squeeze": "copy2 ; ; global_avg conv_red4 gelu conv_exp4 up_sample multiply",
    "gate of the gate": "copy2 ; global_avg up_sample ; global_avg up_sample multiply",
    "three ways": "copy3 ; conv1 ; gelu ; sigmoid add3",
    "nested": "chunk2 ; copy2 ; conv_depth3 ; mask add2 ; chunk2 ; ; concat2 concat2",
    "crossed": "copy2 ; copy2 ; conv1 ;1.1 ;2.1 add2 gelu add2",
    "attention between branches": "copy3 ; conv1 ; conv_depth3 matmul1 softmax ; max_pool matmul2",
    "a map of its own": "copy2 ; copy2 ; ; matmul1 rel_pos_bias conv3 softmax ; matmul2",
    "on a square map": "rel_pos_bias softmax layer_norm batch_norm",
    "zero inside": "copy2 ; conv1 zero conv1 ; dropout add2",
    "zero last": "conv1 batch_norm zero",
    "zero of a token map": "copy3 ; ; matmul1 zero softmax ; matmul2",
    "zero of a pooled map": "copy2 ; global_avg zero up_sample ; multiply",
}  # fmt: skip


def attention(seed: int) -> Graph:
    """Heads of which each is of one of several kinds, some with more in a branch, joined in some order."""
    rng = random.Random(seed)
    heads = rng.choice([2, 4])
    nodes = {"q": (f"conv_chunk3x{heads}", ["input"])}
    ends = []
    for head in range(heads):
        ports = [f"q.{3 * head + part}" for part in range(3)]
        for part in range(3):
            if rng.random() < 0.15:
                name = f"extra{head}{part}"
                nodes[name] = (rng.choice(["gelu", "conv1", "layer_norm"]), [ports[part]])
                ports[part] = name
        nodes[f"a{head}"] = ("matmul1", ports[:2])
        last = f"a{head}"
        for name in rng.choice([[], ["softmax"], ["rel_pos_bias", "softmax"], ["rel_pos_bias"], ["mask"]]):
            nodes[f"{name}{head}"] = (name, [last])
            last = f"{name}{head}"
        nodes[f"o{head}"] = ("matmul2", [last, ports[2]])
        ends.append(f"o{head}")
        if rng.random() < 0.2:
            nodes[f"p{head}"] = ("dropout", [f"o{head}"])
            ends[-1] = f"p{head}"
    if rng.random() < 0.3:
        rng.shuffle(ends)
    nodes["c"] = (f"concat{heads}", ends)
    return graph_of(nodes, "c")


def pair(graph, channels=16, size=SQUARE):
    """The compiled and the interpreted form, in double precision, with equal weights that are all random."""
    compiled = Subblock(graph, channels, size).double()
    plain = Subblock(graph, channels, size, compiled=False).double()
    generator = torch.Generator().manual_seed(0)
    for parameter in compiled.parameters():
        with torch.no_grad():
            parameter.add_(0.1 * torch.randn(parameter.shape, dtype=torch.float64, generator=generator))
    plain.load_state_dict(compiled.state_dict())
    return compiled, plain


def assert_equal(graph, channels=16, size=SQUARE, batch=3, run_at=None):
    compiled, plain = pair(graph, channels, size)
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(batch, channels, *(run_at or size), dtype=torch.float64, generator=generator)
    for training in (True, False):
        results = []
        for form in (compiled, plain):
            form.train(training).zero_grad()
            inputs = x.clone().requires_grad_()
            torch.manual_seed(2)
            out = form(inputs)
            if out.requires_grad:
                (out * torch.linspace(-1, 1, out.numel(), dtype=out.dtype).view(out.shape)).sum().backward()
            grads = {name: p.grad for name, p in form.named_parameters()} | {"the input": inputs.grad}
            results.append((out, grads, dict(form.named_buffers())))
        (out, grads, buffers), (expected, plain_grads, plain_buffers) = results
        assert out.shape == x.shape
        torch.testing.assert_close(out, expected, rtol=1e-8, atol=1e-9)
        for name, grad in plain_grads.items():
            wanted = torch.zeros(()) if grad is None else grad  # of what is zero there may be none at all
            got = torch.zeros(()) if grads[name] is None else grads[name]
            scale = 1 + float(wanted.abs().max())
            assert float((got - wanted).abs().max()) <= 1e-7 * scale, name
        for name, buffer in plain_buffers.items():
            torch.testing.assert_close(buffers[name], buffer)


@pytest.mark.parametrize("name", GRAPHS)
def test_written_graphs(name):
    assert_equal(read_graph(GRAPHS[name]))


@pytest.mark.parametrize("name", [n for n, text in GRAPHS.items() if "rel_pos_bias" in text or "up" in text])
@pytest.mark.parametrize("run_at", [(6, 6), (3, 5), (1, 2)])
def test_written_graphs_at_other_sizes(name, run_at):
    assert_equal(read_graph(GRAPHS[name]), run_at=run_at)


@pytest.mark.parametrize("seed", range(40))
def test_attention_of_mixed_heads(seed):
    assert_equal(attention(seed))


@pytest.mark.parametrize("seed", range(60))
def test_random_graphs(seed):
    assert_equal(random_graph(seed, nodes=20))


@pytest.mark.parametrize(
    ("text", "scale"),
    [
        ("E | R | T4 | T4", UninasScale(widths=(16, 32, 32, 32), depths=(1, 1, 1, 1), stem=(8, 16))),
        ("T2 | T4 | E | E", UninasScale(widths=(16, 32, 32, 64), depths=(1, 1, 1, 1), stem=(8, 16))),
    ],
)
@pytest.mark.parametrize("training", [True, False])
def test_networks_in_single_precision(text, scale, training):
    torch.manual_seed(0)
    design = read_design(text, scale.widths)
    compiled = UninasNetwork(design, scale, 64, 10).train(training)
    plain = UninasNetwork(design, scale, 64, 10, compiled=False).train(training)
    plain.load_state_dict(compiled.state_dict())
    x = torch.randn(4, 3, 64, 64)
    with torch.no_grad():
        assert (compiled(x) - plain(x)).abs().max() <= 1e-5


def test_which_heads_run_together():
    def together(name):
        graph = read_graph(GRAPHS[name])
        users = graph.consumers()
        return [head.number for n in range(1, len(graph) + 1) for head in heads_of(graph, n, users)]

    assert together("alike heads") == together("bare") == [0, 1, 2, 3]
    assert together("a head that differs") == [0, 1, 3]
    assert together("something after each") == [0, 1]
    assert together("heads in another order") == [0, 1]
    for name in (
        "bias without softmax",
        "softmax before bias",
        "keys of another head",
        "four times the channels",
    ):
        assert together(name) == [], name
    assert together("swapped") == [1]


def test_alike_heads_are_one_call_with_their_concat():
    calls = list(straight_line(read_graph(GRAPHS["alike heads"]), 16).nodes)
    functions = [node.target for node in calls if node.op == "call_function"]
    assert functions == [torch.stack, modules.relative_bias, modules.attend]
    assert [node.target for node in calls if node.op == "call_module"] == [
        "conv_chunk3x4_1",
        f"conv1_{4 * 4 + 3}",
    ]


def test_what_leads_to_zero_is_evaluated_and_heard_by_batch_norms():
    block = Subblock(read_graph("copy2 ; conv1 batch_norm zero ; add2"), 4, SQUARE)
    x = torch.randn(2, 4, *SQUARE)
    assert torch.equal(block(x), x)
    assert int(block.get_submodule("batch_norm_3").num_batches_tracked) == 1


def test_equal_blocks_share_their_code():
    graph = read_graph(GRAPHS["squeeze"])
    assert program(graph, 16) is program(read_graph(GRAPHS["squeeze"]), 16)


def test_the_trace_makes_a_graph_module():
    graph = read_graph(GRAPHS["a head that differs"])
    block = Subblock(graph, 16, SQUARE)
    traced = fx.GraphModule(block, straight_line(graph, 16))
    traced.graph.lint()
    x = torch.randn(2, 16, *SQUARE)
    assert torch.equal(traced(x), block(x))
