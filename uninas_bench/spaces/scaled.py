"""What every space of this package is: a value, fixed by its class and its scale."""

from __future__ import annotations

from typing import Generic, Self, TypeVar

from uninas_bench.space import Scale

ScaleT = TypeVar("ScaleT", bound=Scale)


class ScaledSpace(Generic[ScaleT]):
    """An immutable value: safe to pickle and to share, equal where class and scale are."""

    def __init__(self, scale: ScaleT) -> None:
        self._scale = scale

    @property
    def scale(self) -> ScaleT:
        """The macro parameters that the architectures do not choose."""
        return self._scale

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._scale})"

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and vars(other) == vars(self)

    def __hash__(self) -> int:
        return hash((type(self), self._scale))

    def scaled(self, **overrides: object) -> Self:
        """The same space at another scale, as in ``scaled(channels=8, cells=1)``."""
        return type(self)(self._scale.updated(overrides))
