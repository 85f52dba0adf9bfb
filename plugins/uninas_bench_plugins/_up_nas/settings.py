"""What UP-NAS depends on besides the space."""

from __future__ import annotations

from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Literal, Self

from uninas_bench import Settings, Source, UserError
from uninas_bench_plugins._arch2vec.settings import AutoencoderSettings, suited
from uninas_bench_plugins._up_nas.normalising import Kind
from uninas_bench_plugins._up_nas.weights import (
    TPE,
    inline,
    named,
    paper_members,
    published_weights,
    weights_of,
)

ARCHITECTURES = 500
"""That are scored where nothing is said: minutes to an hour on a CPU, by the members and the space."""
_DIGEST = 12


@dataclass(frozen=True, kw_only=True)
class UpNasSettings(Settings):
    """Settings of `UpNas`; the paper's for NAS-Bench-201 where it states one.

    Attributes:
        batch: images per batch of the members.
        source: images of those members that see any.
        init: not used; every member has its own.
        members: the proxies that are unified, as ``snip+nwot``; empty: those that the weights name, or the
            paper's thirteen.
        weights: ``sum``, ``sum-``, ``weighted`` or ``selected``, as in the paper's Table 1; ``tpe``: found on
            ``accuracies``; a JSON or TOML file with one number for each proxy; or such a text as
            ``snip:-0.2+nwot:1``.
        scores: a CSV file with scores of the members; empty: they are computed.
        column: of that file, with the architectures.
        accuracies: for ``tpe``: a CSV file with the columns architecture and accuracy, in percent, of some of
            the architectures.
        digests: of the contents of these two files; found by itself.
        trials: of ``tpe``.
        architectures: that the estimator learns from: drawn from the space, or from the file; 0: 500, or
            the whole file.
        normaliser: of the scores: ``rank``, ``z``, ``minmax``, ``log`` or ``raw``.
        layers: hidden ones of the estimator.
        width: of each.
        epochs: of its training.
        minibatch: architectures per step of it.
        lr: of Adam in it.
        autoencoder_epochs: of the autoencoder; 0: what suits the space.
        autoencoder_architectures: that it learns from; 0: what suits the space.
        rule: when a point on the way up is valid: ``operations``, ``strict`` or ``arch2vec``, as the
            autoencoder has them; ``choices``: as ``operations``, without a look at input and output, which
            are the same everywhere in a space whose graphs share their edges.
        rate: of Adam on the way up.
        steps: on the way up at most.
        distance: from the middle of the training architectures at most, as Mahalanobis measures it; 0: any.
    """

    batch: int = 64
    source: Source = "task"
    members: str = ""
    weights: str = "weighted"
    scores: str = ""
    column: str = "architecture"
    accuracies: str = ""
    digests: str = ""
    trials: int = 250
    architectures: int = 0
    normaliser: Kind = "rank"
    layers: int = 2
    width: int = 256
    epochs: int = 70
    minibatch: int = 16
    lr: float = 1e-3
    autoencoder_epochs: int = 0
    autoencoder_architectures: int = 0
    rule: Literal["operations", "choices", "strict", "arch2vec"] = "operations"
    rate: float = 1e-3
    steps: int = 3000
    distance: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        least = {"trials": 1, "layers": 1, "width": 1, "epochs": 1, "minibatch": 2, "steps": 1}
        least |= {"architectures": 0, "distance": 0, "autoencoder_epochs": 0, "autoencoder_architectures": 0}
        for name, minimum in least.items():
            if getattr(self, name) < minimum:
                raise UserError(f"{name}={getattr(self, name)}: expected at least {minimum}")
        for name in ("lr", "rate"):
            if getattr(self, name) <= 0:
                raise UserError(f"{name}={getattr(self, name)}: expected more than 0")
        # Frozen against everybody else.
        object.__setattr__(self, "weights", inline(self.weights))
        digests = (_digest(name, getattr(self, name)) for name in ("scores", "accuracies"))
        object.__setattr__(self, "digests", "+".join(filter(None, digests)))
        if self.weights == TPE and not self.accuracies:
            raise UserError(
                "weights=tpe needs accuracies of some architectures: --set up_nas.accuracies=FILE.csv"
            )
        if len(set(self.names)) < len(self.names):
            raise UserError(f"members={self.members}: a proxy is there twice")
        weights_of(self.weights, self.names)

    @property
    def names(self) -> tuple[str, ...]:
        """The members."""
        if self.members:
            return tuple(part.strip() for part in self.members.split("+"))
        found = None if self.weights in published_weights() else named(self.weights)
        return tuple(found) if found is not None else paper_members()

    def autoencoder(self, space: str) -> AutoencoderSettings:
        """Of the autoencoder of a space, by its name."""
        given = {"epochs": self.autoencoder_epochs, "architectures": self.autoencoder_architectures}
        return suited(space, **{name: value for name, value in given.items() if value})

    def for_fit(self) -> Self:
        """With the defaults in place of all that only sums, and climbs, what was learned."""
        same = type(self)()
        shared = ("rule", "rate", "steps", "distance")
        return replace(
            self,
            members="+".join(self.names),
            weights="sum",
            **{name: getattr(same, name) for name in shared},
        )


def _digest(name: str, file: str) -> str:
    if not file:
        return ""
    try:
        return sha256(Path(file).read_bytes()).hexdigest()[:_DIGEST]
    except OSError as error:
        raise UserError(f"{name}={file}: cannot be read: {error.strerror or error}") from None
