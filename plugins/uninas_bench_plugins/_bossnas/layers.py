"""Layers that several supernets have: convolutions, squeeze-and-excitation, and how weights are drawn."""

from __future__ import annotations

from torch import Tensor, nn


def convolution(
    channels_in: int, channels: int, kernel: int = 1, stride: int = 1, groups: int = 1
) -> nn.Conv2d:
    """Without bias, and with a padding that keeps sizes; a stride rounds up."""
    return nn.Conv2d(channels_in, channels, kernel, stride, kernel // 2, groups=groups, bias=False)


class SqueezeExcitation(nn.Module):
    """Weighs every channel by a function of all channels' means: (B, C, H, W) -> the same.

    Args:
        channels: that are weighed.
        inside: channels of the function.
        act: its activation.
    """

    def __init__(self, channels: int, inside: int, act: nn.Module) -> None:
        super().__init__()
        self.weigh = nn.Sequential(
            nn.Conv2d(channels, inside, 1), act, nn.Conv2d(inside, channels, 1), nn.Sigmoid()
        )

    def forward(self, x: Tensor) -> Tensor:
        """The map times its weights, which are between 0 and 1."""
        out: Tensor = x * self.weigh(x.mean((2, 3), keepdim=True))
        return out


def draw_fan_out(network: nn.Module) -> None:
    """Weights of convolutions from N(0, 2 / fan-out), as in the authors' supernets; biases are 0.

    With PyTorch's own a path's output shrinks layer by layer.
    """
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
            if module.bias is not None:
                nn.init.zeros_(module.bias)
