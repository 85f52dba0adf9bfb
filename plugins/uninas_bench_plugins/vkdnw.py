"""`vkdnw`, `vkdnw_single`, `vkdnw_agg`: the entropy of the Fisher matrix's spectrum, and ranks with it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Literal, cast

from uninas_bench import NotApplicable, Proxy, Settings, UserError, hookimpl

if TYPE_CHECKING:
    import pandas as pd
    from torch import Tensor, nn

    from uninas_bench import Subject
    from uninas_bench_plugins._fisher.entries import Entry


@dataclass(frozen=True, kw_only=True)
class VkdnwSettings(Settings):
    """What VKDNW depends on.

    Attributes:
        fim: ``reference`` is the authors' matrix, whose Cholesky factor lacks its transpose (all published
            numbers are made with it); ``exact`` is the Fisher matrix of equation (5).
        smoothing: weight of the uniform distribution mixed into the class probabilities, in half
            precision like the reference; it is part of the definition, 0 leaves the softmax alone.
        tensors: how many parameter tensors are sampled, the first ones; ``-k`` takes the first 1/k.
        per_tensor: evenly spaced scalars per tensor; one is its first number.
        quantiles: ``inner``: the nine deciles 0.1 ... 0.9; ``all``: also the least and greatest
            eigenvalue, as in the authors' MobileNetV2 search.
        scope: ``network``: one Fisher matrix; ``blocks``: one for each block (UniNAS), its entropy
            averaged. A block's matrix is its principal sub-matrix of the network's, ``tensors`` is
            counted per block, and blocks with fewer than two scalars are left out.
    """

    fim: Literal["reference", "exact"] = "reference"
    smoothing: float = 0.05
    tensors: int = 128
    per_tensor: int = 1
    quantiles: Literal["inner", "all"] = "inner"
    scope: Literal["network", "blocks"] = "network"

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.smoothing <= 1:
            raise UserError(f"smoothing={self.smoothing}: expected a weight between 0 and 1")
        if self.per_tensor < 1:
            raise UserError(f"per_tensor={self.per_tensor}: expected at least 1 scalar")
        if self.tensors == 0:
            raise UserError("tensors=0: expected a number of tensors, or -k for the first 1/k of them")


class Vkdnw(Proxy):
    """Entropy of the deciles of the Fisher matrix's eigenvalues; the number of parameter tensors beside it.

    The score is the entropy alone; `VkdnwSingle` ranks by both. Evaluation mode: a fresh batch norm is
    nearly the identity. A network whose output ignores its input has one non-zero eigenvalue, hence
    entropy 0, the least there is. (The authors' code gives it float32 noise for eigenvalues and with that
    the greatest entropy.) Where float32 leaves the logits to rounding, as of deep attentions with
    ``init=kaiming``, all is computed in float64; elsewhere both give the same.
    """

    name = "vkdnw"
    version = 2
    components = ("entropy", "dim")
    needs = frozenset({"images", "gradients"})
    reference = (
        "Tybl and Neumann, Training-free NAS through Variance of Knowledge of Deep Network Weights, CVPR 2025"
    )
    Settings = VkdnwSettings
    settings: VkdnwSettings

    def evaluate(self, subject: Subject) -> Mapping[str, float]:
        """``entropy`` in nats, and ``dim``, the number of parameter tensors of the whole network.

        Raises:
            NotApplicable: a single class, nothing to sample, images that influence each other, or logits
                that rounding decides even in float64.
        """
        network = subject.network()
        images, _ = subject.batch()
        dim = float(sum(1 for _ in network.parameters()))
        groups = self._groups(subject, network)
        return {"entropy": self._entropy(network, images, groups), "dim": dim}

    def aggregate(self, components: pd.DataFrame) -> pd.Series[float]:
        """The entropy."""
        return components["entropy"]

    def _groups(self, subject: Subject, network: nn.Module) -> list[list[Entry]]:
        from uninas_bench_plugins._fisher.entries import sample_entries

        modules = [network]
        if self.settings.scope == "blocks":
            modules = [block for _, block in subject.blocks(network)]
        samples = (sample_entries(m, self.settings.tensors, self.settings.per_tensor) for m in modules)
        groups = [entries for entries in samples if len(entries) > 1]
        if not groups:
            raise NotApplicable(f"fewer than two parameters to sample in the {self.settings.scope}")
        return groups

    def _entropy(self, network: nn.Module, images: Tensor, groups: list[list[Entry]]) -> float:
        from uninas_bench_plugins._fisher.information import eigenvalues, fisher, quantile_entropy

        unique = {entry.key: entry for entries in groups for entry in entries}
        place = {key: column for column, key in enumerate(unique)}
        logits, rows = self._jacobian(network, images, list(unique.values()))
        matrix = fisher(rows, logits, self.settings.smoothing, self.settings.fim)
        entropies = []
        for entries in groups:
            chosen = [place[entry.key] for entry in entries]
            spectrum = eigenvalues(matrix[chosen][:, chosen])
            entropies.append(quantile_entropy(spectrum, self.settings.quantiles))
        return sum(entropies) / len(entropies)

    def _jacobian(self, network: nn.Module, images: Tensor, entries: list[Entry]) -> tuple[Tensor, Tensor]:
        from uninas_bench_plugins._fisher.information import row_seeds
        from uninas_bench_plugins._fisher.jacobian import jacobian
        from uninas_bench_plugins._fisher.precision import Unsettled

        seeds = partial(row_seeds, self.settings.fim)
        try:
            return jacobian(network, images, entries, seeds)
        except Unsettled:
            pass  # the same function, then, with more digits
        try:
            return jacobian(network.double(), images.double(), entries, seeds)
        except Unsettled as error:
            advice = "; --set vkdnw.init=model keeps its own weights" if self.settings.init != "model" else ""
            raise NotApplicable(f"{error}{advice}") from None


@dataclass(frozen=True, kw_only=True)
class VkdnwSingleSettings(Settings):
    """How the two components become one score.

    Attributes:
        score: ``lexicographic``: dense rank of (dim, entropy), as in the authors' tables; ``sum``:
            dim + entropy, as in the paper. They differ where dims differ by less than 2.2.
    """

    score: Literal["lexicographic", "sum"] = "lexicographic"


class VkdnwSingle(Proxy):
    """The number of parameter tensors first, the entropy among equals: the authors' single ranking."""

    name = "vkdnw_single"
    requires = ("vkdnw",)
    reference = Vkdnw.reference
    Settings = VkdnwSingleSettings
    settings: VkdnwSingleSettings

    def aggregate(self, components: pd.DataFrame) -> pd.Series[float]:
        """The rank of (dim, entropy), or their sum; NaN where either is missing."""
        dim, entropy = components["vkdnw.dim"], components["vkdnw.entropy"]
        return dim + entropy if self.settings.score == "sum" else dense_rank(dim, entropy)


