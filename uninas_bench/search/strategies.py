"""The strategies: which architectures are scored next.

A strategy is a generator of rounds. A round is a list of proposals that do not depend on each other's scores;
the next one is asked for when it was scored and selected from. All randomness of an iteration comes from a
generator of its own, seeded with (seed, strategy, iteration, child), so that a search that is run again makes
the same proposals as long as it meets the same scores: resuming is running it again over a full store.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from typing import TYPE_CHECKING

import numpy as np

from uninas_bench.errors import UserError
from uninas_bench.search.latency import seconds_text
from uninas_bench.search.proposals import Ground, Proposal, draws, is_listable
from uninas_bench.seeds import derive_seed

if TYPE_CHECKING:
    from uninas_bench.architecture import Architecture

REDRAWS = 1000
"""So many fruitless attempts in a row say that there is nothing new within reach."""

AT_ONCE = 32
"""Starts that a proxy is asked about at a time, whatever the number of children: how many they are must not
change what becomes of each."""

Population = Callable[[], Sequence["Architecture"]]
Better = Callable[[Sequence["Architecture"], int], Sequence["Architecture"]]
"""What the proxy itself proposes, given starts and a seed: for each one that it believes better."""


@dataclass(frozen=True)
class Outset:
    """What a search sets out from, and what of it a strategy may look at.

    Attributes:
        ground: space, task and settings, and what was proposed already.
        start: the architectures that the user gave.
        seed: of the search.
        population: the best so far.
        better: what the proxy itself proposes.
        batch: proposals in a round that needs no scores.
    """

    ground: Ground
    start: Sequence[Architecture]
    seed: int
    population: Population
    better: Better
    batch: int


Rounds = Callable[[Outset], Iterator[list[Proposal]]]


def evolution(outset: Outset) -> Iterator[list[Proposal]]:
    """The search of the UniNAS paper (section IV.b and footnote 3): mutate, score, keep the best.

    What the paper leaves open is chosen so. Parents are drawn uniformly from the population. "1024 steps of
    Algorithm 1" and "5 steps per iteration" are read as 1024 iterations, each of which makes one child by 5
    steps. A child that was seen already, or for which no move was found, is drawn anew, its parent included.
    Without a start, one architecture within the bounds is drawn.
    """
    ground, seed, settings = outset.ground, outset.seed, outset.ground.settings
    yield _first(ground, outset.start, seed)
    for iteration in range(1, (settings.iterations or 0) + 1):
        parents = list(outset.population())
        children = [_child(ground, parents, seed, iteration, child) for child in range(settings.children)]
        found = [child for child in children if child is not None]
        if not found:
            return
        yield found


def _child(
    ground: Ground, parents: Sequence[Architecture], seed: int, iteration: int, child: int
) -> Proposal | None:
    rng = _generator(seed, "evolution", iteration, child)
    for _ in range(REDRAWS):
        parent = parents[int(rng.integers(len(parents)))]
        made = ground.child(parent, rng)
        proposal = ground.propose(made, iteration, parent.encoding) if made is not None else None
        if proposal is not None:
            return proposal
    return None


def random(outset: Outset) -> Iterator[list[Proposal]]:
    """Random search: ``children`` architectures per iteration, whatever the scores.

    A finite space is drawn from uniformly and without repetition; as of equal networks one encoding is
    scored, a class of many encodings comes early more often. In an infinite space each architecture is made
    by ``steps`` moves from the one before it: the random walk of the paper, without selection.
    """
    ground, seed = outset.ground, outset.seed
    finite = ground.space.size is not None
    proposals = _drawn(ground, seed) if finite else _walked(ground, outset.start, seed)
    yield from _rounds(proposals, outset.batch)


def _drawn(ground: Ground, seed: int) -> Iterator[Proposal]:
    settings = ground.settings
    stream = draws(ground.space, _generator(seed, "random"))
    for number in range((settings.iterations or 0) * settings.children):
        attempts = stream if is_listable(ground.space) else islice(stream, REDRAWS)
        iteration = 1 + number // settings.children
        found = (ground.propose(architecture, iteration) for architecture in attempts)
        proposal = next((proposal for proposal in found if proposal is not None), None)
        if proposal is None:
            return
        yield proposal


def _walked(ground: Ground, start: Sequence[Architecture], seed: int) -> Iterator[Proposal]:
    settings = ground.settings
    (here,) = _first(ground, start, seed)
    yield here
    for iteration in range(1, (settings.iterations or 0) + 1):
        for child in range(settings.children):
            rng = _generator(seed, "random", iteration, child)
            following: Proposal | None = None
            for _ in range(REDRAWS):
                made = ground.child(here.architecture, rng)
                if made is not None:
                    following = ground.propose(made, iteration, here.architecture.encoding)
                if following is not None:
                    break
            if following is None:
                return
            here = following
            yield here


def exhaustive(outset: Outset) -> Iterator[list[Proposal]]:
    """Every architecture of a finite space, in its order; of equal networks the first."""
    ground = outset.ground
    every = (ground.propose(entry, index) for index, entry in enumerate(ground.space.enumerate()))
    yield from _rounds((proposal for proposal in every if proposal is not None), outset.batch)


def ascent(outset: Outset) -> Iterator[list[Proposal]]:
    """What the proxy proposes from ``children`` starts per iteration: those that were given, then draws.

    A start that leads nowhere new, or out of the bounds, is spent; what it leads to is scored as any other.
    """
    ground, seed, settings = outset.ground, outset.seed, outset.ground.settings
    starts = chain(outset.start, draws(ground.space, _generator(seed, "ascent")))
    total = (settings.iterations or 0) * settings.children
    for first in range(0, total, AT_ONCE):
        origins = list(islice(starts, AT_ONCE))
        if not origins:
            return
        found = outset.better(origins, derive_seed(seed, "search", "ascent", first))
        numbered = zip(range(first, total), origins, found, strict=False)
        proposals = (
            ground.propose(architecture, 1 + number // settings.children, origin.encoding)
            for number, origin, architecture in numbered
        )
        if round_ := [proposal for proposal in proposals if proposal is not None]:
            yield round_


STRATEGIES: dict[str, Rounds] = {
    "evolution": evolution,
    "random": random,
    "exhaustive": exhaustive,
    "ascent": ascent,
}


def check_start(ground: Ground, start: Sequence[Architecture]) -> None:
    """Refuse a start that the strategy has no use for, or that is outside the bounds.

    Raises:
        UserError: so it is, or the space has no end and the strategy needs one.
    """
    space, settings = ground.space, ground.settings
    if settings.strategy == "exhaustive" and space.size is None:
        raise UserError(f"{space.name} has no end of architectures: search it by evolution or random")
    walks = settings.strategy == "random" and space.size is None
    if start and settings.strategy not in ("evolution", "ascent") and not walks:
        raise UserError(f"start {start[0]}: {settings.strategy} search of {space.name} starts nowhere")
    if walks and len(start) > 1:
        raise UserError(f"{len(start)} starts: a random walk has one")
    for architecture in start:
        costs = space.costs(architecture, ground.task)
        if not settings.bounds.allows(costs):
            raise UserError(
                f"start {architecture}: {costs.params:,} parameters and {costs.flops:,} FLOPs are outside "
                f"the bounds ({settings.bounds})"
            )
        seconds = ground.latencies.of(architecture) if ground.latencies is not None else None
        if not settings.latency.allows(seconds):
            measured = "unknown" if seconds is None else seconds_text(seconds)
            raise UserError(f"start {architecture}: its latency, {measured}, is outside ({settings.latency})")


def _first(ground: Ground, start: Sequence[Architecture], seed: int) -> list[Proposal]:
    """The given start, equal networks once; or one architecture that is drawn."""
    attempts = iter(start)
    if not start:
        stream = draws(ground.space, _generator(seed, "start"))
        attempts = stream if is_listable(ground.space) else islice(stream, REDRAWS)
    found = (ground.propose(architecture, 0) for architecture in attempts)
    proposals = (proposal for proposal in found if proposal is not None)
    first = list(proposals if start else islice(proposals, 1))
    if not first:
        tried = "" if is_listable(ground.space) else f" among {REDRAWS:,} that were drawn; give a start"
        raise UserError(f"no architecture of {ground.space.name} has {ground.settings.limits}{tried}")
    return first


def _rounds(proposals: Iterator[Proposal], batch: int) -> Iterator[list[Proposal]]:
    while part := list(islice(proposals, batch)):
        yield part


def _generator(seed: int, *parts: object) -> np.random.Generator:
    return np.random.default_rng(derive_seed(seed, "search", *parts))
