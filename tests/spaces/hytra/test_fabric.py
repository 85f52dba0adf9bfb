"""Counts, order and legality against brute enumeration, a closed form, and the specification's numbers."""

from __future__ import annotations

from itertools import pairwise, product
from math import comb

import pytest

from uninas_bench.spaces.hytra.fabric import Definition, Fabric

DEFINITIONS: tuple[Definition, ...] = ("A", "B", "C", "D", "E")
# Of the code's digits: 56 pixels of 224, 28, 14, 7.
STAGE = {"5": 0, "4": 1, "3": 2, "2": 2, "1": 3, "0": 3}
BLOCKS = ((1, 1, 1, 1), (2, 1, 2, 1), (1, 3, 2, 1))


def brute(blocks: tuple[int, ...], definition: Definition) -> set[str]:
    """All strings, judged one by one by the words of the specification (1.4)."""
    block_of = [number for number, layers in enumerate(blocks) for _ in range(layers)]
    largest = (0, 1, 2, 2)
    found = set()
    for digits in product("543210", repeat=len(block_of)):
        path = [STAGE[digit] for digit in digits]
        legal = all(after - before in (0, 1) for before, after in pairwise(path))
        if definition != "A":
            legal = legal and path[0] in (0, 1)
        if definition == "C":
            legal = legal and path[-1] == 3
        if definition in ("D", "E"):
            legal = legal and all(
                stage >= largest[block] for stage, block in zip(path, block_of, strict=True)
            )
        if definition == "E":
            ends = [layer for layer in range(1, len(path)) if block_of[layer] != block_of[layer - 1]]
            legal = legal and all(path[layer - 1] >= largest[block_of[layer]] for layer in ends)
        if legal:
            found.add("".join(digits))
    return found


def closed(layers: int, first: tuple[int, ...], last: tuple[int, ...]) -> int:
    """Sum over the stages that a path passes: its layers composed, each with one or two candidates."""
    total = 0
    for start, end in product(first, last):
        if start > end:
            continue
        stages = range(start, end + 1)
        doubled = sum(stage >= 2 for stage in stages)
        for attended in range(layers + 1):
            rest = _compositions(layers - attended, len(stages) - doubled)
            total += rest * _compositions(attended, doubled) * 2**attended
    return total


def _compositions(total: int, parts: int) -> int:
    """Ways to write a number as a sum of so many positive ones."""
    if parts == 0:
        return int(total == 0)
    return comb(total - 1, parts - 1) if total else 0


# Specification 1.4, counted there by another program.
@pytest.mark.parametrize(
    ("definition", "size"),
    [("A", 2_818_103), ("B", 1_703_991), ("C", 1_572_936), ("D", 1_663_488), ("E", 1_615_872)],
)
def test_sizes_of_the_papers_fabric(definition: Definition, size: int) -> None:
    assert Fabric(definition=definition).size == size


@pytest.mark.parametrize("layers", [4, 7, 16, 40])
def test_sizes_equal_the_closed_form(layers: int) -> None:
    blocks = (layers - 3, 1, 1, 1)
    everywhere = (0, 1, 2, 3)
    assert Fabric(blocks, "A").size == closed(layers, everywhere, everywhere)
    assert Fabric(blocks, "B").size == closed(layers, (0, 1), everywhere)
    assert Fabric(blocks, "C").size == closed(layers, (0, 1), (3,))


@pytest.mark.parametrize("blocks", BLOCKS)
@pytest.mark.parametrize("definition", DEFINITIONS)
def test_a_smaller_fabric_equals_brute_enumeration(blocks: tuple[int, ...], definition: Definition) -> None:
    fabric = Fabric(blocks, definition)
    expected = sorted(brute(blocks, definition))
    assert list(fabric) == expected
    assert fabric.size == len(expected)
    assert [fabric.unrank(place) for place in range(fabric.size)] == expected
    assert [fabric.rank(digits) for digits in expected] == list(range(fabric.size))
    every = ("".join(digits) for digits in product("543210", repeat=min(6, fabric.layers)))
    assert fabric.layers > 6 or {digits for digits in every if fabric.holds(digits)} == set(expected)


@pytest.mark.parametrize("definition", DEFINITIONS)
def test_neighbours_differ_in_one_layer_and_are_legal(definition: Definition) -> None:
    fabric = Fabric((2, 1, 2, 1), definition)
    legal = brute(fabric.blocks, definition)
    for digits in sorted(legal):
        expected = {other for other in legal if sum(a != b for a, b in zip(digits, other, strict=True)) == 1}
        found = fabric.neighbours(digits)
        assert set(found) == expected
        assert len(found) == len(expected)


@pytest.mark.parametrize("definition", DEFINITIONS)
def test_neighbours_connect_all_architectures(definition: Definition) -> None:
    fabric = Fabric((2, 2, 2, 2), definition)
    reached = waiting = {fabric.unrank(0)}
    while waiting:
        waiting = {other for digits in waiting for other in fabric.neighbours(digits)} - reached
        reached = reached | waiting
    assert len(reached) == fabric.size


def test_what_is_no_architecture_is_not_held() -> None:
    fabric = Fabric()
    assert fabric.holds("5433323000100000")
    for digits in ("", "5" * 15, "5" * 17, "543332300010000x", "2" * 16, "5533323000100005"):
        assert not fabric.holds(digits)
    assert Fabric(definition="A").holds("2" * 16)


# Specification 1.6: lists of the released code, of four layers for each number of resolutions left.
@pytest.mark.parametrize(("stages", "paths"), [(1, 16), (2, 80), (3, 99), (4, 51)])
def test_paths_of_one_block_number_as_in_the_released_code(stages: int, paths: int) -> None:
    """The first layer in the first two of those stages, then at most one halving a layer."""
    start = 4 - stages
    found = [
        digits
        for digits in product("543210", repeat=4)
        if STAGE[digits[0]] in (start, start + 1)
        and all(STAGE[b] - STAGE[a] in (0, 1) for a, b in pairwise(digits))
    ]
    fabric = Fabric((1, 1, 1, 1), "A")
    assert sum(STAGE[digits[0]] in (start, start + 1) for digits in fabric) == len(found) == paths
