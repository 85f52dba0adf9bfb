"""`jacov`: how little the gradients with respect to different images resemble each other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from uninas_bench import NotApplicable, Proxy, Settings, Source, hookimpl

if TYPE_CHECKING:
    from torch import Tensor, nn

    from uninas_bench import Subject


@dataclass(frozen=True, kw_only=True)
class JacovSettings(Settings):
    """Settings of `Jacov`.

    Attributes:
        source: the task's images by default, as in the published tables.
        scope: the gradient with respect to the image (``network``), or the mean score of the gradients
            with respect to the input of each of the ``blocks``.
    """

    source: Source = "task"
    scope: Literal["network", "blocks"] = "network"


class Jacov(Proxy):
    """-sum_i ( ln(v_i + k) + 1 / (v_i + k) ), v the eigenvalues of the gradients' correlations, k = 1e-5.

    Mellor et al., Neural Architecture Search without Training, first version (arXiv 2006.04647v1),
    equation 4, as in zero-cost-nas and the VKDNW tables: row b of the matrix that is correlated is the
    gradient of all logits' sum with respect to image b. Kaiming initialisation, train mode. At best
    -B, where no two gradients correlate; one dependent pair costs 1e5. A sample whose gradient is
    constant has no correlation, and the proxy then does not apply.
    """

    name = "jacov"
    reference = "Mellor et al., Neural Architecture Search without Training, arXiv 2006.04647v1"
    needs = frozenset({"images", "gradients"})
    Settings = JacovSettings
    settings: JacovSettings

    def evaluate(self, subject: Subject) -> Mapping[str, float]:
        """The score of one batch."""
        from uninas_bench_plugins._networks import private_network

        return {self.name: self._score(subject, private_network(subject))}

    def _score(self, subject: Subject, network: nn.Module) -> float:
        images = subject.batch()[0]
        blocks = [block for _, block in subject.blocks(network)] if self.settings.scope == "blocks" else []
        gradients = input_gradients(network, images, blocks)
        scores = [correlation_score(gradient) for gradient in gradients]
        return sum(scores) / len(scores)


def input_gradients(network: nn.Module, images: Tensor, blocks: list[nn.Module]) -> list[Tensor]:
    """Gradients of the logits' sum with respect to the images, or to the input of each block: (B, ...).

    Weights take no part, so one backward pass goes through the data alone.
    """
    import torch

    from uninas_bench.features import block_features, logits_of

    network.requires_grad_(False)
    images = images.detach().requires_grad_()
    if blocks:
        tapped = block_features(network, blocks, images)
        inputs, output = tapped.features[:-1], tapped.output
    else:
        inputs, output = [images], logits_of(network(images))
    if not output.requires_grad:
        raise NotApplicable("no path leads from the input to the output")
    gradients = torch.autograd.grad(output.sum(), inputs, allow_unused=True)
    if any(gradient is None for gradient in gradients):
        raise NotApplicable("no path leads from the input to the output")
    return list(gradients)


def correlation_score(gradients: Tensor, k: float = 1e-5) -> float:
    """The score of gradients (B, ...), in float64.

    Raises:
        NotApplicable: a sample's gradient is constant, so it has no correlation.
    """
    import torch

    rows = gradients.flatten(1).double()
    rows = rows - rows.mean(1, keepdim=True)
    norms = rows.norm(dim=1, keepdim=True)
    if not (norms > 0).all():
        raise NotApplicable("the gradient with respect to a sample is constant: it has no correlation")
    rows = rows / norms
    eigenvalues = torch.linalg.eigvalsh((rows @ rows.T).clamp(-1, 1)).clamp(min=0) + k
    return -float((eigenvalues.log() + 1 / eigenvalues).sum())


@hookimpl
def uninas_bench_proxies() -> list[Proxy]:
    """`jacov` at its published settings."""
    return [Jacov()]
