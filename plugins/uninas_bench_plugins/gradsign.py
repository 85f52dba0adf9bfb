"""`gradsign`: how far the losses of single images agree on the direction of each weight."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from uninas_bench import Init, Proxy, Settings, Source, hookimpl

if TYPE_CHECKING:
    from torch import nn

    from uninas_bench import Subject


@dataclass(frozen=True, kw_only=True)
class GradSignSettings(Settings):
    """Settings of `GradSign`.

    Attributes:
        source: the task's labelled images by default, as published.
        init: the network's own weights by default, as published.
        style: ``robust`` declines a network whose logits do not depend on the image; ``reference`` gives
            it what its head has to say, 0 at worst, as the published code does, and passes the images
            through one by one. Rounded otherwise, gradients that are all but 0 can change their sign.
    """

    source: Source = "task"
    init: Init = "model"
    style: Literal["robust", "reference"] = "robust"


class GradSign(Proxy):
    """mean_w | sum_n sign(dL_n / dw) | over the weights w of convolutions and linear maps.

    Zhang and Jia, GradSign: Model Performance Inference with Theoretical Insights, ICLR 2022, as in the
    AZ-NAS and VKDNW code: the mean (the paper has the sum) over all weights, where one that takes no part
    counts 0. L_n is the cross-entropy of image n as a batch of its own, in train mode, so that
    batch norms normalise every image by itself; where that leaves a single value per channel, the proxy does
    not apply. Biases, norms and raw parameters do not count. In 0..B.

    The authors' numbers are of weights that a supernet shares; of networks with weights of their own the
    correlation with accuracy on NAS-Bench-201 is negative in the VKDNW authors' runs.
    """

    name = "gradsign"
    reference = "Zhang and Jia, GradSign: Model Performance Inference with Theoretical Insights, ICLR 2022"
    needs = frozenset({"images", "labels", "gradients"})
    Settings = GradSignSettings
    settings: GradSignSettings

    def evaluate(self, subject: Subject) -> Mapping[str, float]:
        """The score of one batch."""
        from uninas_bench_plugins._networks import private_network

        return {self.name: self._score(subject, private_network(subject))}

    def _score(self, subject: Subject, network: nn.Module) -> float:
        import torch

        from uninas_bench_plugins._layers import counted_layers, weights_of
        from uninas_bench_plugins._networks import require_connected
        from uninas_bench_plugins._sample_gradients import sample_gradients

        layers = counted_layers(network)
        sums = [torch.zeros_like(weight) for weight in weights_of(layers)]
        logits = []
        robust = self.settings.style == "robust"
        for found in sample_gradients(network, *subject.batch(), layers, together=robust):
            logits.append(found.logits)
            for total, gradient in zip(sums, found.of_weights, strict=True):
                if gradient is not None:
                    total.add_(gradient.sign().sum(0))
        outputs = torch.cat(logits)
        if not outputs.isfinite().all():
            return math.nan
        if robust:
            require_connected(outputs)
        agreement = sum(total.abs().sum(dtype=torch.float64).item() for total in sums)
        return agreement / sum(total.numel() for total in sums)


@hookimpl
def uninas_bench_proxies() -> list[Proxy]:
    """`gradsign` at its published settings."""
    return [GradSign()]
