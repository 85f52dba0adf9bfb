"""`up_nas`: the weighted sum of many proxies, predicted from where an architecture lies in a latent space."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from uninas_bench import NotApplicable, Proxy, SearchSpace, hookimpl
from uninas_bench_plugins._up_nas.settings import UpNasSettings

if TYPE_CHECKING:
    from uninas_bench import Architecture, FitContext, Subject, TableKind


class UpNas(Proxy):
    """The unified proxy of UP-NAS (equation 1), by its multi-proxy estimator (equations 3 and 4).

    A fit trains an autoencoder of the space, scores some architectures with the members, or reads such
    scores from a file, and trains an estimator of all their normalised scores from the autoencoder's latents.
    From then on no network is run. `propose` climbs the gradient of the sum (equations 5 and 6).

    What the paper leaves open is chosen so: scores are normalised to ranks among the training architectures;
    a score that is missing counts as the worst; of all that a climb passes, the best by its predicted score
    is taken, where the paper takes the last.
    """

    name = "up_nas"
    on_request = True
    reference = "Huang et al., UP-NAS: Unified Proxy for Neural Architecture Search, CVPR Workshops 2024"
    Settings = UpNasSettings
    settings: UpNasSettings

    def __init__(self, settings: UpNasSettings | None = None) -> None:
        super().__init__(settings)
        # Scores from a file need no images.
        self.needs = frozenset({"fit"} if self.settings.scores else {"fit", "images", "labels", "gradients"})

    def fit_settings(self) -> UpNasSettings:
        """Without those that only weigh and climb what was learned."""
        return self.settings.for_fit()

    def fit(self, space: SearchSpace, context: FitContext) -> None:
        """Train autoencoder and estimator on scores of the members, all of which go on where they were.

        Raises:
            NotApplicable: the autoencoder knows no graphs of the space.
            UserError: a member, a file or a number in the settings is wrong.
        """
        from uninas_bench_plugins._up_nas.fitting import fit

        fit(space, context, self.fit_settings())

    def evaluate(self, subject: Subject) -> Mapping[str, float]:
        """The predicted weighted sum; no network is run.

        Raises:
            NotApplicable: a bare network, or an architecture that the autoencoder has no graph of.
        """
        from uninas_bench_plugins._up_nas.model import read_model

        if subject.architecture is None or subject.space is None:
            raise NotApplicable("predicts architectures of a space; this is a network without one")
        model = read_model(subject.fitted, subject.space, self.settings)
        return {self.name: model.scores_of([subject.architecture])[subject.architecture]}

    def propose(
        self, space: SearchSpace, starts: Sequence[Architecture], fitted: Path | None, seed: int
    ) -> list[Architecture]:
        """What a gradient ascent from each start passes that is best by its predicted score.

        Raises:
            NotApplicable: a start that the autoencoder has no graph of.
        """
        from uninas_bench_plugins._up_nas.ascent import climb
        from uninas_bench_plugins._up_nas.model import read_model

        assert fitted is not None
        model = read_model(fitted, space, self.settings)
        return [found.best for found in climb(model, starts, self.settings)]


@hookimpl
def uninas_bench_proxies() -> Iterable[Proxy]:
    """`up_nas` with the paper's thirteen members and their weights."""
    return [UpNas()]


@hookimpl
def uninas_bench_recipes() -> list[TableKind]:
    """The kind of recipe that recomputes the paper's tables."""
    from uninas_bench_plugins._up_nas.reproduction import UpNasTables

    return [UpNasTables()]
