"""`te_nas`: how well conditioned a network's tangent kernel is, and how many linear regions it makes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from uninas_bench import Init, NotApplicable, Proxy, Settings, Source, UserError, hookimpl

if TYPE_CHECKING:
    import pandas as pd
    from torch import Tensor, nn

    from uninas_bench import Subject

ROUNDING = 2.0**-23
"""Of a float32 number, relative."""


@dataclass(frozen=True, kw_only=True)
class TeNasSettings(Settings):
    """Settings of `TeNas`. Its time grows with the square of ``batch``.

    Attributes:
        source: of the images for the kernel; the task's by default. Regions are always counted on
            standard normal ones.
        init: the network's own weights by default, as in the AZ-NAS and VKDNW tables.
        repeats: batches that both components are averaged over. The paper has 3, with new weights each.
        samples: images that share out the linear regions; 0 for as many as the batch. All of them usually
            lie in regions of their own. The paper takes 1000 of 3 by 3 pixels, on networks of width 1.
        pixels: height and width of those images; 0 for the task's.
        activations: whose patterns are regions: every ``pointwise`` one's, by input > 0, or ``relu`` alone.
            The same for networks whose only activation is ReLU; those of smooth ones are not linear.
        style: ``robust`` declines a network whose logits do not depend on the image, and has no condition
            number (minus infinity) of a kernel that is singular within rounding; ``reference`` gives what
            float32 makes of it, as the published code does: 1e5 where that is not a number, the greatest
            float where it is infinite, and below 0, a very good score, where the least eigenvalue is
            rounded below 0.
    """

    source: Source = "task"
    init: Init = "model"
    repeats: int = 1
    samples: int = 0
    pixels: int = 0
    activations: Literal["relu", "pointwise"] = "pointwise"
    style: Literal["robust", "reference"] = "robust"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.repeats < 1:
            raise UserError(f"repeats={self.repeats}: expected at least 1 batch")
        if self.samples < 0 or self.pixels < 0:
            raise UserError(f"samples={self.samples}, pixels={self.pixels}: expected 0 or more")


class TeNas(Proxy):
    """Trainability and expressivity of a network at initialisation, ranked together.

    Chen et al., Neural Architecture Search on ImageNet in Four GPU Hours: A Theoretically Inspired
    Perspective, ICLR 2021, sections 3.1 and 3.2, in the form of the AZ-NAS and VKDNW tables. ``ntk`` is
    minus the condition number l_max / l_min of the neural tangent kernel: products, over all parameters
    that are called weights, of the gradients of every image's summed logits, in train mode.
    ``linear_regions`` is the number of different activation patterns in a batch. The score of an
    architecture is the sum of its two ranks in the population.

    One backward pass per image: boards leave it out unless it is named.
    """

    name = "te_nas"
    components = ("ntk", "linear_regions")
    reference = "Chen et al., Neural Architecture Search on ImageNet in Four GPU Hours, ICLR 2021"
    needs = frozenset({"images", "gradients"})
    on_request = True
    Settings = TeNasSettings
    settings: TeNasSettings

    def evaluate(self, subject: Subject) -> Mapping[str, float]:
        """``ntk`` and ``linear_regions``; the latter is NaN where the network has no activation."""
        from uninas_bench_plugins._networks import private_network

        conditions, regions = [], []
        for index in range(self.settings.repeats):
            network, images = private_network(subject), subject.batch(index)[0]
            conditions.append(self._condition(network, images))
            regions.append(self._regions(subject, network, images, index))
        repeats = self.settings.repeats
        return {"ntk": -sum(conditions) / repeats, "linear_regions": sum(regions) / repeats}

    def _condition(self, network: nn.Module, images: Tensor) -> float:
        from uninas_bench_plugins._networks import require_connected
        from uninas_bench_plugins._neural_tangents import tangent_kernel

        weights = [parameter for name, parameter in network.named_parameters() if "weight" in name]
        if not weights:
            raise NotApplicable("the network has no parameters that are called weights")
        kernel, logits = tangent_kernel(network, images, weights)
        if self.settings.style == "reference":
            return published_condition(kernel)
        require_connected(logits)
        return condition_number(kernel)

    def _regions(self, subject: Subject, network: nn.Module, images: Tensor, index: int) -> float:
        import torch

        from uninas_bench_plugins._activations import POINTWISE, RELU, activation_patterns

        samples, pixels = self.settings.samples or len(images), self.settings.pixels
        shape = (samples, images.shape[1], pixels or images.shape[2], pixels or images.shape[3])
        noise = torch.randn(shape, generator=subject.generator(f"regions {index}")).to(images)
        names = RELU if self.settings.activations == "relu" else POINTWISE
        patterns = activation_patterns(network, noise, names)
        return float(len(set(patterns))) if patterns else math.nan

    def aggregate(self, components: pd.DataFrame) -> pd.Series[float]:
        """The sum of the ranks of both components; ties share their mean rank, what is missing is lowest."""
        import numpy as np

        ranks = components[list(self.components)].fillna(-np.inf).rank(method="average")
        return ranks.sum(axis=1).where(components.notna().any(axis=1))


def condition_number(kernel: Tensor) -> float:
    """Largest by least eigenvalue of a float64 kernel (B, B) of float32 gradients.

    Infinite where the least one is 0 within the rounding of the gradients, as for equal images.

    Raises:
        NotApplicable: the kernel is 0.
    """
    import torch

    if not kernel.isfinite().all():
        return math.nan
    eigenvalues = torch.linalg.eigvalsh(kernel)
    least, largest = eigenvalues[0].item(), eigenvalues[-1].item()
    if largest <= 0:
        raise NotApplicable("no weight plays a part in the output")
    return largest / least if least > largest * len(kernel) * ROUNDING**2 else math.inf


def published_condition(kernel: Tensor) -> float:
    """The same by float32, and without a case that has no number."""
    import numpy as np
    import torch

    single = kernel.float()
    if not single.isfinite().all():
        return 1e5
    eigenvalues = torch.linalg.eigvalsh(single)
    return float(np.nan_to_num((eigenvalues[-1] / eigenvalues[0]).item(), nan=1e5))


@hookimpl
def uninas_bench_proxies() -> list[Proxy]:
    """`te_nas` at its published settings."""
    return [TeNas()]
