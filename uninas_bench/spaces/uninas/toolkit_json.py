"""The file format of the authors' package `uninas` 1.x: networks in and out.

A file is one JSON object; the blocks lie in its ``model_str``, a string that is JSON again. A block is
``"T"``, ``"E"``, ``"R"`` or two subblocks (`toolkit_classes`). Everything has a default, so ``{}`` is a
network too. The package is not needed for either direction.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NoReturn

from uninas_bench.architecture import Architecture, Task
from uninas_bench.errors import InvalidArchitecture, InvalidFile
from uninas_bench.spaces.uninas.block import Block, Design
from uninas_bench.spaces.uninas.encoding import block_title
from uninas_bench.spaces.uninas.macro import STAGES, UninasScale, check_design, halved, places
from uninas_bench.spaces.uninas.space import Uninas
from uninas_bench.spaces.uninas.templates import HEAD_CHANNELS, code_of, template
from uninas_bench.spaces.uninas.toolkit_classes import HEADS
from uninas_bench.spaces.uninas.toolkit_reader import read_subblock
from uninas_bench.spaces.uninas.toolkit_writer import write_subblock
from uninas_bench.tasks import find_task

_DEFAULTS: dict[str, Any] = {
    "img_size": 224,
    "num_classes": 1000,
    "drop_rate": 0.0,
    "embed_dim": [96, 192, 384, 768],
    "depths": [2, 3, 5, 2],
    "model_str": '[["E", "E"], ["E", "R", "R"], ["T", "T", "T", "T", "T"], ["E", "R"]]',
    "stem_width": [32, 64],
}
_STEP = 32
"""Resolutions are multiples of it: at others the package rounds sizes in ways of its own."""
_LARGEST = {"img_size": 4096, "num_classes": 10_000_000}
_SUBBLOCKS = ("subblock1", "subblock2")


def read_json(text: str) -> tuple[Uninas, Architecture, Task]:
    """The network of a file of the authors' package.

    Shapes are computed anew. The file's own are taken for one thing only: a node without parameters that
    declares other channels than it gets is priced by the package at those (`Operation.charge`). Its drop_rate
    belongs to training and is not kept.

    Returns:
        The space, whose scale has the file's widths, depths and stem; the architecture in it; and the task:
        ``imagenet1k`` for 1000 classes, with ``@128`` where the images are not of 224 pixels; for other
        numbers of classes one named ``custom-64x10`` for its pixels and classes, of a data set with that same
        name, whose images are the caller's to give.

    Raises:
        InvalidFile: no JSON, or not of this format.
        InvalidArchitecture: a block that cannot be, named with subblock, class of the node and shapes.
    """
    design, scale, resolution, classes = read_toolkit(text)
    space = Uninas(scale)
    return space, space.architecture_of(design), _task(resolution, classes)


def write_json(space: Uninas, architecture: Architecture, task: Task, *, verbatim: bool = False) -> str:
    """A network as a file of the authors' package.

    `read_json` gives it back; widths that the architecture has of its own are then the space's.

    Args:
        space: whose scale gives widths, depths and stem.
        architecture: the network.
        task: its resolution and classes are written.
        verbatim: write what the package itself would. By default the two defects of that are avoided: blocks
            that are templates are written by their letters, so that the package initialises T's MLP as its
            own T, and each MatmulLeft declares the shape of its input, so that FLOPs come out right.

    Raises:
        InvalidArchitecture: the package has no form for a block (edges between branches, attention with other
            than 3, 6, 12 or 24 heads of 32 channels, ...), or sizes of feature maps of its own at the task's
            resolution; naming the block, the node and the reason.
    """
    return write_toolkit(
        space.design(architecture), space.scale, task.resolution, task.classes, verbatim=verbatim
    )


def read_toolkit(text: str) -> tuple[Design, UninasScale, int, int]:
    """`read_json` in the space's own terms: blocks, scale, resolution, classes."""
    values = _DEFAULTS | _object(text)
    unknown = {*values} - {*_DEFAULTS}
    if unknown:
        raise InvalidFile(
            f"uninas file: unknown key {json.dumps(min(unknown)[:40])}, perhaps of a newer format; "
            f"known: {', '.join(_DEFAULTS)}"
        )
    resolution, classes = (_integer(values, key) for key in _LARGEST)
    stem = values["stem_width"]
    scale = UninasScale(
        widths=_integers("embed_dim", values["embed_dim"], STAGES),
        depths=_integers("depths", values["depths"], STAGES),
        stem=_integers("stem_width", [stem, stem] if type(stem) is int else stem, 2),
    )
    drop_rate = values["drop_rate"]
    if type(drop_rate) not in {int, float} or not 0 <= drop_rate <= 1:
        raise InvalidFile("uninas file: drop_rate is no number from 0 to 1")
    try:
        _check_resolution(resolution)
        design = _design(values["model_str"], scale, resolution)
        check_design(design, scale, resolution)
    except InvalidArchitecture as error:
        raise InvalidArchitecture(f"uninas file: {error}") from None
    return design, scale, resolution, classes


