"""What a BossNAS fit and its ratings depend on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from uninas_bench import Init, Settings, Source, UserError

Training = Literal["ensemble", "plain", "classification", "distillation"]


@dataclass(frozen=True, kw_only=True)
class BossnasSettings(Settings):
    """Settings of `Bossnas`. The defaults fit a CPU and minutes; the paper's values stand in brackets.

    Attributes:
        batch: images per step [256 on each of 4 GPUs; 64 on each of 8 on ImageNet].
        source: labelled or not, the task's images.
        init: the supernet's own.
        training: ``ensemble`` bootstrapping; ``plain`` bootstrapping, where a path predicts its own moving
            average; supervised ``classification``; ``distillation`` of ``teacher`` (the paper's Table 5).
        teacher: a timm model's name, for distillation.
        rating: ``own``: the distance to the population's centre, or the loss that a supervised supernet was
            trained by; ``linear``: the error of a linear classifier on the features of a path.
        partition: layers per block of the size space [221 for CIFAR-10, 212 for CIFAR-100].
        epochs: per block; 0 leaves the supernet untrained [20; 50 in the authors' files].
        images: that the supernet is trained on, drawn from the training split; 0 takes all [all].
        validation: images that it is rated on, drawn from the same split and not trained on [the test split].
        resolution: that images are averaged down to; 0 keeps the task's [the task's].
        paths: sampled per step [8 on CIFAR; 4 on ImageNet].
        accumulate: steps per update of the weights [4; 8 on ImageNet].
        optimizer: ``sgd`` or ``lars`` [lars].
        lr: peak of the learning rate [0.48; 4.8 on ImageNet, both with lars].
        decay: of the weights.
        warmup: epochs of each block in which the learning rate rises [1; 2 in the authors' files].
        views: ``crop`` and flip, or ``byol`` [crop on CIFAR, byol on ImageNet].
        pairs: one pair of views ``shared`` by the paths of a step, or one for each [shared on CIFAR].
        features: numbers that every neck gives of an image; MBConv's give a block's channels [2048].
        hidden: width of the two heads [4096].
        out: numbers of a representation [256].
        centre: the mean of ``raw`` representations, or of their ``unit`` vectors [raw].
        direction: ``symmetric`` in the two views, or one of them against the other's centre as in the
            ``paper``'s equation 6 [symmetric].
        predictor: whether the online representation passes the predictor [on].
        statistics: batch norms rate with those of the validation ``batch``, or ``recalibrated`` on a training
            batch for each path [recalibrated].
        weights: of the blocks: ``equal``, or inverse to the ``spread`` of a block's losses [equal].
        curve: rate after every epoch as well, for a curve of training.
    """

    batch: int = 64
    source: Source = "task"
    init: Init = "model"
    training: Training = "ensemble"
    teacher: str = ""
    rating: Literal["own", "linear"] = "own"
    partition: Literal["221", "212"] = "221"
    epochs: int = 4
    images: int = 2000
    validation: int = 1024
    resolution: int = 8
    paths: int = 4
    accumulate: int = 1
    optimizer: Literal["sgd", "lars"] = "sgd"
    lr: float = 0.05
    decay: float = 1e-6
    warmup: int = 1
    views: Literal["crop", "byol"] = "crop"
    pairs: Literal["shared", "each"] = "shared"
    features: int = 256
    hidden: int = 512
    out: int = 128
    centre: Literal["raw", "unit"] = "raw"
    direction: Literal["symmetric", "paper"] = "symmetric"
    predictor: Literal["on", "off"] = "on"
    statistics: Literal["batch", "recalibrated"] = "batch"
    weights: Literal["equal", "spread"] = "equal"
    curve: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("paths", "accumulate", "features", "hidden", "out"):
            if getattr(self, name) < 1:
                raise UserError(f"{name}={getattr(self, name)}: expected at least 1")
        for name in ("epochs", "images", "resolution", "warmup", "lr", "decay"):
            if getattr(self, name) < 0:
                raise UserError(f"{name}={getattr(self, name)}: expected 0 or more")
        for name in ("batch", "validation"):
            if getattr(self, name) < 2:
                raise UserError(
                    f"{name}={getattr(self, name)}: expected at least 2 images, for the batch norms"
                )
        if (self.training == "distillation") != bool(self.teacher):
            raise UserError(
                f"training={self.training}, teacher={self.teacher or '(none)'}: distillation needs a "
                "teacher, such as teacher=resnet18, and nothing else does"
            )
