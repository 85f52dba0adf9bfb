"""`params` and `flops`: what an architecture costs, as the baselines that every proxy must beat."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from uninas_bench import Proxy, hookimpl

if TYPE_CHECKING:
    from uninas_bench import Subject


class Params(Proxy):
    """Trainable parameters, a count; from the space's closed form, without a network."""

    name = "params"
    reference = "trainable parameters; baseline of White et al., A Deeper Look at Zero-Cost Proxies, 2022"

    def evaluate(self, subject: Subject) -> Mapping[str, float]:
        """The count."""
        return {self.name: float(subject.costs.params)}


class Flops(Proxy):
    """Operations of one image, a count in the space's convention; from its closed form, without a network."""

    name = "flops"
    reference = "FLOPs; baseline of White et al., A Deeper Look at Zero-Cost Proxies, 2022"

    def evaluate(self, subject: Subject) -> Mapping[str, float]:
        """The count."""
        return {self.name: float(subject.costs.flops)}


@hookimpl
def uninas_bench_proxies() -> list[Proxy]:
    """`params` and `flops`."""
    return [Params(), Flops()]
