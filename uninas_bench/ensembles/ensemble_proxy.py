"""An ensemble as a proxy, for what takes one proxy alone: a search."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from uninas_bench.ensembles.notation import VERSION, Ensemble
from uninas_bench.errors import UserError
from uninas_bench.plan import expand
from uninas_bench.proxy import Proxy
from uninas_bench.proxy import Settings as ProxySettings

if TYPE_CHECKING:
    import pandas as pd

    from uninas_bench.host import Host


@dataclass(frozen=True, kw_only=True)
class EnsembleSettings(ProxySettings):
    """What an ensemble's score depends on besides its members'; it sees no network itself."""

    notation: str

    def __str__(self) -> str:
        return self.notation


class EnsembleProxy(Proxy):
    """Scores by the members' scores over the population that is asked for; made by `ensemble_proxy`.

    Attributes:
        ensemble: not of the kind ``tpe``.
        members: in its order, with their settings.
    """

    version = VERSION

    def __init__(self, ensemble: Ensemble, members: Sequence[Proxy], requires: tuple[str, ...]) -> None:
        self.name = ensemble.name
        self.requires = requires
        self.ensemble = ensemble
        self.members = tuple(members)
        super().__init__(EnsembleSettings(notation=str(ensemble)))

    def with_settings(self, **overrides: object) -> Self:
        """Itself: its members have settings, it has none."""
        if overrides:
            raise UserError(
                f'aggregate "{self.name}" has no settings; its members do: {", ".join(self.ensemble.members)}'
            )
        return self

    def aggregate(self, components: pd.DataFrame) -> pd.Series[float]:
        """`combination.combine` of the members' own aggregates; what a member failed on, it ranks last."""
        import numpy as np
        import pandas as pd

        from uninas_bench.ensembles.combination import combine

        assert self.ensemble.kind != "tpe"
        scores = {}
        for member in self.members:
            found = member.aggregate(_population(components, member)).astype("float64")
            scores[member.name] = found.where(np.isfinite(found))
        return combine(pd.DataFrame(scores), self.ensemble.kind, self.ensemble.coefficients)


def _population(components: pd.DataFrame, member: Proxy) -> pd.DataFrame:
    """What ``member.aggregate`` takes: its own components, and ``proxy.component`` of what it requires."""
    prefix = f"{member.name}."
    own = {f"{prefix}{name}": name for name in member.components}
    others = [name for part in member.requires for name in components if str(name).partition(".")[0] == part]
    return components[[*own, *others]].rename(columns=own)


def ensemble_proxy(
    host: Host, ensemble: Ensemble, settings: Mapping[str, Mapping[str, object]]
) -> EnsembleProxy:
    """The ensemble with its members looked up, as a proxy that requires them and all that they require.

    Raises:
        UserError: an unknown member, a wrong setting of one, or the kind ``tpe``.
    """
    if ensemble.kind == "tpe":
        raise UserError(
            f'aggregate "{ensemble}": tpe finds its weights from accuracies, which a search has none of; '
            'find them on a board and write them down, as in "rank: 0.8*vkdnw + 0.3*flops"'
        )
    members = [host.proxy(name).with_settings(**settings.get(name, {})) for name in ensemble.members]
    requires = tuple(part.name for part in expand(host, members))
    return EnsembleProxy(ensemble, members, requires)
