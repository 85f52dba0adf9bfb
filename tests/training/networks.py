"""Small trainees of every kind."""

from __future__ import annotations

from uninas_bench.space import SearchSpace
from uninas_bench.spaces.hytra.space import Hytra
from uninas_bench.spaces.mbconv.space import Mbconv
from uninas_bench.spaces.nasbench201 import NasBench201
from uninas_bench.spaces.nats_size import NatsSize
from uninas_bench.spaces.uninas.space import Uninas
from uninas_bench.training.networks.trainee import TimmTrainee, Trainee, trainee_of

UNINAS = Uninas().scaled(widths="16:32:32:64", depths="1:1:2:1", stem="8:16")
TEMPLATES = "E | R | T1, T1 | T2"


def of(space: SearchSpace, text: str) -> Trainee:
    return trainee_of(space, space.parse(text))


TRAINEES: dict[str, Trainee] = {
    "uninas": of(UNINAS, "E | R | T1, [conv3 gelu / zero] | T2"),
    "hytra": of(
        Hytra().scaled(widths="8:16:24:32", stem=8, head=8, blocks="2:2:2:2", definition="A"), "55443210"
    ),
    "mbconv": of(
        Mbconv().scaled(depths="1:1:1:1:1", widths="8:8:16:16:24", stem="8:8", final=32, head=40), "01230"
    ),
    "nasbench201": of(
        NasBench201().scaled(channels=4, cells=1),
        "|nor_conv_3x3~0|+|none~0|skip_connect~1|+|avg_pool_3x3~0|nor_conv_1x1~1|none~2|",
    ),
    "nats_size": of(NatsSize(), "8:8:8:8:16"),
    "timm-resnet": TimmTrainee("test_resnet"),
    "timm-vit": TimmTrainee("test_vit"),
    "timm-efficientnet": TimmTrainee("test_efficientnet"),
    "timm-three-maps": TimmTrainee("efficientvit_m0"),
}
EXPECTED: dict[str, tuple[tuple[int, ...], tuple[int, ...]]] = {
    # Channels and reductions, from the scales above and from timm's own definitions.
    "uninas": ((16, 32, 32, 64), (4, 8, 16, 32)),
    "hytra": ((32, 64, 96, 128), (4, 8, 16, 32)),
    "mbconv": ((8, 8, 16, 32), (4, 8, 16, 32)),
    "nasbench201": ((4, 8, 16, 16), (1, 2, 4, 8)),
    "nats_size": ((8, 8, 16, 16), (1, 2, 4, 8)),
    "timm-resnet": ((32, 48, 192, 96), (4, 8, 16, 32)),
    "timm-vit": ((64, 64, 64, 64), (4, 8, 16, 32)),
    "timm-efficientnet": ((24, 32, 48, 64), (4, 8, 16, 32)),
    "timm-three-maps": ((64, 128, 192, 192), (16, 32, 64, 128)),
}
"""efficientvit_m0 has three stages at 16, 32 and 64; the fourth map is made of the third."""