class VkdnwAggregate(Proxy):
    """Sum of the log-ranks of VKDNW, jacov, AZ-NAS expressivity and trainability, and FLOPs.

    The five rankings of the authors' first table: dense ranks of (dim, entropy), average ranks of the others,
    no progressivity. What is missing ranks lowest.
    """

    name = "vkdnw_agg"
    requires = ("vkdnw", "jacov", "az_nas", "flops")
    reference = Vkdnw.reference

    def aggregate(self, components: pd.DataFrame) -> pd.Series[float]:
        """The sum of ln(rank); NaN where all five are missing."""
        import numpy as np

        dim, entropy = components["vkdnw.dim"], components["vkdnw.entropy"]
        missing = dim.isna() | entropy.isna()
        ranks = [dense_rank(dim.mask(missing, -np.inf), entropy.mask(missing, -np.inf))]
        for column in ("jacov.jacov", "az_nas.expressivity", "az_nas.trainability", "flops.flops"):
            values = components[column]
            missing &= values.isna()
            # The reference puts jacov's NaN on the column's least value, a tie; -inf ties only with itself.
            least = values.min() if column == "jacov.jacov" else -np.inf
            ranks.append(values.fillna(least).rank(method="average"))
        total = cast("pd.Series[float]", sum(np.log(rank.fillna(1.0)) for rank in ranks))
        return total.mask(missing)


def dense_rank(first: pd.Series[float], second: pd.Series[float]) -> pd.Series[float]:
    """Dense rank from 1 of the pairs in lexicographic order; NaN where either is missing."""
    import pandas as pd

    pairs = pd.DataFrame({"first": first, "second": second})
    groups = pairs.groupby(["first", "second"], sort=True).ngroup()
    return (groups + 1.0).where(groups >= 0)


@hookimpl
def uninas_bench_proxies() -> Iterable[Proxy]:
    """VKDNW, its single ranking and its aggregate."""
    return [Vkdnw(), VkdnwSingle(), VkdnwAggregate()]
