"""What a step of the walk can add: Table I's operations, alone or with their coupled nodes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import isqrt

from uninas_bench.errors import InvalidArchitecture
from uninas_bench.spaces.uninas.costs import Convention, coupled_flops, node_cost
from uninas_bench.spaces.uninas.notation import read_graph
from uninas_bench.spaces.uninas.operations import FAMILY
from uninas_bench.spaces.uninas.structure import Chain, Skeleton, Unit, UnitCost, structure
from uninas_bench.spaces.uninas.templates import HEAD_CHANNELS
from uninas_bench.spaces.uninas.tensor_type import TOKENS, TensorType, spatial_size

KINDS = tuple(FAMILY)
"""The operations in the order of `UnitCost.flops_of`."""
_PLACE = {kind: place for place, kind in enumerate(KINDS)}

PAPER = (
    "softmax", "dropout", "max_pool", "mask", "sigmoid", "gelu", "conv1", "conv3", "conv_depth3",
    "conv_depth5", "batch_norm", "layer_norm", "rel_pos_bias", "chunk2", "chunk3", "copy_add",
    "copy_multiply", "attention", "conv_exp4", "conv_red4", "global_avg",
)  # fmt: skip
"""Table I's node types that open something or stand alone; each brings its coupled nodes along."""
TOOLKIT = (
    "chunk2", "copy_add", "copy_multiply", "attention", "conv_exp4", "conv_red4", "global_avg", "softmax",
    "sigmoid", "gelu", "dropout", "batch_norm", "layer_norm", "max_pool", "conv1", "conv3", "conv_depth3",
    "conv_depth5", "mask", "rel_pos_bias",
)  # fmt: skip
"""The twenty candidates of the authors' package (specification of `create_new_model`)."""
_TOOLKIT_HEADS = (3, 6, 12, 24)

LARGEST_MAP = 1 << 24
"""Elements of the largest map between tokens that is added: 64 MB an image in float32. The 56 x 56 tokens of
the first stage at 224 pixels stay below. Attention between the entries of a map, which no bound of FLOPs
rules out, would need gigabytes."""

_COUPLED = {
    "chunk2": "chunk2 ; ; concat2",
    "chunk3": "chunk3 ; ; ; concat3",
    "copy_add": "copy2 ; ; add2",
    "copy_multiply": "copy2 ; ; multiply",
    "conv_exp4": "conv_exp4 conv_red4",
    "conv_red4": "conv_red4 conv_exp4",
    "global_avg": "global_avg up_sample",
}


@dataclass(frozen=True, slots=True, eq=False)
class Addition:
    """A unit to insert on an edge of a given type, with empty slots, and what it costs there.

    Attributes:
        slots: the types of the skeleton's slots.
    """

    skeleton: Skeleton
    slots: tuple[TensorType, ...]
    cost: UnitCost

    def unit(self) -> Unit:
        """A unit of its own, with empty slots."""
        return Unit(self.skeleton, [Chain(type_) for type_ in self.slots], (), self.cost)


@lru_cache(maxsize=65536)
def addition(
    name: str,
    type_: TensorType,
    size: tuple[int, int],
    convention: Convention,
    *,
    toolkit: bool,
    anywhere: bool,
) -> Addition | None:
    """What inserting ``name`` on an edge of that type means; None where it is not legal.

    Args:
        name: one of `PAPER`.
        type_: of the edge.
        size: height and width of the block.
        convention: in which to price it.
        toolkit: attention exists where the authors' package has it: 32 channels a head, 3 to 24 heads. Else
            wherever its map is not too large: with heads of 32 channels where the channels are a multiple of
            that, with one head of all channels (Table I's ConvChunk3) elsewhere.
        anywhere: `rel_pos_bias` only where it is legal at every resolution, not just at this one.
    """
    if name == "rel_pos_bias" and not _has_bias(type_, size, toolkit=toolkit, anywhere=anywhere):
        return None
    text = _COUPLED.get(name, name)
    if name == "attention":
        height, width = spatial_size(type_.path, *size)
        if (height * width) ** 2 > LARGEST_MAP:
            return None
        heads, rest = divmod(type_.channels, HEAD_CHANNELS)
        if toolkit and (rest or heads not in _TOOLKIT_HEADS):
            return None
        text = _attention(heads if heads and not rest else 1)
    try:
        return _priced(text, type_, size, convention)
    except InvalidArchitecture:
        return None


def _has_bias(type_: TensorType, size: tuple[int, int], *, toolkit: bool, anywhere: bool) -> bool:
    height, width = spatial_size(type_.path, *size)
    if isqrt(height) ** 2 == height and isqrt(width) ** 2 == width:
        return toolkit or not anywhere or bool(type_.path)
    return type_.path.endswith(TOKENS) and not toolkit


def _attention(heads: int) -> str:
    if heads == 1:
        return "conv_chunk3 ; ; matmul1 ; matmul2"
    head = " ".join(["; ; matmul1 ; matmul2"] * heads)
    return f"conv_chunk3x{heads} {head} concat{heads}"


@lru_cache(maxsize=4096)
def _skeleton(text: str, channels: int) -> tuple[Skeleton, tuple[tuple[int, str], ...]]:
    """The skeleton of a unit in the block's own size, and the channels and paths of its slots."""
    (unit,) = structure(read_graph(text), channels).units
    return unit.skeleton, tuple((slot.type.channels, slot.type.path) for slot in unit.slots)


def _priced(text: str, type_: TensorType, size: tuple[int, int], convention: Convention) -> Addition:
    skeleton, slots = _skeleton(text, type_.channels)
    types = tuple(TensorType(channels, type_.path + path) for channels, path in slots)
    return Addition(skeleton, types, unit_cost(skeleton, type_, types, size, convention))


def unit_cost(
    skeleton: Skeleton,
    type_: TensorType,
    slots: tuple[TensorType, ...],
    size: tuple[int, int],
    convention: Convention,
) -> UnitCost:
    """What a unit's own nodes cost on an edge of a type."""
    params = 0
    flops_of: dict[int, int] = {}
    operations = [operation for operation, _ in skeleton.nodes]
    for operation, inputs in skeleton.nodes:
        taken = tuple(slots[slot] for slot in inputs) or (type_,)
        more, flops = node_cost(operation, taken, size, convention)
        params += more
        place = _PLACE[operation.kind]
        flops_of[place] = flops_of.get(place, 0) + coupled_flops(operations, flops, convention)
    return UnitCost(params, sum(flops_of.values()), tuple(flops_of.items()))
