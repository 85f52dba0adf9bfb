"""Taps on a network's blocks, and the costs of a network that no space prices."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from uninas_bench.architecture import Costs
from uninas_bench.errors import UserError


@dataclass(frozen=True, slots=True)
class Tapped:
    """One forward pass: ``features`` (the first block's input, every block's output) and ``output``."""

    features: list[Tensor]
    output: Tensor


@contextmanager
def hooked(handles: Sequence[Any]) -> Iterator[None]:
    """Remove the hooks on the way out, whatever happens."""
    with ExitStack() as stack:
        for handle in handles:
            stack.callback(handle.remove)
        yield


def first_tensor(value: Any) -> Tensor:
    """The tensor of an output that may be a tuple, as (pooled features, logits) is not."""
    return value if isinstance(value, Tensor) else value[0]


def logits_of(output: Any) -> Tensor:
    """The logits of a network that returns them alone or last in a tuple (NAS-Bench-201's convention)."""
    return output if isinstance(output, Tensor) else output[-1]


def block_features(network: nn.Module, blocks: Sequence[nn.Module], images: Tensor) -> Tapped:
    """Run ``network`` once on ``images`` and tap ``blocks``; gradients flow through the taps.

    Raises:
        UserError: there are no blocks, or one of them did not run.
    """
    if not blocks:
        raise UserError("the network has no blocks to tap; name some modules with features=[...]")
    taps: dict[int, Tensor] = {}

    def before(_module: nn.Module, inputs: tuple[Any, ...]) -> None:
        taps.setdefault(-1, inputs[0])

    def after(position: int) -> Any:
        def hook(_module: nn.Module, _inputs: Any, output: Any) -> None:
            taps[position] = first_tensor(output)

        return hook

    handles: list[Any] = [blocks[0].register_forward_pre_hook(before)]
    handles += [block.register_forward_hook(after(i)) for i, block in enumerate(blocks)]
    with hooked(handles):
        output = logits_of(network(images))
    if len(taps) != len(blocks) + 1:
        raise UserError(f"{len(blocks) + 1 - len(taps)} of the {len(blocks)} tapped blocks did not run")
    return Tapped([taps[i] for i in range(-1, len(blocks))], output)


def find_blocks(network: nn.Module, names: Sequence[str] | None) -> list[tuple[str, nn.Module]]:
    """The modules of those ``names``; without names, those that the network lists, or its longest list's.

    A network lists its blocks by a method ``blocks``, as those of some spaces do.

    Raises:
        UserError: a name that is no module of the network.
    """
    if names is not None:
        modules = dict(network.named_modules())
        unknown = [name for name in names if name not in modules]
        if unknown:
            raise UserError(f'features: the network has no module "{unknown[0]}"')
        return [(name, modules[name]) for name in names]
    own = getattr(network, "blocks", None)
    if callable(own) and not isinstance(own, nn.Module):
        return list(own())
    lists = [
        (prefix, module)
        for prefix, module in network.named_modules()
        if isinstance(module, nn.Sequential | nn.ModuleList)
    ]
    if not lists:
        return list(network.named_children())
    prefix, longest = max(lists, key=lambda item: len(item[1]))
    return [(f"{prefix}.{name}".lstrip("."), child) for name, child in longest.named_children()]


def measured_costs(network: nn.Module, images: Tensor) -> Costs:
    """Parameters, and multiply-accumulates of convolutions, linear maps and matrix products, per image."""
    from torch.utils.flop_counter import FlopCounterMode

    counter = FlopCounterMode(display=False)
    was_training = network.training
    try:
        with torch.no_grad(), counter:
            network.eval()(images[:1])
    finally:
        network.train(was_training)
    params = sum(p.numel() for p in network.parameters())
    return Costs(params, counter.get_total_flops() // 2)
