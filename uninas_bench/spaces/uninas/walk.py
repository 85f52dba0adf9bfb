"""Algorithm 1 of the UniNAS paper: a walk through the space, one addition or elimination at a time.

It works on the nesting of the blocks' graphs (`structure`) and keeps the costs up to date by what each
move adds or takes away; no network is built and no graph is priced as a whole.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from uninas_bench.architecture import Task
from uninas_bench.bounds import Bounds
from uninas_bench.errors import UserError
from uninas_bench.spaces.uninas.block import Block, Design
from uninas_bench.spaces.uninas.costs import Convention, overhead
from uninas_bench.spaces.uninas.liveness import dead_nodes
from uninas_bench.spaces.uninas.macro import UninasScale, check_design, places
from uninas_bench.spaces.uninas.moves import KINDS, PAPER, TOOLKIT, Addition, addition, unit_cost
from uninas_bench.spaces.uninas.structure import Chain, Unit, UnitCost, graph_of_chain, structure

Semantics = Literal["paper", "toolkit"]
Kind = Literal["add", "eliminate"]

ELIMINATE = 0.3
"""The paper's p_eliminate (section III.a)."""
TRIES = 64
"""n_try of Algorithm 1, which the paper leaves open; so many that a step hardly ever fails."""
MAX_NODES = 128
"""Nodes of a block; the largest template, attention of 24 heads with its MLP, has 103."""
PATIENCE = 5
"""The toolkit's n_patience."""


@dataclass(frozen=True, slots=True)
class WalkSettings:
    """How the walk steps.

    Attributes:
        p_eliminate: the probability of trying an elimination rather than an addition.
        n_try: attempts of one step before it gives up; default 64, and 5 as the toolkit (its n_patience).
        semantics: ``paper``: a block uniformly; to add, one of its nodes uniformly and an operation of
            Table I uniformly, after the node; to eliminate, one of its nodes uniformly, with what is coupled
            to it. What is illegal or out of bounds is a failed attempt. ``toolkit``, like the authors' code:
            a stage, one of its blocks, one of the two subblocks and one of its chains uniformly, then
            uniformly among the operations that fit there; a move that changes no cost is no success and
            stays only if the step succeeds later.
        coupled: how coupled nodes count when one is drawn for elimination: ``once``, as they do when they
            are added; or ``each``, the letter of Algorithm 1, by which an attention of 24 heads is 50 times
            as likely to go as a convolution, and dies out.
        max_nodes: of a block; an addition beyond is a failed attempt. Default 128, and none for the toolkit's
            semantics. The paper has no such bound, and its walk needs one: operations that cost next to
            nothing always fit, so that the graphs, though not their costs, would grow without end.
        convention: in which costs are counted and bounded.
        live: refuse moves that leave nodes without influence on the output; see `liveness`.
        anywhere: add `rel_pos_bias` only where it is legal at every resolution.
    """

    p_eliminate: float = ELIMINATE
    n_try: int | None = None
    semantics: Semantics = "paper"
    coupled: Literal["once", "each"] = "once"
    max_nodes: int | None = None
    convention: Convention = "exact"
    live: bool = False
    anywhere: bool = False

    def __post_init__(self) -> None:
        if not 0 <= self.p_eliminate <= 1:
            raise UserError(f"p_eliminate={self.p_eliminate}: expected a probability between 0 and 1")
        if self.attempts < 1:
            raise UserError(f"n_try={self.n_try}: expected at least 1 attempt")

    @property
    def node_limit(self) -> float:
        """Up to how many nodes a block may grow."""
        if self.max_nodes is not None:
            return self.max_nodes
        return math.inf if self.semantics == "toolkit" else MAX_NODES

    @property
    def attempts(self) -> int:
        """How often a step tries."""
        if self.n_try is not None:
            return self.n_try
        return PATIENCE if self.semantics == "toolkit" else TRIES


@dataclass(frozen=True, slots=True)
class Move:
    """One accepted step.

    Attributes:
        kind: what was done.
        block: the number of the block, from 0 through all stages.
        operation: the addition's name, or the first operation of what was eliminated.
    """

    kind: Kind
    block: int
    operation: str


_Place = tuple[Chain | Unit, int]
"""Where an addition after a node goes: a chain and a position in it. Where the node has several outputs, or
its output is inside its unit: the unit, and the node's position in it."""
_Target = tuple[Chain, Unit]
"""What an elimination takes out, and of which chain."""


class _BlockState:
    """A block in the walk's hands: its two nestings, and where moves can begin.

    Attributes:
        places: for each node, subblock inputs first, where an addition after it goes.
        units: every unit with its chain.
    """

    __slots__ = ("chains", "nodes", "places", "size", "units")

    def __init__(self, chains: tuple[Chain, Chain], size: tuple[int, int]) -> None:
        self.chains = chains
        self.size = size
        self.refresh()

    def refresh(self) -> None:
        """List places and units again after a move."""
        self.places: list[_Place] = [(chain, 0) for chain in self.chains]
        self.units: list[_Target] = []
        for chain in self.chains:
            _collect(chain, self.places, self.units)
        self.nodes = len(self.places) - len(self.chains)

    def is_live(self, chain: Chain) -> bool:
        """Whether no node of the subblock that the chain lies in is without influence."""
        whole = next(whole for whole in self.chains if any(inner is chain for inner in whole.chains()))
        return not dead_nodes(graph_of_chain(whole), whole.type.channels, self.size)


