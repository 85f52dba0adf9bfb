"""What an autoencoder depends on besides its space, and what was found to suit a space."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal

from uninas_bench import UserError


@dataclass(frozen=True, kw_only=True)
class AutoencoderSettings:
    """Those of the released arch2vec, but trained as its script means to.

    Attributes:
        architectures: that it is trained and tested on: drawn where the space has more; 0 takes all of up to
            20,000, 20,000 of a larger space, 1,000 of an endless one.
        held_out: fraction of them that it is tested on.
        nodes: of a graph at most, where graphs differ in size.
        epochs: over the training part.
        batch: graphs per step.
        lr: of Adam in the first epoch.
        schedule: ``constant``, or ``linear``: from epoch to epoch lower, to 0 after the last.
        clip: norm that gradients are cut to.
        hops: of the encoder, which has one layer less.
        width: of its layers.
        eps: where it begins; a layer takes a node's own features 1 + eps times and those of its neighbours
            once. From 0, as released, it must first learn to tell them apart.
        latent: numbers for each node.
        dropout: of them in training.
        activation: of the operations: ``sigmoid`` with a binary cross-entropy for each column, as released;
            ``softmax`` with a cross-entropy, as in the paper.
        adjacency: binary cross-entropy over ``all`` entries, of which the lower triangle is always right, as
            released; over the upper ``triangle``; or ``fixed``: not decoded where all graphs share it.
        kl: weight of the divergence from the prior, in units of the released code's, which is one over the
            number of nodes in a batch of what it is by definition.
        mode: ``train``; or ``released``: from the second epoch on without noise, dropout and batch
            statistics, as the released script, which never leaves its evaluation after the first.
        attempts: trainings from other weights at most, where the ones before are not good; the best is kept.
    """

    architectures: int = 0
    held_out: float = 0.1
    nodes: int = 96
    epochs: int = 10
    batch: int = 32
    lr: float = 1e-3
    schedule: Literal["constant", "linear"] = "constant"
    clip: float = 5.0
    hops: int = 5
    width: int = 128
    eps: float = 0.0
    latent: int = 16
    dropout: float = 0.3
    activation: Literal["sigmoid", "softmax"] = "sigmoid"
    adjacency: Literal["all", "triangle", "fixed"] = "all"
    kl: float = 1.0
    mode: Literal["train", "released"] = "train"
    attempts: int = 1

    def __post_init__(self) -> None:
        for name in ("epochs", "batch", "width", "latent", "attempts"):
            if getattr(self, name) < 1:
                raise UserError(f"{name}={getattr(self, name)}: expected at least 1")
        for name, least in (("hops", 2), ("nodes", 3)):
            if getattr(self, name) < least:
                raise UserError(f"{name}={getattr(self, name)}: expected at least {least}")
        for name in ("architectures", "kl"):
            if getattr(self, name) < 0:
                raise UserError(f"{name}={getattr(self, name)}: expected 0 or more")
        for name in ("lr", "clip"):
            if getattr(self, name) <= 0:
                raise UserError(f"{name}={getattr(self, name)}: expected more than 0")
        for name in ("held_out", "dropout"):
            if not 0 <= getattr(self, name) < 1:
                raise UserError(f"{name}={getattr(self, name)}: expected at least 0 and less than 1")

    def __str__(self) -> str:
        return ",".join(f"{field.name}={getattr(self, field.name)}" for field in fields(self))


_CHAIN: Mapping[str, Any] = {
    "architectures": 10_000, "epochs": 8, "lr": 3e-3, "schedule": "linear", "eps": 1.5, "dropout": 0.1,
    "activation": "softmax", "adjacency": "fixed", "kl": 5.0,
}  # fmt: skip
_SUITED: Mapping[str, Mapping[str, Any]] = {
    # About one in five has hardly 94% valid samples, or never learns to tell nodes apart.
    "nasbench201": {"epochs": 24, "lr": 2e-3, "schedule": "linear", "attempts": 2},
    "nats_size": _CHAIN,
    "hytra": _CHAIN,
    "mbconv": _CHAIN,
    # Among many operations the mean over columns says little of the one that is there.
    "uninas": {
        "epochs": 12,
        "lr": 3e-3,
        "schedule": "linear",
        "eps": 1.5,
        "dropout": 0.0,
        "activation": "softmax",
        "adjacency": "triangle",
    },
}


def suited(space: str, **changes: Any) -> AutoencoderSettings:
    """What brings nearly all of a space's architectures back within minutes, by the space's name.

    Args:
        space: any; the defaults where nothing is known.
        changes: of single settings.

    Raises:
        UserError: a value that a setting cannot have.
    """
    return AutoencoderSettings(**{**_SUITED.get(space, {}), **changes})
