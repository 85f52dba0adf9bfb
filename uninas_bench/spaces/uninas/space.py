"""The search space `uninas`: networks whose blocks are any typed graphs of elementary operations."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Literal, cast

from uninas_bench.architecture import Architecture, Costs, Task
from uninas_bench.bounds import Bounds
from uninas_bench.errors import InvalidArchitecture, UserError
from uninas_bench.spaces.scaled import ScaledSpace
from uninas_bench.spaces.shares import share_name
from uninas_bench.spaces.uninas.additions import additions
from uninas_bench.spaces.uninas.block import Block, Design
from uninas_bench.spaces.uninas.canonical import canonical_design
from uninas_bench.spaces.uninas.costs import Convention, design_costs, product_flops
from uninas_bench.spaces.uninas.encoding import read_design, write_design
from uninas_bench.spaces.uninas.graph import Graph, GraphError
from uninas_bench.spaces.uninas.macro import UninasScale, check_design, places
from uninas_bench.spaces.uninas.magnitude import check_magnitudes
from uninas_bench.spaces.uninas.notation import write_graph
from uninas_bench.spaces.uninas.operations import PRODUCTS, SPATIAL_CONVOLUTIONS
from uninas_bench.spaces.uninas.templates import HEAD_CHANNELS, template
from uninas_bench.spaces.uninas.walk import Walk, WalkSettings
from uninas_bench.tasks import find_task

if TYPE_CHECKING:
    import numpy as np
    from torch import nn

    from uninas_bench.diagram import Diagram

NAMED = {
    "coatnet": "E, E | E, E, E | T12, T12, T12, T12, T12 | T24, T24",
    "efficientnet": "{96:192:384:512} E, E | E, E, E | E, E, E, E, E | E, E",
    "resnet": "{64:128:384:512} R, R | R, R, R | R, R, R, R, R | R, R",
    "vit": "T3, T3 | T6, T6, T6 | T12, T12, T12, T12, T12 | T24, T24",
}
"""The four networks of Table IV that the paper compares its own with, at its scale."""
_REFERENCE = "imagenet1k"
"""Where no task is given, costs are those of the paper's own (Table IV)."""
_GROWTH = (0.5, 1.25)
"""Samples cost between these multiples of the network that their walk begins with."""
_MUTANT_GROWTH = 1.5
_WALK_PER_BLOCK = 4
"""Steps of a sample's walk for each of its blocks, so that few blocks are still a template."""


