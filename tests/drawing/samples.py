"""Diagrams to lay out and draw: of every space, and made up ones."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

import uninas_bench as ub
from uninas_bench.diagram import Diagram, Edge, Group, Node
from uninas_bench.drawing import diagram_of

SIZE = (60.0, 17.0)
CELLS = 16
"""The first of `of_spaces` are as many cells of NAS-Bench-201."""


def boxes(names: str, group: str | None = None) -> tuple[Node, ...]:
    return tuple(Node(name, name, group=group) for name in names.split())


def arrows(text: str) -> tuple[Edge, ...]:
    """``a>b a>c`` -> two edges."""
    return tuple(Edge(source, target) for source, _, target in (step.partition(">") for step in text.split()))


def diagram(nodes: str, edges: str) -> Diagram:
    return Diagram("", boxes(nodes), arrows(edges))


def random_diagram(seed: int) -> Diagram:
    """A random graph with groups inside groups; edges lead to later nodes, so there is no cycle of nodes."""
    rng = np.random.default_rng(seed)
    groups = (Group("g", "label", 3), Group("h", repeat=12, parent="g"), Group("k", "other"))
    nodes, edges = [], []
    # Consecutive nodes share a group: were they mixed, groups could depend on each other in a circle.
    layout = [None] * 2 + ["g"] * 2 + ["h"] * 4 + ["g"] * 2 + [None] * 2 + ["k"] * 3 + [None] * 2
    for number, group in enumerate(layout):
        circle = bool(rng.random() < 0.2)
        nodes.append(Node(f"n{number}", "+" if circle else f"node {number}", group=group, circle=circle))
        for source in range(number):
            if rng.random() < 2.2 / (number + 1):
                label = "q" if rng.random() < 0.2 else ""
                edges.append(Edge(f"n{source}", f"n{number}", label))
    return Diagram(f"random {seed}", tuple(nodes), tuple(edges), groups)


@lru_cache(maxsize=1)
def of_spaces() -> tuple[Diagram, ...]:
    """Cells, networks, and the blocks of walked UniNAS networks."""
    rng = np.random.default_rng(2)
    found: list[Diagram] = []
    cells, sizes, uninas = ub.space("nasbench201"), ub.space("nats_size"), ub.space("uninas")
    found += [diagram_of(cells, cell) for cell in cells.sample(CELLS, rng)]
    found.append(diagram_of(cells, cells.parse("6111"), "network", task=cells.tasks[0]))
    found.append(diagram_of(sizes, sizes.sample(1, rng)[0]))
    for network in [uninas.parse("coatnet"), *uninas.sample(2, rng)]:
        found.append(diagram_of(uninas, network))
        found += [
            diagram_of(uninas, network, block=block, task=uninas.tasks[0])
            for block in ("1.1", "2.2", "3.2", "4.1")
        ]
    hytra, mbconv = ub.space("hytra"), ub.space("mbconv")
    found += [diagram_of(hytra, hytra.parse("bossnet-t0"), part) for part in ("fabric", "network")]
    found.append(diagram_of(hytra, hytra.parse("r50-t"), block="2.1", task=hytra.tasks[0]))
    found.append(diagram_of(mbconv, mbconv.parse("0"), task=mbconv.tasks[0]))
    return tuple(found)


def dense() -> Diagram:
    """All of four operations lead to all of four sums and boxes: arrows must cross, and go round boxes."""
    upper = [Node(f"u{n}", "gelu") for n in range(4)]
    lower = [Node(f"l{n}", "+", circle=n % 2 == 0) for n in range(4)]
    edges = tuple(Edge(a.id, b.id) for a in upper for b in lower)
    return Diagram("dense", (*upper, *lower), edges)


@lru_cache(maxsize=1)
def everything() -> tuple[Diagram, ...]:
    return (dense(), *of_spaces(), *map(random_diagram, range(24)))
