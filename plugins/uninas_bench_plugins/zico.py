"""`zico`: how large and how steady the gradients of a network's weights are from batch to batch."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from uninas_bench import NotApplicable, Proxy, Settings, Source, UserError, hookimpl

if TYPE_CHECKING:
    from torch import Tensor, nn

    from uninas_bench import Subject


@dataclass(frozen=True, kw_only=True)
class ZicoSettings(Settings):
    """Settings of `Zico`.

    Attributes:
        source: the task's labelled images by default, as in the paper.
        init: ``kaiming`` by default. The published function leaves the weights alone; in the VKDNW
            tables it therefore met the Kaiming weights that the proxy before it had drawn, in the
            AZ-NAS tables PyTorch's own (``model``).
        batches: how many batches the gradients are compared over; the paper's search uses two.
        weights: ``modules`` takes the weights of convolutions and linear maps; ``matrices`` adds raw
            parameters of two and more dimensions (a fused attention projection), but no norms, and no
            tokens or position embeddings, whose first dimension is 1. The same for plain CNNs.
        scope: the sum over all layers of the ``network``, or the mean over ``blocks`` of theirs.
        style: ``robust`` declines a network whose logits do not depend on the image; ``reference``
            gives it what is left of the sum, 0 at worst.
    """

    source: Source = "task"
    batches: int = 2
    weights: Literal["modules", "matrices"] = "matrices"
    scope: Literal["network", "blocks"] = "network"
    style: Literal["robust", "reference"] = "robust"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.batches < 2:
            raise UserError(f"batches={self.batches}: expected at least 2, to compare gradients between them")


class Zico(Proxy):
    """sum_l ln( sum_w E|g_w| / sigma(g_w) ) over the layers l and their weights w.

    Li et al., ZiCo: Zero-shot NAS via Inverse Coefficient of Variation on Gradients, ICLR 2023,
    equation 17. g is the gradient of the mean cross-entropy, E and sigma (population) run over the
    batches. Weights with sigma = 0, layers where nothing is left, and layers without a gradient drop
    out. Train mode; numbers as in float32, where small sigmas decide.
    """

    name = "zico"
    reference = "Li et al., ZiCo: Zero-shot NAS via Inverse Coefficient of Variation, ICLR 2023"
    needs = frozenset({"images", "labels", "gradients"})
    Settings = ZicoSettings
    settings: ZicoSettings

    def evaluate(self, subject: Subject) -> Mapping[str, float]:
        """The score of the weights' gradients over the batches."""
        from uninas_bench_plugins._networks import private_network

        return {self.name: self._score(subject, private_network(subject))}

    def _score(self, subject: Subject, network: nn.Module) -> float:
        from uninas_bench_plugins._networks import require_connected

        weights = layer_weights(network, raw=self.settings.weights == "matrices")
        gradients = []
        for index in range(self.settings.batches):
            images, labels = subject.batch(index)
            logits, found = loss_gradients(network, images, labels, list(weights.values()))
            if self.settings.style == "robust":
                require_connected(logits)
            gradients.append(found)
        terms = {
            name: layer_term([g for g in layer if g is not None])
            for name, layer in zip(weights, zip(*gradients, strict=True), strict=True)
            if all(g is not None for g in layer)
        }
        if not any(terms.values()) and self.settings.style == "robust":
            raise NotApplicable("no weight has a gradient that differs between the batches")
        if self.settings.scope == "network":
            return sum(terms.values())
        blocks = tuple(f"{name}." for name, _ in subject.blocks(network))
        return sum(term for name, term in terms.items() if name.startswith(blocks)) / len(blocks)


def layer_weights(network: nn.Module, *, raw: bool) -> dict[str, Tensor]:
    """The weights of convolutions and linear maps by name; with ``raw``, other matrices as well."""
    from torch import nn

    norms = (nn.modules.batchnorm._NormBase, nn.GroupNorm, nn.LayerNorm, nn.Embedding)
    found: dict[str, Tensor] = {}
    for prefix, module in network.named_modules():
        layer = isinstance(module, nn.modules.conv._ConvNd | nn.Linear)
        for name, parameter in module.named_parameters(recurse=False):
            matrix = parameter.ndim >= 2 and len(parameter) > 1 and not isinstance(module, norms)
            if (layer and name == "weight") or (raw and not layer and matrix):
                found[f"{prefix}.{name}".lstrip(".")] = parameter
    return {name: parameter for name, parameter in network.named_parameters() if name in found}


def loss_gradients(
    network: nn.Module, images: Tensor, labels: Tensor, weights: Sequence[Tensor]
) -> tuple[Tensor, tuple[Tensor | None, ...]]:
    """Logits (B, C), and gradients of the mean cross-entropy; None for a weight that takes no part."""
    import torch
    from torch.nn import functional

    from uninas_bench.features import logits_of

    logits = logits_of(network(images))
    loss = functional.cross_entropy(logits, labels)
    return logits, torch.autograd.grad(loss, list(weights), allow_unused=True)


def layer_term(gradients: Sequence[Tensor]) -> float:
    """Logarithm of the sum over entries of E|g| / sigma(g) over the batches; 0 where no entry varies."""
    import torch

    # Step for step numpy's float32 mean and std: the largest terms are those whose sigma is near rounding.
    stacked = torch.stack(list(gradients))
    mean = stacked.mean(0)
    sigma = (stacked - mean).square_().mean(0).sqrt_()
    ratios = stacked.abs_().mean(0).div_(sigma).masked_fill_(sigma == 0, 0)
    total = ratios.sum(dtype=torch.float64).item()
    return math.log(total) if total > 0 else 0.0


@hookimpl
def uninas_bench_proxies() -> list[Proxy]:
    """`zico` at its published settings."""
    return [Zico()]
