from __future__ import annotations

import pickle

import pytest

from uninas_bench.errors import InvalidArchitecture
from uninas_bench.spaces.uninas.graph import Graph, GraphError, Node, graph_of
from uninas_bench.spaces.uninas.notation import read_graph
from uninas_bench.spaces.uninas.operations import FAMILY, infer, read_operation
from uninas_bench.spaces.uninas.tensor_type import TensorType

TABLE_I = (
    "Softmax", "Dropout", "MaxPool2d", "Mask", "Sigmoid", "GELU", "Conv1",
    "Conv3", "ConvDepth3", "ConvDepth5", "BatchNorm", "LayerNorm", "RelPosBias", "Chunk2",
    "Chunk3", "Copy", "Concat2", "Concat3", "Add", "ConvChunk3", "ConvExp4",
    "ConvRed4", "Multiply", "Matmul1", "Matmul2", "GlobalAvg", "UpSample",
)  # fmt: skip


def test_every_operation_of_table_one_is_read_by_its_printed_name() -> None:
    read = [read_operation(name) for name in TABLE_I]
    assert len({str(operation) for operation in read}) == 27
    assert {operation.kind for operation in read} == set(FAMILY) - {"identity", "zero"}
    assert all(read_operation(str(operation)) == operation for operation in read)


# Table I, columns Input and Output, at C = 48.
@pytest.mark.parametrize(
    ("name", "inputs", "outputs"),
    [
        ("Conv3", [(48, "")], [(48, "")]),
        ("Chunk2", [(48, "")], [(24, "")] * 2),
        ("Chunk3", [(48, "")], [(16, "")] * 3),
        ("Copy", [(48, "")], [(48, "")] * 2),
        ("Concat2", [(48, ""), (48, "")], [(96, "")]),
        ("Concat3", [(48, "")] * 3, [(144, "")]),
        ("Add", [(48, "")] * 2, [(48, "")]),
        ("ConvChunk3", [(48, "")], [(48, "")] * 3),
        ("ConvExp4", [(48, "")], [(192, "")]),
        ("ConvRed4", [(48, "")], [(12, "")]),
        ("Multiply", [(48, "")] * 2, [(48, "")]),
        ("Matmul1", [(48, "")] * 2, [(1, "t")]),
        ("Matmul2", [(1, "t"), (48, "")], [(48, "")]),
        ("GlobalAvg", [(48, "")], [(48, "p")]),
        ("UpSample", [(48, "p")], [(48, "")]),
    ],
)
def test_types_are_those_of_table_one(
    name: str, inputs: list[tuple[int, str]], outputs: list[tuple[int, str]]
) -> None:
    got = infer(read_operation(name), tuple(TensorType(*t) for t in inputs))
    assert got == tuple(TensorType(*t) for t in outputs)


def test_shapes_follow_the_resolution() -> None:
    assert TensorType(1, "t").shape(7, 5) == (1, 35, 35)
    assert TensorType(8, "p").shape(7, 5) == (8, 1, 1)
    assert TensorType(1, "pt").shape(7, 5) == (1, 1, 1)
    assert TensorType(1, "tt").shape(3, 2) == (1, 36, 36)


def test_the_numbering_of_the_nodes_does_not_matter() -> None:
    nodes = {
        "fork": ("copy2", ["input"]),
        "left": ("gelu", ["fork"]),
        "right": ("conv1", ["fork.1"]),
        "sum": ("add2", ["left", "right"]),
    }
    graph = graph_of(nodes, "sum")
    backwards = graph_of(dict(reversed(nodes.items())), "sum")
    assert graph == backwards
    assert hash(graph) == hash(backwards)
    assert graph != read_graph("copy2 ; conv1 ; gelu add2")
    assert pickle.loads(pickle.dumps(graph)) == graph


def test_what_nested_lists_cannot_say_is_a_graph() -> None:
    """An edge across branches (Wheatstone's bridge), and attention between tensors of different origin."""
    bridge = graph_of(
        {
            "fork": ("copy2", ["input"]),
            "upper": ("conv1", ["fork.0"]),
            "lower": ("conv3", ["fork.1"]),
            "tap": ("copy2", ["upper"]),
            "cross": ("add2", ["tap.1", "lower"]),
            "end": ("multiply", ["tap.0", "cross"]),
        },
        "end",
    )
    attention = graph_of(
        {
            "fork": ("copy3", ["input"]),
            "query": ("conv_depth3", ["fork.0"]),
            "key": ("max_pool", ["fork.1"]),
            "map": ("matmul1", ["query", "key"]),
            "rows": ("softmax", ["map"]),
            "end": ("matmul2", ["rows", "fork.2"]),
        },
        "end",
    )
    for graph in (bridge, attention):
        assert graph.types(57)[graph.output] == TensorType(57)


