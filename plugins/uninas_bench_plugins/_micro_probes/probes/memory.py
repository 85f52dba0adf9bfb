"""VM, visual memory: many classes, few examples of each; what is known again, and what only by heart?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from uninas_bench import UserError
from uninas_bench_plugins._micro_probes.probes.glyphs import Glyphs, instances
from uninas_bench_plugins._micro_probes.probes.images import ImagePool, Split
from uninas_bench_plugins._micro_probes.probes.labels import LabelProbe
from uninas_bench_plugins._micro_probes.probes.probe import (
    Examples,
    HeadPlan,
    Source,
    normalised,
)
from uninas_bench_plugins._micro_probes.probes.scenes import part
from uninas_bench_plugins._micro_probes.probes.streams import Stream


@dataclass(frozen=True)
class Memory(LabelProbe):
    """Score: test accuracy less the gap between training and test accuracy: 2 test - train.

    Source: the note on TF-NAS, Score_VM, which takes ImageNet-1K. Ours: classes take turns, so the number of
    training examples divided by the classes is what the network sees of each; without images, a class is a
    patterned polygon, drawn once. The training examples are those that were trained on, as they were.

    Two oddities are the formula's: to know neither set scores better than to know the training set alone, and
    a test accuracy above the training accuracy counts double.

    Attributes:
        classes: k.
        longtail: training classes as frequent as 1, 1/2, 1/3, ... (Zipf), after one example of each; test
            classes take turns all the same.
    """

    name: ClassVar[str] = "vm"
    title: ClassVar[str] = "visual memory"
    question: ClassVar[str] = "Which class is it, known from a few examples?"
    truth: ClassVar[str] = "label"
    higher_is_better: ClassVar[bool] = True
    scores_training: ClassVar[bool] = True

    classes: int = 20
    longtail: bool = False

    def __post_init__(self) -> None:
        if self.classes < 2:
            raise UserError(f"vm: classes={self.classes}: expected at least 2")

    @property
    def head(self) -> HeadPlan:
        """A logit per class."""
        return HeadPlan("vector", self.classes)

    def examples(self, count: int, split: Split, source: Source) -> Examples:
        """Pictures and their ``label`` (N,).

        Raises:
            UserError: the source's images are unlabelled, or have not two of each of enough classes.
        """
        stream = Stream(source.seed, self.name, split, count)
        label = self._labels(count, split)
        if source.images is None:
            # The classes are those of both splits.
            glyphs = Glyphs.drawn(Stream(source.seed, "vm classes", "train", self.classes))
            shown = instances(glyphs.of(label), stream, source.side)
        else:
            shown = source.images.take(self._chosen(source.images, source.seed, split, label), source.side)
        return Examples(normalised(shown)[:, None], {"label": label})

    def score(self, test: float, train: float | None = None) -> float:
        """The formula: ``test`` less the gap between ``train`` and ``test``."""
        assert train is not None
        return 2 * test - train

    def baselines(self, examples: Examples) -> Mapping[str, float]:
        """Always the same class (``blind``); a ``memoriser`` of the training set that guesses in the test."""
        del examples
        return {"blind": 1 / self.classes, "memoriser": 2 / self.classes - 1}

    def _labels(self, count: int, split: Split) -> Tensor:
        if not self.longtail or split == "test":
            return torch.arange(count) % self.classes
        # Each next example is of the class that is furthest behind its share, after one of each.
        share = 1 / np.arange(1, self.classes + 1)
        given = np.zeros(self.classes)
        labels = np.empty(count, dtype=np.int64)
        for i in range(count):
            labels[i] = i if i < self.classes else np.argmin((given + 1) / share)
            given[labels[i]] += 1
        return torch.from_numpy(labels)

    def _chosen(self, images: ImagePool, seed: int, split: Split, label: Tensor) -> Tensor:
        """An image of each label's class; the images of a class take turns."""
        groups = _groups(images, seed, split, self.classes)
        chosen = torch.empty_like(label)
        for group, members in enumerate(groups):
            mine = (label == group).nonzero()[:, 0]
            chosen[mine] = members[torch.arange(len(mine)) % len(members)]
        return chosen


def _groups(images: ImagePool, seed: int, split: Split, classes: int) -> list[Tensor]:
    """For each of some classes, the images of a split."""
    if images.labels is None:
        raise UserError(f"vm: {images.name}: images without labels; expected at least {classes} classes")
    found, sizes = np.unique(images.labels.numpy(), return_counts=True)
    usable = found[sizes > 1]
    if len(usable) < classes:
        raise UserError(
            f"vm: classes={classes}: {images.name} has {len(usable)} classes of two or more images; "
            f"expected at most {len(usable)}"
        )
    order = np.random.default_rng(np.random.SeedSequence([seed, 1])).permutation(len(usable))
    groups = []
    for label in usable[order][:classes]:
        members = (images.labels == int(label)).nonzero()[:, 0]
        groups.append(members[part(len(members), seed, split)])
    return groups
