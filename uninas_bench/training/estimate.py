"""What a training will take, before it begins: steps, memory of a device, and compute.

Memory is counted, not guessed: a forward pass on torch's meta device, where tensors have shapes and no
numbers, says which of them autograd keeps for the backward pass.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from uninas_bench.errors import UserError

if TYPE_CHECKING:
    from uninas_bench.training.networks.backbone import Backbone
    from uninas_bench.training.recipes.recipe import Recipe

BACKWARD = 2
"""A backward pass computes the gradients of inputs and of weights: twice what the forward pass does."""
_PARAMETER_BYTES = 16
"""Of a trainable float32 parameter: itself, its gradient, and Adam's two running means."""
_PADDED = 32
"""Images of detection are padded to multiples of it."""


@dataclass(frozen=True, slots=True)
class Footprint:
    """What a batch takes on one device.

    Attributes:
        parameters: of all that is trained.
        parameter_bytes: with gradients and the optimiser's state.
        activation_bytes: kept for the backward pass by one batch, in float32.
        largest_bytes: of the largest single tensor among them.
        macs: multiply-accumulates of one forward pass of one image, heads included.
    """

    parameters: int
    parameter_bytes: int
    activation_bytes: int
    largest_bytes: int
    macs: int

    def least(self, half: bool) -> int:
        """Bytes that are surely needed: under autocast no tensor takes less than half of its float32 size."""
        return self.parameter_bytes + self.activation_bytes // (2 if half else 1)

    @property
    def most(self) -> int:
        """Bytes in float32, without what convolution algorithms and the allocator take besides."""
        return self.parameter_bytes + self.activation_bytes


def footprint(model: nn.Module, backbone: Backbone, recipe: Recipe) -> Footprint:
    """Count parameters, activations and multiply-accumulates of a network with its head.

    Args:
        model: what an objective made of ``backbone``; both are moved to the meta device for good.
        backbone: inside the model.
        recipe: its batch and its resolution.
    """
    model.to("meta").train()
    trainable = sum(p.numel() for p in model.parameters() if p.requires_grad)
    frozen = sum(p.numel() for p in model.parameters() if not p.requires_grad)
    batch = recipe.run.batch
    counter = FlopCounterMode(display=False)
    with _saved() as saved, counter:
        _forward(model, backbone, recipe)
    # Parameters are kept, too; they are there anyway.
    own = {parameter.untyped_storage()._cdata for parameter in model.parameters()}
    sizes = [size for key, size in saved.items() if key not in own]
    return Footprint(
        parameters=trainable,
        parameter_bytes=_PARAMETER_BYTES * trainable + 4 * frozen,
        activation_bytes=sum(sizes),
        largest_bytes=max(sizes, default=0),
        macs=int(counter.get_total_flops()) // 2 // batch,
    )


def backbone_macs(backbone: Backbone, resolution: tuple[int, int], *, classify: bool) -> int:
    """Multiply-accumulates of one image (H, W), counted by torch; the backbone goes to the meta device."""
    backbone.to("meta").eval()
    counter = FlopCounterMode(display=False)
    images = torch.empty(1, 3, *resolution, device="meta")
    with torch.no_grad(), counter:
        if classify:
            backbone(images)
        else:
            backbone.features(images)
    return int(counter.get_total_flops()) // 2


def check_memory(found: Footprint, recipe: Recipe, available: int, *, half: bool, where: str) -> None:
    """Refuse a training that cannot fit.

    Raises:
        UserError: the least that it needs is more than ``available`` bytes.
    """
    needed = found.least(half)
    if needed > available:
        raise UserError(
            f"recipe {recipe.name}: a batch of {recipe.run.batch} needs at least {gibibytes(needed)} "
            f"({gibibytes(found.activation_bytes // (2 if half else 1))} of it activations), {where} has "
            f"{gibibytes(available)}; smaller batches with more accumulation keep the protocol: --set "
            f"run.batch={max(1, recipe.run.batch // 2)} --set run.accumulate={2 * recipe.run.accumulate}"
        )


def gibibytes(count: int) -> str:
    """``12.3 GiB``."""
    return f"{count / 2**30:.1f} GiB"


def padded_resolution(recipe: Recipe) -> tuple[int, int]:
    """Height and width of the largest image that the network sees in training."""
    height, width = recipe.data.resolution
    if recipe.kind != "detection":
        return height, width
    return -(-height // _PADDED) * _PADDED, -(-width // _PADDED) * _PADDED


@contextmanager
def _saved() -> Iterator[dict[int, int]]:
    """Bytes of every storage that autograd keeps, by its address; alive until the end, so none is reused."""
    sizes: dict[int, int] = {}
    alive: list[Tensor] = []

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        sizes[storage._cdata] = storage.nbytes()
        alive.append(tensor)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        yield sizes


def _forward(model: nn.Module, backbone: Backbone, recipe: Recipe) -> Any:
    """The forward pass of one batch of a training, on the meta device."""
    count = recipe.run.batch
    height, width = padded_resolution(recipe)
    images = torch.empty(count, 3, height, width, device="meta")
    if recipe.kind == "classification":
        return backbone(images)
    if recipe.kind == "segmentation":
        return model(images, torch.zeros(count, height, width, dtype=torch.int64, device="meta"))
    return _detection_pass(model, images, recipe)


def _detection_pass(model: Any, images: Tensor, recipe: Recipe) -> list[Any]:
    """Backbone and pyramid, region proposals, and the two heads on as many regions as the recipe has.

    What lies between them (suppression, sampling, pooling of regions) has no shapes on the meta device; of it
    the pooled regions count, as the heads' inputs.
    """
    head = recipe.head
    assert head.kind == "mask-rcnn"
    network = model.head
    maps = network.backbone(model.backbone.features(images))
    regions = len(images) * head.proposals
    positive = regions // 4
    box = torch.empty(regions, head.pyramid_channels, 7, 7, device="meta", requires_grad=True)
    mask = torch.empty(positive, head.pyramid_channels, 14, 14, device="meta", requires_grad=True)
    rois = network.roi_heads
    return [
        network.rpn.head(list(maps.values())),
        rois.box_predictor(rois.box_head(box)),
        rois.mask_predictor(rois.mask_head(mask)),
    ]
