"""UperNet on the four maps of a backbone, with an auxiliary head on the third."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from uninas_bench.errors import UserError
from uninas_bench.training.data.segmentation import IGNORED

if TYPE_CHECKING:
    from uninas_bench.training.networks.backbone import Backbone
    from uninas_bench.training.recipes.recipe import UperNetHead

_LEFT_OUT = 2
"""Maps at full and at half resolution, which the decoder's list begins with and which it does not use."""


class UperNet(nn.Module):
    """Images to logits of every pixel, at the resolution of the backbone's first map.

    The decoder is that of segmentation-models-pytorch, with a layer norm on every map. The auxiliary head is
    a convolution 3x3 with batch norm and ReLU, and a convolution 1x1.

    Source: Xiao et al., "Unified Perceptual Parsing for Scene Understanding", ECCV 2018; the auxiliary head
    is that of the published recipes for ADE20K.

    Args:
        backbone: loses its classifier.
        classes: of the task.
        head: widths, and the weight of the auxiliary loss.

    Raises:
        UserError: segmentation-models-pytorch is missing, or the backbone has no maps.
    """

    def __init__(self, backbone: Backbone, classes: int, head: UperNetHead) -> None:
        super().__init__()
        backbone.without_classifier()
        self.backbone = backbone
        self.decoder = _decoder(backbone.channels, head.channels)
        self.classifier = nn.Conv2d(head.channels, classes, 1)
        self.auxiliary_weight = head.auxiliary_weight
        self.auxiliary = (
            _auxiliary(backbone.channels[2], head.auxiliary_channels, classes)
            if head.auxiliary_weight
            else None
        )

    def forward(self, images: Tensor | Sequence[Tensor], targets: Tensor | None = None) -> Any:
        """Losses in train mode, logits in eval mode.

        Args:
            images: (B, 3, H, W); in eval mode also a list of (3, H, W) of several sizes, each of which goes
                through the network alone, so that no padding changes what it says.
            targets: in train mode labels (B, H, W) int64, of which `IGNORED` ones do not count.

        Returns:
            In train mode ``cross_entropy`` and ``auxiliary``, weighted, means over pixels; in eval mode the
            logits (classes, h, w) of each image.
        """
        if self.training:
            assert isinstance(images, Tensor)
            assert targets is not None
            return self._losses(self.backbone.features(images), targets)
        if isinstance(images, Tensor):
            return self._logits(self.backbone.features(images))
        return [self._logits(self.backbone.features(image[None]))[0] for image in images]

    def _logits(self, maps: list[Tensor]) -> Tensor:
        # The decoder writes into the list that it is given.
        logits: Tensor = self.classifier(self.decoder([None] * _LEFT_OUT + maps))
        return logits

    def _losses(self, maps: list[Tensor], targets: Tensor) -> dict[str, Tensor]:
        losses = {"cross_entropy": _cross_entropy(self._logits(maps), targets)}
        if self.auxiliary is not None:
            losses["auxiliary"] = self.auxiliary_weight * _cross_entropy(self.auxiliary(maps[2]), targets)
        return losses

    def no_weight_decay(self) -> set[str]:
        """The backbone's."""
        return {f"backbone.{name}" for name in self.backbone.no_weight_decay()}


def require_decoder() -> None:
    """Refuse early where the decoder's package is missing.

    Raises:
        UserError: segmentation-models-pytorch is not installed.
    """
    try:
        import segmentation_models_pytorch  # noqa: F401
    except ImportError:
        raise UserError(
            "segmentation needs segmentation-models-pytorch: pip install 'uninas-bench[segmentation]'"
        ) from None


def _decoder(channels: Sequence[int], width: int) -> nn.Module:
    require_decoder()
    from segmentation_models_pytorch.decoders.upernet.decoder import UPerNetDecoder

    decoder: nn.Module = UPerNetDecoder(
        encoder_channels=[0] * _LEFT_OUT + list(channels),
        encoder_depth=len(channels) + 1,
        decoder_channels=width,
    )
    return decoder


def _auxiliary(channels: int, width: int, classes: int) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(channels, width, 3, padding=1, bias=False),
        nn.BatchNorm2d(width),
        nn.ReLU(inplace=True),
        nn.Conv2d(width, classes, 1),
    )


def _cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
    """The mean over the labelled pixels, in float32 whatever the network computes in; 0 without any."""
    size = (targets.shape[-2], targets.shape[-1])
    whole = functional.interpolate(logits.float(), size, mode="bilinear", align_corners=False)
    total = functional.cross_entropy(whole, targets, ignore_index=IGNORED, reduction="sum")
    return total / torch.clamp((targets != IGNORED).sum(), min=1)
