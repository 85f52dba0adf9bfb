"""What the loss of one batch says of the weights: all that `loss_gradients` gives, from one forward pass."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.attention import SDPBackend, sdpa_kernel

from uninas_bench import NotApplicable, Subject
from uninas_bench.features import hooked, logits_of
from uninas_bench_plugins._layers import counted_layers, weights_of
from uninas_bench_plugins._networks import private_network, require_connected
from uninas_bench_plugins._twice import TwiceDifferentiable

ALWAYS = ("snip", "plain", "grad_norm.layers", "grad_norm.network")
FISHER = ("fisher.weights", "fisher.channels")
GRASP = ("grasp",)
_NO_SECOND_DERIVATIVE = ("is not implemented", "differentiate twice")
"""What torch says of operations that lack one: a built-in, and a Python function marked as such."""


def loss_statistics(subject: Subject, members: frozenset[str]) -> dict[str, float | str]:
    """The statistics by name, or why there is none: `ALWAYS`, and with those members `FISHER` and `GRASP`.

    None depends on the other members, which add taps and derivatives to the same operations.
    """
    try:
        return _statistics(subject, members)
    except NotApplicable as reason:
        return dict.fromkeys((*ALWAYS, *FISHER, *GRASP), str(reason))


def _statistics(subject: Subject, members: frozenset[str]) -> dict[str, float | str]:
    network = private_network(subject).requires_grad_(True)
    layers = counted_layers(network)
    parameters: list[Tensor] = list(network.parameters())
    weights = weights_of(layers)
    images, labels = subject.batch()
    saliency, twice = ChannelSaliency(len(images)), "grasp" in members
    with _operations() as operations:
        with saliency.watching(layers if "fisher" in members else ()):
            logits = _forward(network, images, subject)
            if saliency.overwritten():
                saliency.copies = True
                logits = _forward(network, images, subject)
            require_connected(logits)
            loss = functional.cross_entropy(logits, labels)
            if not loss.requires_grad:
                raise NotApplicable("the output depends on no weight")
            at_once = twice and operations.exact
            found = torch.autograd.grad(
                loss, parameters, retain_graph=twice, create_graph=at_once, allow_unused=True
            )
        by_parameter = dict(zip(parameters, found, strict=True))
        of_weights = [by_parameter[weight] for weight in weights]
        statistics: dict[str, float | str] = {
            **first_order(weights, of_weights),
            "grad_norm.network": math.hypot(*norms(found)),
        }
        if "fisher" in members:
            statistics |= saliency.totals
        if twice:
            with subject.spending_for("grasp"):
                if not at_once:
                    of_weights = list(
                        torch.autograd.grad(loss, weights, create_graph=True, allow_unused=True)
                    )
                statistics["grasp"] = grasp(weights, of_weights)
    return statistics


@contextmanager
def _operations() -> Iterator[TwiceDifferentiable]:
    """Operations that can be differentiated twice, whoever asks; fused attention cannot.

    The global generator is as before afterwards.
    """
    with torch.random.fork_rng(devices=[]), sdpa_kernel(SDPBackend.MATH), TwiceDifferentiable() as operations:
        yield operations


def _forward(network: nn.Module, images: Tensor, subject: Subject) -> Tensor:
    """The logits; dropout follows from the subject, not from what ran before."""
    torch.manual_seed(subject.generator("loss-gradients").initial_seed())
    return logits_of(network(images))


@torch.no_grad()
def first_order(weights: Sequence[Tensor], found: Sequence[Tensor | None]) -> dict[str, float]:
    """Sums over the layers of |w g|, of w g and of ||g||, in float64; a layer without gradient adds 0."""
    snip = plain = 0.0
    for weight, gradient in zip(weights, found, strict=True):
        if gradient is not None:
            product = weight * gradient
            snip += torch.linalg.vector_norm(product, 1, dtype=torch.float64).item()
            plain += product.sum(dtype=torch.float64).item()
    return {"snip": snip, "plain": plain, "grad_norm.layers": sum(norms(found))}


@torch.no_grad()
def norms(found: Iterable[Tensor | None]) -> list[float]:
    """The Euclidean norms of those gradients that are there."""
    return [torch.linalg.vector_norm(g, dtype=torch.float64).item() for g in found if g is not None]


def grasp(weights: Sequence[Tensor], found: Sequence[Tensor | None]) -> float | str:
    """-sum w (H g), H the Hessian of the loss and g its gradient; or what keeps it from being computed.

    Args:
        weights: of the layers, without gradients in ``grad``, where H g is put.
        found: their gradients, with graphs, which are used up.
    """
    curved = [gradient for gradient in found if gradient is not None and gradient.requires_grad]
    if not curved:
        return 0.0
    try:
        # Not `torch.autograd.grad`: that passes over what says that it cannot be differentiated again.
        torch.autograd.backward(curved, [gradient.detach() for gradient in curved])
    except RuntimeError as error:
        if any(text in str(error) for text in _NO_SECOND_DERIVATIVE):
            return f"no second derivative: {error}".partition("\n")[0]
        raise
    with torch.no_grad():
        products = [weight * weight.grad for weight in weights if weight.grad is not None]
        return -sum(product.sum(dtype=torch.float64).item() for product in products)


class ChannelSaliency:
    """1/2 mean_n (sum a dL/da)^2 of every output channel a, added up during a backward pass.

    The inner sum is over the places of one sample n: pixels, or tokens.

    Attributes:
        totals: ``fisher.channels``, over all channels of all outputs; ``fisher.weights``, where each
            channel counts once for every weight that it is made with.
        copies: whether the network is handed copies of the outputs, which it may write into.
    """

    def __init__(self, batch: int) -> None:
        self.batch = batch
        self.totals = dict.fromkeys(FISHER, 0.0)
        self.copies = False
        self._taps: list[tuple[Any, Tensor, int]] = []

    @contextmanager
    def watching(self, layers: Iterable[nn.Module]) -> Iterator[None]:
        """Inside: a forward pass of these layers, and the backward pass that is to be added up."""
        try:
            with hooked([layer.register_forward_hook(self._tap) for layer in layers]):
                yield
        finally:
            self._release()

    def overwritten(self) -> bool:
        """Whether the network wrote into an output: then all are forgotten, and ``copies`` are needed."""
        written = any(output._version != version for _, output, version in self._taps)
        if written:
            self._release()
        return written

    def _release(self) -> None:
        for handle, *_ in self._taps:
            handle.remove()
        self._taps.clear()

    def _tap(self, layer: nn.Module, _inputs: Any, output: Tensor) -> Tensor:
        # A table of positions, say, is not computed from the batch.
        if output.requires_grad and len(output) % self.batch == 0:
            value = output.detach()
            handle = output.register_hook(functools.partial(self._add, layer, value))  # type: ignore[no-untyped-call]
            self._taps.append((handle, value, value._version))
            if self.copies:
                return output.clone()
        return output

    @torch.no_grad()
    def _add(self, layer: nn.Module, output: Tensor, gradient: Tensor) -> None:
        if isinstance(layer, nn.Linear):
            products = output * gradient
        else:
            products = torch.linalg.vecdot(output.flatten(2), gradient.flatten(2))
        channels = products.shape[-1]
        by_sample = products.reshape(self.batch, -1, channels).sum(1, dtype=torch.float64)
        value = by_sample.square().sum().item() / (2 * self.batch)
        self.totals["fisher.channels"] += value
        self.totals["fisher.weights"] += value * (layer.get_parameter("weight").numel() // channels)
