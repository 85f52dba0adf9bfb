"""`micro_probes`: how well a network does on six small vision tasks after a moment of training."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING

from uninas_bench import NotApplicable, Proxy, Subject, hookimpl
from uninas_bench_plugins._micro_probes.settings import SMALLEST_SIDE, MicroProbesSettings

if TYPE_CHECKING:
    import click
    import pandas as pd

    from uninas_bench import ImageSet, TableKind
    from uninas_bench_plugins._micro_probes.networks.extraction import Taps
    from uninas_bench_plugins._micro_probes.probes.images import ImagePool
    from uninas_bench_plugins._micro_probes.results import Evaluation


class MicroProbes(Proxy):
    """Six scores of short trainings, standardised over the population, signed and summed.

    Local-global jigsaw, occlusion inpainting, rotation matching, colour-shape binding, motion forecasting and
    visual memory: for each of them a fresh copy of the network gets a small head and a few steps of AdamW, on
    pictures that are the same for all architectures. Components are the six scores, and what they came about
    by: test and training accuracy of ``vm``, the last loss of each probe, all steps, and whether the limit of
    seconds cut something off. A probe whose training diverges has no score, and the architecture no S.

    Source: the note on TF-NAS, CVPR 2026. Its authors have published neither code nor hyper-parameters: all
    but the formulas of the scores and of their sum is ours.
    """

    name = "micro_probes"
    reference = "TF-NAS: vision micro-probes and budget-adaptive evaluation, CVPR 2026"
    needs = frozenset({"images", "labels", "gradients"})
    on_request = True
    Settings = MicroProbesSettings
    settings: MicroProbesSettings

    def __init__(self, settings: MicroProbesSettings | None = None) -> None:
        super().__init__(settings)
        names = self.settings.names
        memory = ("vm_test", "vm_train") if "vm" in names else ()
        losses = (f"{name}_loss" for name in names)
        self.components = (*names, *memory, *losses, "steps", "truncated")

    def cell_settings(self) -> MicroProbesSettings:
        """Without weights and reference, which no training depends on."""
        return replace(self.settings, weights="", reference="")

    def evaluate(self, subject: Subject) -> Mapping[str, float]:
        """The six scores and their diagnostics.

        Raises:
            NotApplicable: the network has no features, or the space has none of that resolution.
            UserError: the probes cannot make examples of that side or of those images.
        """
        from uninas_bench_plugins._micro_probes.evaluation import evaluate

        side = self.settings.side or subject.resolution
        if subject.space is None and (side := subject.resolution) < SMALLEST_SIDE:
            raise NotApplicable(
                f"images of {side} pixels were given; the probes need {SMALLEST_SIDE} or more"
            )
        return _components(
            evaluate(
                lambda: subject.network(side),
                self.settings,
                seed=subject.run_seed,
                device=subject.device,
                side=side,
                images=self._images(subject),
                features=_taps(subject),
            )
        )

    def _images(self, subject: Subject) -> ImagePool | None:
        if self.settings.source != "task" or subject.images is None:
            return None
        return _pool(subject.images)

    def aggregate(self, components: pd.DataFrame) -> pd.Series[float]:
        """S: the weighted sum of z-scores; an architecture that lacks a score has none.

        Raises:
            UserError: the reference is no file of this kind, or lacks a probe.
        """
        from uninas_bench_plugins._micro_probes.standardising import Reference, total

        path = self.settings.reference
        reference = Reference.read(path) if path else None
        return total(components[list(self.settings.names)], self.settings.weight_of, reference)


def _components(evaluation: Evaluation) -> dict[str, float]:
    results = evaluation.results
    components = {name: result.score for name, result in results.items()}
    if "vm" in results:
        train = results["vm"].train
        assert train is not None, "vm scores its training"
        components |= {"vm_test": results["vm"].test, "vm_train": train}
    components |= {f"{name}_loss": result.losses[-1] for name, result in results.items()}
    steps = sum(result.steps for result in results.values())
    return {**components, "steps": float(steps), "truncated": float(evaluation.truncated)}


@lru_cache(maxsize=1)
def _pool(images: ImageSet) -> ImagePool:
    """One pool for one set of images: examples are kept by the pool that they are of."""
    import numpy as np

    from uninas_bench_plugins._micro_probes.probes.images import ImagePool

    pixels = images.pixels
    if pixels.dtype != np.uint8:
        # Of whatever unit they are, the least is black and the largest white.
        low, high = pixels.min(), pixels.max()
        pixels = (pixels - low) / max(high - low, np.finfo(np.float32).tiny)
    return ImagePool.of(pixels, images.labels, "images of the task")


def _taps(subject: Subject) -> Taps | None:
    """The last of the features that the caller of `uninas_bench.score_network` named."""
    from uninas_bench.subject import NetworkSubject

    if not isinstance(subject, NetworkSubject) or subject.taps is None:
        return None
    return lambda network, images: subject.features(images, network)[-1]


@hookimpl
def uninas_bench_proxies() -> Iterable[Proxy]:
    """`micro_probes`, at settings for a CPU."""
    return [MicroProbes()]


@hookimpl
def uninas_bench_commands(cli: click.Group) -> None:
    """`uninas-bench probes`, whose commands load on demand."""
    from uninas_bench_plugins._micro_probes.commands.group import probes

    cli.add_command(probes)


@hookimpl
def uninas_bench_recipes() -> list[TableKind]:
    """The kind of recipe that recomputes the paper's tables."""
    from uninas_bench_plugins._micro_probes.reproduction import ProbeCount

    return [ProbeCount()]
