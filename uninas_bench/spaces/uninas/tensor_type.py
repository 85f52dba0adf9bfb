"""What flows along an edge of a block: channels, and what has happened to the spatial size.

Types do not contain heights and widths, so a graph that is well-typed is so at every resolution.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

POOLED = "p"
TOKENS = "t"


@dataclass(frozen=True, slots=True, order=True)
class TensorType:
    """Channels and the path of the spatial size, which starts at the block's own H x W.

    Each letter of ``path`` is a step from the left: ``p`` pools to 1 x 1, ``t`` makes N x N of H x W,
    where N = H W (the map between tokens that `matmul1` gives). Undoing a step removes its letter.
    """

    channels: int
    path: str = ""

    def shape(self, height: int, width: int) -> tuple[int, int, int]:
        """(C, H', W') where the block's own size is ``height`` x ``width``."""
        return (self.channels, *spatial_size(self.path, height, width))

    def shown(self, size: tuple[int, int] | None = None) -> str:
        """The shape as an error message writes it; in letters where the size is not known."""
        if size is not None:
            return str(self.shape(*size))
        return f"({self.channels}, {', '.join(_letters(self.path))})"


@lru_cache(maxsize=65536)
def spatial_size(path: str, height: int, width: int) -> tuple[int, int]:
    """Height and width after the steps of ``path``."""
    for step in path:
        height, width = (1, 1) if step == POOLED else (height * width, height * width)
    return height, width


def _letters(path: str) -> tuple[str, str]:
    height, width = "H", "W"
    for step in path:
        if step == POOLED:
            height = width = "1"
        else:
            height = width = (
                "1" if height == "1" else "HW" if (height, width) == ("H", "W") else f"{height}^2"
            )
    return height, width
