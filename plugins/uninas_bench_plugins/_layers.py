"""The layers that the zero-cost proxies count: convolutions and linear maps, by their weights alone."""

from __future__ import annotations

from collections.abc import Iterable

from torch import Tensor, nn

from uninas_bench import NotApplicable

LAYERS = (nn.modules.conv._ConvNd, nn.Linear)


def counted_layers(network: nn.Module) -> list[nn.Module]:
    """Every convolution and linear map with a weight of its own, in registration order.

    A module that is used several times is there once. Norms, raw parameters and weights that are
    computed from others (weight norm, pruning masks) do not count, nor do biases.

    Raises:
        NotApplicable: there is none.
    """
    found: list[nn.Module] = [
        module
        for module in network.modules()
        if isinstance(module, LAYERS) and module._parameters.get("weight") is not None
    ]
    if not found:
        raise NotApplicable("the network has no convolution and no linear map")
    return found


def weights_of(layers: Iterable[nn.Module]) -> list[Tensor]:
    """The layers' weights; one that several layers share is there once."""
    weights = [layer.get_parameter("weight") for layer in layers]
    return list({id(weight): weight for weight in weights}.values())
