"""The model card of a run: what was trained how, what came out, and how to use it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from uninas_bench.training.recipes.reading import canonical_json
from uninas_bench.training.results import CARD, WEIGHTS, Result
from uninas_bench.whole_files import write_whole

if TYPE_CHECKING:
    from uninas_bench.training.recipes.recipe import Recipe


def write_card(result: Result, recipe: Recipe, folder: Path) -> None:
    """Write the model card: what was trained how, what came out, and how to use it.

    Raises:
        UserError: it cannot be written.
    """
    write_whole(folder / CARD, model_card(result, recipe).encode())


def model_card(result: Result, recipe: Recipe) -> str:
    """The card as Markdown."""
    name = f"{result.space} under {result.recipe}"
    smoke = (
        "**This was a smoke run: it shows that everything works, and its metrics mean nothing.**\n\n"
        if result.smoke
        else ""
    )
    assumed = ", ".join(f"`{field}`" for field in recipe.assumed) or "none"
    notes = "".join(f"- {note}\n" for note in result.notes)
    metrics = {
        name if name == "loss" else f"{name} (%)": f"{value:.4g}" for name, value in result.metrics.items()
    }
    lines = [
        f"# {name}, seed {result.seed}\n",
        f"{smoke}Architecture ({result.space}{f' [{result.scale}]' if result.scale else ''}):\n",
        f"```text\n{result.architecture}\n```\n",
        _table(metrics, ("metric", f"{result.task}, {result.test_images:,} images")),
        _table(_facts(result), ("", "")),
        (f"Protocol: {result.protocol}. Fields that the source does not state: {assumed}.\n"),
        f"## Notes\n\n{notes}" if notes else "",
        _use(result),
        "## The recipe\n",
        f"sha256 `{result.recipe_sha}`\n",
        f"```json\n{json.dumps(json.loads(canonical_json(recipe)), indent=1)}\n```",
    ]
    return "\n".join(line for line in lines if line) + "\n"


def _facts(result: Result) -> Mapping[str, str]:
    flops = "unknown" if result.flops is None else (
        f"{result.flops:,} ({result.convention}, {result.flops_resolution} pixels)"
    )  # fmt: skip
    return {
        "parameters": f"{result.params:,}; with the head of the task {result.network_params:,}",
        "FLOPs": flops,
        "multiply-accumulates": f"{result.macs:,} at {result.resolution[0]}x{result.resolution[1]}",
        "weights began as": result.pretrained or "random",
        "training": f"{result.steps:,} steps of {result.images_per_step}, {result.training_images:,} images",
        "data": result.data,
        "speed": f"{result.images_per_second:.3g} images per second, {result.timed_batch} at a time, "
                 f"on {result.device}",
        "made with": f"uninas-bench {result.provenance.package}, torch {result.provenance.torch}",
        "command": f"`{result.provenance.command}`",
    }  # fmt: skip


def _table(rows: Mapping[str, str], heading: tuple[str, str]) -> str:
    body = "".join(f"| {name} | {value} |\n" for name, value in rows.items())
    return f"| {heading[0]} | {heading[1]} |\n|---|---|\n{body}"


def _use(result: Result) -> str:
    if result.kind != "classification" or result.space == "timm":
        return ""
    dataset = result.task.partition("@")[0]
    parts = (part.partition("=") for part in result.scale.split(",") if part)
    scale = "".join(f', {key}="{value}"' for key, _, value in parts)
    return (
        "## Use\n\n```py\nimport uninas_bench as ub\nfrom safetensors.torch import load_file\n\n"
        f'space = ub.space("{result.space}"{scale})\n'
        f'architecture = space.parse("{result.architecture}")\n'
        f'task = ub.Task("{result.task}", "{dataset}", {result.flops_resolution}, {result.classes})\n'
        "network = space.build(architecture, task)\n"
        f'network.load_state_dict(load_file("{WEIGHTS}"))\n```\n'
    )
