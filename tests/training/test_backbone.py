"""The contract that every task relies on, for networks of all spaces and of timm."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import timm
import torch
from timm.layers.drop import calculate_drop_path_rates
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from tests.training.networks import EXPECTED, TEMPLATES, TRAINEES, UNINAS, of
from uninas_bench.errors import UserError
from uninas_bench.spaces.timm_zoo.space import TimmZoo
from uninas_bench.training.networks.backbone import Backbone, backbone_of, freeze_unused
from uninas_bench.training.networks.timm_backbone import TimmBackbone
from uninas_bench.training.networks.trainee import TimmTrainee, Trainee, trainee_of

ALL = pytest.mark.parametrize("name", TRAINEES)
# This one takes 224 pixels only.
SIZES = {"timm-three-maps": 224}


def made(name: str, drop_path: float = 0.0, classes: int = 5) -> Backbone:
    torch.manual_seed(0)
    return backbone_of(TRAINEES[name], resolution=SIZES.get(name, 64), classes=classes, drop_path=drop_path)


def images(name: str, count: int = 2) -> Tensor:
    side = SIZES.get(name, 64)
    return torch.randn(count, 3, side, side, generator=torch.Generator().manual_seed(1))


def state_of(backbone: Backbone) -> dict[str, Tensor]:
    return {key: value.clone() for key, value in backbone.state_dict().items()}


def same(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[key], other[key]) for key in one)


@ALL
def test_logits_and_four_maps(name: str) -> None:
    backbone = made(name).eval()
    channels, reductions = EXPECTED[name]
    assert (backbone.channels, backbone.reductions) == (channels, reductions)
    x = images(name)
    assert backbone(x).shape == (2, 5)
    side = x.shape[-1]
    expected = [(2, c, -(-side // r), -(-side // r)) for c, r in zip(channels, reductions, strict=True)]
    assert [tuple(found.shape) for found in backbone.features(x)] == expected


@pytest.mark.parametrize("name", [name for name in TRAINEES if name not in SIZES])
@pytest.mark.parametrize("size", [(96, 128), (75, 101)])
def test_maps_of_any_size(name: str, size: tuple[int, int]) -> None:
    backbone = made(name).eval()
    found = backbone.features(torch.randn(1, 3, *size))
    for values, reduction in zip(found, backbone.reductions, strict=True):
        assert tuple(values.shape[-2:]) == tuple(-(-side // reduction) for side in size)


@ALL
def test_asking_changes_nothing(name: str) -> None:
    backbone = made(name).train()
    frozen_norm = next((m for m in backbone.modules() if isinstance(m, nn.BatchNorm2d)), None)
    if frozen_norm is not None:
        frozen_norm.eval()
    modes = [module.training for module in backbone.modules()]
    before, generator = state_of(backbone), torch.get_rng_state()
    assert backbone.channels
    assert backbone.classifier
    backbone.unreached()
    assert same(before, state_of(backbone))
    assert torch.equal(generator, torch.get_rng_state())
    assert modes == [module.training for module in backbone.modules()]
    assert all(parameter.grad is None for parameter in backbone.parameters())


@ALL
def test_drop_path_changes_neither_parameters_nor_costs_nor_what_is_evaluated(name: str) -> None:
    backbone, x = made(name).eval(), images(name)
    before, plain = state_of(backbone), backbone(x)
    with FlopCounterMode(display=False) as counter:
        backbone(x)
    flops = counter.get_total_flops()
    backbone.set_drop_path(0.9)
    assert same(before, state_of(backbone))
    assert torch.equal(plain, backbone(x))
    with FlopCounterMode(display=False) as counter:
        backbone(x)
    assert counter.get_total_flops() == flops > 0


@pytest.mark.parametrize(
    ("name", "places"),
    # Blocks with a residual: of timm's all but the first, whose rate is 0; of hytra's none of attention.
    [("uninas", 5), ("hytra", 6), ("mbconv", 2), ("nasbench201", 0), ("timm-resnet", 3), ("timm-vit", 10)],
)
def test_how_many_places_drop_path_has(name: str, places: int) -> None:
    backbone = made(name)
    assert backbone.set_drop_path(0.5) == places
    for module in backbone.modules():
        if isinstance(module, nn.BatchNorm2d):  # the last ones of residuals begin with gains of 0
            nn.init.ones_(module.weight)
    x = images(name, 8)
    backbone.train()
    torch.manual_seed(0)
    one, two = (backbone.features(x)[-1] for _ in range(2))
    assert torch.equal(one, two) == (places == 0)
    backbone.set_drop_path(0.0)
    one, two = (backbone.features(x)[-1] for _ in range(2))
    assert torch.equal(one, two)


def test_timms_own_ramp_of_rates_is_kept() -> None:
    backbone = backbone_of(TimmTrainee("test_vit"), resolution=64, classes=5, drop_path=0.3)
    depth = len(backbone.network.get_submodule("blocks")._modules)
    rates = [
        getattr(block.drop_path1, "drop_prob", 0.0)
        for block in backbone.network.get_submodule("blocks").children()
    ]
    assert rates == pytest.approx(calculate_drop_path_rates(0.3, depth), abs=1e-7)
    assert rates == pytest.approx(np.linspace(0, 0.3, depth), abs=1e-7)


def test_the_rate_of_a_networks_block_rises_linearly() -> None:
    backbone = made("uninas", drop_path=0.2)
    rates = [module.p for name, module in backbone.named_modules() if name.endswith("drop_path")]
    assert rates == pytest.approx([0.0, 0.05, 0.1, 0.15, 0.2])


@ALL
@pytest.mark.parametrize("task", ["logits", "maps"])
def test_every_trainable_parameter_gets_a_gradient(name: str, task: str) -> None:
    backbone = made(name, drop_path=0.5).train()
    if task == "maps":
        removed = backbone.without_classifier()
        assert removed
        assert set(removed) == set(backbone.classifier)
    model = nn.ModuleDict({"backbone": backbone})
    before, generator = state_of(backbone), torch.get_rng_state()
    frozen = freeze_unused(model)
    assert same(before, state_of(backbone))
    assert torch.equal(generator, torch.get_rng_state())
    parameters = dict(model.named_parameters())
    assert {key for key, parameter in parameters.items() if not parameter.requires_grad} == set(frozen)
    x = images(name)
    loss = backbone(x).sum() if task == "logits" else sum(found.sum() for found in backbone.features(x))
    loss.backward()
    assert {key for key, parameter in parameters.items() if parameter.grad is None} == set(frozen)
    if name.startswith("timm"):
        assert not frozen


def test_the_norm_before_a_vanishing_subblock_is_frozen() -> None:
    backbone = made("uninas")
    frozen = freeze_unused(backbone)
    # The templates E and R are one subblock; in the third stage the second block ends in zero.
    places = ["0.0", "1.0", "2.1"]
    assert frozen == [f"network.stages.{at}.norm2.{what}" for at in places for what in ("weight", "bias")]


@ALL
def test_weights_are_decided_by_the_generator_alone(name: str) -> None:
    assert same(state_of(made(name)), state_of(made(name)))
    torch.manual_seed(1)
    other = backbone_of(TRAINEES[name], resolution=SIZES.get(name, 64), classes=5, drop_path=0.3)
    assert not same(state_of(made(name)), state_of(other))


@pytest.mark.parametrize("name", ["uninas", "nasbench201", "timm-vit"])
def test_a_backbone_on_the_meta_device(name: str) -> None:
    with torch.device("meta"):
        backbone = backbone_of(TRAINEES[name], resolution=64, classes=5, drop_path=0.1)
        assert backbone.channels == EXPECTED[name][0]
        assert backbone.without_classifier()
    assert {parameter.device.type for parameter in backbone.parameters()} == {"meta"}


def test_a_backbone_can_be_copied() -> None:
    backbone = made("timm-vit").eval()
    twin = copy.deepcopy(backbone)
    twin.set_drop_path(0.9)
    assert torch.equal(backbone.features(images("timm-vit"))[0], twin.features(images("timm-vit"))[0])
    assert backbone.set_drop_path(0.0) == 10
    assert max(getattr(module, "drop_prob", 0.0) for module in twin.modules()) == pytest.approx(0.9)


def test_position_tables_do_not_decay() -> None:
    assert made("uninas").no_weight_decay() == {
        "network.stages.2.0.first.rel_pos_bias_3.table",
        "network.stages.3.0.first.rel_pos_bias_3.table",
        "network.stages.3.0.first.rel_pos_bias_7.table",
    }
    assert made("timm-vit").no_weight_decay() == {"network.pos_embed", "network.cls_token"}
    for name in ("hytra", "mbconv", "nasbench201", "timm-resnet"):
        assert made(name).no_weight_decay() == set()


def test_timms_maps_are_those_that_timm_extracts() -> None:
    backbone = made("timm-resnet").eval()
    extractor = timm.create_model("test_resnet", features_only=True, out_indices=(1, 2, 3, 4)).eval()
    extractor.load_state_dict(
        {
            key.removeprefix("network."): value
            for key, value in backbone.state_dict().items()
            if not key.startswith("network.fc.")
        }
    )
    x = images("timm-resnet")
    for found, expected in zip(backbone.features(x), extractor(x), strict=True):
        assert torch.equal(found, expected)


def test_a_plain_transformers_maps_are_its_quarters() -> None:
    backbone = made("timm-vit").eval()
    network = backbone.network
    taken: dict[int, Tensor] = {}
    for number, block in enumerate(network.get_submodule("blocks").children()):
        block.register_forward_hook(lambda _m, _i, out, number=number: taken.__setitem__(number, out))
    maps = backbone.features(images("timm-vit"))
    depth = len(taken)
    tokens = taken[-(-depth * 3 // 4) - 1][:, 1:]
    assert torch.equal(maps[2], tokens.transpose(1, 2).reshape(2, 64, 4, 4))  # stride 16 is the model's own


def test_patches_that_do_not_fit_into_32_pixels() -> None:
    trainee = TimmTrainee("vit_small_patch14_dinov2")
    with torch.device("meta"):
        backbone = backbone_of(trainee, resolution=56, classes=5, drop_path=0.0).eval()
        maps = backbone.features(torch.zeros(1, 3, 64, 100))
    assert [tuple(found.shape[-2:]) for found in maps] == [(16, 25), (8, 13), (4, 7), (2, 4)]


def test_a_padded_image_has_the_maps_of_its_own_part() -> None:
    """Convolutions of 3 x 3 see what lies next to the image: only the border differs."""
    backbone = made("nasbench201").eval()
    x = torch.randn(1, 3, 63, 63)
    ones = backbone.features(x)[0]
    whole = backbone.features(nn.functional.pad(x, (0, 1, 0, 1)))[0]
    assert ones.shape[-2:] == (63, 63)
    assert torch.equal(ones, whole[..., :63, :63])


def test_a_network_without_maps_says_so() -> None:
    backbone = Backbone(nn.Sequential(nn.Flatten(), nn.Linear(12, 2)))
    assert backbone(torch.zeros(1, 3, 2, 2)).shape == (1, 2)
    with pytest.raises(UserError, match=r"^Sequential: the network has no method features\(images\)"):
        _ = backbone.channels


def test_a_timm_model_without_intermediate_maps_says_so() -> None:
    backbone = TimmBackbone(nn.Sequential(nn.Conv2d(3, 4, 1)), "odd", 64)
    with pytest.raises(UserError, match=r"^timm:odd: the model gives no intermediate maps"):
        backbone.features(torch.zeros(1, 3, 64, 64))


def test_a_timm_model_of_one_size_says_so() -> None:
    backbone = backbone_of(TimmTrainee("levit_128s"), resolution=224, classes=5, drop_path=0.0)
    assert backbone.reductions == (16, 32, 64, 128)
    with pytest.raises(UserError, match=r"^timm:levit_128s: images of 192 x 256 pixels: .+") as caught:
        backbone.features(torch.zeros(1, 3, 192, 256))
    assert "\n" not in str(caught.value)


def test_faults_that_no_size_causes_keep_their_traceback() -> None:
    class Faulty(nn.Module):
        fault: Exception = RuntimeError("of another kind")

        def forward_intermediates(self, images: Tensor, **_: object) -> list[Tensor]:
            raise self.fault

    network = Faulty()
    network.register_parameter("weight", nn.Parameter(torch.zeros(1)))
    backbone = TimmBackbone(network, "faulty", 64)
    with pytest.raises(RuntimeError, match="of another kind"):
        backbone.features(torch.zeros(1, 3, 64, 64))
    network.fault = torch.OutOfMemoryError("too little")
    with pytest.raises(torch.OutOfMemoryError):
        backbone.features(torch.zeros(1, 3, 96, 64))


def test_a_timm_model_that_cannot_be_made_for_a_size_says_so() -> None:
    with pytest.raises(
        UserError, match=r"^timm:nest_tiny_jx: cannot be made for 50 pixels: `patch_size` must"
    ):
        backbone_of(TimmTrainee("nest_tiny_jx"), resolution=50, classes=5, drop_path=0.0)


def test_the_zoos_networks_are_timms() -> None:
    zoo = TimmZoo()
    trainee = trainee_of(zoo, zoo.parse("mobilenetv3_small_100"))
    assert (trainee.space, trainee.architecture) == ("timm_zoo", "mobilenetv3_small_100")
    backbone = backbone_of(trainee, resolution=48, classes=5, drop_path=0.1)
    assert isinstance(backbone, TimmBackbone)
    assert backbone.reductions == (4, 8, 16, 32)


def test_templates_run_at_other_resolutions() -> None:
    trainee: Trainee = of(UNINAS, TEMPLATES)
    backbone = backbone_of(trainee, resolution=224, classes=5, drop_path=0.0).eval()
    with torch.inference_mode():
        for size in ((512, 512), (800, 1088)):
            maps = backbone.features(torch.randn(1, 3, *size))
            assert [tuple(found.shape[-2:]) for found in maps] == [
                (size[0] // reduction, size[1] // reduction) for reduction in (4, 8, 16, 32)
            ]
            assert all(found.isfinite().all() for found in maps)
            assert backbone(torch.randn(1, 3, *size)).shape == (1, 5)
