"""The elementary operations of UniNAS (paper, Table I): their names, arities and types.

Where Table I fixes a number that mathematics leaves free, the number is part of the name: ``chunk2``,
``conv_exp4``. `conv_chunk` has two, ``conv_chunk3x12``: channels times 3, cut into 3 x 12 pieces (queries,
keys and values of 12 heads, head by head); Table I's ConvChunk3 is ``conv_chunk3``, one head of all channels.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from enum import StrEnum
from fractions import Fraction
from functools import lru_cache

from uninas_bench.errors import InvalidArchitecture, UnknownName
from uninas_bench.spaces.uninas.tensor_type import POOLED, TOKENS, TensorType


class Family(StrEnum):
    """What kind of thing an operation is."""

    CONVOLUTION = "convolution"
    NORMALISATION = "normalisation"
    ACTIVATION = "activation"
    POOLING = "pooling"
    ATTENTION = "attention"
    STRUCTURE = "structure"
    REGULARISATION = "regularisation"


_FAMILIES = {
    Family.CONVOLUTION: (
        "conv1", "conv3", "conv_depth3", "conv_depth5", "conv_exp", "conv_red", "conv_chunk",
    ),
    Family.NORMALISATION: ("batch_norm", "layer_norm"),
    Family.ACTIVATION: ("softmax", "sigmoid", "gelu"),
    Family.POOLING: ("max_pool", "global_avg", "up_sample"),
    Family.ATTENTION: ("matmul1", "matmul2", "rel_pos_bias", "mask"),
    Family.STRUCTURE: ("chunk", "copy", "concat", "add", "multiply", "identity", "zero"),
    Family.REGULARISATION: ("dropout",),
}  # fmt: skip
FAMILY = {kind: family for family, kinds in _FAMILIES.items() for kind in kinds}
PRODUCTS = frozenset(("matmul1", "matmul2"))
"""Kinds that multiply two tensors: what attention is made of."""
SPATIAL_CONVOLUTIONS = frozenset(("conv3", "conv_depth3", "conv_depth5"))
"""Kinds that mix neighbouring places."""
COUNTED = ("chunk", "copy", "concat", "add", "conv_exp", "conv_red", "conv_chunk")
"""Kinds whose name ends in a number of at least 2 that is theirs to choose."""
UNARY = (
    "softmax", "dropout", "max_pool", "mask", "sigmoid", "gelu", "conv1", "conv3", "conv_depth3",
    "conv_depth5", "batch_norm", "layer_norm", "rel_pos_bias", "identity", "zero",
)  # fmt: skip
"""Kinds with one input and one output of the same type."""
CHARGEABLE = ("gelu", "sigmoid", "softmax", "dropout", "max_pool", "mask")
"""Kinds without parameters whose declared shape the authors' toolkit never meets in a forward pass."""
_EXAMPLES = ("chunk2", "copy2", "concat2", "add2", "conv_exp4", "conv_red4", "conv_chunk3")
_TABLE_ONE = {"maxpool2d": "maxpool", "copy": "copy2", "add": "add2"}
"""Table I's names that are not ours without capitals and underscores."""
_SPELLING = {kind.replace("_", ""): kind for kind in FAMILY}
_NAME = re.compile(r"(?P<kind>[a-z]+)(?P<factor>\d{1,4})?(?:x(?P<heads>\d{1,4}))?")


class TypeFault(InvalidArchitecture):
    """Inputs that an operation cannot take; callers add which node it is.

    Attributes:
        what: what the operation needs.
        inputs: what it got; a caller who knows the resolution can show numbers.
    """

    def __init__(self, what: str, inputs: tuple[TensorType, ...]) -> None:
        super().__init__(f"{what}, got {' and '.join(t.shown() for t in inputs)}")
        self.what = what
        self.inputs = inputs


