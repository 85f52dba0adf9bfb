"""`epe_nas`: how the gradients with respect to images of one class resemble each other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING

from uninas_bench import NotApplicable, Proxy, Settings, Source, hookimpl

if TYPE_CHECKING:
    from torch import Tensor

    from uninas_bench import Subject

MANY_CLASSES = 100
"""Above this number of logits the published code compares classes with each other instead of adding them."""


@dataclass(frozen=True, kw_only=True)
class EpeNasSettings(Settings):
    """Settings of `EpeNas`: the task's labelled images by default, as in the paper."""

    source: Source = "task"


class EpeNas(Proxy):
    """sum_c |s_c|, s_c the sum of ln(|corr| + k) over all pairs of images of class c, k = 1e-5.

    Lopes et al., EPE-NAS: Efficient Performance Estimation Without Training for Neural Architecture
    Search, ICANN 2021, section 3, as its code and NAS-Bench-Suite-Zero have it: corr is between the
    gradients of all logits' sum with respect to the images. With more than 100 logits the score is the sum
    of |m_c - m_c'| over ordered pairs of classes, divided by the number of classes, where m_c is s_c
    divided by the number of images of class c. A class of one image says nothing: it counts 1e-5 in the
    first form, and is left out of the second. Kaiming initialisation and train mode, as for `Jacov`, whose
    pass it shares.
    """

    name = "epe_nas"
    group = "input-gradients"
    reference = "Lopes et al., EPE-NAS: Efficient Performance Estimation Without Training, ICANN 2021"
    needs = frozenset({"images", "labels", "gradients"})
    Settings = EpeNasSettings
    settings: EpeNasSettings

    def evaluate(self, subject: Subject) -> Mapping[str, float]:
        """The score of one batch."""
        from uninas_bench_plugins._input_gradients import shared_correlations

        found = shared_correlations(subject, self.name)
        return {self.name: class_score(found.matrix, subject.batch()[1], found.classes)}


def class_score(correlations: Tensor, labels: Tensor, classes: int, k: float = 1e-5) -> float:
    """The score of a matrix of correlations (B, B) of images with labels (B,), for that many logits.

    Raises:
        NotApplicable: too few classes have two images.
    """
    logs = (correlations.abs() + k).log()
    members = [labels == label for label in sorted(set(labels.tolist()))]
    sums = [(float(logs[member][:, member].sum()), int(member.sum())) for member in members]
    several = [total / count for total, count in sums if count > 1]
    if not several:
        raise NotApplicable("no class has two images in the batch")
    if classes <= MANY_CLASSES:
        return sum(abs(total) for total, _ in sums)
    if len(several) == 1:
        raise NotApplicable("a single class has two images in the batch: there is none to compare it with")
    return sum(abs(one - other) for one, other in product(several, repeat=2)) / len(several)


@hookimpl
def uninas_bench_proxies() -> list[Proxy]:
    """`epe_nas` at its published settings."""
    return [EpeNas()]
