"""The contract of a proxy: typed settings, components per architecture, one score over the population."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol, Self, TypeAlias, runtime_checkable

from uninas_bench.errors import UnknownName, UserError

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

    from uninas_bench.architecture import Architecture
    from uninas_bench.fitting import FitContext
    from uninas_bench.space import SearchSpace
    from uninas_bench.subject import Subject

Source = Literal["gaussian", "task"]
Init = Literal["kaiming", "gaussian", "model"]
Need = Literal["images", "labels", "gradients", "fit"]


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What a proxy's number depends on besides the architecture; every proxy may add fields.

    Attributes:
        batch: images per batch.
        source: ``gaussian`` draws standard normal images and uniform labels; ``task`` takes the task's
            training images, normalised per channel.
        init: ``kaiming`` draws Conv and Linear weights from N(0, 2/fan_in), zero biases and unit
            norms (the initialisation of AZ-NAS and VKDNW); ``gaussian`` draws them from N(0, 1) (that of
            ZenNAS); ``model`` keeps the network's own.
    """

    batch: int = 64
    source: Source = "gaussian"
    init: Init = "kaiming"

    def __post_init__(self) -> None:
        if self.batch < 1:
            raise UserError(f"batch={self.batch}: expected at least 1 image")

    def __str__(self) -> str:
        return ",".join(f"{field.name}={getattr(self, field.name)}" for field in fields(self))


AnySettings: TypeAlias = Settings
"""Inside `Proxy`, the name `Settings` is the class attribute."""


class Proxy:
    """Anything that scores architectures without training them fully. Of a score, higher is better.

    Subclasses set the class attributes and `evaluate`. A proxy never touches global random state or
    flags, leaves no hooks or gradients behind, and keeps nothing alive after `evaluate`, except what it
    loaded from its fit.
    """

    name: str
    version: int = 1
    """Bump when a number can change: old rows and baselines become "not comparable"."""
    components: tuple[str, ...] = ()
    """Names of the raw outputs; empty stands for one component of the proxy's own name."""
    needs: frozenset[Need] = frozenset()
    requires: tuple[str, ...] = ()
    """Other proxies whose stored components `aggregate` also sees, as columns ``proxy.component``."""
    reference: str = ""
    """The paper, in one line."""
    group: str = ""
    """Proxies of one group with equal ``batch``, ``source`` and ``init`` see the same network, and may share
    computations by `Subject.shared`."""
    on_request: bool = False
    """Whether boards leave it out unless it is named: it needs a file of the user's, or hours."""
    Settings: ClassVar[type[AnySettings]] = Settings

    def __init__(self, settings: AnySettings | None = None) -> None:
        self.settings = settings if settings is not None else self.Settings()
        if not self.components and not self.requires:
            self.components = (self.name,)

    def with_settings(self, **overrides: object) -> Self:
        """A copy with some settings replaced; texts are converted to the declared types.

        Raises:
            UnknownName: the proxy has no such setting.
            UserError: a value that does not fit the declared type.
        """
        if not overrides:
            return self
        return self._with(read_settings(self.name, self.settings, overrides))

    def _with(self, settings: AnySettings) -> Self:
        return type(self)(settings)

    def fit(self, space: SearchSpace, context: FitContext) -> None:
        """Learn of a space once, before any evaluation, and save it in ``context.folder``.

        Called for proxies with ``fit`` in `needs`, in the driver's process, and after an interruption again
        in the same folder: it saves its state now and then, and goes on from what it finds.

        Raises:
            NotApplicable: the proxy has no meaning for this space; say why.
        """
        raise TypeError(f'{self.name} has no fit; only a proxy with one may have "fit" in its needs')

    def fit_settings(self) -> AnySettings:
        """The settings as far as `fit` depends on them: proxies with equal ones share one. Default: all."""
        return self.settings

    def cell_settings(self) -> AnySettings:
        """The settings as far as `evaluate` depends on them, which is what cells are kept by. Default: all.

        What `aggregate` alone looks at is set to its default here: changing it then computes nothing again.
        """
        return self.settings

    def evaluate(self, subject: Subject) -> Mapping[str, float]:
        """Components of one architecture, deterministic given the subject's seed.

        Raises:
            NotApplicable: the proxy has no meaning for this network; say why.
        """
        raise TypeError(f"{self.name} has no evaluate; a proxy without one must name `requires`")

    def aggregate(self, components: pd.DataFrame) -> pd.Series[float]:
        """The score of every architecture of the population.

        Args:
            components: one row per architecture; one column per own component, and
                ``proxy.component`` for each proxy in `requires`. A component that failed is NaN.

        Returns:
            The scores on the same index; NaN where there is none. Default: the only component.
        """
        if len(self.components) != 1:
            raise TypeError(f"{self.name} has components {self.components} and must define aggregate")
        return components[self.components[0]]


@runtime_checkable
class ProposingProxy(Protocol):
    """A proxy that can name architectures it will score higher: the search strategy ``ascent`` asks it."""

    def propose(
        self, space: SearchSpace, starts: Sequence[Architecture], fitted: Path | None, seed: int
    ) -> list[Architecture]:
        """For each of the starts one that the proxy believes better, or the start itself.

        Args:
            space: that they are of.
            starts: architectures.
            fitted: the folder that `Proxy.fit` filled for this space; None for a proxy without ``fit``.
            seed: fixes everything random.

        Raises:
            NotApplicable: the proxy can do nothing with a start; say why.
        """
        ...


def read_settings(proxy: str, settings: Settings, overrides: Mapping[str, object]) -> Settings:
    """``settings`` with ``overrides``, converted and checked against the field types by pydantic."""
    from pydantic import TypeAdapter, ValidationError

    current: dict[str, Any] = {field.name: getattr(settings, field.name) for field in fields(settings)}
    for name in overrides:
        if name not in current:
            raise UnknownName(f"setting of {proxy}", name, current)
    try:
        return TypeAdapter(type(settings)).validate_python({**current, **overrides})
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise UserError(f"{proxy}.{where}={first['input']}: {first['msg']}") from None


class _FunctionProxy(Proxy):
    """A proxy made of a function by `simple_proxy`."""

    def __init__(
        self,
        name: str,
        version: int,
        needs: frozenset[Need],
        function: Callable[[Subject], float],
        settings: Settings,
    ) -> None:
        self.name = name
        self.version = version
        self.needs = needs
        self.function = function
        self.reference = (function.__doc__ or "").strip().partition("\n")[0]
        super().__init__(settings)

    def _with(self, settings: Settings) -> Self:
        return type(self)(self.name, self.version, self.needs, self.function, settings)

    def evaluate(self, subject: Subject) -> Mapping[str, float]:
        return {self.name: float(self.function(subject))}


def simple_proxy(
    name: str, *, version: int, needs: set[Need] | frozenset[Need] = frozenset(), **settings: Any
) -> Callable[[Callable[[Subject], float]], Proxy]:
    """Make a proxy of a function from a `Subject` to a number; higher is better.

    Args:
        name: the name on the board.
        version: bump it when a number can change.
        needs: any of ``images``, ``labels``, ``gradients``.
        settings: ``batch``, ``source`` and ``init`` (see `Settings`).

    Example:
        >>> @simple_proxy("weights", version=1)
        ... def weights(subject):
        ...     return sum(p.abs().sum().item() for p in subject.network().parameters())
        >>> weights.name, str(weights.settings)
        ('weights', 'batch=64,source=gaussian,init=kaiming')
    """

    def decorate(function: Callable[[Subject], float]) -> Proxy:
        return _FunctionProxy(name, version, frozenset(needs), function, Settings(**settings))

    return decorate
