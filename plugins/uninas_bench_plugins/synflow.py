"""`synflow`: how much flows from the input to the output over all paths, when nothing is negative."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from uninas_bench import Init, NotApplicable, Proxy, Settings, hookimpl

if TYPE_CHECKING:
    from torch import Tensor, nn

    from uninas_bench import Subject


@dataclass(frozen=True, kw_only=True)
class SynflowSettings(Settings):
    """Settings of `Synflow`, whose one image is all ones: ``batch`` and ``source`` play no part.

    Attributes:
        init: the network's own weights by default, as in NAS-Bench-Suite-Zero; in the tables of AZ-NAS
            and VKDNW, ``kaiming``.
    """

    init: Init = "model"


class Synflow(Proxy):
    """ln sum |w dR/dw| over the weights w of convolutions and linear maps.

    Tanaka et al., Pruning Neural Networks without Any Data by Iteratively Conserving Synaptic Flow,
    NeurIPS 2020, equation 3, as in Abdelfattah et al., Zero-Cost Proxies for Lightweight NAS, ICLR 2021:
    R is the sum of the outputs for an image of ones, with every parameter and buffer replaced by its
    absolute value and batch norms by the identity. In float64; the logarithm, which NAS-Bench-Suite-Zero
    also takes, is of no consequence for ranks. Without dropout. Layer norms stay where they are.

    R grows exponentially with the depth: where even float64 cannot hold it, the score is not finite. A
    network whose output does not depend on the image has none.
    """

    name = "synflow"
    reference = "Tanaka et al., Pruning Neural Networks without Any Data, NeurIPS 2020"
    needs = frozenset({"images", "gradients"})
    Settings = SynflowSettings
    settings: SynflowSettings

    def evaluate(self, subject: Subject) -> Mapping[str, float]:
        """The logarithm of the sum; infinite where it overflows."""
        import torch

        from uninas_bench_plugins._layers import counted_layers, weights_of
        from uninas_bench_plugins._networks import private_network

        network = private_network(subject)
        make_positive(network)
        weights = weights_of(counted_layers(network))
        image = torch.ones_like(subject.batch()[0][:1], dtype=torch.float64)
        return {self.name: log_flow(network, weights, image)}


def make_positive(network: nn.Module) -> None:
    """Turn a network into float64, its numbers into their absolute values, batch norms into the identity."""
    import torch
    from torch import nn

    network.double().eval()
    with torch.no_grad():
        for tensor in network.state_dict().values():
            if isinstance(tensor, torch.Tensor) and tensor.is_floating_point():
                tensor.abs_()
        for module in network.modules():
            if isinstance(module, nn.modules.batchnorm._BatchNorm):
                _neutralise(module)


def _neutralise(norm: nn.modules.batchnorm._BatchNorm) -> None:
    """Make a batch norm the identity by its numbers, exactly: timm has activations in them, which stay."""
    import torch

    size = norm.num_features
    like = norm.weight if norm.weight is not None else norm.running_mean
    norm.running_mean = torch.zeros(size, dtype=torch.float64, device=None if like is None else like.device)
    norm.running_var = torch.ones_like(norm.running_mean)
    norm.eps = 0.0
    if norm.weight is not None:
        norm.weight.fill_(1)
        norm.bias.zero_()


def log_flow(network: nn.Module, weights: list[Tensor], image: Tensor) -> float:
    """The logarithm of sum |w dR/dw|, R the sum of the outputs for ``image`` (1, C, H, W).

    Raises:
        NotApplicable: R does not depend on the image.
    """
    import torch

    from uninas_bench.features import logits_of

    network.requires_grad_(True)
    image = image.detach().requires_grad_()
    flow = logits_of(network(image)).sum()
    if not flow.requires_grad:
        raise NotApplicable("the output does not depend on the input")
    to_image, *to_weights = torch.autograd.grad(flow, [image, *weights], allow_unused=True)
    if to_image is None or not to_image.any():
        raise NotApplicable("the output does not depend on the input")
    with torch.no_grad():
        pairs = zip(weights, to_weights, strict=True)
        layers = torch.stack([flow.new_zeros(()) if g is None else (w * g).abs_().sum() for w, g in pairs])
    # Each layer may hold what all of them together cannot.
    return float(layers.log().logsumexp(0))


@hookimpl
def uninas_bench_proxies() -> list[Proxy]:
    """`synflow` at its published settings."""
    return [Synflow()]
