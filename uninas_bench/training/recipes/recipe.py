"""A recipe: every number of a training protocol, typed, immutable, and named where nobody published it.

The defaults are not here but in the TOML files of ``recipes``: a recipe states all that it is.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
)

Fraction = Annotated[float, Field(ge=0, le=1)]
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]*$")]


class Section(BaseModel):
    """A part of a recipe: unknown keys are errors, numbers are finite, nothing changes afterwards."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class Data(Section):
    """Which images, and how large.

    Attributes:
        dataset: a name of the catalogue of tasks: ``imagenet1k``, ``coco``, ``ade20k``, ``shapes``, ...
        resolution: height and width of what the network sees; for detection the most that the short and the
            long side may have, the ratio being kept.
        training_images: use only so many, the same in every run; 0 for all.
        test_images: the same of the test split.
    """

    dataset: Name
    resolution: tuple[PositiveInt, PositiveInt]
    training_images: NonNegativeInt
    test_images: NonNegativeInt


class Backbone(Section):
    """What the protocol asks of the network under test.

    Attributes:
        drop_path: the last block's rate of stochastic depth; it rises linearly from 0 at the first.
        batch_norm: ``train``; ``frozen`` keeps statistics, gains and shifts as they were pretrained;
            ``synchronised`` takes the statistics over all processes.
        pretrained_resolution: of the classification that comes before, where position tables are made for it;
            0 where nothing comes before.
        position_tables: ``interpolated`` in every forward pass; ``resized`` once, when weights are loaded.
    """

    drop_path: Fraction
    batch_norm: Literal["train", "frozen", "synchronised"]
    pretrained_resolution: NonNegativeInt
    position_tables: Literal["interpolated", "resized"]


class LinearHead(Section):
    """Classification: the network's own last linear map, under cross-entropy.

    Attributes:
        smoothing: of the labels.
    """

    kind: Literal["linear"]
    smoothing: Fraction


class MaskRcnnHead(Section):
    """Detection: torchvision's Mask R-CNN on a feature pyramid.

    Attributes:
        pyramid_channels: of every level of the pyramid.
        proposals: regions per image that box and mask heads are trained on.
        box_width: of the two hidden layers of the box head.
        mask_layers: convolutions of the mask head, ``mask_width`` channels each.
        proposals_kept: of the region proposal network, before and after suppression, in training; and in
            evaluation.
    """

    kind: Literal["mask-rcnn"]
    pyramid_channels: PositiveInt
    proposals: PositiveInt
    proposals_kept: tuple[PositiveInt, PositiveInt]
    proposals_kept_in_evaluation: tuple[PositiveInt, PositiveInt]
    box_width: PositiveInt
    mask_layers: PositiveInt
    mask_width: PositiveInt


class UperNetHead(Section):
    """Segmentation: UperNet, with a fully convolutional auxiliary head on the third map.

    Attributes:
        channels: of the decoder.
        auxiliary_weight: of the auxiliary head's loss; 0 for no such head.
        auxiliary_channels: of the auxiliary head.
    """

    kind: Literal["upernet"]
    channels: PositiveInt
    auxiliary_weight: NonNegativeFloat
    auxiliary_channels: PositiveInt


class ClassificationAugmentation(Section):
    """Of images that are classified.

    Attributes:
        crop: ``random-resized`` to the resolution; ``padded`` by ``padding`` and cropped at random; ``none``.
        crop_area: least and largest part of the image of a random resized crop.
        padding: pixels on every side.
        flip: probability of a horizontal flip.
        policy: timm's string, such as ``rand-m15-n2-mstd0.5``; empty for none.
        interpolation: of resized crops in training; ``random`` is bilinear or bicubic.
        evaluation_crop: the part of the resized image's sides that is kept, its centre (0.875: 256 -> 224).
    """

    kind: Literal["classification"]
    crop: Literal["random-resized", "padded", "none"]
    crop_area: tuple[Fraction, Fraction]
    padding: NonNegativeInt
    flip: Fraction
    policy: str
    interpolation: Literal["random", "bilinear", "bicubic"]
    evaluation_crop: Fraction


