"""The two encodings of HyTra and the names of the paper's networks: text to digits and back.

Digits: one for each layer, in groups of the supernet's blocks, ``5433 3230 0010 0000``. Stage lists: what
each stage's layers are, 1 for ResConv and 0 for ResAtt, ``[[1],[1],[1,1,1,0,1],[0,0,0,1,0,0,0,0,0]]``.
"""

from __future__ import annotations

import re

from uninas_bench.errors import InvalidArchitecture
from uninas_bench.spaces.digits import in_groups, read_digits
from uninas_bench.spaces.hytra.fabric import ATTENTIONS, CONVOLUTIONS, DIGITS, STAGE_OF, Fabric
from uninas_bench.spaces.hytra.macro import stage_lists
from uninas_bench.spaces.indexed import shown

STAGE_NAMES = ("stage 1 (56 of 224)", "stage 2 (28 of 224)", "stage 3 (14 of 224)", "stage 4 (7 of 224)")
NAMED = {
    "bossnet-t0": "5433 3230 0010 0000",
    "bossnet-t1": "5433 3230 0010 0000",
    "r50-t": "5554 4443 3333 3111",
    "bot50-t": "5554 4443 3333 3000",
    "vit-t/16": "2222 2222 2222 2222",
    "vit-t/32": "0000 0000 0000 0000",
    "random-t": "2333 2232 3320 1011",
    "dna-t": "5444 3233 3323 0111",
    "unnas-t": "4331 1100 0010 0110",
}
"""The networks of the paper's Table 1, as its section 5.1, Fig. 5 and the released code state them."""
_LIST = re.compile(r"\[([^\[\]]*)\](\s*\*\s*(\d{1,3}))?")
_BETWEEN = re.compile(r"[\s,]*")


def write_digits(digits: str, fabric: Fabric) -> str:
    """The canonical encoding: groups of digits."""
    return in_groups(digits, fabric.blocks)


def write_stages(digits: str) -> str:
    """The stage lists."""
    flags = (
        ",".join("0" if digit in ATTENTIONS else "1" for digit in stage) for stage in stage_lists(digits)
    )
    return "[" + ",".join(f"[{stage}]" for stage in flags) + "]"


def read_groups(space: str, body: str, offset: int, fabric: Fabric) -> str:
    """The digits of an encoding in digits.

    Raises:
        InvalidArchitecture: an unknown digit, another number of layers, or a step that no fabric allows.
    """
    digits, positions = read_digits(space, body, offset, fabric.layers, "".join(DIGITS))
    for layer in range(1, fabric.layers):
        before, stage = STAGE_OF[digits[layer - 1]], STAGE_OF[digits[layer]]
        if not before <= stage <= before + 1:
            fault = "the resolution cannot grow" if stage < before else "a layer halves once at most"
            raise InvalidArchitecture(
                f"{space}: layer {layer + 1} at position {positions[layer]} goes from "
                f"{STAGE_NAMES[before]} to {STAGE_NAMES[stage]}: {fault}"
            )
    return digits


def read_stages(space: str, body: str, offset: int, fabric: Fabric) -> str:
    """The digits of four stage lists; ``[1]*3`` is ``[1,1,1]``.

    Raises:
        InvalidArchitecture: not four lists of 0 and 1, attention where there is none, another number of
            layers, or a stage without layers between two others.
    """
    lists = _lists(space, body, offset)
    digits = ""
    for stage, layers in enumerate(lists):
        for flag, position in layers:
            if flag not in {"0", "1"}:
                raise InvalidArchitecture(
                    f"{space}: unknown layer {shown(flag)} at position {position}; known: 0 ResAtt, 1 ResConv"
                )
            if flag == "0" and len(DIGITS[stage]) == 1:
                raise InvalidArchitecture(
                    f"{space}: 0 (ResAtt) at position {position}: {STAGE_NAMES[stage]} has ResConv alone"
                )
            digits += CONVOLUTIONS[stage] if flag == "1" else ATTENTIONS[stage - len(DIGITS)]
    if len(digits) != fabric.layers:
        raise InvalidArchitecture(f"{space}: expected {fabric.layers} layers, got {len(digits)}")
    filled = [stage for stage, layers in enumerate(lists) if layers]
    for stage in range(filled[0], filled[-1]):
        if stage not in filled:
            raise InvalidArchitecture(
                f"{space}: {STAGE_NAMES[stage]} has no layers, those before and behind it have: "
                "a layer halves once at most"
            )
    return digits


def _lists(space: str, body: str, offset: int) -> list[list[tuple[str, int]]]:
    """The items of the four lists, each with its position (from 1) in the user's text."""
    inner = re.fullmatch(r"\[(\s*\[.*\].*)\]", body, re.DOTALL)
    text, start = (inner[1], inner.start(1)) if inner else (body, 0)
    lists: list[list[tuple[str, int]]] = []
    cursor = 0
    while cursor < len(text):
        found = _LIST.match(text, cursor)
        if found is None:
            raise InvalidArchitecture(
                f"{space}: expected a list such as [1,0] at position {offset + start + cursor + 1}, "
                f"got {shown(text[cursor : cursor + 8])}"
            )
        begin = offset + start + found.start(1) + 1
        items = [(item.group(), begin + item.start()) for item in re.finditer(r"[^\s,]+", found[1])]
        lists.append(items * int(found[3] or 1))
        between = _BETWEEN.match(text, found.end())
        assert between is not None
        cursor = between.end()
    if len(lists) != len(DIGITS):
        raise InvalidArchitecture(f"{space}: expected {len(DIGITS)} stage lists, got {len(lists)}")
    return lists
