"""The scores of a population: what proxies aggregate over, and the tidy frame of everything."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from uninas_bench.cells import Configuration

if TYPE_CHECKING:
    import pandas as pd

    from uninas_bench.plan import Plan
    from uninas_bench.proxy import Proxy
    from uninas_bench.store.contract import Columns

TIDY_COLUMNS = (
    "space", "scale", "architecture", "task", "proxy", "version", "settings", "component", "value",
    "status", "message", "seconds", "peak_memory", "passes", "seed",
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Scores:
    """The stored cells of a plan's architectures and proxies.

    Attributes:
        plan: the architectures, proxies and configurations.
        columns: the cells by configuration, in the order of the plan's architectures.
        packed: how many of the cells came with the package.
    """

    plan: Plan
    columns: Mapping[Configuration, Columns]
    packed: int = 0

    @cached_property
    def _configuration(self) -> dict[str, Configuration]:
        pairs = zip(self.plan.scored, self.plan.configurations, strict=True)
        return {proxy.name: configuration for proxy, configuration in pairs}

    def components(self, proxy: str) -> pd.DataFrame:
        """(architectures, components) of one proxy, every declared component; NaN where it failed."""
        declared = next(entry.components for entry in self.plan.proxies if entry.name == proxy)
        return self.columns[self._configuration[proxy]].values.reindex(columns=list(declared))

    def is_complete(self, proxy: Proxy) -> bool:
        """Whether every architecture has a cell, failed or not, of the proxy and of all that it requires."""
        known = {entry.name: entry for entry in self.plan.proxies}
        pending = [proxy]
        for entry in pending:
            pending += [known[name] for name in entry.requires if known[name] not in pending]
        count = len(self.plan.architectures)
        needed = [self._configuration[entry.name] for entry in pending if entry.components]
        return all(c in self.columns and len(self.columns[c].cells) == count for c in needed)

    def cells(self, proxy: str) -> pd.DataFrame:
        """Per architecture: ``status, message, seconds, peak_memory, passes, run`` of one proxy."""
        return self.columns[self._configuration[proxy]].cells

    def population(self, proxy: Proxy) -> pd.DataFrame:
        """What `Proxy.aggregate` takes: own components, and ``proxy.component`` of each required one."""
        import pandas as pd

        frames = [self.components(proxy.name)] if proxy.components else []
        names = {entry.name: entry for entry in self.plan.proxies}
        frames += [
            self.components(name).add_prefix(f"{name}.") for name in proxy.requires if names[name].components
        ]
        return pd.concat(frames, axis=1)

    def tidy(self) -> pd.DataFrame:
        """One row per architecture, proxy and component; see `uninas_bench.score`."""
        blocks = [
            (configuration, list(proxy.components), self.columns[configuration])
            for proxy, configuration in zip(self.plan.scored, self.plan.configurations, strict=True)
        ]
        return tidy_frame(blocks)


def tidy_frame(blocks: Iterable[tuple[Configuration, list[str], Columns]]) -> pd.DataFrame:
    """Rows of every (configuration, component names, cells), sorted by architecture, then as given."""
    import numpy as np
    import pandas as pd

    frames: list[pd.DataFrame] = []
    for configuration, names, columns in blocks:
        if not len(columns.cells):
            continue
        cells, count = columns.cells, len(names)
        values = columns.values.reindex(columns=names).to_numpy("float64")
        rows: dict[str, Any] = {
            "space": configuration.space,
            "scale": configuration.scale,
            "architecture": np.repeat(cells.index.to_numpy(), count),
            "task": configuration.dataset,
            "proxy": configuration.proxy,
            "version": configuration.proxy_version,
            "settings": configuration.settings,
            "component": np.tile(np.asarray(names, dtype=object), len(cells)),
            "value": values.ravel(),
            **{
                name: np.repeat(cells[name].to_numpy(), count)
                for name in ("status", "message", "seconds", "peak_memory", "passes")
            },
            "seed": configuration.seed,
        }
        frame = pd.DataFrame(rows, columns=list(TIDY_COLUMNS))
        frame.index = pd.Index(np.repeat(np.arange(len(cells)), count))
        frames.append(frame)
    if not frames:
        return pd.DataFrame(columns=list(TIDY_COLUMNS))
    return pd.concat(frames).sort_index(kind="stable").reset_index(drop=True)
