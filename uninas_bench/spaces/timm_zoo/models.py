"""Which of timm's networks are in the zoo, and where their blocks are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

Family = Literal["cnn", "vit", "hybrid", "mixer"]
FAMILIES: tuple[Family, ...] = get_args(Family)

_INVERTED = r"blocks\.\d+\.\d+"
_RESNET = r"layer\d\.\d+"
_REGNET = r"s\d\.b\d+"
_PLAIN = r"blocks\.\d+"
_STAGES = r"stages\.\d\.blocks\.\d+"


@dataclass(frozen=True, slots=True)
class Model:
    """One of timm's networks.

    Attributes:
        name: timm's, without the tag of any weights.
        family: ``cnn``; ``vit`` mixes places by attention; ``hybrid`` has convolutions among its attentions;
            ``mixer`` mixes places by neither: by linear maps, gates or pooling.
        head: inputs of the last linear map, which gives the classes.
        blocks: a pattern that the names of its blocks match as a whole, and no other module's.
        sized: whether timm must be told the resolution.
    """

    name: str
    family: Family
    head: int
    blocks: str
    sized: bool = False


MODELS = (
    Model("mobilenetv3_small_100", "cnn", 1024, _INVERTED),
    Model("regnetx_002", "cnn", 368, _REGNET),
    Model("resnet18", "cnn", 512, _RESNET),
    Model("mobilenetv2_100", "cnn", 1280, _INVERTED),
    Model("regnety_004", "cnn", 440, _REGNET),
    Model("resnet50", "cnn", 2048, _RESNET),
    Model("efficientnet_b0", "cnn", 1280, _INVERTED),
    Model("rexnet_150", "cnn", 1920, r"features\.(\d|1[0-5])"),  # the 17th is the head's convolution
    Model("convformer_s18", "cnn", 2048, _STAGES),
    Model("xcit_nano_12_p16_224", "vit", 128, _PLAIN, sized=True),
    Model("deit_tiny_patch16_224", "vit", 192, _PLAIN, sized=True),
    Model("pit_ti_224", "vit", 256, r"transformers\.\d\.blocks\.\d+", sized=True),
    Model("vit_base_patch32_224", "vit", 768, _PLAIN, sized=True),
    Model("xcit_tiny_12_p16_224", "vit", 192, _PLAIN, sized=True),
    Model("deit_small_patch16_224", "vit", 384, _PLAIN, sized=True),
    Model("pit_s_224", "vit", 576, r"transformers\.\d\.blocks\.\d+", sized=True),
    Model("twins_svt_small", "vit", 512, r"blocks\.\d\.\d+", sized=True),
    Model("pvt_v2_b0", "hybrid", 256, _STAGES),
    Model("coat_lite_tiny", "hybrid", 320, r"serial_blocks\d\.\d+", sized=True),
    Model("visformer_tiny", "hybrid", 384, r"stage\d\.\d+", sized=True),
    Model("pvt_v2_b1", "hybrid", 512, _STAGES),
    Model("coat_lite_mini", "hybrid", 512, r"serial_blocks\d\.\d+", sized=True),
    Model("coatnet_nano_rw_224", "hybrid", 512, _STAGES, sized=True),
    Model("caformer_s18", "hybrid", 2048, _STAGES),
    Model("resmlp_12_224", "mixer", 384, _PLAIN, sized=True),
    Model("poolformer_s12", "mixer", 512, _STAGES),
    Model("gmixer_24_224", "mixer", 384, _PLAIN, sized=True),
    Model("resmlp_24_224", "mixer", 384, _PLAIN, sized=True),
    Model("gmlp_s16_224", "mixer", 256, _PLAIN, sized=True),
    Model("poolformer_s24", "mixer", 512, _STAGES),
)
"""By family, and in it by published accuracy."""
