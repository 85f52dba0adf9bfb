"""Which architectures a table holds: a sample that covers the space, its extremes, nothing twice."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import accumulate
from typing import TYPE_CHECKING

import numpy as np

from uninas_bench.architecture import Architecture, Task
from uninas_bench.bounds import Bounds
from uninas_bench.errors import InvalidArchitecture, UserError
from uninas_bench.seeds import derive_seed
from uninas_bench.space import LISTABLE
from uninas_bench.spaces.finite import FiniteSpace
from uninas_bench.spaces.uninas.space import Uninas
from uninas_bench.spaces.uninas.templates import HEAD_CHANNELS

if TYPE_CHECKING:
    from uninas_bench.space import SearchSpace

PRICED = 100_000
"""Up to so many architectures all of a space are priced, to find the smallest and the largest."""
LONGEST_WALK = 8
"""Steps of the longest walk for each block; lengths are uniform from 0 on."""
GROWTH = 1.5
"""A walk's networks cost at most this multiple of the one that it begins with, and as little as they will."""
_NONE = "[- / -]"


def representatives(space: SearchSpace, n: int, seed: int, task: Task | None = None) -> list[Architecture]:
    """``n`` random architectures of different canonical classes, and the extremes of the space besides.

    Of a space of numbered architectures the sample is uniform. Of `uninas`, which is infinite, it is what
    `walks` give. Extremes are the architectures that make the same choice everywhere (the cell of 3x3
    convolutions, the network of nothing but transformer blocks) and, where a space has at most `PRICED`
    architectures, those with the fewest and the most parameters and FLOPs.

    Args:
        space: at the scale of the table.
        n: how many, extremes not counted.
        seed: fixes the sample.
        task: for which architectures are priced and, in an infinite space, must exist; default the space's
            first.

    Raises:
        UserError: the space has fewer classes than ``n``.
    """
    task = task or space.tasks[0]
    rng = np.random.default_rng(derive_seed("representatives", space.name, seed))
    found: dict[str, Architecture] = {}
    for architecture in _draws(space, task, rng):
        found.setdefault(space.canonical(architecture), architecture)
        if len(found) == n:
            break
    if len(found) < n:
        raise UserError(f"{space.name} has {len(found)} classes of architectures, {n} were asked for")
    for architecture in extremes(space, task):
        found.setdefault(space.canonical(architecture), architecture)
    return list(found.values())


def extremes(space: SearchSpace, task: Task) -> list[Architecture]:
    """The same choice everywhere, and the least and the most of both costs; see `representatives`."""
    found = _uniform(space)
    if space.size is not None and space.size <= PRICED:
        everything = list(space.enumerate())
        costs = [space.costs(architecture, task) for architecture in everything]
        for amounts in ([cost.params for cost in costs], [cost.flops for cost in costs]):
            found += [everything[int(place)] for place in (np.argmin(amounts), np.argmax(amounts))]
    return found


def walks(space: Uninas, task: Task, rng: np.random.Generator) -> Iterator[Architecture]:
    """Networks at the ends of walks from different starts and of different lengths, without end.

    A start has the blocks of one template everywhere, or of one template in each stage, or of any template in
    each block; each of the three kinds as often as the others. Of the templates E, R and T those are taken
    that the widths allow. A walk takes Algorithm 1's steps within `GROWTH` times the costs of its start at
    the task's resolution, up to `LONGEST_WALK` for each block.
    """
    while True:
        start = space.parse(_start(space, rng))
        costs = space.costs(start, task)
        bounds = Bounds(None, int(GROWTH * costs.params), None, int(GROWTH * costs.flops))
        steps = int(rng.integers(LONGEST_WALK * sum(space.scale.depths) + 1))
        walked = space.step(start, rng, task, bounds, steps=steps, anywhere=True) if steps else None
        if _exists(space, walked or start, task):
            yield walked or start


def _draws(space: SearchSpace, task: Task, rng: np.random.Generator) -> Iterator[Architecture]:
    if isinstance(space, Uninas):
        yield from walks(space, task, rng)
    elif space.size is not None and space.size <= LISTABLE:
        yield from space.sample(space.size, rng)
    else:
        while True:
            yield from space.sample(64, rng)


def _exists(space: SearchSpace, architecture: Architecture, task: Task) -> bool:
    """Whether it can be built: a walk can multiply numbers until they leave float32."""
    import torch

    try:
        with torch.random.fork_rng(devices=[]):
            space.build(architecture, task)
    except InvalidArchitecture:
        return False
    return True


def _uniform(space: SearchSpace) -> list[Architecture]:
    if isinstance(space, Uninas):
        texts = [_encoding(space, [code] * sum(space.scale.depths)) for code in ("E", "R", "T")]
        return [space.parse(text) for text in (*texts, _encoding(space, [_NONE] * sum(space.scale.depths)))]
    if not isinstance(space, FiniteSpace):
        return []
    first, *others = space.options
    shared = [choice for choice in first if all(choice in options for options in others)]
    return [space.assemble([choice] * len(space.options)) for choice in shared]


def _start(space: Uninas, rng: np.random.Generator) -> str:
    """The encoding of a walk's first network."""
    codes, depths = ("E", "R", "T"), space.scale.depths
    kind = int(rng.integers(3))
    drawn = [codes[int(number)] for number in rng.integers(len(codes), size=sum(depths))]
    if kind == 0:
        drawn = [drawn[0]] * len(drawn)
    elif kind == 1:
        drawn = [drawn[stage] for stage, depth in enumerate(depths) for _ in range(depth)]
    return _encoding(space, drawn)


def _encoding(space: Uninas, codes: list[str]) -> str:
    """Blocks of all stages; a template that a width does not allow gives way to R."""
    ends = list(accumulate(space.scale.depths, initial=0))
    stages = []
    for stage, width in enumerate(space.scale.widths):
        heads, rest = divmod(width, HEAD_CHANNELS)
        possible = {
            "E": "R" if width % 4 else "E", "R": "R", "T": "R" if rest else f"T{heads}", _NONE: _NONE,
        }  # fmt: skip
        stages.append(", ".join(possible[code] for code in codes[ends[stage] : ends[stage + 1]]))
    return " | ".join(stages)