@pytest.mark.parametrize(
    ("nodes", "output", "message"),
    [
        (
            {"a": ("conv1", ["b"]), "b": ("gelu", ["a"]), "c": ("gelu", ["input"])}, "c",
            "node 1 (conv1) lies on a cycle",
        ),
        ({"a": ("conv1", ["a"])}, "a", "is used twice"),
        ({"a": ("copy2", ["input"])}, "a", "output 1 of node 1 (copy2) is used by nothing"),
        (
            {"a": ("conv1", ["input"]), "b": ("gelu", ["input"])}, "b",
            "the input is used twice, by node 1 (conv1) and node 2 (gelu)",
        ),
        ({"a": ("gelu", ["input"]), "b": ("conv1", ["a"])}, "a", "is used twice"),
        ({"a": ("add2", ["input"])}, "a", "node 1 (add2) has 1 inputs, expected 2"),
        ({"a": ("gelu", ["input.3"])}, "a", "takes output 3 of node 0, which does not exist"),
        ({"a": ("gelu", ["nowhere"])}, "a", 'a: no node "nowhere"; known: input, a'),
    ],
)  # fmt: skip
def test_what_is_no_graph_is_named(
    nodes: dict[str, tuple[str, list[str]]], output: str, message: str
) -> None:
    with pytest.raises(GraphError) as caught:
        graph_of(nodes, output)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_cycle_is_found_wherever_it_is() -> None:
    gelu, copy, add = (read_operation(name) for name in ("gelu", "copy2", "add2"))
    reachable = (Node(add, ((0, 0), (2, 0))), Node(copy, ((1, 0),)))
    with pytest.raises(GraphError, match="lies on a cycle"):
        Graph(reachable, (2, 1))
    apart = (Node(gelu, ((0, 0),)), Node(gelu, ((3, 0),)), Node(gelu, ((2, 0),)))
    with pytest.raises(GraphError, match=r"node 2 \(gelu\) lies on a cycle"):
        Graph(apart, (1, 0))


@pytest.mark.parametrize(
    ("text", "channels", "size", "message"),
    [
        ("copy2 ; conv_exp4 ; add2 conv_red4", 8, None, "node 3 (add2) needs inputs of the same shape"),
        ("chunk2 ; ; concat2", 57, (7, 7), "node 1 (chunk2) needs channels divisible by 2, got (57, 7, 7)"),
        ("conv_red4 conv_exp4", 6, None, "node 1 (conv_red4) needs channels divisible by 4, got (6, H, W)"),
        ("conv_exp4", 8, None, "node 1 (conv_exp4) ends the block with (32, H, W), expected"),
        ("global_avg", 8, (4, 4), "ends the block with (8, 1, 1), expected its input's (8, 4, 4)"),
        ("up_sample", 8, None, "node 1 (up_sample) needs a tensor that global_avg has pooled"),
        ("copy2 ; ; matmul2", 8, (3, 5), "node 2 (matmul2) needs a map (1, N, N)"),
        ("copy2 ; ; matmul1", 8, (3, 5), "ends the block with (1, 15, 15)"),
        ("rel_pos_bias", 8, (14, 14), "node 1 (rel_pos_bias) needs a map between tokens"),
        ("rel_pos_bias", 8, (16, 5), "got (8, 16, 5)"),
    ],
)  # fmt: skip
def test_what_is_ill_typed_is_named_with_its_shapes(
    text: str, channels: int, size: tuple[int, int] | None, message: str
) -> None:
    with pytest.raises(GraphError) as caught:
        read_graph(text).types(channels, size)
    assert message in str(caught.value)


def test_position_biases_exist_where_the_paper_allows_them() -> None:
    read_graph("rel_pos_bias").types(8, (16, 4))
    read_graph("rel_pos_bias").types(8)  # which resolution is not known yet
    read_graph("conv_chunk3 ; ; matmul1 rel_pos_bias ; matmul2").types(8, (3, 5))


@pytest.mark.parametrize(
    "name",
    ["conv5", "chunk1", "chunk", "conv_exp", "gelu2", "conv_red4x2", "gelu@0", "gelu@x", "conv1@2", ""],
)
def test_unknown_operations_are_refused(name: str) -> None:
    with pytest.raises(InvalidArchitecture, match="operation"):
        read_operation(name)
