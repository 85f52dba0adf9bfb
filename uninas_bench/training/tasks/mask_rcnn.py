"""Mask R-CNN on any network with four maps: torchvision's heads behind a feature pyramid.

Source: He et al., "Mask R-CNN", ICCV 2017; Lin et al., "Feature Pyramid Networks", CVPR 2017. What the recipe
does not name is torchvision's default: 256 anchors per image, thresholds 0.7 / 0.3 and 0.5, 100 detections.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from torch import Tensor, nn
from torchvision.models.detection import MaskRCNN
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor, TwoMLPHead
from torchvision.models.detection.mask_rcnn import MaskRCNNHeads, MaskRCNNPredictor
from torchvision.ops import FeaturePyramidNetwork
from torchvision.ops.feature_pyramid_network import LastLevelMaxPool

from uninas_bench.training.recipes.recipe import MaskRcnnHead

if TYPE_CHECKING:
    from uninas_bench.training.networks.backbone import Backbone

_ANCHOR = 8
"""Side of an anchor in strides of its map: 32 pixels on the map of stride 4."""
_RATIOS = (0.5, 1.0, 2.0)
_ROI = 7


class Pyramid(nn.Module):
    """Four maps of a backbone -> five levels (B, C, h, w) of one width, the last one subsampled.

    They are float32 whatever the backbone computes in: torchvision makes its anchors in the type of the
    levels, and bfloat16 would place them to the nearest 4 pixels at the far side of a large image.
    """

    def __init__(self, channels: Sequence[int], out_channels: int) -> None:
        super().__init__()
        self.out_channels = out_channels
        self.levels = FeaturePyramidNetwork(list(channels), out_channels, extra_blocks=LastLevelMaxPool())

    def forward(self, maps: Sequence[Tensor]) -> OrderedDict[str, Tensor]:
        """Levels ``0`` to ``3`` and ``pool``."""
        levels = self.levels(OrderedDict((str(number), values) for number, values in enumerate(maps)))
        return OrderedDict((name, values.float()) for name, values in levels.items())


class Detector(nn.Module):
    """A backbone under Mask R-CNN.

    Args:
        backbone: with four maps; its classifier is removed.
        classes: the category "no object", 0, included.
        head: widths and numbers of regions.
        resolution: the most that the short and the long side of an image may have; images are resized to it
            with their ratio kept, normalised by ImageNet's statistics, and padded to multiples of 32.
    """

    def __init__(
        self, backbone: Backbone, classes: int, head: MaskRcnnHead, resolution: tuple[int, int]
    ) -> None:
        super().__init__()
        backbone.without_classifier()
        self.backbone = backbone
        width = head.pyramid_channels
        # One size of anchors per level, in proportion to its stride; the last level has twice the stride.
        strides = (*backbone.reductions, 2 * backbone.reductions[-1])
        self.head = MaskRCNN(
            Pyramid(backbone.channels, width),
            min_size=min(resolution),
            max_size=max(resolution),
            rpn_anchor_generator=AnchorGenerator(
                tuple((_ANCHOR * stride,) for stride in strides), (_RATIOS,) * len(strides)
            ),
            rpn_pre_nms_top_n_train=head.proposals_kept[0],
            rpn_post_nms_top_n_train=head.proposals_kept[1],
            rpn_pre_nms_top_n_test=head.proposals_kept_in_evaluation[0],
            rpn_post_nms_top_n_test=head.proposals_kept_in_evaluation[1],
            box_batch_size_per_image=head.proposals,
            box_head=TwoMLPHead(width * _ROI**2, head.box_width),
            box_predictor=FastRCNNPredictor(head.box_width, classes),
            mask_head=MaskRCNNHeads(width, [head.mask_width] * head.mask_layers, 1),
            mask_predictor=MaskRCNNPredictor(head.mask_width, head.mask_width, classes),
        )
        for last in (
            self.head.rpn.head,
            self.head.roi_heads.box_predictor,
            self.head.roi_heads.mask_predictor,
        ):
            last.register_forward_hook(_in_float32)

    def forward(
        self, images: Sequence[Tensor], targets: Sequence[dict[str, Tensor]] | None = None
    ) -> dict[str, Tensor] | list[dict[str, Tensor]]:
        """Losses in train mode, detections in eval mode.

        Args:
            images: (3, H, W) each, values in 0..1, of any sizes.
            targets: in train mode, per image ``boxes`` (N, 4), left, top, right and bottom in its pixels,
                ``labels`` (N,) and ``masks`` (N, H, W); N may be 0.

        Returns:
            The losses ``loss_classifier``, ``loss_box_reg``, ``loss_mask``, ``loss_objectness`` and
            ``loss_rpn_box_reg``; or per image ``boxes`` (N, 4), ``labels`` (N,), ``scores`` (N,), falling,
            and ``masks`` (N, 1, H, W), probabilities, all in the pixels of the image that was given.
        """
        sizes = [(image.shape[-2], image.shape[-1]) for image in images]
        learnt = list(targets) if self.training and targets is not None else None
        batch, learnt = self.head.transform(list(images), learnt)
        levels = self.head.backbone(self.backbone.features(batch.tensors))
        proposals, losses = self.head.rpn(batch, levels, learnt)
        detections, more = self.head.roi_heads(levels, proposals, batch.image_sizes, learnt)
        if self.training:
            return {**more, **losses}
        found: list[dict[str, Tensor]] = self.head.transform.postprocess(detections, batch.image_sizes, sizes)
        return found


def _in_float32(_: nn.Module, __: Any, outputs: Any) -> Any:
    """Scores and box offsets as torchvision should see them: it decodes boxes in the type of the offsets."""
    if isinstance(outputs, Tensor):
        return outputs.float()
    return type(outputs)(_in_float32(_, __, part) for part in outputs)
