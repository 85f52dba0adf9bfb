"""Subblocks from the nested lists of the authors' package.

Every node declares a shape. The package prices nodes at the declared shape and computes with the real one;
the two differ in its own templates. So shapes are computed here, and a node without parameters that declares
other channels keeps them as `Operation.charge`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from math import isqrt

from uninas_bench.errors import InvalidArchitecture
from uninas_bench.spaces.uninas.graph import INPUT, Graph, Node, Port
from uninas_bench.spaces.uninas.operations import CHARGEABLE, Operation, TypeFault, infer
from uninas_bench.spaces.uninas.templates import HEAD_CHANNELS
from uninas_bench.spaces.uninas.tensor_type import TOKENS, TensorType
from uninas_bench.spaces.uninas.toolkit_classes import FORKS, LEAVES, PARAMS

_FREE = ("identity", "zero", "rel_pos_bias")
"""Kinds that have no price per channel and no weights per channel: the declared channels mean nothing."""
_DEEPEST = 100
"""Levels of nesting, and nodes of a subblock below: bounds for hostile files that no walk comes near."""
_MOST = 5_000


def read_subblock(data: object, channels: int, size: tuple[int, int]) -> Graph:
    """The graph of a node of the package, usually a ``SequentialModule``.

    Args:
        data: the node, as JSON gave it.
        channels: of the block.
        size: height and width of the block.

    Raises:
        InvalidArchitecture: naming the class and the shapes.
    """
    reader = _Reader(channels, size)
    port = reader.read(data, INPUT, 0)
    return Graph(tuple(reader.nodes), port)


class _Reader:
    """Appends the nodes of one subblock as it goes through the tree."""

    def __init__(self, channels: int, size: tuple[int, int]) -> None:
        self.size = size
        self.nodes: list[Node] = []
        self.types: dict[Port, TensorType] = {INPUT: TensorType(channels)}

    def read(self, data: object, port: Port, depth: int) -> Port:
        """Read a node whose input is ``port``; where its output is."""
        if depth > _DEEPEST:
            raise InvalidArchitecture(f"more than {_DEEPEST} levels of nesting")
        name, declared, params = _parts(data)
        if name in LEAVES:
            return self._leaf(name, declared, port)
        if name == "SequentialModule":
            for inner in _list(name, "modules", params.get("modules", [])):
                port = self.read(inner, port, depth + 1)
            return port
        if declared != self.types[port].channels:
            raise self._fault(name, f"is made for {declared} channels", port)
        if name == "ForkMerge":
            return self._fork(params, port, depth)
        if name == "ForkMergeAttention":
            return self._attention(params, port, depth)
        if name == "AvgAndUpsample":
            opening, closing = Operation("global_avg"), Operation("up_sample")
        else:
            factor = params.get("factor", 4)
            if type(factor) is not int or not 2 <= factor <= 9999:
                raise InvalidArchitecture(
                    f"{name}: factor {_short(factor)}, expected an integer of at least 2"
                )
            opening, closing = Operation("conv_exp", factor), Operation("conv_red", factor)
            if name == "ReduceAndExpand":
                opening, closing = closing, opening
        (port,) = self._add(name, opening, port)
        inside = params.get("sequential")
        if _parts(inside)[0] != "SequentialModule":
            raise InvalidArchitecture(f'{name}: "sequential" is no SequentialModule')
        (port,) = self._add(name, closing, self.read(inside, port, depth + 1))
        return port

    def _leaf(self, name: str, declared: int, port: Port) -> Port:
        type_ = self.types[port]
        operation = Operation(LEAVES[name])
        if declared != type_.channels and operation.kind not in _FREE:
            if operation.kind not in CHARGEABLE:
                raise self._fault(name, f"is made for {declared} channels", port)
            operation = Operation(operation.kind, charge=Fraction(declared, type_.channels))
            if len(str(operation.charge)) > 12:
                raise self._fault(name, f"declares {declared} channels", port)
        if name == "RelPosBias" and not type_.path.endswith(TOKENS):
            _, height, width = type_.shape(*self.size)
            if isqrt(height) ** 2 != height or isqrt(width) ** 2 != width:
                raise self._fault(name, "needs height and width that are squares of integers", port)
        return self._add(name, operation, port)[0]

    def _fork(self, params: Mapping[str, object], port: Port, depth: int) -> Port:
        fork, merge = self._fork_kinds(params)
        branches = _list("ForkMerge", "branches", params.get("branches"))
        form = (fork, merge, len(branches))
        if form not in FORKS or params.get("branches_count", len(branches)) != len(branches):
            known = ", ".join(f"{f}/{m} of {k}" for f, m, k in FORKS)
            raise InvalidArchitecture(
                f"ForkMerge: {fork}/{merge} with {len(branches)} branches and branches_count "
                f"{_short(params.get('branches_count'))}; known: {known}"
            )
        count = len(branches)
        starts = self._add("ForkMerge", Operation(fork, count), port)
        ends = [self.read(branch, start, depth + 1) for branch, start in zip(branches, starts, strict=True)]
        closing = Operation(merge, count if merge != "multiply" else 1)
        return self._add("ForkMerge", closing, *ends)[0]

    def _fork_kinds(self, params: Mapping[str, object]) -> tuple[str, str]:
        pair = _list("ForkMerge", "fork_merge_tuple", params.get("fork_merge_tuple"))
        if len(pair) != 2 or not all(isinstance(part, str) for part in pair):
            raise InvalidArchitecture(f"ForkMerge: fork_merge_tuple {_short(pair)}, expected two names")
        return str(pair[0])[:20], str(pair[1])[:20]

    def _attention(self, params: Mapping[str, object], port: Port, depth: int) -> Port:
        name = "ForkMergeAttention"
        channels = self.types[port].channels
        if channels % HEAD_CHANNELS:
            raise self._fault(name, f"needs heads of {HEAD_CHANNELS} channels", port)
        heads = channels // HEAD_CHANNELS
        counts = {
            "branches": 3 * heads, "matmullefts": heads, "matmulrights": heads, "connections": heads,
            "post_branches": heads,
        }  # fmt: skip
        lists = {key: _list(name, key, params.get(key)) for key in counts}
        for key, count in counts.items():
            if len(lists[key]) != count:
                raise self._fault(
                    name, f"has {len(lists[key])} {key}, expected {count} for {heads} heads", port
                )
        for key, wanted in (("matmullefts", "MatmulLeft"), ("matmulrights", "MatmulRight")):
            for matmul in lists[key]:
                if _parts(matmul)[0] != wanted:
                    raise InvalidArchitecture(f"{name}: a node of {key} is no {wanted}")
        pieces = self._add(name, Operation("conv_chunk", 3, heads), port)
        ends = []
        for head in range(heads):
            queries, keys, values = (
                self.read(lists["branches"][3 * head + i], pieces[3 * head + i], depth + 1) for i in range(3)
            )
            (scores,) = self._add(name, Operation("matmul1"), queries, keys)
            scores = self.read(lists["connections"][head], scores, depth + 1)
            (mixed,) = self._add(name, Operation("matmul2"), scores, values)
            ends.append(self.read(lists["post_branches"][head], mixed, depth + 1))
        return ends[0] if heads == 1 else self._add(name, Operation("concat", heads), *ends)[0]

    def _add(self, name: str, operation: Operation, *sources: Port) -> tuple[Port, ...]:
        """Append a node; its outputs."""
        if len(self.nodes) >= _MOST:
            raise InvalidArchitecture(f"more than {_MOST} nodes")
        inputs = tuple(self.types[source] for source in sources)
        try:
            outputs = infer(operation, inputs)
        except TypeFault as fault:
            got = " and ".join(type_.shown(self.size) for type_ in fault.inputs)
            raise InvalidArchitecture(f"{name} {fault.what}, got {got}") from None
        self.nodes.append(Node(operation, sources))
        ports = tuple((len(self.nodes), index) for index in range(len(outputs)))
        self.types.update(zip(ports, outputs, strict=True))
        return ports

    def _fault(self, name: str, what: str, port: Port) -> InvalidArchitecture:
        return InvalidArchitecture(f"{name} {what}, got {self.types[port].shown(self.size)}")


def _parts(data: object) -> tuple[str, int, Mapping[str, object]]:
    """Class, declared channels and parameters of a node."""
    if not isinstance(data, dict):
        raise InvalidArchitecture(f"expected a node with class, shape and params, got {_short(data)}")
    name = data.get("class")
    if not isinstance(name, str) or name not in PARAMS:
        raise InvalidArchitecture(f"unknown node class {_short(name)}; known: {', '.join(sorted(PARAMS))}")
    shape, params = data.get("shape"), data.get("params", {})
    if (
        not isinstance(shape, list)
        or len(shape) != 3
        or not all(type(side) is int and 0 < side < 1 << 40 for side in shape)
    ):
        raise InvalidArchitecture(f"{name}: shape {_short(shape)}, expected three integers of at least 1")
    unknown = ({*data} - {"class", "shape", "params"}) | (
        {*params} - PARAMS[name] if isinstance(params, dict) else {"params"}
    )
    if unknown:
        raise InvalidArchitecture(f"{name}: unknown {_short(min(unknown))}; is the file of a newer format?")
    return name, shape[0], params


def _list(name: str, key: str, value: object) -> Sequence[object]:
    if not isinstance(value, list):
        raise InvalidArchitecture(f'{name}: "{key}" is {_short(value)}, expected a list')
    return value


def _short(value: object) -> str:
    """A value of a file in an error message: bounded, and on one line."""
    if isinstance(value, dict | list):
        return f"a{'n object' if isinstance(value, dict) else ' list'} of {len(value)}"
    text = str(value).encode("unicode_escape").decode() if value is not None else "missing"
    return text if len(text) <= 40 else f"{text[:40]}..."
