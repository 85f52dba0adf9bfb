"""The text of a whole network: stages between ``|``, blocks between commas.

``E, E | E, R, R | T12, T12, [conv3 gelu / zero], T12, T12 | E, R``; a block is a template's short name or its
two subblocks in brackets. ``{64:128:384:512}`` in front gives widths that differ from the scale's.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

from uninas_bench.errors import InvalidArchitecture
from uninas_bench.spaces.uninas.block import Block, Design
from uninas_bench.spaces.uninas.notation import read_graph, write_graph
from uninas_bench.spaces.uninas.templates import HEAD_CHANNELS, code_of, template

_WIDTHS = re.compile(r"\{([^{}]*)\}")
_REPEAT = re.compile(r"(.*?)\s*\*\s*(\d{1,3})")


def write_design(design: Design) -> str:
    """The one text of a network."""
    stages = " | ".join(", ".join(map(write_block, blocks)) for blocks in design.stages)
    return stages if design.widths is None else f"{{{':'.join(map(str, design.widths))}}} {stages}"


@lru_cache(maxsize=4096)
def write_block(block: Block) -> str:
    """A template's short name, or the two subblocks in brackets."""
    return code_of(block) or f"[{write_graph(block.first)} / {write_graph(block.second)}]"


def read_design(text: str, widths: Sequence[int]) -> Design:
    """The network of a text.

    Args:
        text: as `write_design` writes it; also ``T`` for the transformer block with heads of 32 channels,
            ``T*5`` for five in a row, and spaces for commas between short names.
        widths: channels of the stages at the scale in force: they give ``T`` its heads.

    Raises:
        InvalidArchitecture: naming the block and what is wrong there.
    """
    body = text.strip()
    own: tuple[int, ...] | None = None
    if body.startswith("{"):
        match = _WIDTHS.match(body)
        parts = [part.strip() for part in match[1].split(":")] if match else []
        if match is None or not all(part.isdecimal() and 0 < int(part[:6]) < 100_000 for part in parts):
            raise InvalidArchitecture('cannot read the widths; expected "{64:128:384:512} R, R | ..."')
        own, body = tuple(map(int, parts)), body[match.end() :]
    stages = body.split("|")
    channels = own if own is not None else tuple(widths)
    if len(stages) != len(channels):
        raise InvalidArchitecture(
            f'{len(stages)} stages, expected {len(channels)} with "|" between them, as in "E | E, R | T | R"'
        )
    designed = tuple(_read_stage(number, stage, channels[number]) for number, stage in enumerate(stages))
    return Design(designed, own if own != tuple(widths) else None)


def block_title(stage: int, place: int) -> str:
    """``block 3.2``: the second of the third stage."""
    return f"block {stage + 1}.{place + 1}"


def _read_stage(stage: int, text: str, channels: int) -> tuple[Block, ...]:
    pieces = _split(text)
    if not any(pieces):
        raise InvalidArchitecture(f"stage {stage + 1} has no blocks")
    blocks: list[Block] = []
    for piece in pieces:
        repeat = _REPEAT.fullmatch(piece)
        base, count = (repeat[1], int(repeat[2])) if repeat and not piece.endswith(")") else (piece, 1)
        try:
            block = _read_block(base.strip(), channels)
        except InvalidArchitecture as error:
            where = ", " if str(error).startswith("subblock") else ": "
            raise InvalidArchitecture(f"{block_title(stage, len(blocks))}{where}{error}") from None
        blocks += [block] * count
    return tuple(blocks)


def _split(text: str) -> list[str]:
    """The texts of the blocks: between commas, or between spaces where no brackets are in the way."""
    if "[" not in text and "," not in text:
        return text.split()
    pieces, depth, start = [], 0, 0
    for position, character in enumerate(text):
        depth += (character == "[") - (character == "]")
        if character == "," and depth == 0:
            pieces.append(text[start:position].strip())
            start = position + 1
    return [*pieces, text[start:].strip()]


@lru_cache(maxsize=4096)
def _read_block(text: str, channels: int) -> Block:
    if not text.startswith("["):
        if text == "T":
            if channels % HEAD_CHANNELS:
                raise InvalidArchitecture(
                    f"T stands for heads of {HEAD_CHANNELS} channels, and {channels} is no multiple; "
                    "give the number of heads, as in T4"
                )
            text = f"T{channels // HEAD_CHANNELS}"
        return template(text)
    halves = text[1:].removesuffix("]").split(" / ") if text.endswith("]") else []
    if len(halves) != 2:
        raise InvalidArchitecture(
            'expected two subblocks in brackets with " / " between them, as in [conv3 gelu / -]'
        )
    graphs = []
    for number, half in enumerate(halves, 1):
        try:
            graphs.append(read_graph(half))
        except InvalidArchitecture as error:
            raise InvalidArchitecture(f"subblock {number}: {error}") from None
    return Block(*graphs)
