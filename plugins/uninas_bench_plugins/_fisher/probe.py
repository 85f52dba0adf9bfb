"""What a few images through the network tell about its structure, before anything is differentiated."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.graph import Node

from uninas_bench.features import hooked, logits_of
from uninas_bench_plugins._fisher.taps import has_rule

_FEW = 2
"""Images of the first probe; the second has one more, which shows where the images are in a shape."""


@dataclass(frozen=True)
class Structure:
    """How the modules with a tap rule are used.

    Attributes:
        logits: (2, C) of the first two images.
        sample_dims: for each call of a module, the dimension of its output that counts images, or None
            where images are mixed with something else.
        uses: how often the graph uses a parameter, by its id; parameters without effect are absent.
        followers: the batch norm that is the only consumer of a convolution's output.
        head: the linear map whose output is the logits, with an input of shape (B, D).
    """

    logits: Tensor
    sample_dims: dict[nn.Module, list[int | None]]
    uses: Counter[int]
    followers: dict[nn.Module, nn.Module]
    head: nn.Linear | None


@dataclass
class _Call:
    module: nn.Module
    came_from: Node | None
    made_by: Node | None
    output: Tensor


def probe(network: nn.Module, images: Tensor) -> Structure:
    """Learn the structure of an evaluation-mode network from five images; parameters must need gradients."""
    order = torch.arange(_FEW + 1, device=images.device) % len(images)
    logits, calls = _recorded(network, images[order[:_FEW]])
    with torch.no_grad():
        _, calls_of_more = _recorded(network, images[order])
    dims: dict[nn.Module, list[int | None]] = {}
    for call, more in zip(calls, calls_of_more, strict=True):
        dims.setdefault(call.module, []).append(_sample_dim(call.output.shape, more.output.shape))
    uses = _uses(logits.grad_fn)
    return Structure(
        logits=logits.detach(),
        sample_dims=dims,
        uses=Counter({id(node.variable): n for node, n in uses.items() if hasattr(node, "variable")}),
        followers=_followers(calls, uses),
        head=_head(calls, logits),
    )


def _recorded(network: nn.Module, images: Tensor) -> tuple[Tensor, list[_Call]]:
    calls: list[_Call] = []

    def record(module: nn.Module, inputs: tuple[Any, ...], output: Tensor) -> None:
        calls.append(_Call(module, inputs[0].grad_fn, output.grad_fn, output))

    handles = [module.register_forward_hook(record) for module in network.modules() if has_rule(module)]
    with hooked(handles):
        return logits_of(network(images)), calls


def _sample_dim(few: torch.Size, more: torch.Size) -> int | None:
    if len(few) != len(more):
        return None
    changed = [dim for dim in range(len(few)) if few[dim] != more[dim]]
    if len(changed) != 1 or few[changed[0]] != _FEW or more[changed[0]] != _FEW + 1:
        return None
    return changed[0]


def _uses(root: Node | None) -> Counter[Node]:
    """How many edges of the graph below ``root`` lead to each node."""
    counts: Counter[Node] = Counter()
    pending = [root] if root is not None else []
    while pending:
        for node, _ in pending.pop().next_functions:
            if node is not None:
                if node not in counts:
                    pending.append(node)
                counts[node] += 1
    return counts


def _followers(calls: list[_Call], uses: Counter[Node]) -> dict[nn.Module, nn.Module]:
    times = Counter(call.module for call in calls)
    makers = {call.made_by: call.module for call in calls if isinstance(call.module, nn.modules.conv._ConvNd)}
    once: Callable[[nn.Module], bool] = lambda module: times[module] == 1  # noqa: E731
    return {
        makers[call.came_from]: call.module
        for call in calls
        if isinstance(call.module, nn.modules.batchnorm._BatchNorm)
        and call.came_from is not None
        and call.came_from in makers
        and uses[call.came_from] == 1
        and once(call.module)
        and once(makers[call.came_from])
    }


def _head(calls: list[_Call], logits: Tensor) -> nn.Linear | None:
    last = calls[-1] if calls else None
    if last is None or last.output is not logits or logits.dim() != 2:
        return None
    return last.module if isinstance(last.module, nn.Linear) else None
