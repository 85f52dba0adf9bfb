"""Which parameters decay, which are trained, and what AdamW is told."""

from __future__ import annotations

import timm
import torch
from timm.optim import param_groups_weight_decay
from torch import nn

from tests.training.toy import ToyNetwork, toy_recipe
from uninas_bench.training.loop.optimiser import make_optimiser


def names(model: nn.Module, optimiser: torch.optim.Optimizer) -> list[set[str]]:
    """Of the parameters in each group."""
    found = {id(value): name for name, value in model.named_parameters()}
    return [{found[id(value)] for value in group["params"]} for group in optimiser.param_groups]


class Headed(nn.Module):
    """A network inside another one, as backbones are: its names have a prefix here."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone = ToyNetwork()
        self.scale = nn.Parameter(torch.zeros(()))
        self.bias2d = nn.Module()
        self.bias2d.bias = nn.Parameter(torch.zeros(2, 2))


def test_only_matrices_and_kernels_decay() -> None:
    model = Headed()
    optimiser = make_optimiser(model, toy_recipe())
    decayed, undecayed = names(model, optimiser)
    assert decayed == {"backbone.stem.weight", "backbone.block.weight", "backbone.head.weight"}
    assert undecayed == {
        "backbone.stem.bias", "backbone.norm.weight", "backbone.norm.bias", "backbone.block.bias",
        "backbone.table", "backbone.head.bias", "scale", "bias2d.bias",
    }  # fmt: skip
    assert [group["weight_decay"] for group in optimiser.param_groups] == [0.05, 0.0]
    assert all(group["betas"] == (0.9, 0.999) for group in optimiser.param_groups)
    assert all(group["eps"] == 1e-8 for group in optimiser.param_groups)


def test_everything_decays_where_the_recipe_says_so() -> None:
    model = Headed()
    decayed, undecayed = names(model, make_optimiser(model, toy_recipe(optimiser={"decay_all": True})))
    assert (len(decayed), undecayed) == (11, set())


def test_frozen_parameters_are_left_out() -> None:
    model = Headed()
    model.backbone.stem.requires_grad_(False)
    groups = names(model, make_optimiser(model, toy_recipe()))
    assert not {"backbone.stem.weight", "backbone.stem.bias"} & (groups[0] | groups[1])


def test_timm_groups_its_own_models_alike() -> None:
    for name in ("resnet18", "vit_tiny_patch16_224", "swin_tiny_patch4_window7_224"):
        with torch.device("meta"):
            model = timm.create_model(name)
        never = model.no_weight_decay() if hasattr(model, "no_weight_decay") else ()
        theirs = param_groups_weight_decay(model, 0.05, no_weight_decay_list=never)
        found = {id(value): key for key, value in model.named_parameters()}
        kept = next(
            {found[id(value)] for value in group["params"]} for group in theirs if not group["weight_decay"]
        )
        assert names(model, make_optimiser(model, toy_recipe()))[1] == kept


def test_a_step_is_adamws() -> None:
    """Against the formulas of Loshchilov and Hutter, first step: m/sqrt(v) is the gradient's sign."""
    model = nn.Linear(2, 1)
    optimiser = make_optimiser(model, toy_recipe(schedule={"rate": 0.5}))
    before = {name: value.detach().clone() for name, value in model.named_parameters()}
    for value in model.parameters():
        value.grad = torch.full_like(value, 3.0)
    optimiser.step()
    after = dict(model.named_parameters())
    torch.testing.assert_close(
        after["weight"], before["weight"] * (1 - 0.5 * 0.05) - 0.5, rtol=1e-6, atol=1e-6
    )
    torch.testing.assert_close(after["bias"], before["bias"] - 0.5, rtol=1e-6, atol=1e-6)
