"""Per-sample derivatives of logits by single parameter entries, for about one backward per logit."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from uninas_bench import NotApplicable
from uninas_bench.features import hooked, logits_of
from uninas_bench_plugins._fisher.entries import Entry
from uninas_bench_plugins._fisher.fold import Pairs, cheap_backwards, is_plain_convolution, paired_taps
from uninas_bench_plugins._fisher.precision import check_settled
from uninas_bench_plugins._fisher.probe import Structure, probe
from uninas_bench_plugins._fisher.tangents import TANGENT_COST, columns, mapped_cost
from uninas_bench_plugins._fisher.taps import Tap, Wanted, has_rule, taps_of


def jacobian(
    network: nn.Module, images: Tensor, entries: Sequence[Entry], seeds_of: Callable[[int], Tensor]
) -> tuple[Tensor, Tensor]:
    """Logits (B, C) and ``seeds @ d logits / d entries`` of shape (B, R, P), for every image on its own.

    Exact up to rounding. Entries of convolutions, linear maps and norms are read where the gradient
    passes their module (`taps`), so one backward by data alone serves a row of all of them; others take
    `tangents`. If the last linear map has fewer inputs than there are rows, the backwards start at those
    inputs. If even forward mode for every entry is cheaper, that is taken.

    Args:
        network: the caller's own; it comes back in evaluation mode.
        images: (B, 3, R, R); never written.
        entries: the scalars of its parameters.
        seeds_of: gives, for C classes, the ``seeds`` (R, C): R combinations of logits.

    Raises:
        NotApplicable: there is one class only, or an image's logits depend on the other images.
        Unsettled: the network's precision leaves its logits to rounding.
    """
    network.eval().requires_grad_(True)
    _check_norms(network)
    structure = probe(network, images)
    seeds = seeds_of(structure.logits.shape[1]).to(structure.logits)
    if not len(seeds):
        raise NotApplicable("the softmax of a single class is constant")
    wanted, untapped = _assign(network, structure, entries)
    head = structure.head if structure.head is not None and _closed(structure, structure.head) else None
    rows = len(seeds) if head is None else min(len(seeds), head.in_features)
    raw = min(len(untapped) * TANGENT_COST, mapped_cost(len(seeds)))
    if len(entries) * TANGENT_COST < rows + raw:
        wanted, untapped = {}, list(range(len(entries)))
    result = seeds.new_zeros(len(images), len(seeds), len(entries))
    result[:, :, untapped] = columns(network, images, [entries[column] for column in untapped], seeds)
    network.requires_grad_(False)
    pairs: Pairs = {
        convolution: norm
        for convolution, norm in structure.followers.items()
        if is_plain_convolution(convolution) and structure.sample_dims[convolution] == [0]
    }
    with cheap_backwards(network, pairs):
        passes = _Backwards(network, images, wanted, pairs, structure)
    check_settled(network, images, passes.logits)
    if not _agree(passes.logits, structure.logits):
        raise NotApplicable("the logits of an image depend on the other images of its batch")
    if wanted:
        result += passes.rows(seeds, head if rows < len(seeds) else None, len(entries))
    return passes.logits, result


class _Sink:
    """Where the taps of one backward put what they read: (B, P).

    An object of its own, for a hook that held the graph's output would keep the graph alive for ever.
    """

    row: Tensor

    def collect(self, gradient: Tensor, dim: int, taps: list[Tap], columns: list[Tensor]) -> None:
        images_first = gradient.movedim(dim, 0)
        for tap, where in zip(taps, columns, strict=True):
            self.row.index_add_(1, where, tap.derivatives(images_first))


class _Backwards:
    """One forward pass with taps in place, and data-only backwards through it."""

    def __init__(
        self,
        network: nn.Module,
        images: Tensor,
        wanted: Wanted,
        pairs: Pairs,
        structure: Structure,
    ) -> None:
        self.wanted = wanted
        self.pairs = pairs
        self.sample_dims = structure.sample_dims
        self.sink = _Sink()
        self.calls: defaultdict[nn.Module, int] = defaultdict(int)
        # Gradients as far as the images keep every tap on a path and attention's fused kernels, which
        # would bypass the modules, switched off.
        self.leaves = [images.detach().requires_grad_()]
        self.head_input: Tensor | None = None
        self.head = structure.head
        inside = {pairs[module]: module for module in pairs}
        tapped = [inside.get(module, module) for module in wanted]
        watched = dict.fromkeys([*tapped, *([self.head] if self.head is not None else [])])
        handles = [module.register_forward_hook(self._watch) for module in watched]
        with hooked(handles), torch.enable_grad():
            output = logits_of(network(self.leaves[0].clone()))
        self.output = output
        self.logits = output.detach()
        if any(self.calls[module] != len(self.sample_dims[module]) for module in watched):
            raise NotApplicable("the modules that run depend on the images")

    def rows(self, seeds: Tensor, head: nn.Linear | None, size: int) -> Tensor:
        """``seeds @ J`` of shape (B, R, size); columns of entries without a tap stay 0.

        With a ``head``, the backwards start at its inputs and its own entries are written down directly.
        """
        if head is None:
            return self._pull(self.output, seeds, size)
        assert self.head_input is not None
        features = self.head_input
        starts = torch.eye(head.in_features, dtype=seeds.dtype, device=seeds.device)
        through = torch.einsum("rd,bdp->brp", seeds @ head.weight, self._pull(features, starts, size))
        for index, column in self.wanted.get(head, {}).get("weight", ()):
            out, within = divmod(index, head.in_features)
            through[:, :, column] = seeds[:, out] * features[:, within, None].detach()
        for index, column in self.wanted.get(head, {}).get("bias", ()):
            through[:, :, column] = seeds[:, index]
        return through

    def _pull(self, root: Tensor, seeds: Tensor, size: int) -> Tensor:
        result = seeds.new_zeros(len(root), len(seeds), size)
        for row, seed in enumerate(seeds):
            self.sink.row = result[:, row]
            if root.requires_grad:
                torch.autograd.grad(
                    root, self.leaves, seed.expand_as(root), retain_graph=True, allow_unused=True
                )
        return result

    def _watch(self, module: nn.Module, inputs: tuple[Any, ...], output: Tensor) -> Tensor | None:
        if module is self.head:
            self.head_input = inputs[0]
        call = self.calls[module]
        self.calls[module] += 1
        if call >= len(self.sample_dims[module]):
            return None
        dim = self.sample_dims[module][call]
        norm = self.pairs.get(module)
        if module not in self.wanted and norm not in self.wanted:
            return None
        assert dim is not None
        with torch.no_grad():
            first_in, first_out = inputs[0].movedim(dim, 0), output.movedim(dim, 0)
            if norm is None:
                taps = taps_of(module, self.wanted[module], first_in, first_out)
            else:
                taps = paired_taps(module, norm, self.wanted, first_in, first_out)
        replaced = None
        if not output.requires_grad:
            self.leaves.append(output.detach().requires_grad_())
            output = replaced = self.leaves[-1].clone()
        elif output._is_view():
            # Changing a view in place rewrites its history, and a hook would stay behind on the old one.
            output = replaced = output.clone()
        columns_of = [torch.tensor(tap.columns, device=output.device) for tap in taps]
        sink = self.sink
        hook = partial(sink.collect, dim=dim, taps=taps, columns=columns_of)
        output.register_hook(hook)  # type: ignore[no-untyped-call]
        return replaced


def _assign(network: nn.Module, structure: Structure, entries: Sequence[Entry]) -> tuple[Wanted, list[int]]:
    """Entries by module and parameter name, and the columns that no tap can serve.

    A tap serves a parameter if the graph uses it exactly as often as the modules it is registered in were
    called, and each of those calls kept the images apart in one dimension. Parameters without any use
    have zero columns and are in neither.
    """
    owners: defaultdict[int, list[tuple[nn.Module, str]]] = defaultdict(list)
    for module in network.modules():
        for name, parameter in module.named_parameters(recurse=False, remove_duplicate=False):
            owners[id(parameter)].append((module, name))
    wanted: dict[nn.Module, dict[str, list[tuple[int, int]]]] = {}
    untapped: list[int] = []
    for column, entry in enumerate(entries):
        parameter = entry.parameter
        if not structure.uses[id(parameter)]:
            continue
        homes = owners[id(parameter)]
        dims = [dim for module, _ in homes for dim in structure.sample_dims.get(module, ())]
        regular = all(has_rule(module) and name in {"weight", "bias"} for module, name in homes)
        if (
            not regular
            or len(dims) != structure.uses[id(parameter)]
            or not _separable(homes, dims, structure)
        ):
            untapped.append(column)
            continue
        for module, name in homes:
            if module in structure.sample_dims:
                wanted.setdefault(module, {}).setdefault(name, []).append((entry.index, column))
    return wanted, untapped


def _separable(
    homes: Sequence[tuple[nn.Module, str]], dims: Sequence[int | None], structure: Structure
) -> bool:
    """Whether images lie along one dimension of every call, the first one where channels come second."""
    if None in dims:
        return False
    return all(
        isinstance(module, nn.Linear | nn.LayerNorm) or set(structure.sample_dims.get(module, ())) <= {0}
        for module, _ in homes
    )


def _closed(structure: Structure, head: nn.Linear) -> bool:
    """Whether the head's parameters act nowhere but in the last map."""
    return len(structure.sample_dims[head]) == 1 and all(
        structure.uses[id(parameter)] == 1 for parameter in head.parameters()
    )


def _check_norms(network: nn.Module) -> None:
    for name, module in network.named_modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm) and module.running_mean is None:
            raise NotApplicable(f"{name} has no running statistics: images of a batch influence each other")


def _agree(logits: Tensor, few: Tensor) -> bool:
    """Whether the first images have the same logits in the batch as among few; NaN agrees with NaN."""
    count = min(len(few), len(logits))
    gap = (logits[:count] - few[:count]).abs().nan_to_num()
    return bool(gap.max() <= 1e-2 * few.abs().nan_to_num().max() + 1e-6)
