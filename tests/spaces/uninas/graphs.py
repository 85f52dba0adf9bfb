"""Random well-typed graphs, grown without the walk's code: an independent source for the tests."""

from __future__ import annotations

import random

from uninas_bench.spaces.uninas.graph import Graph, Node, Port
from uninas_bench.spaces.uninas.operations import UNARY, infer, read_operation
from uninas_bench.spaces.uninas.tensor_type import TensorType


def random_graph(seed: int, channels: int = 16, nodes: int = 24, *, plain: bool = False) -> Graph:
    """A graph of about ``nodes`` nodes that keeps its type; most of them are not series-parallel.

    Operations are applied to random open tensors; in the end all of them are brought back to one.

    Args:
        seed: fixes the graph.
        channels: of its input.
        nodes: how many to grow before closing.
        plain: without `dropout`, `zero` and `rel_pos_bias`.
    """
    rng = random.Random(seed)
    built: list[Node] = []
    open_: list[tuple[Port, TensorType]] = [((0, 0), TensorType(channels))]

    def apply(name: str, *places: int) -> None:
        operation = read_operation(name)
        types = infer(operation, tuple(open_[place][1] for place in places))
        built.append(Node(operation, tuple(open_[place][0] for place in places)))
        for place in sorted(places, reverse=True):
            del open_[place]
        open_.extend(((len(built), port), type_) for port, type_ in enumerate(types))

    unary = [kind for kind in UNARY if kind not in {"dropout", "zero", "rel_pos_bias"} or not plain]
    for _ in range(nodes):
        place = rng.randrange(len(open_))
        type_ = open_[place][1]
        alike = [i for i, (_, t) in enumerate(open_) if t == type_ and i != place]
        if len(alike) > 1 and not type_.path and rng.random() < 0.5:
            key, value = rng.sample(alike, 2)
            value_port = open_[value]
            apply("matmul1", place, key)
            for _ in range(rng.randrange(3)):
                apply(rng.choice(unary), len(open_) - 1)
            apply("matmul2", len(open_) - 1, open_.index(value_port))
        elif alike and rng.random() < 0.5:
            pair = [place, rng.choice(alike)]
            rng.shuffle(pair)
            apply(rng.choice(["add2", "multiply", "concat2"]), *pair)
        else:
            names = [*unary, "up_sample" if type_.path else "global_avg"]
            names += [f"chunk{k}" for k in (2, 3) if type_.channels % k == 0]
            names += ["conv_red2"] if type_.channels % 2 == 0 else []
            names += ["copy2", "copy3", "conv_exp2"] if type_.channels <= 4 * channels else []
            apply(rng.choice(names), place)
    while open_ != [(open_[0][0], TensorType(channels))]:
        odd = next((i for i, (_, t) in enumerate(open_) if t != TensorType(channels)), None)
        if odd is None:
            apply("add2", 0, 1)
        elif open_[odd][1].path:
            apply("up_sample", odd)
        elif open_[odd][1].channels > 1:
            apply(f"conv_red{open_[odd][1].channels}", odd)
        else:
            apply(f"conv_exp{channels}", odd)
    return Graph(tuple(built), open_[0][0])
