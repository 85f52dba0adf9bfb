"""Weights that leave a run, as safetensors, and how another run takes them up."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING

from torch import Tensor, nn

from uninas_bench.errors import InvalidFile
from uninas_bench.training.recipes.reading import recipe_sha
from uninas_bench.training.results import WEIGHTS
from uninas_bench.whole_files import write_whole

if TYPE_CHECKING:
    from uninas_bench.training.networks.trainee import Trainee
    from uninas_bench.training.recipes.recipe import Recipe

NETWORK = "backbone.network."
"""Under which names a task's network holds the network of the space."""
_ABOUT = "uninas-bench"


def write_weights(model: nn.Module, trainee: Trainee, recipe: Recipe, classes: int, folder: Path) -> str:
    """Write ``weights.safetensors`` into a folder.

    Of a classification it holds the network of the space under its own names: ``space.build(...)`` loads it.
    Of other tasks it holds all that was trained, the space's network under ``backbone.network.``.

    Returns:
        Its sha256.

    Raises:
        UserError: it cannot be written.
    """
    from safetensors.torch import save

    tensors = _own_tensors(model)
    if recipe.kind == "classification":
        tensors = {
            name.removeprefix(NETWORK): tensor for name, tensor in tensors.items() if name.startswith(NETWORK)
        }
    about = {
        "space": trainee.space,
        "scale": trainee.scale,
        "architecture": trainee.architecture,
        "kind": recipe.kind,
        "recipe": recipe.name,
        "recipe_sha": recipe_sha(recipe),
        "classes": classes,
    }
    # One entry, since safetensors writes several in any order: equal weights would give unequal files.
    data = save(tensors, {_ABOUT: json.dumps(about, sort_keys=True)})
    write_whole(folder / WEIGHTS, data)
    return hashlib.sha256(data).hexdigest()


def _own_tensors(model: nn.Module) -> dict[str, Tensor]:
    """Each tensor with memory of its own, on the CPU: safetensors refuses those that share it."""
    return {name: tensor.detach().cpu().clone().contiguous() for name, tensor in model.state_dict().items()}


def read_weights(path: Path) -> tuple[dict[str, Tensor], str]:
    """The weights of the space's network, from a file that `write_weights` wrote or from a run's folder.

    Returns:
        Tensors by the network's own names; the recipe's name and the file's sha256.

    Raises:
        InvalidFile: there is no such file, or it is none of safetensors.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load

    file = path / WEIGHTS if path.is_dir() else path
    try:
        data = file.read_bytes()
        tensors = load(data)
        header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    except FileNotFoundError:
        raise InvalidFile(f"{file}: no such file; a finished training leaves one in its folder") from None
    except OSError as error:
        raise InvalidFile(f"{file}: cannot be read: {error.strerror or error}") from None
    except (SafetensorError, ValueError) as error:
        raise InvalidFile(f"{file}: no safetensors file: {' '.join(str(error).split())}") from None
    within = {name.removeprefix(NETWORK): t for name, t in tensors.items() if name.startswith(NETWORK)}
    about = json.loads(header.get("__metadata__", {}).get(_ABOUT, "{}"))
    recipe = about.get("recipe", "weights")
    return within or tensors, f"{recipe} {hashlib.sha256(data).hexdigest()}"
