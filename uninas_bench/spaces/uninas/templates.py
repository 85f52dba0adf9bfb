"""The blocks that UniNAS is compared with (paper, Fig. 3; toolkit, E, R and T), and their short names.

``E``: inverted bottleneck with squeeze-and-excitation (EfficientNet); ``R``: two convolutions (ResNet);
``T12``: self-attention of 12 heads with relative position bias, and an MLP (CoAtNet's transformer block).
ViT, CoAtNet, EfficientNet and ResNet of Table IV are networks of these. The ``@`` marks are mistakes of the
authors' book-keeping that their totals contain: see `Operation.charge`.
"""

from __future__ import annotations

import re
from functools import lru_cache

from uninas_bench.errors import InvalidArchitecture
from uninas_bench.spaces.uninas.block import Block
from uninas_bench.spaces.uninas.notation import read_graph

_EFFICIENT = (
    "conv_exp4 batch_norm gelu conv_depth5 batch_norm gelu "
    "copy2 ; ; global_avg conv_red4 gelu@4 conv_exp4 up_sample multiply conv_red4 batch_norm"
)
_RESIDUAL = "conv3 batch_norm gelu conv3 batch_norm gelu"
_ATTENTION = "conv_chunk3{x} {heads} concat{h} conv1"
_HEAD = "; ; matmul1 rel_pos_bias softmax ; matmul2"
_MLP = "conv_exp4 layer_norm gelu@1/4 conv_red4"
HEAD_CHANNELS = 32
"""Channels of a head in the paper's transformer blocks and in the attention that the walk adds."""
_CODE = re.compile(r"T(\d{1,4})")


@lru_cache(maxsize=512)
def template(code: str) -> Block:
    """The block of a short name ``E``, ``R`` or ``T`` with a number of heads.

    Raises:
        InvalidArchitecture: no such name.
    """
    if code == "E":
        return Block(read_graph(_EFFICIENT), read_graph("zero"))
    if code == "R":
        return Block(read_graph(_RESIDUAL), read_graph("zero"))
    match = _CODE.fullmatch(code)
    if match is None or int(match[1]) == 0:
        raise InvalidArchitecture(
            f'no block "{code[:20]}"; known: E, R, T with its heads as in T12, [subblock / subblock]'
        )
    return Block(read_graph(_attention(int(match[1]))), read_graph(_MLP))


def code_of(block: Block) -> str | None:
    """The short name of a block; None where it is no template."""
    operations = [node.operation for node in block.first.nodes]
    if not operations:
        return None
    code = {"conv_exp": "E", "conv3": "R", "conv_chunk": f"T{operations[0].heads}"}.get(operations[0].kind)
    return code if code is not None and template(code) == block else None


def _attention(heads: int) -> str:
    if heads == 1:
        return f"conv_chunk3 {_HEAD} conv1"
    return _ATTENTION.format(x=f"x{heads}", heads=" ".join([_HEAD] * heads), h=heads)