@dataclass(frozen=True, slots=True, order=True)
class Operation:
    """One operation with its numbers.

    Attributes:
        kind: the name without numbers.
        factor: how many branches it has (chunk, copy, concat, add) or by how much it multiplies or divides
            the channels (conv_exp, conv_red, conv_chunk); 1 elsewhere.
        heads: of a conv_chunk; 1 elsewhere.
        charge: the authors' toolkit prices this node at ``charge`` times its channels: a mistake of its
            book-keeping that its totals contain. It changes neither the network nor the exact costs.
    """

    kind: str
    factor: int = 1
    heads: int = 1
    charge: Fraction = Fraction(1)

    def __hash__(self) -> int:
        return hash((self.kind, self.factor, self.heads))  # fractions are slow to hash, and seldom there

    def __str__(self) -> str:
        number = "" if self.kind not in COUNTED else str(self.factor)
        heads = f"x{self.heads}" if self.heads > 1 else ""
        charge = f"@{self.charge}" if self.charge != 1 else ""
        return f"{self.kind}{number}{heads}{charge}"

    @property
    def family(self) -> Family:
        """What kind of thing it is."""
        return FAMILY[self.kind]

    @property
    def inputs(self) -> int:
        """How many tensors it takes."""
        if self.kind in {"concat", "add"}:
            return self.factor
        return 2 if self.kind in {"multiply", "matmul1", "matmul2"} else 1

    @property
    def outputs(self) -> int:
        """How many tensors it gives."""
        return self.factor * self.heads if self.kind in {"chunk", "copy", "conv_chunk"} else 1

    @property
    def preserves_type(self) -> bool:
        """Whether it has one input and one output of the same type, and so can stand anywhere."""
        return self.kind in UNARY

    def uncharged(self) -> Operation:
        """The same operation without the toolkit's mistake."""
        return self if self.charge == 1 else replace(self, charge=Fraction(1))


@lru_cache(maxsize=4096)
def read_operation(text: str) -> Operation:
    """The operation of a name such as ``conv_exp4`` or Table I's ``ConvExp4``.

    Raises:
        InvalidArchitecture: no such operation, or a number that it cannot have.
    """
    name, at, charge_text = text.partition("@")
    plain = name.lower().replace("_", "")
    plain = _TABLE_ONE.get(plain, plain)
    kind = _SPELLING.get(plain, "")
    factor = heads = 1
    if kind in COUNTED or not kind:
        match = _NAME.fullmatch(plain)
        kind = _SPELLING.get(match["kind"], "") if match else ""
        if match is None or kind not in COUNTED or match["factor"] is None:
            known = sorted({*FAMILY} - {*COUNTED} | {*_EXAMPLES})
            raise InvalidArchitecture(str(UnknownName("operation", name[:40], known)))
        factor, heads = int(match["factor"]), int(match["heads"] or 1)
        if factor < 2 or (heads != 1 and kind != "conv_chunk") or heads < 1:
            raise InvalidArchitecture(f'operation "{name}": expected {kind} and a number of at least 2')
    charge = Fraction(1)
    if at:
        try:
            charge = Fraction(charge_text)
        except (ValueError, ZeroDivisionError):
            charge = Fraction(0)
        if charge <= 0 or len(charge_text) > 12 or kind not in CHARGEABLE:
            raise InvalidArchitecture(f'operation "{text[:40]}": expected a ratio after @, as in gelu@1/4')
    return Operation(kind, factor, heads, charge)


@lru_cache(maxsize=65536)
def infer(operation: Operation, inputs: tuple[TensorType, ...]) -> tuple[TensorType, ...]:
    """The types of the outputs for those of the inputs.

    Raises:
        TypeFault: with what the operation needs and what it got.
    """
    first = inputs[0]
    if operation.kind in UNARY:
        return inputs
    if operation.inputs > 1:
        return (_joined(operation, inputs),)
    channels, path = first.channels, first.path
    match operation.kind:
        case "conv_exp":
            channels *= operation.factor
        case "conv_red" | "chunk" | "conv_chunk":
            pieces = operation.heads if operation.kind == "conv_chunk" else operation.factor
            _need(channels % pieces == 0, f"needs channels divisible by {pieces}", inputs)
            channels //= pieces
        case "global_avg":
            path += POOLED
        case "up_sample":
            _need(path.endswith(POOLED), "needs a tensor that global_avg has pooled", inputs)
            path = path[:-1]
    return (TensorType(channels, path),) * operation.outputs


def _joined(operation: Operation, inputs: tuple[TensorType, ...]) -> TensorType:
    """The type of what an operation makes of several tensors."""
    first, second = inputs[:2]
    if operation.kind == "concat":
        _need(len({t.path for t in inputs}) == 1, "needs inputs of the same height and width", inputs)
        return TensorType(sum(t.channels for t in inputs), first.path)
    if operation.kind == "matmul2":
        is_map = first == TensorType(1, second.path + TOKENS)
        _need(is_map, "needs a map (1, N, N) and a tensor of N = H W positions", inputs)
        return second
    _need(len(set(inputs)) == 1, "needs inputs of the same shape", inputs)
    return TensorType(1, first.path + TOKENS) if operation.kind == "matmul1" else first


def _need(holds: bool, what: str, inputs: tuple[TensorType, ...]) -> None:
    if not holds:
        raise TypeFault(what, inputs)