class Uninas(ScaledSpace[UninasScale]):
    """Infinitely many networks, with encodings such as ``E, E | E, R, R | T12, [conv3 gelu / zero] | R``.

    See `encoding` and `notation` for how it is read. Graphs are checked for types when they are parsed, and
    for what depends on the resolution (a `rel_pos_bias` on a feature map) when they are priced or built.
    """

    name = "uninas"
    version = 1
    size: int | None = None
    parts = ("network", "block")
    tasks = tuple(map(find_task, (_REFERENCE, "cifar10", "cifar100", "imagenet16-120")))

    def __init__(self, scale: UninasScale | None = None) -> None:
        super().__init__(scale or UninasScale())

    def design(self, architecture: Architecture) -> Design:
        """The blocks of an architecture.

        Raises:
            InvalidArchitecture: the architecture is not of this space at this scale.
        """
        if architecture.space != self.name:
            raise InvalidArchitecture(f'{self.name}: "{architecture}" is no architecture of this space')
        return _design(architecture.encoding, self._scale)

    def texts(self, architecture: Architecture) -> tuple[tuple[str, str], ...]:
        """The two subblocks of every block in `notation`, those with a short name too."""
        blocks = (block for _, _, block in self.design(architecture).blocks())
        return tuple((write_graph(block.first), write_graph(block.second)) for block in blocks)

    def architecture_of(self, design: Design) -> Architecture:
        """The architecture of a network of blocks.

        Raises:
            InvalidArchitecture: ill-typed at this scale; naming block, node and shapes.
        """
        try:
            check_design(design, self._scale)
        except InvalidArchitecture as error:
            raise InvalidArchitecture(f"{self.name}: {error}") from None
        if design.widths == self._scale.widths:
            design = Design(design.stages)
        return Architecture(self.name, write_design(design))

    def parse(self, text: str) -> Architecture:
        """Read an encoding, short names such as ``E E | E R R | T*5 | E R``, or one of `NAMED`.

        Raises:
            InvalidArchitecture: naming block, node and shapes, or the position of the fault.
        """
        body = text.strip()
        body = body.removeprefix(f"{self.name}:").strip()
        body = NAMED.get(body.lower(), body)
        return Architecture(self.name, write_design(_design(body, self._scale)))

    def spellings(self, architecture: Architecture) -> Mapping[str, str]:
        """The encoding, and the name where it has one at this scale."""
        names = {}
        for name, text in NAMED.items():
            try:
                if self.parse(text) == architecture:
                    names["name"] = name
            except InvalidArchitecture:  # other depths: the named networks do not exist at this scale
                continue
        return {"string": architecture.encoding, **names}

    def canonical(self, architecture: Architecture) -> str:
        """The encoding of the canonical form: see `canonical.canonical_graph` for what it brings together."""
        return write_design(canonical_design(self.design(architecture)))

    def enumerate(self) -> Iterator[Architecture]:
        """Every network that additions reach from the one of empty blocks, by their number; without end."""
        empty = Block(Graph(()), Graph(()))
        start = self.architecture_of(Design(tuple((empty,) * depth for depth in self._scale.depths)))
        seen = {start}
        waiting = deque([start])
        yield start
        while waiting:
            for design in additions(self.design(waiting.popleft()), self._scale):
                neighbour = Architecture(self.name, write_design(design))
                if neighbour not in seen:
                    seen.add(neighbour)
                    waiting.append(neighbour)
                    yield neighbour

    def sample(self, n: int, rng: np.random.Generator) -> list[Architecture]:
        """``n`` networks at the end of walks: there is no uniform distribution over an infinite space.

        Each begins with blocks drawn uniformly from the templates E, R and T that the widths allow, and takes
        four steps of Algorithm 1 per block, within half and five quarters of its parameters and FLOPs at
        224 pixels. `rel_pos_bias` is added where it is legal at every resolution, so that the networks can be
        built for every task.

        Raises:
            UserError: ``n`` is below 1.
        """
        if n < 1:
            raise UserError(f"{self.name}: cannot sample {n}; expected at least 1 architecture")
        return [self._sample(rng) for _ in range(n)]

    def _sample(self, rng: np.random.Generator) -> Architecture:
        stages = tuple(
            tuple(self._random_template(width, rng) for _ in range(depth))
            for width, depth in zip(self._scale.widths, self._scale.depths, strict=True)
        )
        task = find_task(_REFERENCE)
        start = Design(stages)
        costs = design_costs(start, self._scale, task)
        low, high = _GROWTH
        bounds = Bounds(
            int(low * costs.params), int(high * costs.params), int(low * costs.flops), int(high * costs.flops)
        )
        steps = _WALK_PER_BLOCK * sum(self._scale.depths)
        return self._walked(start, rng, task, bounds, steps, WalkSettings(anywhere=True))

    def _random_template(self, width: int, rng: np.random.Generator) -> Block:
        codes = ["R"] if width % 4 else ["E", "R"]
        if width % HEAD_CHANNELS == 0:
            codes.append(f"T{width // HEAD_CHANNELS}")
        return template(codes[int(rng.integers(len(codes)))])

    def mutate(self, architecture: Architecture, rng: np.random.Generator) -> Architecture:
        """One step of Algorithm 1, to at most one and a half of the costs."""
        task = find_task(_REFERENCE)
        costs = self.costs(architecture, task)
        bounds = Bounds(None, int(_MUTANT_GROWTH * costs.params), None, int(_MUTANT_GROWTH * costs.flops))
        mutant = self.step(architecture, rng, task, bounds, anywhere=True)
        while mutant is None or mutant == architecture:
            mutant = self.step(architecture, rng, task, bounds, anywhere=True)
        return mutant

    def step(
        self,
        architecture: Architecture,
        rng: np.random.Generator,
        task: Task,
        bounds: Bounds,
        *,
        steps: int = 1,
        p_eliminate: float = 0.3,
        n_try: int = 64,
        anywhere: bool = False,
    ) -> Architecture | None:
        """The architecture after steps of Algorithm 1 within bounds; None where none of them succeeded.

        Args:
            architecture: where to begin.
            rng: fixes the walk.
            task: its resolution decides FLOPs and where `rel_pos_bias` is legal.
            bounds: in exact costs; from outside, a step can only come nearer.
            steps: how many.
            p_eliminate: the probability of an elimination.
            n_try: attempts of each step.
            anywhere: `rel_pos_bias` only where every resolution allows it.
        """
        settings = WalkSettings(p_eliminate=p_eliminate, n_try=n_try, anywhere=anywhere)
        found = self._walked(self.design(architecture), rng, task, bounds, steps, settings)
        return None if found == architecture else found

    def _walked(
        self,
        design: Design,
        rng: np.random.Generator,
        task: Task,
        bounds: Bounds,
        steps: int,
        settings: WalkSettings,
    ) -> Architecture:
        walk = Walk(
            design, self._scale, task, bounds=bounds, settings=settings, seed=int(rng.integers(2**63))
        )
        for _ in range(steps):
            walk.step()
        return Architecture(self.name, write_design(walk.design()))

    def costs(
        self, architecture: Architecture, task: Task, convention: Convention | Literal["products"] = "exact"
    ) -> Costs:
        """Parameters and FLOPs: ``exact``, or ``toolkit`` as the authors' package counts; see `costs`.

        ``products`` are the exact FLOPs of convolutions, linear maps and matrix products alone.

        Raises:
            InvalidArchitecture: the network does not exist at the task's resolution.
        """
        design = self._checked(architecture, task)
        if convention != "products":
            return design_costs(design, self._scale, task, convention)
        params = design_costs(design, self._scale, task).params
        return Costs(params, product_flops(design, self._scale, task), convention)

    def build(self, architecture: Architecture, task: Task) -> nn.Module:
        """The network: images (B, 3, R, R) -> logits (B, classes); it runs at other sizes too.

        Raises:
            InvalidArchitecture: the network does not exist at the task's resolution, or its numbers would
                leave float32 (see `magnitude`).
        """
        from uninas_bench.spaces.uninas.network import UninasNetwork

        design = self._checked(architecture, task)
        self._check_magnitudes(design, task)
        return UninasNetwork(design, self._scale, task.resolution, task.classes)

    def families(self, architecture: Architecture) -> Mapping[str, str]:
        """How many of the blocks have attention (a matrix product), and how many a spatial convolution.

        Blocks are counted, not FLOPs, whose shares depend on the resolution. See `StratifiedSpace`.
        """
        kinds = [
            {node.operation.kind for graph in block for node in graph.nodes}
            for _, _, block in self.design(architecture).blocks()
        ]
        return {
            name: share_name(sum(bool(found & members) for found in kinds), len(kinds))
            for name, members in (("attention", PRODUCTS), ("convolution", SPATIAL_CONVOLUTIONS))
        }

    def diagram(
        self,
        architecture: Architecture,
        part: str | None = None,
        block: str | None = None,
        task: Task | None = None,
    ) -> Diagram:
        """The network, or one block; see `uninas_bench.diagram.Drawable`."""
        from uninas_bench.spaces.uninas.diagrams import draw_part

        design = self._checked(architecture, task) if task else self.design(architecture)
        title = f"{self.name} {self.spellings(architecture).get('name', '')}".strip()
        costs = self.costs(architecture, task) if task else None
        return draw_part(title, design, self._scale, part, block, task, costs)

    def blocks(self, network: nn.Module) -> Sequence[tuple[str, nn.Module]]:
        """The blocks of all stages: 12 at the paper's scale."""
        from uninas_bench.spaces.uninas.network import UninasNetwork

        return cast("UninasNetwork", network).blocks()

    def _check_magnitudes(self, design: Design, task: Task) -> None:
        for place in places(design, self._scale, task.resolution):
            for number, graph in enumerate(place.block, 1):
                try:
                    check_magnitudes(graph, place.channels, place.size)
                except GraphError as error:
                    where = f"{self.name}, {task}: {place.title}, subblock {number}"
                    raise InvalidArchitecture(f"{where}: {error}") from None

    def _checked(self, architecture: Architecture, task: Task) -> Design:
        design = self.design(architecture)
        try:
            check_design(design, self._scale, task.resolution)
        except InvalidArchitecture as error:
            raise InvalidArchitecture(f"{self.name}, {task}: {error}") from None
        return design


@lru_cache(maxsize=1024)
def _design(encoding: str, scale: UninasScale) -> Design:
    try:
        design = read_design(encoding, scale.widths)
        check_design(design, scale)
    except InvalidArchitecture as error:
        raise InvalidArchitecture(f"{Uninas.name}: {error}") from None
    return design
