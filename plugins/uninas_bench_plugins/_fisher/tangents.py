"""Exact per-sample Jacobian columns without a tap: raw parameters, fused weights, subclassed modules.

As images do not influence each other, one forward-mode derivative of the whole batch is the column of a
scalar for every image and logit at once. Where there are many scalars, every image gets parameters of its own
instead (`torch.func.vmap`), and one backward is a row of all of them. Where the network does something that
neither can follow, the images are differentiated one by one.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.autograd import forward_ad

from uninas_bench.features import logits_of
from uninas_bench_plugins._fisher.entries import Entry

TANGENT_COST = 2.5
"""Bare forward passes for one column by forward mode."""


def mapped_cost(rows: int) -> float:
    """Bare forward passes for all columns by parameters of each image's own."""
    return rows + 2.0


def columns(network: nn.Module, images: Tensor, entries: Sequence[Entry], seeds: Tensor) -> Tensor:
    """``seeds @ d logits / d entry`` of shape (B, R, entries), by the cheaper exact rule.

    Args:
        network: in evaluation mode, its parameters needing gradients.
        images: (B, 3, R, R).
        entries: the scalars.
        seeds: (R, C) combinations of logits.
    """
    if not entries:
        return seeds.new_zeros(len(images), len(seeds), 0)
    if len(entries) * TANGENT_COST <= mapped_cost(len(seeds)):
        try:
            return tangent_columns(network, images, entries, seeds)
        except NotImplementedError:
            pass
    try:
        return mapped_columns(network, images, entries, seeds)
    except RuntimeError:  # how vmap says that it cannot follow
        return samplewise_columns(network, images, entries, seeds)


def tangent_columns(network: nn.Module, images: Tensor, entries: Sequence[Entry], seeds: Tensor) -> Tensor:
    """The columns by one forward-mode pass per entry.

    Raises:
        NotImplementedError: an operation of the network has no forward-mode derivative.
    """
    names = {id(parameter): name for name, parameter in network.named_parameters()}
    found = []
    for entry in entries:
        parameter = entry.parameter
        direction = torch.zeros(parameter.numel(), dtype=parameter.dtype, device=parameter.device)
        direction[entry.index] = 1
        with forward_ad.dual_level():
            dual = _dual(parameter, direction.view_as(parameter))
            output = torch.func.functional_call(network, {names[id(parameter)]: dual}, (images,))
            primal, tangent = forward_ad.unpack_dual(logits_of(output))  # type: ignore[no-untyped-call]
            found.append(torch.zeros_like(primal) if tangent is None else tangent.detach())
    return torch.einsum("rc,bcp->brp", seeds, torch.stack(found, 2).detach())


def mapped_columns(network: nn.Module, images: Tensor, entries: Sequence[Entry], seeds: Tensor) -> Tensor:
    """The columns by ``R`` backwards of the batch, in which every image has its own copy of the parameters.

    Raises:
        RuntimeError: an operation of the network has no batching rule.
    """
    names = {id(parameter): name for name, parameter in network.named_parameters()}
    owners = list({id(entry.parameter): entry.parameter for entry in entries}.values())
    position = {id(parameter): i for i, parameter in enumerate(owners)}
    own = {
        names[id(parameter)]: parameter.detach().expand(len(images), *parameter.shape).clone()
        for parameter in owners
    }
    for copies in own.values():
        copies.requires_grad_(True)

    def one(parameters: dict[str, Tensor], image: Tensor) -> Tensor:
        return logits_of(torch.func.functional_call(network, parameters, (image[None],)))[0]

    logits = torch.func.vmap(one)(own, images)
    result = seeds.new_zeros(len(images), len(seeds), len(entries))
    for row, seed in enumerate(seeds):
        grads = torch.autograd.grad(
            logits, list(own.values()), seed.expand_as(logits), retain_graph=True, allow_unused=True
        )
        for column, entry in enumerate(entries):
            grad = grads[position[id(entry.parameter)]]
            if grad is not None:
                result[:, row, column] = grad.flatten(1)[:, entry.index]
    return result


def samplewise_columns(network: nn.Module, images: Tensor, entries: Sequence[Entry], seeds: Tensor) -> Tensor:
    """The columns by ``R`` backwards for each image alone."""
    owners = list({id(entry.parameter): entry.parameter for entry in entries}.values())
    position = {id(parameter): i for i, parameter in enumerate(owners)}
    result = seeds.new_zeros(len(images), len(seeds), len(entries))
    for sample in range(len(images)):
        logits = logits_of(network(images[sample : sample + 1])).reshape(-1)
        for row, seed in enumerate(seeds):
            grads = torch.autograd.grad(logits, owners, seed, retain_graph=True, allow_unused=True)
            for column, entry in enumerate(entries):
                grad = grads[position[id(entry.parameter)]]
                if grad is not None:
                    result[sample, row, column] = grad.flatten()[entry.index]
    return result


def _dual(primal: Tensor, direction: Tensor) -> Tensor:
    with warnings.catch_warnings():
        # Torch scripts formulas of its own at the first call, by a function that it deprecates.
        warnings.filterwarnings("ignore", message=".*torch.jit", category=FutureWarning)
        dual: Tensor = forward_ad.make_dual(primal, direction)  # type: ignore[no-untyped-call]
    return dual
