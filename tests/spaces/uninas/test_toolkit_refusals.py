"""What is no file of the authors' package, or cannot be one: one line that says where and why."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.spaces.uninas.toolkit_nodes import SMALL, TASK, Node, file_of, leaf, model_of, sequence
from uninas_bench.errors import InvalidArchitecture, InvalidFile, UserError
from uninas_bench.spaces.uninas import read_json, write_json
from uninas_bench.tasks import find_task

SAYABLE_BY_US_ALONE = {
    "[copy4 ; ; ; ; add4 / -] | R | R | R": (
        r"block 1.1, subblock 1: node 1 \(copy4\) cannot be written: the toolkit forks no copy4 to add4"
    ),
    "R | [- / chunk2 ;1.1 ;1.0 concat2] | R | R": (
        r"block 2.1, subblock 2: node 1 \(chunk2\) cannot be written: concat2 takes the pieces of chunk2 in "
        "another order"
    ),
    "R | R | T6 | R": (
        r"block 3.1, subblock 1: node 1 \(conv_chunk3x6\) cannot be written: conv_chunk3x6 on \(384, 4, 4\): "
        "the toolkit has 32 channels a head, and 3, 6, 12, 24 heads"
    ),
    "[conv_chunk3 ; ; matmul1 ; matmul2 / -] | R | R | R": r"conv_chunk3 on \(96, 16, 16\): the toolkit has",
    "[conv_chunk3x3 ; ;1.4 matmul1 ;1.2 matmul2 ;1.3 ;1.1 matmul1 ;1.5 matmul2 ; ; matmul1 ; matmul2 concat3 "
    "/ -] | R | R | R": "its heads are not each matmul2",
    "[copy2 ; copy2 ; ;1.1 add2 ; multiply / -] | R | R | R": (
        r"node 1 \(copy2\) cannot be written: copy2 copy2 add2 multiply belong together, which is no class"
    ),
    "[conv_exp4 conv_red2 conv_red2 / -] | R | R | R": "conv_exp4 conv_red2 conv_red2 belong together",
    "[gelu@1/7 / -] | R | R | R": "96/7 channels to charge are no integer",
}


@pytest.mark.parametrize("text", SAYABLE_BY_US_ALONE)
def test_what_nested_lists_cannot_say(text: str) -> None:
    with pytest.raises(InvalidArchitecture, match=f"^uninas file: .*{SAYABLE_BY_US_ALONE[text]}"):
        write_json(SMALL, SMALL.parse(text), TASK)


def test_sizes_that_the_two_round_differently() -> None:
    for resolution in (88, 72, 100):
        task = find_task(f"imagenet1k@{resolution}")
        with pytest.raises(InvalidArchitecture, match=f"{resolution} pixels: .*only multiples of 32"):
            write_json(SMALL, SMALL.parse("R | R | R | R"), task)
        with pytest.raises(InvalidArchitecture, match=f"{resolution} pixels: .*only multiples of 32"):
            read_json(json.dumps({"img_size": resolution}))


def attention(**changes: object) -> Node:
    text = write_json(SMALL, SMALL.parse("T3 | R | R | R"), TASK, verbatim=True)
    node: Node = model_of(text)[0][0]["subblock1"]["params"]["modules"][0]
    assert node["class"] == "ForkMergeAttention"
    return node | {"params": node["params"] | changes}


def composite(name: str, **params: object) -> Node:
    return {"class": name, "shape": [96, 16, 16], "params": params}


CONV = leaf("Conv1", 96, 16, 16)
NESTED = sequence()
for _ in range(200):
    NESTED = sequence(NESTED)
WRONG_NODES: Mapping[str, tuple[Any, str]] = {
    "other channels": (leaf("Conv1", 192, 16, 16), r"Conv1 is made for 192 channels, got \(96, 16, 16\)"),
    "unknown class": (leaf("Conv7", 96, 16, 16), "unknown node class Conv7; known: AvgAndUpsample, Batch"),
    "class is no text": (CONV | {"class": []}, "unknown node class a list of 0"),
    "line break in a name": (leaf("a\nb", 96, 16, 16), r"unknown node class a\\nb;"),
    "no node": ("Conv1", "expected a node with class, shape and params, got Conv1"),
    "nothing": (None, "expected a node with class, shape and params, got missing"),
    "shape": (leaf("Conv1", 96, 16), "Conv1: shape a list of 2, expected three integers"),
    "shape of other things": (CONV | {"shape": [96, True, 16]}, "Conv1: shape a list of 3, expected three"),
    "unknown parameter": (CONV | {"params": {"stride": 2}}, "Conv1: unknown stride; is the file of a newer"),
    "unknown key": (CONV | {"version": 2}, "Conv1: unknown version; is the file of a newer format?"),
    "params": (CONV | {"params": []}, "Conv1: unknown params"),
    "factor": (
        composite("ReduceAndExpand", sequential=sequence(), factor=5),
        r"ReduceAndExpand needs channels divisible by 5, got \(96, 16, 16\)",
    ),
    "factor is no integer": (
        composite("ReduceAndExpand", sequential=sequence(), factor=1e9),
        "ReduceAndExpand: factor 1000000000.0, expected an integer",
    ),
    "inside of a pair": (composite("AvgAndUpsample", sequential=CONV), '"sequential" is no SequentialModule'),
    "inside of a pair is missing": (composite("ExpandAndReduce", factor=4), "expected a node with class"),
    "fork": (
        composite(
            "ForkMerge", branches_count=3, fork_merge_tuple=["chunk", "matmul"], branches=[sequence()] * 3
        ),
        "ForkMerge: chunk/matmul with 3 branches and branches_count 3; known: chunk/concat of 2",
    ),
    "fork of what": (
        composite("ForkMerge", branches_count=2, fork_merge_tuple=["chunk", 3], branches=[]),
        "ForkMerge: fork_merge_tuple a list of 2, expected two names",
    ),
    "branches": (
        composite("ForkMerge", branches_count=3, fork_merge_tuple=["copy", "add"], branches=[sequence()] * 2),
        "ForkMerge: copy/add with 2 branches and branches_count 3",
    ),
    "heads": (attention(branches=[sequence()] * 6), "ForkMergeAttention has 6 branches, expected 9 for 3"),
    "no heads": (attention(connections={}), '"connections" is an object of 0, expected a list'),
    "a head's product": (attention(matmullefts=[CONV] * 3), "a node of matmullefts is no MatmulLeft"),
    "nesting": (NESTED, "more than 100 levels of nesting"),
    "length": (sequence(*[leaf("GELU", 96, 16, 16)] * 5001), "more than 5000 nodes"),
}


@pytest.mark.parametrize("name", WRONG_NODES)
@pytest.mark.parametrize("subblock", [1, 2])
def test_a_wrong_node_is_named_with_its_block(name: str, subblock: int) -> None:
    node, message = WRONG_NODES[name]
    halves = [sequence(), sequence()]
    halves[subblock - 1] = sequence(node)
    where = f"uninas file: block 1.1, subblock {subblock}: "
    with pytest.raises(InvalidArchitecture, match=f"^{where}.*{message}") as error:
        read_json(file_of(*halves))
    assert "\n" not in str(error.value)


def test_bias_and_chunk_where_they_cannot_be() -> None:
    bias = sequence(leaf("RelPosBias", 96, 8, 8))
    stages = [["R"], [{"subblock1": bias, "subblock2": bias}], ["R"], ["R"]]
    text = json.dumps({"img_size": 64, "depths": [1, 1, 1, 1], "model_str": json.dumps(stages)})
    with pytest.raises(
        InvalidArchitecture,
        match=r"block 2.1, subblock 1: RelPosBias needs .* that are squares of integers, got .192, 8, 8.",
    ):
        read_json(text)
    branches = [sequence(), sequence()]
    params = {"branches_count": 2, "fork_merge_tuple": ["chunk", "concat"], "branches": branches}
    chunk = {"class": "ForkMerge", "shape": [95, 16, 16], "params": params}
    with pytest.raises(
        InvalidArchitecture, match=r"ForkMerge needs channels divisible by 2, got .95, 16, 16."
    ):
        read_json(file_of(sequence(chunk), embed_dim=[95, 192, 384, 768]))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the text is no JSON: Expecting value"),
        ("{", "the text is no JSON"),
        ("[]", "expected an object with img_size, .*, got a list"),
        ('{"img_size": NaN}', "the text is no JSON: NaN is no JSON"),
        ('{"version": 2}', 'unknown key "version", perhaps of a newer format; known: img_size'),
        ('{"a\\nb": 2}', r'unknown key "a\\nb"'),
        ('{"img_size": [224, 224]}', "img_size is list, expected an integer from 1 to 4096"),
        ('{"img_size": 0}', "img_size is 0, expected an integer"),
        ('{"img_size": true}', "img_size is true"),
        ('{"img_size": ' + "9" * 6000 + "}", "the text is no JSON|img_size is"),
        ('{"num_classes": "10"}', 'num_classes is "10", expected'),
        ('{"drop_rate": -1}', "drop_rate is no number from 0 to 1"),
        ('{"embed_dim": [96, 192]}', "expected embed_dim to be a list of 4 integers"),
        ('{"depths": [2, 3, 5, 0]}', "expected depths to be a list of 4 integers"),
        ('{"stem_width": [32, 64, 64]}', "expected stem_width to be a list of 2 integers"),
        ('{"depths": [1, 1, 1, 1]}', "model_str has 2:3:5:2 blocks in its stages, depths says 1:1:1:1"),
        ('{"model_str": [["E"]]}', "model_str is a list, expected a string of JSON"),
        ('{"model_str": "[E]"}', "model_str is no JSON"),
        ('{"model_str": "{}"}', "model_str is no list of stages"),
        ('{"model_str": "[1, 2, 3, 4]"}', "model_str is no list of stages"),
        ("[" * 100_000, "the text is nested too deeply"),
        (json.dumps({"model_str": '{"a":' * 100_000}), "model_str is nested too deeply"),
    ],
)
def test_files_of_another_kind(text: str, message: str) -> None:
    with pytest.raises(InvalidFile, match=f"^uninas file: {message}") as error:
        read_json(text)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ('"X"', 'block 1.1: unknown block "X"; known: E, R, T'),
        ("1", "block 1.1: expected E, R, T or an object with subblock1 and subblock2"),
        ('{"subblock1": "R"}', "block 1.1: expected E, R, T or an object"),
    ],
)
def test_blocks_of_another_kind(code: str, message: str) -> None:
    model = f'[[{code}], ["R"], ["R"], ["R"]]'
    with pytest.raises(InvalidArchitecture, match=message):
        read_json(json.dumps({"depths": [1, 1, 1, 1], "model_str": model}))


def test_t_needs_whole_heads() -> None:
    with pytest.raises(
        InvalidArchitecture, match=r"block 3.1: T needs heads of 32 channels, got \(100, 14, 14\)"
    ):
        read_json('{"embed_dim": [96, 192, 100, 768]}')


VALID = write_json(
    SMALL, SMALL.parse("E | [copy2 ; conv_red4 gelu conv_exp4 ; add2 / gelu] | R | R"), TASK, verbatim=True
)
JUNK = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8), st.just([]), st.just({}),
    st.sampled_from(["SequentialModule", "ForkMerge", "ForkMergeAttention", "E", CONV, [CONV], NESTED]),
)  # fmt: skip


def places_of(data: Any) -> Iterator[tuple[Any, Any]]:
    """Every value of a tree, as the container it is in and its key there."""
    for key in list(data) if isinstance(data, dict) else range(len(data)):
        yield data, key
        if isinstance(data[key], dict | list):
            yield from places_of(data[key])


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.tuples(st.floats(0, 1, exclude_max=True), JUNK), min_size=1, max_size=3))
def test_a_damaged_file_is_read_or_refused_in_one_line(changes: list[tuple[float, Any]]) -> None:
    outer = json.loads(VALID)
    tree = outer | {"model_str": json.loads(outer["model_str"])}
    for where, value in changes:
        found = list(places_of(tree))
        container, key = found[int(where * len(found))]
        container[key] = copy.deepcopy(value)
    text = json.dumps(tree | {"model_str": json.dumps(tree["model_str"])})
    try:
        read = read_json(text)
    except UserError as fault:
        message = str(fault)
    else:
        message = ""
        assert read_json(write_json(*read))[1] == read[1]
    assert "\n" not in message
    assert len(message) < 500
