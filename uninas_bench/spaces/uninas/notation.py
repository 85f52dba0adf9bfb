"""The text of a graph: operations in order, each taking what was made last, ``;`` between branches.

``copy2 ; gelu ; conv1 add2``: an operation takes its inputs from the top of a stack and leaves its output
there. One with several outputs leaves nothing: ``;`` fetches the next unused output of the innermost
branching that has one, ``;3.1`` output 1 of node 3, wherever it is. ``12*( ; gelu )`` repeats what is between
the brackets; the empty graph is ``-``. Every graph has exactly one text, and the text one graph.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from uninas_bench.errors import InvalidArchitecture
from uninas_bench.spaces.uninas.graph import Graph, GraphError, Node, Port
from uninas_bench.spaces.uninas.operations import read_operation

EMPTY = "-"
NEXT = ";"
_CLOSE = ")"
_TOKEN = re.compile(r"\d+\*\(|\)|;(?:\d+\.\d+)?|[^\s;()*]+")
_LONGEST_GROUP = 400
_LONGEST = 10_000
"""Tokens of one graph after its repetitions are written out; a bound on what a short text can ask for."""


def write_graph(graph: Graph) -> str:
    """The one text of a graph."""
    return " ".join(_folded(_tokens(graph))) or EMPTY


def read_graph(text: str) -> Graph:
    """The graph of a text.

    Raises:
        InvalidArchitecture: with the token at fault, by its position (from 1) in ``text``.
    """
    tokens = [(match.group(), match.start() + 1) for match in _TOKEN.finditer(text)]
    read = sum(len(token) for token, _ in tokens)
    if read != len("".join(text.split())):
        odd = next(i for i, c in enumerate(_TOKEN.sub(lambda m: " " * len(m.group()), text)) if c.strip())
        raise InvalidArchitecture(f'unexpected "{text[odd]}" at position {odd + 1}')
    if not tokens:
        raise InvalidArchitecture(f'the text is empty; write "{EMPTY}" for a block that does nothing')
    if [token for token, _ in tokens] == [EMPTY]:
        return Graph(())
    return _build(_unfolded(tokens))


def _tokens(graph: Graph) -> list[str]:
    """The tokens without repetitions."""
    tokens: list[str] = []
    unused: dict[int, set[int]] = {}  # of the branchings that are open, in their order

    def fetch(port: Port) -> None:
        node, index = port
        if node == 0 or graph.operation(node).outputs == 1:
            return
        innermost = next(reversed(unused))
        plain = node == innermost and index == min(unused[node])
        tokens.append(NEXT if plain else f"{NEXT}{node}.{index}")
        unused[node].discard(index)
        if not unused[node]:
            del unused[node]

    # The normal order visits inputs first, so the fetches of a node stand before the nodes they lead to.
    open_: list[tuple[int, Iterator[Port]]] = []
    done: set[int] = set()

    def enter(node: int) -> None:
        if node and node not in done:
            done.add(node)
            open_.append((node, iter(graph.nodes[node - 1].sources)))

    pending: list[Port] = []  # ports to fetch once their node is written
    enter(graph.output[0])
    if open_:
        pending.append(graph.output)
    while open_:
        node, sources = open_[-1]
        source = next(sources, None)
        if source is None:
            open_.pop()
            tokens.append(str(graph.operation(node)))
            if graph.operation(node).outputs > 1:
                unused[node] = set(range(graph.operation(node).outputs))
            fetch(pending.pop())
        elif source[0] == 0 or source[0] in done:
            fetch(source)
        else:
            pending.append(source)
            enter(source[0])
    return tokens


def _folded(tokens: Sequence[str]) -> list[str]:
    """Runs of equal branches become one branch with their number."""
    folded: list[str] = []
    position = 0
    while position < len(tokens):
        count, period = _run(tokens, position)
        group = tokens[position : position + period]
        folded += [f"{count}*(", group[0], *_folded(group[1:]), _CLOSE] if count > 1 else group
        position += count * period
    return folded


def _run(tokens: Sequence[str], start: int) -> tuple[int, int]:
    """The number and the length of the equal branches from ``start`` on that save most; (1, 1) for none."""
    best, saved = (1, 1), 2  # a number and two brackets are no gain for less
    if tokens[start] != NEXT:
        return best
    values = 1
    for end in range(start + 1, min(start + _LONGEST_GROUP, len(tokens))):
        if values == 1 and tokens[end] == NEXT and tokens[end + 1 : end + 2] == tokens[start + 1 : start + 2]:
            period, count = end - start, 1
            group = tokens[start:end]
            while tokens[start + count * period : start + (count + 1) * period] == group:
                count += 1
            if (count - 1) * period > saved:
                best, saved = (count, period), (count - 1) * period
        # A branch makes one value of what it fetches, and takes nothing from before it.
        if tokens[end].startswith(NEXT):
            values += 1
            continue
        operation = read_operation(tokens[end])
        values -= operation.inputs
        if values < 0:
            break
        values += operation.outputs == 1
    return best


def _unfolded(tokens: Sequence[tuple[str, int]]) -> list[tuple[str, int]]:
    """The tokens with every repetition written out."""
    open_: list[tuple[int, int, list[tuple[str, int]]]] = [(1, 0, [])]
    for token, position in tokens:
        if token.endswith("*("):
            open_.append((int(token[:-2][:6]), position, []))
        elif token == _CLOSE:
            if len(open_) == 1:
                raise InvalidArchitecture(f'")" at position {position} closes nothing')
            count, where, group = open_.pop()
            if count < 1 or count * len(group) + len(open_[-1][2]) > _LONGEST:
                raise InvalidArchitecture(f"the repetition at position {where} is empty or too long")
            open_[-1][2].extend(group * count)
        else:
            open_[-1][2].append((token, position))
    if len(open_) > 1:
        raise InvalidArchitecture(f"the repetition at position {open_[-1][1]} is not closed")
    return open_[0][2]


def _build(tokens: Sequence[tuple[str, int]]) -> Graph:
    nodes: list[Node] = []
    stack: list[Port] = [(0, 0)]
    unused: dict[int, set[int]] = {}
    for token, position in tokens:
        if token.startswith(NEXT):
            stack.append(_fetched(token, position, unused))
            continue
        try:
            operation = read_operation(token)
        except InvalidArchitecture as error:
            raise InvalidArchitecture(f"{error} at position {position}") from None
        number = len(nodes) + 1
        taken = operation.inputs
        if len(stack) < taken:
            where = f"node {number} ({operation}) at position {position}"
            raise GraphError(f"{where} needs {taken} inputs, {len(stack)} are there")
        nodes.append(Node(operation, tuple(stack[len(stack) - taken :])))
        del stack[len(stack) - taken :]
        if operation.outputs == 1:
            stack.append((number, 0))
        else:
            unused[number] = set(range(operation.outputs))
    for node, ports in unused.items():
        raise GraphError(
            f"output {min(ports)} of node {node} ({nodes[node - 1].operation}) is used by nothing: "
            "a block has one output, so every branch must end in it"
        )
    if len(stack) != 1:
        last = " and ".join(
            f"node {n} ({nodes[n - 1].operation})" if n else "the input" for n, _ in stack[:4]
        )
        raise GraphError(f"the graph has {len(stack)} outputs, {last}; expected one")
    return Graph(tuple(nodes), stack[0])


def _fetched(token: str, position: int, unused: dict[int, set[int]]) -> Port:
    """The port that a ``;`` fetches, taken out of ``unused``."""
    if token == NEXT:
        if not unused:
            raise GraphError(f'";" at position {position}: no branching has an unused output')
        node = next(reversed(unused))
        port = min(unused[node])
    else:
        node, port = map(int, token[1:].split("."))
        if port not in unused.get(node, ()):
            raise GraphError(f'"{token}" at position {position}: node {node} has no unused output {port}')
    unused[node].discard(port)
    if not unused[node]:
        del unused[node]
    return node, port
