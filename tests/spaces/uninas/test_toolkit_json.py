"""The authors' files: what is read, what is mended, and that nothing is lost on the way back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.spaces.uninas.toolkit_nodes import SMALL, TASK, file_of, leaf, model_of, nodes_of, sequence
from uninas_bench.bounds import Bounds
from uninas_bench.spaces.uninas import read_json, write_json
from uninas_bench.spaces.uninas.encoding import read_design
from uninas_bench.spaces.uninas.macro import UninasScale
from uninas_bench.spaces.uninas.space import Uninas
from uninas_bench.spaces.uninas.walk import Walk, WalkSettings
from uninas_bench.tasks import find_task


def encoding(text: str) -> str:
    return read_json(text)[1].encoding


def first_block(*modules: Any) -> str:
    """The encoding of the first subblock of a network whose first subblock lists these modules."""
    return encoding(file_of(sequence(*modules))).partition("[")[2].partition(" / ")[0]


def test_nothing_said_is_the_authors_default() -> None:
    space, architecture, task = read_json("{}")
    assert space == Uninas()
    assert architecture == space.parse("E E | E R R | T*5 | E R")
    assert task == find_task("imagenet1k")


def test_scale_and_task_are_the_files() -> None:
    text = (
        '{"img_size": 128, "num_classes": 7, "drop_rate": 0.1, "embed_dim": [64, 64, 96, 384], '
        '"depths": [1, 2, 1, 1], "stem_width": 24, '
        '"model_str": "[[\\"R\\"], [\\"E\\", \\"R\\"], [\\"T\\"], [\\"T\\"]]"}'
    )
    space, architecture, task = read_json(text)
    assert space.scale == UninasScale(widths=(64, 64, 96, 384), depths=(1, 2, 1, 1), stem=(24, 24))
    assert architecture.encoding == "R | E, R | T3 | T12"
    assert (task.name, task.dataset, task.resolution, task.classes) == (
        "custom-128x7",
        "custom-128x7",
        128,
        7,
    )
    again = json.loads(write_json(space, architecture, task))
    assert again == json.loads(text) | {"drop_rate": 0.0, "stem_width": [24, 24]}
    assert read_json('{"img_size": 64}')[2] == TASK


def test_every_leaf_and_every_composite() -> None:
    s = (96, 16, 16)
    assert first_block() == "-"
    names = "Softmax Dropout MaxPool Mask Sigmoid GELU Conv1 Conv3 ConvDepth3 ConvDepth5 BatchNorm LayerNorm"
    names += " RelPosBias Identity Zero"
    assert first_block(*(leaf(name, *s) for name in names.split())) == (
        "softmax dropout max_pool mask sigmoid gelu conv1 conv3 conv_depth3 conv_depth5 batch_norm "
        "layer_norm rel_pos_bias identity zero"
    )
    inside = {"sequential": sequence(leaf("GELU", 48, 16, 16)), "factor": 2, "scheme": "kaiming_normal"}
    reduce = {"class": "ReduceAndExpand", "shape": s, "params": inside}
    assert first_block(reduce) == "conv_red2 gelu conv_exp2"
    inside["sequential"] = sequence(leaf("Conv1", 192, 16, 16))
    assert first_block(reduce | {"class": "ExpandAndReduce"}) == "conv_exp2 conv1 conv_red2"
    pool = {
        "class": "AvgAndUpsample",
        "shape": s,
        "params": {"sequential": sequence(leaf("Sigmoid", 96, 1, 1))},
    }
    assert first_block(pool) == "global_avg sigmoid up_sample"


@pytest.mark.parametrize(
    ("pair", "count", "text"),
    [
        (("chunk", "concat"), 2, "chunk2 ; gelu ; concat2"),
        (("chunk", "concat"), 3, "chunk3 ; gelu ; ; concat3"),
        (("copy", "add"), 2, "copy2 ; gelu ; add2"),
        (("copy", "add"), 3, "copy3 ; gelu ; ; add3"),
        (("copy", "multiply"), 2, "copy2 ; gelu ; multiply"),
    ],
)
def test_forks(pair: tuple[str, str], count: int, text: str) -> None:
    channels = 96 // count if pair[0] == "chunk" else 96
    branches = [sequence(leaf("GELU", channels, 16, 16)), *[sequence()] * (count - 1)]
    params = {"branches_count": count, "fork_merge_tuple": pair, "branches": branches}
    assert first_block({"class": "ForkMerge", "shape": [96, 16, 16], "params": params}) == text
    assert round_trip(f"[{text} / -] | R | R | R") == f"[{text} / -] | R | R | R"


def round_trip(text: str, *, verbatim: bool = False) -> str:
    return encoding(write_json(SMALL, SMALL.parse(text), TASK, verbatim=verbatim))


def test_declared_channels_of_what_has_no_weights_are_a_price() -> None:
    """The two mistakes of the authors' own templates, in T's MLP and in E's gate."""
    assert first_block(leaf("GELU", 24, 9, 9), leaf("Softmax", 960, 16, 16)) == "gelu@1/4 softmax@10"
    assert first_block(leaf("Identity", 7, 1, 1), leaf("Zero", 7, 1, 1)) == "identity zero"
    text = "[gelu@1/4 max_pool@4 / sigmoid@3/2] | R | R | R"
    assert round_trip(text) == text
    written = model_of(write_json(SMALL, SMALL.parse(text), TASK))[0][0]
    assert [m["shape"] for m in written["subblock1"]["params"]["modules"]] == [[24, 16, 16], [384, 16, 16]]
    assert written["subblock2"]["params"]["modules"][0]["shape"] == [144, 16, 16]