class DetectionAugmentation(Section):
    """Of images with boxes and masks.

    Attributes:
        flip: probability of a horizontal flip.
    """

    kind: Literal["detection"]
    flip: Fraction


class SegmentationAugmentation(Section):
    """Of images with a label at every pixel.

    Attributes:
        scale: least and largest factor of the random resizing before the crop.
        flip: probability of a horizontal flip.
        photometric: distort brightness, contrast, saturation and hue, each with probability 1/2.
    """

    kind: Literal["segmentation"]
    scale: tuple[PositiveFloat, PositiveFloat]
    flip: Fraction
    photometric: bool


class Optimiser(Section):
    """AdamW, and what is done to gradients before it.

    Attributes:
        name: only ``adamw`` so far.
        weight_decay: of everything but norms, biases and position tables, unless ``decay_all``.
        betas: of the running means.
        eps: in the denominator.
        clip: largest norm of all gradients together; 0 for no limit.
        decay_all: decay norms, biases and position tables too.
    """

    name: Literal["adamw"]
    weight_decay: NonNegativeFloat
    betas: tuple[Fraction, Fraction]
    eps: PositiveFloat
    clip: NonNegativeFloat
    decay_all: bool


class Schedule(Section):
    """Learning rates, for ``rate_batch`` images per step; they grow in proportion to the images of a step.

    Attributes:
        kind: what follows the warm-up: ``cosine`` or ``linear`` down to ``minimal_rate``, or ``multi-step``,
            which multiplies by ``gamma`` at each of ``milestones`` and never falls below ``minimal_rate``.
        epochs: the warm-up's included.
        warm_up_epochs: linear in the step, from ``warm_up_rate``.
        milestones: epochs, counted from 0 and from the start.
        clamped: whether ``multi-step`` stops at ``minimal_rate``.
    """

    kind: Literal["cosine", "linear", "multi-step"]
    epochs: PositiveInt
    warm_up_epochs: NonNegativeInt
    rate: PositiveFloat
    minimal_rate: NonNegativeFloat
    warm_up_rate: NonNegativeFloat
    rate_batch: PositiveInt
    milestones: tuple[NonNegativeInt, ...]
    gamma: Fraction
    clamped: bool


class Run(Section):
    """How the steps are made.

    Attributes:
        batch: images per device and forward pass.
        accumulate: passes whose gradients make one step.
        steps: end after so many steps, whatever the epochs say; 0 for no limit.
        precision: ``auto`` is bfloat16 autocast on GPUs and float32 on CPUs.
        evaluation_batch: images per device in evaluation.
        evaluate_every: epochs between evaluations; the last epoch's is always made. 0 for the last only.
        checkpoint_every: steps between checkpoints; 0 for one per epoch. The last step always has one.
        keep: how many checkpoints stay.
        compile: by ``torch.compile``.
        channels_last: memory format of images and weights.
    """

    batch: PositiveInt
    accumulate: PositiveInt
    steps: NonNegativeInt
    precision: Literal["auto", "float32", "bfloat16"]
    evaluation_batch: PositiveInt
    evaluate_every: NonNegativeInt
    checkpoint_every: NonNegativeInt
    keep: PositiveInt
    compile: bool
    channels_last: bool


Kind = Literal["classification", "detection", "segmentation"]


class Recipe(Section):
    """A whole training protocol.

    Attributes:
        name: of the recipe; runs are kept under it.
        version: rises when a number changes.
        source: where the numbers were published.
        kind: of the task.
        assumed: dotted names of the fields that the source does not state.
    """

    name: Name
    version: PositiveInt
    source: str
    kind: Kind
    assumed: tuple[str, ...]
    data: Data
    backbone: Backbone
    head: Annotated[LinearHead | MaskRcnnHead | UperNetHead, Field(discriminator="kind")]
    augmentation: Annotated[
        ClassificationAugmentation | DetectionAugmentation | SegmentationAugmentation,
        Field(discriminator="kind"),
    ]
    optimiser: Optimiser
    schedule: Schedule
    run: Run