def _collect(chain: Chain, places: list[_Place], units: list[_Target]) -> None:
    for position, unit in enumerate(chain.units, 1):
        units.append((chain, unit))
        if unit.slots:
            places.extend([(unit, node) for node in range(len(unit.skeleton.nodes) - 1)])
            for slot in unit.slots:
                if slot.units:
                    _collect(slot, places, units)
        places.append((chain, position))


class Walk:
    """The state of a walk; `step` moves it in place.

    Attributes:
        params: of the whole network, as is ``flops``, in the settings' convention.
        flops_of: FLOPs of the blocks' operations, by position in `moves.KINDS`.
    """

    def __init__(
        self,
        design: Design,
        scale: UninasScale,
        task: Task,
        *,
        bounds: Bounds | None = None,
        settings: WalkSettings | None = None,
        seed: int = 0,
    ) -> None:
        """Start at ``design``.

        Args:
            design: the first network.
            scale: of the space.
            task: FLOPs and the legal places of `rel_pos_bias` depend on its resolution.
            bounds: eliminations stay above the minima, additions below the maxima (Algorithm 1, lines 8 and
                15), so a walk that starts within them never leaves them.
            settings: how to step.
            seed: fixes every choice.

        Raises:
            InvalidArchitecture: the network does not exist at this scale and resolution.
        """
        check_design(design, scale, task.resolution)
        self.settings = settings or WalkSettings()
        self.bounds = bounds or Bounds()
        self._design = design
        self._random = random.Random(seed)  # noqa: S311  (reproducible, no secret)
        parts = overhead(design, scale, task, self.settings.convention).values()
        self.params, self.flops = sum(params for params, _ in parts), sum(flops for _, flops in parts)
        self.flops_of = [0] * len(KINDS)
        self._places = tuple(places(design, scale, task.resolution))
        self._stages = [
            [number for number, place in enumerate(self._places) if place.stage == stage]
            for stage in range(len(design.stages))
        ]
        # A block's nesting is read when a move first draws it: a search makes short walks of few blocks.
        self._blocks: list[_BlockState | None] = [None] * len(self._places)
        for place in self._places:
            cost = _block_cost(place.block, place.channels, place.size, self.settings.convention)
            self._charge(cost, 1)
        self._toolkit = self.settings.semantics == "toolkit"
        self._node_limit = self.settings.node_limit
        self._names = TOOLKIT if self._toolkit else PAPER

    def design(self) -> Design:
        """Where the walk is."""
        blocks = [
            place.block if state is None else Block(*map(graph_of_chain, state.chains))
            for place, state in zip(self._places, self._blocks, strict=True)
        ]
        stages = tuple(tuple(blocks[number] for number in numbers) for numbers in self._stages)
        return Design(stages, self._design.widths)

    def step(self) -> Move | None:
        """One step of Algorithm 1; None where every attempt failed, and then nothing has changed."""
        return self._toolkit_step() if self._toolkit else self._paper_step()

    def _paper_step(self) -> Move | None:
        draw = self._random.random
        blocks, names, p_eliminate = self._blocks, self._names, self.settings.p_eliminate
        for _ in range(self.settings.attempts):
            number = int(draw() * len(blocks))
            block = blocks[number] or self._opened(number)
            if draw() < p_eliminate:
                chain, unit = self._drawn_unit(block)
                if unit is not None and self._eliminate(block, chain, unit):
                    return Move("eliminate", number, str(unit.skeleton.nodes[0][0]))
                continue
            after, position = block.places[int(draw() * len(block.places))]
            if isinstance(after, Unit):
                after, position = self._branch(after, position), 0
            name = names[int(draw() * len(names))]
            found = self._addition(block, name, after)
            if found is not None and self._insert(block, found, after, position):
                return Move("add", number, name)
        return None

    def _drawn_unit(self, block: _BlockState) -> tuple[Chain, Unit | None]:
        """What an elimination is to take; no unit where there is none."""
        units = block.units
        if self.settings.coupled == "each":
            units = [target for target in units for _ in target[1].skeleton.nodes]
        return units[int(self._random.random() * len(units))] if units else (block.chains[0], None)

    def _branch(self, unit: Unit, node: int) -> Chain:
        """One of the chains that begin at a node of a unit."""
        starts = zip(unit.slots, unit.skeleton.starts, strict=True)
        slots = [slot for slot, (start, _) in starts if start == node]
        return slots[0] if len(slots) == 1 else slots[int(self._random.random() * len(slots))]

    def _fits(self, cost: UnitCost) -> bool:
        """Whether an addition stays below the maxima."""
        bounds = self.bounds
        return (bounds.params_max is None or self.params + cost.params <= bounds.params_max) and (
            bounds.flops_max is None or self.flops + cost.flops <= bounds.flops_max
        )

    def _spares(self, params: int, flops: int) -> bool:
        """Whether an elimination stays above the minima."""
        bounds = self.bounds
        return (bounds.params_min is None or self.params - params >= bounds.params_min) and (
            bounds.flops_min is None or self.flops - flops >= bounds.flops_min
        )

    def _addition(self, block: _BlockState, name: str, chain: Chain) -> Addition | None:
        """What the name stands for on that chain; None where it is not legal or too large."""
        settings = self.settings
        found = addition(
            name, chain.type, block.size, settings.convention, toolkit=self._toolkit,
            anywhere=settings.anywhere,
        )  # fmt: skip
        if found is None or not self._fits(found.cost):
            return None
        return found if block.nodes + len(found.skeleton.nodes) <= self._node_limit else None

    def _insert(self, block: _BlockState, found: Addition, chain: Chain, position: int) -> bool:
        unit = found.unit()
        chain.units.insert(position, unit)
        if self.settings.live and not block.is_live(chain):
            del chain.units[position]
            return False
        self._charge(unit.cost, 1)
        block.refresh()
        return True

    def _eliminate(self, block: _BlockState, chain: Chain, unit: Unit) -> bool:
        costs = list(_costs(unit))
        if not self._spares(sum(cost.params for cost in costs), sum(cost.flops for cost in costs)):
            return False
        position = chain.units.index(unit)
        del chain.units[position]
        if self.settings.live and not block.is_live(chain):
            chain.units.insert(position, unit)
            return False
        for cost in costs:
            self._charge(cost, -1)
        block.refresh()
        return True

    def _charge(self, cost: UnitCost, sign: int) -> None:
        self.params += sign * cost.params
        self.flops += sign * cost.flops
        for kind, amount in cost.flops_of:
            self.flops_of[kind] += sign * amount

    def _opened(self, number: int) -> _BlockState:
        """A block, ready for moves, with the cost of every unit noted in it."""
        place = self._places[number]
        state = _BlockState(
            _priced(place.block, place.channels, place.size, self.settings.convention), place.size
        )
        self._blocks[number] = state
        return state

    def _toolkit_step(self) -> Move | None:
        draw = self._random.random
        free: list[tuple[_BlockState, Chain, int, Unit | None]] = []  # how to undo what changed no cost
        for _ in range(self.settings.attempts):
            numbers = self._stages[int(draw() * len(self._stages))]
            number = numbers[int(draw() * len(numbers))]
            block = self._blocks[number] or self._opened(number)
            chains = list(block.chains[int(draw() * 2)].chains())
            before = (self.params, self.flops)
            if draw() < self.settings.p_eliminate:
                chains = [chain for chain in chains if chain.units]
                if not chains:
                    continue
                chain = chains[int(draw() * len(chains))]
                position = int(draw() * len(chain.units))
                unit: Unit | None = chain.units[position]
                assert unit is not None
                move = Move("eliminate", number, str(unit.skeleton.nodes[0][0]))
                if not self._eliminate(block, chain, unit):
                    continue
            else:
                chain = chains[int(draw() * len(chains))]
                position, unit = int(draw() * (len(chain.units) + 1)), None
                fitting = [
                    (name, found)
                    for name in self._names
                    if (found := self._addition(block, name, chain)) is not None
                ]
                if not fitting:
                    continue
                name, found = fitting[int(draw() * len(fitting))]
                move = Move("add", number, name)
                if not self._insert(block, found, chain, position):
                    continue
            if (self.params, self.flops) != before:
                return move
            free.append((block, chain, position, unit))
        for block, chain, position, unit in reversed(free):
            if unit is None:
                del chain.units[position]
            else:
                chain.units.insert(position, unit)
            block.refresh()
        return None


@lru_cache(maxsize=8192)
def _block_cost(block: Block, channels: int, size: tuple[int, int], convention: Convention) -> UnitCost:
    """What all units of a block cost."""
    params, flops_of = 0, [0] * len(KINDS)
    for chain in _priced(block, channels, size, convention):
        for cost in (cost for unit in chain.units for cost in _costs(unit)):
            params += cost.params
            for kind, amount in cost.flops_of:
                flops_of[kind] += amount
    return UnitCost(params, sum(flops_of), tuple(enumerate(flops_of)))


def _priced(
    block: Block, channels: int, size: tuple[int, int], convention: Convention
) -> tuple[Chain, Chain]:
    """The nestings of a block, with the cost of every unit noted in it."""
    first, second = (structure(graph, channels) for graph in block)
    for inner in (*first.chains(), *second.chains()):
        for unit in inner.units:
            types = tuple(slot.type for slot in unit.slots)
            unit.cost = unit_cost(unit.skeleton, inner.type, types, size, convention)
    return first, second


def _costs(unit: Unit) -> Iterator[UnitCost]:
    """What a unit and everything in it cost."""
    yield unit.cost
    for slot in unit.slots:
        for inner in slot.units:
            yield from _costs(inner)
