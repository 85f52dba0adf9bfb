"""The authors' package `uninas`, where it is installed: its models, and their weights in our networks."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterable, Iterator

import pytest
import torch
from torch import Tensor, nn

from uninas_bench.architecture import Architecture, Task
from uninas_bench.spaces.uninas.graph import Graph
from uninas_bench.spaces.uninas.macro import places
from uninas_bench.spaces.uninas.network import Subblock, UninasBlock, UninasNetwork
from uninas_bench.spaces.uninas.space import Uninas

uninas = pytest.importorskip("uninas", reason="needs the authors' package; tox -e interop brings it")


def model_of(text: str) -> nn.Module:
    """The package's network of a file; it prints what it freezes."""
    with contextlib.redirect_stdout(io.StringIO()):
        model: nn.Module = uninas.UNIModel(uninas.UNIModelCfg.from_string(text))
    return model


def step(model: nn.Module, **bounds: int) -> nn.Module | None:
    """One step of the package's own search, from torch's generator; None where it gave up."""
    found: nn.Module | None = uninas.create_new_model(model, **bounds)
    return found


def totals(model: nn.Module) -> tuple[int, int]:
    """The package's own parameters and FLOPs."""
    return sum(model.num_params.values()), sum(model.flops.values())  # type: ignore[operator,union-attr]


def with_weights_of(model: nn.Module, space: Uninas, architecture: Architecture, task: Task) -> UninasNetwork:
    """Our network of an architecture with the weights of the package's, both in evaluation mode."""
    network = UninasNetwork(space.design(architecture), space.scale, task.resolution, task.classes)
    _copy(_theirs(model), _ours(network))
    model.eval()
    return network.eval()


def copy_weights(model: nn.Module, to: nn.Module) -> None:
    """From one of the package's networks to another, whose nesting may differ where the graph is the same."""
    _copy(_theirs(model), _theirs(to))


def _copy(sources: Iterable[nn.Module], targets: Iterable[nn.Module]) -> None:
    with torch.no_grad():
        for source, target in zip(sources, targets, strict=True):
            for value, place in zip(_state(source), _state(target), strict=True):
                assert value.numel() == place.numel()
                place.copy_(value.view(place.shape))


def _state(module: nn.Module) -> list[Tensor]:
    return [*module.parameters(), *module.buffers()]


def _theirs(model: nn.Module) -> Iterator[nn.Module]:
    """The modules with weights, in the order of `_ours`."""
    yield from (model.stem.conv1, model.stem.norm1, model.stem.conv2)
    for stage in model.stages:
        for block in stage.blocks:
            yield from _convolutions(block.shortcut)
            yield from (m for m in block.norm1.modules() if isinstance(m, nn.LayerNorm))
            yield from _convolutions(block.norm1)
            yield from _nodes(block.subblock1)
            yield block.norm2
            yield from _nodes(block.subblock2)
    yield from (model.norm, model.head.fc)


def _convolutions(module: nn.Module) -> Iterator[nn.Module]:
    return (m for m in module.modules() if isinstance(m, nn.Conv2d))


def _nodes(node: nn.Module) -> Iterator[nn.Module]:
    """The modules with weights of a node and of all inside, in the normal order of our graphs.

    That is by inputs first: in an attention queries, keys, the map between them, values, the result.
    """
    name = type(node).__name__
    if name == "SequentialModule":
        for inner in node.sequential:
            yield from _nodes(inner)
    elif name == "ForkMerge":
        for branch in node.branches:
            yield from _nodes(branch)
    elif name == "ForkMergeAttention":
        yield node.qkv.conv
        for head in range(node.num_heads):
            for inner in (*node.branches[3 * head : 3 * head + 2], node.connections[head]):
                yield from _nodes(inner)
            yield from _nodes(node.branches[3 * head + 2])
            yield from _nodes(node.post_branches[head])
    elif name in {"ExpandAndReduce", "ReduceAndExpand"}:
        yield node.resize1
        yield from _nodes(node.sequential)
        yield node.resize2
    elif name == "AvgAndUpsample":
        yield from _nodes(node.sequential)
    elif name == "RelPosBias":
        yield nn.ParameterList([node.relative_position_bias_table])
    else:
        yield from (m for m in node.children() if any(True for _ in m.parameters()))


def _ours(network: UninasNetwork) -> Iterator[nn.Module]:
    yield from (network.stem[0], network.stem[1], network.stem[3])
    for _, block in network.blocks():
        assert isinstance(block, UninasBlock)
        yield from _convolutions(block.shortcut)
        yield block.norm1
        yield from _convolutions(block.reduction)
        yield from _weighted(block.first)
        yield block.norm2
        yield from _weighted(block.second)
    yield from (network.norm, network.head)


def _weighted(subblock: Subblock) -> Iterator[nn.Module]:
    """The modules with weights of a subblock, in the order of its nodes, whose numbers end their names."""
    named = [(int(name.rpartition("_")[2]), module) for name, module in subblock.named_children()]
    return (module for _, module in sorted(named, key=lambda pair: pair[0]) if list(module.parameters()))


def defect(space: Uninas, architecture: Architecture, task: Task) -> str | None:
    """Why the package cannot build this network from a file; None where it should.

    Its constructor trains on a batch of one image, and torch refuses a batch norm there that sees a single
    value in each channel.
    """
    for place in places(space.design(architecture), space.scale, task.resolution):
        for number, graph in enumerate(place.block, 1):
            node = _lonely_norm(graph, place.channels, place.size)
            if node is not None:
                return f"{place.title}, subblock {number}: {node} sees one value in each channel"
    return None


def _lonely_norm(graph: Graph, channels: int, size: tuple[int, int]) -> str | None:
    types = graph.types(channels)
    for number, node in enumerate(graph.nodes, 1):
        if node.operation.kind == "batch_norm":
            _, height, width = types[node.sources[0]].shape(*size)
            if height * width == 1:
                return graph.title(number)
    return None
