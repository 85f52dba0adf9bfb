"""`snip`, `plain`, `grad_norm`, `fisher` and `grasp`: the gradient of one batch's loss in the weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Literal

from uninas_bench import Init, NotApplicable, Proxy, Settings, Source, hookimpl

if TYPE_CHECKING:
    from uninas_bench import Subject


@dataclass(frozen=True, kw_only=True)
class LossSettings(Settings):
    """Settings of the proxies of this module, as the scores of NAS-Bench-Suite-Zero were made.

    Attributes:
        source: the task's labelled images by default.
        init: the network's own weights by default; in the tables of AZ-NAS and VKDNW, ``kaiming``.
    """

    source: Source = "task"
    init: Init = "model"


class LossGradients(Proxy):
    """A statistic of the weights w of convolutions and linear maps and of the gradient g of the loss.

    The loss is the mean cross-entropy of one batch, in train mode; biases and norms do not count, and a
    layer without a gradient adds 0. All proxies of the group come from one forward and backward pass. A
    network whose output does not depend on the images has no score.
    """

    group = "loss-gradients"
    needs = frozenset({"images", "labels", "gradients"})
    Settings = LossSettings

    @property
    def statistic(self) -> str:
        """Its name among those that are computed together."""
        return self.name

    def evaluate(self, subject: Subject) -> Mapping[str, float]:
        """The statistic.

        Raises:
            NotApplicable: nothing of the images arrives, or an operation lacks a derivative.
        """
        from uninas_bench_plugins._loss_gradients import loss_statistics

        found = subject.shared(self.name, partial(loss_statistics, subject))[self.statistic]
        if isinstance(found, str):
            raise NotApplicable(found)
        return {self.name: found}


class Snip(LossGradients):
    """sum |w g|: how much the loss changes, to first order, when weights are taken away.

    Lee et al., SNIP: Single-shot Network Pruning, ICLR 2019, equation 6, unnormalised and summed as in
    zero-cost-nas: the gradient with respect to a mask on the weights is w g.
    """

    name = "snip"
    reference = "Lee et al., SNIP: Single-shot Network Pruning based on Connection Sensitivity, ICLR 2019"


class Plain(LossGradients):
    """sum w g, signed.

    A baseline of Abdelfattah et al., Zero-Cost Proxies for Lightweight NAS, ICLR 2021. In train mode the
    terms of a layer that batch norm follows add up to 0, as its scale does not matter: only the classifier
    and convolutions without a norm are left.
    """

    name = "plain"
    reference = "Abdelfattah et al., Zero-Cost Proxies for Lightweight NAS, ICLR 2021"


@dataclass(frozen=True, kw_only=True)
class GradNormSettings(LossSettings):
    """Settings of `GradNorm`.

    Attributes:
        norm: ``layers`` adds up the norms of the layers' weights, as in NAS-Bench-Suite-Zero;
            ``network`` is the norm of the gradient of all parameters, biases and norms among them, as in
            the tables of ZenNAS, AZ-NAS and VKDNW, with Gaussian images, random labels and ``kaiming``.
    """

    norm: Literal["layers", "network"] = "layers"


class GradNorm(LossGradients):
    """sum_l ||g_l||_2 over the layers l.

    A baseline of Abdelfattah et al., Zero-Cost Proxies for Lightweight NAS, ICLR 2021.
    """

    name = "grad_norm"
    reference = "Abdelfattah et al., Zero-Cost Proxies for Lightweight NAS, ICLR 2021"
    Settings = GradNormSettings
    settings: GradNormSettings

    @property
    def statistic(self) -> str:
        """By the norm that is set."""
        return f"{self.name}.{self.settings.norm}"


@dataclass(frozen=True, kw_only=True)
class FisherSettings(LossSettings):
    """Settings of `Fisher`.

    Attributes:
        count: ``weights`` counts a channel once for every weight that it is made with, as in all
            published scores: zero-cost-nas shapes the channels' values like the weights before it adds
            them up. ``channels`` counts it once, as the formula says.
    """

    count: Literal["weights", "channels"] = "weights"


class Fisher(LossGradients):
    """sum over the channels a of all layers' outputs of 1/2 mean_n (sum_hw a dL/da)^2.

    Theis et al., Faster Gaze Prediction with Dense Networks and Fisher Pruning, 2018, equation 7, on the
    outputs of convolutions and linear maps as in zero-cost-nas: how much the loss changes, to second
    order, when channels are taken away. Maps that are applied without their module being called, such as
    those inside `torch.nn.MultiheadAttention`, have no output to see.
    """

    name = "fisher"
    reference = "Theis et al., Faster Gaze Prediction with Dense Networks and Fisher Pruning, 2018"
    Settings = FisherSettings
    settings: FisherSettings

    @property
    def statistic(self) -> str:
        """By what is counted."""
        return f"{self.name}.{self.settings.count}"


class Grasp(LossGradients):
    """-sum w (H g), H the Hessian of the loss: how much less gradient is left when weights are taken away.

    Wang et al., Picking Winning Tickets Before Training by Preserving Gradient Flow, ICLR 2020, equation 8
    at temperature 1, with the sign of zero-cost-nas. Layers that batch norm follows give ||g||^2.
    """

    name = "grasp"
    reference = "Wang et al., Picking Winning Tickets Before Training by Preserving Gradient Flow, ICLR 2020"


@hookimpl
def uninas_bench_proxies() -> list[Proxy]:
    """The five at their published settings."""
    return [Snip(), Plain(), GradNorm(), Fisher(), Grasp()]