def write_toolkit(
    design: Design, scale: UninasScale, resolution: int, classes: int, *, verbatim: bool = False
) -> str:
    """`write_json` in the space's own terms: blocks, scale, resolution, classes."""
    _check_resolution(resolution)
    stages: list[list[object]] = [[] for _ in design.stages]
    for place in places(design, scale, resolution):
        code = code_of(place.block)
        heads = place.channels // HEAD_CHANNELS
        if code == f"T{heads}" and place.channels % HEAD_CHANNELS == 0 and heads in HEADS:
            code = "T"
        if code in {"E", "R", "T"} and not verbatim:
            stages[place.stage].append(code)
            continue
        written = {}
        for key, graph in zip(_SUBBLOCKS, place.block, strict=True):
            try:
                written[key] = write_subblock(graph, place.channels, place.size, verbatim=verbatim)
            except InvalidArchitecture as error:
                where = f"{place.title}, subblock {key[-1]}"
                raise InvalidArchitecture(f"uninas file: {where}: {error}") from None
        stages[place.stage].append(written)
    return json.dumps(
        {
            "img_size": resolution,
            "num_classes": classes,
            "drop_rate": 0.0,
            "embed_dim": list(design.widths or scale.widths),
            "depths": list(scale.depths),
            "model_str": json.dumps(stages),
            "stem_width": list(scale.stem),
        }
    )


def _task(resolution: int, classes: int) -> Task:
    known = find_task("imagenet1k")
    if classes == known.classes:
        return known if resolution == known.resolution else find_task(f"{known}@{resolution}")
    name = f"custom-{resolution}x{classes}"
    return Task(name, name, resolution, classes)


def _check_resolution(resolution: int) -> None:
    if resolution % _STEP:
        raise InvalidArchitecture(
            f"{resolution} pixels: where sizes are odd, the toolkit rounds them down and this space up, so "
            f"only multiples of {_STEP} mean the same network to both"
        )


def _load(text: str, what: str) -> object:
    """JSON without NaN and the infinities, which are none."""

    def refuse(name: str) -> NoReturn:
        raise ValueError(f"{name} is no JSON")

    try:
        return json.loads(text, parse_constant=refuse)
    except RecursionError:
        raise InvalidFile(f"uninas file: {what} is nested too deeply") from None
    except ValueError as error:  # JSONDecodeError is one
        reason = str(error).splitlines()[0][:100]
        raise InvalidFile(f"uninas file: {what} is no JSON: {reason}") from None


def _object(text: str) -> dict[str, Any]:
    data = _load(text, "the text")
    if not isinstance(data, dict):
        raise InvalidFile(
            f"uninas file: expected an object with {', '.join(_DEFAULTS)}, got a {type(data).__name__}"
        )
    return data


def _integer(values: Mapping[str, object], key: str) -> int:
    value = values[key]
    if type(value) is not int or not 1 <= value <= _LARGEST[key]:
        shown = json.dumps(value)[:40] if isinstance(value, int | float | str) else type(value).__name__
        raise InvalidFile(f"uninas file: {key} is {shown}, expected an integer from 1 to {_LARGEST[key]}")
    return value


def _integers(key: str, value: object, count: int) -> tuple[int, ...]:
    if (
        not isinstance(value, list)
        or len(value) != count
        or not all(type(part) is int and 0 < part < 100_000 for part in value)
    ):
        raise InvalidFile(f"uninas file: expected {key} to be a list of {count} integers from 1 to 99999")
    return tuple(value)


def _design(model: object, scale: UninasScale, resolution: int) -> Design:
    if not isinstance(model, str):
        raise InvalidFile(f"uninas file: model_str is a {type(model).__name__}, expected a string of JSON")
    stages = _load(model, "model_str")
    if not isinstance(stages, list) or not all(isinstance(stage, list) for stage in stages):
        raise InvalidFile("uninas file: model_str is no list of stages that are lists of blocks")
    depths = tuple(map(len, stages))
    if depths != scale.depths:
        raise InvalidFile(
            f"uninas file: model_str has {':'.join(map(str, depths))[:40]} blocks in its stages, "
            f"depths says {':'.join(map(str, scale.depths))}"
        )
    size = halved((resolution, resolution))
    built = []
    for number, stage in enumerate(stages):
        size = halved(size)
        blocks = [_block(data, number, i, scale.widths[number], size) for i, data in enumerate(stage)]
        built.append(tuple(blocks))
    return Design(tuple(built))


def _block(data: object, stage: int, place: int, channels: int, size: tuple[int, int]) -> Block:
    title = block_title(stage, place)
    if isinstance(data, str):
        if data not in {"E", "R", "T"}:
            raise InvalidArchitecture(f"{title}: unknown block {json.dumps(data[:20])}; known: E, R, T")
        if data == "T" and channels % HEAD_CHANNELS:
            raise InvalidArchitecture(
                f"{title}: T needs heads of {HEAD_CHANNELS} channels, got ({channels}, {size[0]}, {size[1]})"
            )
        return template(data if data != "T" else f"T{channels // HEAD_CHANNELS}")
    if not isinstance(data, dict) or {*data} != {*_SUBBLOCKS}:
        raise InvalidArchitecture(f"{title}: expected E, R, T or an object with subblock1 and subblock2")
    graphs = []
    for key in _SUBBLOCKS:
        try:
            graphs.append(read_subblock(data[key], channels, size))
        except InvalidArchitecture as error:
            raise InvalidArchitecture(f"{title}, subblock {key[-1]}: {error}") from None
    return Block(*graphs)
