"""What the probes have in common whose answer is a label."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from uninas_bench_plugins._micro_probes.probes.probe import Probe, Targets


class LabelProbe(Probe):
    """Its target ``label`` is (N,), its output (N, labels); it measures how many labels are right."""

    def answer(self, output: Tensor) -> Tensor:
        """The label (N,) of the greatest logit."""
        return output.argmax(dim=1)

    def loss(self, output: Tensor, targets: Targets) -> Tensor:
        """Cross-entropy."""
        return functional.cross_entropy(output, targets["label"])

    def measure(self, output: Tensor, targets: Targets) -> float:
        """The share of right labels."""
        return float((self.answer(output) == targets["label"]).float().mean().item())
