"""Costs of the layers that networks are made of, and what strides make of sizes: plain arithmetic."""

from __future__ import annotations

from typing import NamedTuple, Self

Size = tuple[int, int]


class Price(NamedTuple):
    """Parameters and multiply-accumulates of one image; the latter of products alone, without biases."""

    params: int = 0
    macs: int = 0

    def plus(self, *others: Price) -> Self:
        """The sum."""
        return type(self)(
            self.params + sum(other.params for other in others),
            self.macs + sum(other.macs for other in others),
        )


def halved(size: Size) -> Size:
    """What a stride of 2 leaves of height and width: of odd ones the larger half."""
    return (size[0] + 1) // 2, (size[1] + 1) // 2


def convolution(
    kernel: int, channels_in: int, channels: int, size: Size, *, groups: int = 1, bias: bool = False
) -> Price:
    """A convolution with a square kernel whose output has ``size``."""
    weights = kernel * kernel * channels_in // groups * channels
    return Price(weights + (channels if bias else 0), weights * size[0] * size[1])


def batch_norm(channels: int) -> Price:
    """Gains and biases; what a norm computes is no product of matrices, and can be folded away."""
    return Price(2 * channels)


def squeeze_excitation(channels: int, squeezed: int) -> Price:
    """Two pointwise convolutions with biases on the mean of the map."""
    ends = convolution(1, channels, squeezed, (1, 1), bias=True)
    return ends.plus(convolution(1, squeezed, channels, (1, 1), bias=True))


def linear(channels: int, classes: int) -> Price:
    """The head: a linear map with biases."""
    return Price((channels + 1) * classes, channels * classes)
