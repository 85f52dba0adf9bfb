"""`uninas-bench train plan`: what a training will take, before it begins."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from uninas_bench.cli import options
from uninas_bench.cli.train_subject import (
    chosen_trainees,
    recipe_set_option,
    smoke_option,
    subject_options,
)
from uninas_bench.errors import UserError

if TYPE_CHECKING:
    from uninas_bench.training.networks.trainee import Trainee
    from uninas_bench.training.planning import TrainingPlan
    from uninas_bench.training.recipes.recipe import Recipe

_BYTES = {"": 1, "M": 2**20, "G": 2**30}


def _read_memory(_context: click.Context, _parameter: click.Parameter, text: str | None) -> int | None:
    if text is None:
        return None
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([MG]?)(?:i?B)?", text.strip())
    if match is None:
        raise UserError(f"--memory {text}: expected a size such as 40G or 24576M")
    return int(float(match[1]) * _BYTES[match[2]])


@click.command("plan")
@click.argument("recipe")
@subject_options
@smoke_option
@recipe_set_option
@click.option("--devices", "--gpus", type=click.IntRange(min=1), default=1, show_default=True, metavar="N",
              help="How many train together.")  # fmt: skip
@click.option("--memory", metavar="SIZE", callback=_read_memory,
              help="Of one device, such as 40G: what cannot fit is refused.")  # fmt: skip
@click.option("--images", type=click.IntRange(min=1), metavar="N",
              help="Training images; default counted where they are, or as published.")  # fmt: skip
@click.option("--float32", is_flag=True, help="No bfloat16 autocast, as on a CPU.")
@click.option("--tflops", type=click.FloatRange(min=0, min_open=True), default=50.0, show_default=True,
              help="Sustained by one device, for the estimate of the time.")  # fmt: skip
@options.data_option
@options.json_option
@options.plugin_option
def plan(
    *,
    recipe: str,
    smoke: bool,
    overrides: Sequence[str],
    devices: int,
    memory: int | None,
    images: int | None,
    float32: bool,
    tflops: float,
    data: Mapping[str, str],
    as_json: bool,
    plugins: tuple[Path, ...],
    **subject: Any,
) -> None:
    """Say what RECIPE takes: rates, steps, memory of a device, compute. Nothing is trained."""
    from uninas_bench.training.planning import training_plan
    from uninas_bench.training.recipes.chain import load_chain

    host = options.host_with(plugins)
    (chosen,) = load_chain((recipe,), overrides, smoke)
    half = not float32 and chosen.run.precision != "float32"
    for number, trainee in enumerate(chosen_trainees(host, **subject)):
        found = training_plan(
            trainee, chosen, devices=devices, images=images, data=data, half=half, memory=memory
        )
        if as_json:
            click.echo(json.dumps({"architecture": str(trainee), **asdict(found)}, indent=2))
            continue
        if number:
            click.echo()
        click.echo("\n".join(_lines(found, trainee, chosen, tflops)))


def _lines(found: TrainingPlan, trainee: Trainee, recipe: Recipe, tflops: float) -> list[str]:
    from uninas_bench.training.estimate import gibibytes, padded_resolution
    from uninas_bench.training.recipes.reading import recipe_sentence

    plan, foot = found.plan, found.footprint
    counted = "counted" if found.counted else "as published; --data counts yours"
    height, width = padded_resolution(recipe)
    name = str(trainee)
    rows = [
        ("recipe", f"{recipe.name} {recipe.version}: {recipe_sentence(recipe)}"),
        ("source", recipe.source),
        ("assumed", ", ".join(recipe.assumed) or "nothing"),
        ("network", name if len(name) <= 100 else f"{name[:99]}…"),
        ("data", f"{recipe.data.dataset}, {found.images:,} training images ({counted})"),
        ("step", (f"{plan.images_per_step} images: {_devices(found.devices)} x batch {recipe.run.batch} x "
                 f"{recipe.run.accumulate} passes")),
        ("steps", (f"{plan.steps:,}: {plan.epochs} epochs of {plan.steps_per_epoch:,}, the first "
                  f"{plan.warm_up_steps:,} of them warm-up")),
        ("rates", (f"x {plan.images_per_step / recipe.schedule.rate_batch:g} of the recipe's, which are for "
                  f"{recipe.schedule.rate_batch} images a step")),
    ]  # fmt: skip
    lines = [f"{key:<9}{value}" for key, value in rows]
    lines.append(f"{'':<9}{'epoch':>5}  {'step':>9}  rate")
    lines += [f"{'':<9}{point.epoch:>5}  {point.step:>9,}  {point.rate:.4g}" for point in found.rates]
    least = foot.least(found.half)
    activations = foot.activation_bytes // (2 if found.half else 1)
    lines += [
        f"{'memory':<9}a device needs at least {gibibytes(least)}"
        + (f" in bfloat16, {gibibytes(foot.most)} in float32" if found.half else " in float32"),
        (
            f"{'':<9}{gibibytes(foot.parameter_bytes)} for {foot.parameters:,} parameters with gradients and "
            f"optimiser, {gibibytes(activations)} kept by a batch of {recipe.run.batch} at {height}x{width}"
        ),
        (
            f"{'':<9}largest tensor {gibibytes(foot.largest_bytes // (2 if found.half else 1))}; what "
            "convolutions work in and the allocator come on top"
        ),
        f"{'compute':<9}{foot.macs / 1e9:,.2f} GMACs an image forward, {found.macs:.3g} MACs in all",
        (
            f"{'':<9}{found.hours(tflops):,.3g} hours on {_devices(found.devices)} of {tflops:g} TFLOP/s "
            "sustained (an assumption: --tflops); evaluations not counted"
        ),
    ]
    return lines


def _devices(count: int) -> str:
    return "1 device" if count == 1 else f"{count} devices"