def test_other_shapes_of_a_file_mean_nothing() -> None:
    architecture = SMALL.parse("T3 | E | [conv_exp4 mask conv_red4 / conv3] | R")
    text = write_json(SMALL, architecture, TASK, verbatim=True)
    stages = model_of(text)
    for node in nodes_of(stages):
        node["shape"][1:] = [3, 5]
        if node["class"] == "MatmulLeft":
            node["shape"] = [1, 123456, 123456]
    damaged = json.dumps(json.loads(text) | {"model_str": json.dumps(stages)})
    assert read_json(damaged) == (SMALL, architecture, TASK)


def test_verbatim_is_as_the_package_writes_and_the_default_avoids_its_defects() -> None:
    architecture = SMALL.parse("T3 | E | R | [conv_chunk3x24 24*( ; ; matmul1 ; matmul2 ) concat24 / gelu]")
    compact = model_of(write_json(SMALL, architecture, TASK))
    assert compact[:3] == [["T"], ["E"], ["R"]]
    left = [node for node in nodes_of(compact) if node["class"] == "MatmulLeft"]
    assert [node["shape"] for node in left] == [[32, 2, 2]] * 24
    expanded = list(nodes_of(model_of(write_json(SMALL, architecture, TASK, verbatim=True))))
    left = [node for node in expanded if node["class"] == "MatmulLeft"]
    assert [node["shape"] for node in left] == [[1, 256, 256]] * 3 + [[1, 4, 4]] * 24
    right = [node for node in expanded if node["class"] == "MatmulRight"]
    assert [node["shape"] for node in right] == [[32, 16, 16]] * 3 + [[32, 2, 2]] * 24
    assert {node["shape"][0] for node in expanded if node["class"] == "GELU"} == {96, 4 * 192, 384, 768}


@pytest.mark.parametrize("verbatim", [False, True])
@pytest.mark.parametrize("seed", range(6))
def test_walked_networks_come_back(seed: int, verbatim: bool) -> None:
    """All moves of the authors' own search can be said in their format."""
    start = read_design(["E | E | T | T", "T | T | T | T", "R | R | R | R"][seed % 3], SMALL.scale.widths)
    walk = Walk(
        start, SMALL.scale, TASK, bounds=Bounds(None, 20_000_000, None, 2_000_000_000),
        settings=WalkSettings(semantics="toolkit", convention="toolkit"), seed=seed,
    )  # fmt: skip
    for _ in range(150):
        walk.step()
    architecture = SMALL.architecture_of(walk.design())
    text = write_json(SMALL, architecture, TASK, verbatim=verbatim)
    assert read_json(text) == (SMALL, architecture, TASK)
    assert SMALL.costs(read_json(text)[1], TASK, "toolkit").flops == walk.flops


def models(real_data: Path) -> Mapping[str, Mapping[str, Any]]:
    text = (real_data / "parity" / "uninas_reference_costs.json").read_text(encoding="utf-8")
    return {model["name"]: model for model in json.loads(text)["models"]}


def unpacked(text: str) -> Any:
    outer = json.loads(text)
    return outer | {"model_str": json.loads(outer["model_str"])}


TO_THE_LETTER = ["official_example", *(f"small{number}" for number in (0, 2, 4, 6, 8, 10, 14)),
                 "full_efficientnet_1", "full_transformer_3"]  # fmt: skip
"""Files that the package has written. In small12 a reduction inside an expansion reads as two expansions, one
after the other: the graph is the same, and we write the latter."""


@pytest.mark.data
def test_the_authors_files_come_back(real_data: Path) -> None:
    for name, model in models(real_data).items():
        read = read_json(model["model_json"])
        assert read_json(write_json(*read)) == read, name
        assert read_json(write_json(*read, verbatim=True)) == read, name
        if "expanded_json" in model:  # one of the package's examples, and what it makes of it
            assert unpacked(write_json(*read)) == unpacked(model["model_json"])
            assert unpacked(write_json(*read, verbatim=True)) == unpacked(model["expanded_json"])
        elif name in TO_THE_LETTER:
            assert unpacked(write_json(*read, verbatim=True)) == unpacked(model["model_json"]), name


@pytest.mark.data
def test_the_shipped_example_is_made_of_templates(real_data: Path) -> None:
    space, architecture, _ = read_json(models(real_data)["official_example"]["model_json"])
    assert architecture == space.parse("E, E | E, R, R | T*5 | E, R")
