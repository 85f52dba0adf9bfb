"""Files of the authors' package, put together by hand."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from uninas_bench.spaces.uninas.macro import UninasScale
from uninas_bench.spaces.uninas.space import Uninas
from uninas_bench.tasks import find_task

SMALL = Uninas(UninasScale(depths=(1, 1, 1, 1)))
TASK = find_task("imagenet1k@64")
Node = dict[str, Any]


def leaf(name: str, *shape: int) -> Node:
    return {"class": name, "shape": list(shape), "params": {}}


def sequence(*modules: Any, shape: tuple[int, ...] = (96, 16, 16)) -> Node:
    return {"class": "SequentialModule", "shape": list(shape), "params": {"modules": list(modules)}}


def file_of(first: Any, second: Any = None, **changes: object) -> str:
    """A network of four blocks at 64 pixels, the first of which has 96 channels of 16 x 16."""
    block = {"subblock1": first, "subblock2": sequence() if second is None else second}
    values = {"img_size": 64, "depths": [1, 1, 1, 1], "model_str": json.dumps([[block], ["R"], ["R"], ["R"]])}
    return json.dumps(values | changes)


def model_of(text: str) -> Any:
    return json.loads(json.loads(text)["model_str"])


def nodes_of(data: Any) -> Iterator[Node]:
    if isinstance(data, dict):
        if "class" in data:
            yield data
        data = list(data.values())
    if isinstance(data, list):
        for part in data:
            yield from nodes_of(part)
