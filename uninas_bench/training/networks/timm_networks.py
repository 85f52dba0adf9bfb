"""timm's models, made for a resolution and, where they can be, for all others too."""

from __future__ import annotations

import re
from typing import Any

import timm
import torch
from torch import nn

from uninas_bench.errors import UserError

_REFUSED = re.compile(r"unexpected keyword argument(.*)")


def timm_network(name: str, resolution: int, classes: int, drop_path: float) -> nn.Module:
    """A model without pretrained weights, from the torch generator in force.

    Models differ in what they can be told. All are offered the resolution, leave to run at other ones, and
    the rate of stochastic depth; what a model's class does not know is left out.

    Raises:
        UserError: the model cannot be made for this resolution.
    """
    options: dict[str, Any] = {
        "img_size": resolution,
        "dynamic_img_size": True,
        "strict_img_size": False,
        "drop_path_rate": drop_path,
    }
    state = torch.random.get_rng_state()
    while True:
        try:
            network: nn.Module = timm.create_model(name, pretrained=False, num_classes=classes, **options)
        except TypeError as error:
            refused = _REFUSED.search(str(error))
            names = options.keys() & re.findall(r"\w+", refused[1]) if refused else set()
            if not names:
                raise
            for refused_name in names:
                del options[refused_name]
            torch.random.set_rng_state(state)
        except (AssertionError, RuntimeError, ValueError) as error:
            reason = str(error).strip().partition("\n")[0] or type(error).__name__
            raise UserError(f"timm:{name}: cannot be made for {resolution} pixels: {reason}") from None
        else:
            # What `timm.create_model` accepted is not told by the model, and decides how images are padded.
            network.sized = "img_size" in options  # type: ignore[assignment]
            return network
