"""`params`, `flops` and `channels`: what an architecture costs, baselines that every proxy must beat."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from uninas_bench import NotApplicable, Proxy, hookimpl

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


class Channels(Proxy):
    """The sum of the widths that an architecture chooses; of spaces of widths alone.

    On the size space of NATS-Bench it is a better predictor than most proxies, so it belongs beside them.
    """

    name = "channels"
    reference = "sum of the channel counts; baseline of the NATS-Bench size space"
    on_request = True

    def evaluate(self, subject: Subject) -> Mapping[str, float]:
        """The sum.

        Raises:
            NotApplicable: the space's architectures are not widths.
        """
        if subject.architecture is None or subject.architecture.space != "nats_size":
            raise NotApplicable("only the architectures of nats_size are widths")
        return {self.name: float(sum(map(int, subject.architecture.encoding.split(":"))))}


@hookimpl
def uninas_bench_proxies() -> list[Proxy]:
    """`params`, `flops`, and `channels` where it is named."""
    return [Params(), Flops(), Channels()]
