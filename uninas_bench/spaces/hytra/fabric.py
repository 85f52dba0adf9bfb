"""The fabric of HyTra: which paths through layers and stages are legal, how many there are, and their order.

An architecture is a string of digits, one a layer: the candidate that the layer chooses. A candidate belongs
to a stage, 0 to 3, at 1/4, 1/8, 1/16 and 1/32 of the image's resolution. From layer to layer the stage stays
or grows by one: at most one halving. Attention is offered in stages 2 and 3 alone.

Source: BossNAS (ICCV 2021), section 4.2 and Fig. 3; the digits are the released code's.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate
from typing import Literal

Definition = Literal["A", "B", "C", "D", "E"]
CONVOLUTIONS = "5431"
"""The digits of ResConv in stages 0 to 3."""
ATTENTIONS = "20"
"""The digits of ResAtt in stages 2 and 3."""
DIGITS = ("5", "4", "23", "01")
"""The digits of every stage, in ascending order."""
STAGE_OF = {digit: stage for stage, digits in enumerate(DIGITS) for digit in digits}
LAST = len(DIGITS) - 1
FIRST_STAGE_OF_BLOCKS = (0, 1, 2, 2)
"""The largest resolution that the four blocks of the authors' supernet have candidates for."""
_LISTED = 8
"""The last layers, whose continuations are kept as lists: at most 3,587 strings each."""


@dataclass(frozen=True, slots=True)
class Fabric:
    """All legal paths by one of five definitions.

    - A: any path; the first layer can be in any stage.
    - B: the first layer is in stage 0 or 1, as in the space that the authors search.
    - C: B, and the last layer is in stage 3.
    - D: B, and no layer's stage is below `FIRST_STAGE_OF_BLOCKS` of its block: the candidates that the
      authors' supernet has.
    - E: D, and a block does not begin with a halving into the first of its stages: what that supernet can
      run, which has no weights for such an entry.

    Attributes:
        blocks: layers of the four blocks that a supernet is trained in.
        definition: one of the five.
    """

    blocks: tuple[int, ...] = (4, 4, 4, 4)
    definition: Definition = "B"

    @property
    def layers(self) -> int:
        """How many there are."""
        return sum(self.blocks)

    @property
    def size(self) -> int:
        """How many architectures there are, counted by dynamic programming over layers and stages."""
        return _completions(self, 0, None)

    def stages(self, layer: int, before: int | None) -> tuple[int, ...]:
        """The stages that a layer can be in after one in stage ``before``; None in front of the first."""
        return _stages(self, layer, before)

    def digits(self, layer: int, before: int | None) -> str:
        """What a layer can choose, in ascending order."""
        return "".join(sorted(digit for stage in self.stages(layer, before) for digit in DIGITS[stage]))

    def holds(self, digits: str) -> bool:
        """Whether a string is an architecture of this definition."""
        return len(digits) == self.layers and all(
            self._follows(layer, before, digit)
            for layer, (before, digit) in enumerate(zip(("", *digits), digits, strict=False))
        )

    def _follows(self, layer: int, before: str, digit: str) -> bool:
        stage = STAGE_OF.get(digit)
        return stage is not None and stage in self.stages(layer, STAGE_OF[before] if before else None)

    def rank(self, digits: str) -> int:
        """The place of a legal string among all of them in ascending order, from 0."""
        place, before = 0, None
        for layer, chosen in enumerate(digits):
            for digit in self.digits(layer, before):
                if digit == chosen:
                    break
                place += _completions(self, layer + 1, STAGE_OF[digit])
            before = STAGE_OF[chosen]
        return place

    def unrank(self, place: int) -> str:
        """The string in that place; uniform places give uniform architectures."""
        found = ""
        before: int | None = None
        for layer in range(self.layers):
            for digit in self.digits(layer, before):
                below = _completions(self, layer + 1, STAGE_OF[digit])
                if place < below:
                    break
                place -= below
            found += digit
            before = STAGE_OF[digit]
        return found

    def __iter__(self) -> Iterator[str]:
        """All strings in ascending order, lazily."""
        return self._continued("", None)

    def _continued(self, prefix: str, before: int | None) -> Iterator[str]:
        layer = len(prefix)
        if self.layers - layer <= _LISTED:
            yield from map(prefix.__add__, _continuations(self, layer, before))
            return
        for digit in self.digits(layer, before):
            yield from self._continued(prefix + digit, STAGE_OF[digit])

    def neighbours(self, digits: str) -> list[str]:
        """The legal strings that differ in one layer."""
        found = []
        for layer, chosen in enumerate(digits):
            before = digits[layer - 1] if layer else ""
            for digit in sorted(STAGE_OF):
                if digit == chosen or not self._follows(layer, before, digit):
                    continue
                if layer + 1 == len(digits) or self._follows(layer + 1, digit, digits[layer + 1]):
                    found.append(digits[:layer] + digit + digits[layer + 1 :])
        return found


@lru_cache(maxsize=4096)
def _stages(fabric: Fabric, layer: int, before: int | None) -> tuple[int, ...]:
    restricted = fabric.definition != "A"
    if before is None:
        found = [0, 1] if restricted else list(range(LAST + 1))
    else:
        found = [before, before + 1] if before < LAST else [before]
    if fabric.definition == "C" and layer == fabric.layers - 1:
        found = [stage for stage in found if stage == LAST]
    if fabric.definition in {"D", "E"}:
        starts = [0, *accumulate(fabric.blocks)]
        block = max(number for number, start in enumerate(starts[:-1]) if start <= layer)
        least = FIRST_STAGE_OF_BLOCKS[block]
        found = [stage for stage in found if stage >= least]
        if fabric.definition == "E" and before is not None and layer == starts[block] and before < least:
            found = []
    return tuple(found)


@lru_cache(maxsize=4096)
def _completions(fabric: Fabric, layer: int, before: int | None) -> int:
    """How many ways there are to choose the layers from this one on."""
    if layer == fabric.layers:
        return 1
    return sum(
        len(DIGITS[stage]) * _completions(fabric, layer + 1, stage) for stage in fabric.stages(layer, before)
    )


@lru_cache(maxsize=64)
def _continuations(fabric: Fabric, layer: int, before: int | None) -> tuple[str, ...]:
    if layer == fabric.layers:
        return ("",)
    return tuple(
        digit + rest
        for digit in fabric.digits(layer, before)
        for rest in _continuations(fabric, layer + 1, STAGE_OF[digit])
    )
