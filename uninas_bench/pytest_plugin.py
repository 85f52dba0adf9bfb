"""pytest: ``--uninas-baseline FILE`` makes a test of every proxy of a baseline; and two fixtures.

Loaded by every pytest run where this package is installed, so nothing heavy is imported before it is used.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    import pandas as pd

    from uninas_bench.baseline.verdict import Check
    from uninas_bench.host import Host
    from uninas_bench.proxy import Proxy

RANKING = "ranking"
"""The test of pairs that changed places."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """The options, in a group of their own."""
    group = parser.getgroup("uninas-bench")
    group.addoption(
        "--uninas-baseline", metavar="FILE", action="append", default=[], type=Path,
        help="check every proxy of this baseline (uninas-bench baseline record); several times",
    )  # fmt: skip
    group.addoption(
        "--uninas-plugin", metavar="FILE", action="append", default=[], type=Path,
        help="a plugin file for these checks; several times",
    )  # fmt: skip
    group.addoption(
        "--uninas-workers", metavar="N", type=int, default=1,
        help="processes of one thread each for these checks (default 1)",
    )  # fmt: skip
    group.addoption(
        "--uninas-no-cost", action="store_true",
        help="do not time evaluations in these checks",
    )  # fmt: skip


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(
    session: pytest.Session, config: pytest.Config, items: list[pytest.Item]
) -> None:
    """Add the checks to what was collected, before ``-k`` and ``-m`` choose among it."""
    from uninas_bench.errors import UserError

    for path in config.getoption("--uninas-baseline"):
        try:
            items += _BaselineFile.from_parent(session, name=path.name, nodeid=path.name, file=path).collect()
        except UserError as error:
            raise pytest.UsageError(str(error)) from None


class _BaselineFile(pytest.Collector):
    """A baseline; the first of its tests runs the check that all of them report."""

    def __init__(self, *, file: Path, **options: Any) -> None:
        from uninas_bench.baseline.files import read_baseline

        super().__init__(**options)
        self.file = file
        self.baseline = read_baseline(file)
        self._check: Check | None = None

    def collect(self) -> Iterator[pytest.Item]:
        """A test per proxy, and one of the ranking."""
        for name in [*(proxy.name for proxy in self.baseline.proxies), RANKING]:
            item = _BaselineItem.from_parent(self, name=name)
            # Under pytest-xdist with --dist loadgroup one process checks all of a baseline.
            item.add_marker(pytest.mark.xdist_group(self.name))
            yield item

    @property
    def check(self) -> Check:
        """The comparison, made when it is first asked for."""
        if self._check is None:
            from uninas_bench.baseline.checking import check
            from uninas_bench.baseline.measuring import Running

            option = self.config.getoption
            running = Running(workers=option("--uninas-workers"), cost=not option("--uninas-no-cost"))
            self._check = check(self.file, host=_host(self.config), running=running)
        return self._check


class _BaselineItem(pytest.Item):
    """One proxy of a baseline."""

    parent: _BaselineFile

    def runtest(self) -> None:
        """Fail with what the check says of this proxy, skip where it cannot be compared."""
        from uninas_bench.baseline.verdict import Verdict
        from uninas_bench.report.baseline import change_words

        check = self.parent.check
        if self.name == RANKING:
            wrong = check.of_ranking()
        else:
            finding = next(entry for entry in check.findings if entry.name == self.name)
            wrong = check.of(finding)
            if finding.verdict is Verdict.NOT_COMPARABLE:
                pytest.skip(change_words(finding))
        if wrong:
            raise _Regression("\n".join(wrong))

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], *_: Any, **__: Any) -> Any:
        """A sentence, not a traceback, for what is no fault of this program."""
        from uninas_bench.errors import UserError

        if isinstance(excinfo.value, _Regression | UserError):
            return str(excinfo.value)
        return super().repr_failure(excinfo)

    def reportinfo(self) -> tuple[Path, None, str]:
        """The baseline's file and the proxy."""
        return self.parent.file, None, f"{self.parent.name}: {self.name}"


class _Regression(Exception):
    """What a check found."""


def _host(config: pytest.Config) -> Host:
    from uninas_bench.host import build_host, default_host

    files = config.getoption("--uninas-plugin")
    return build_host(files) if files else default_host()


@pytest.fixture(scope="session")
def proxy_scores(pytestconfig: pytest.Config) -> Callable[..., pd.Series[float]]:
    """``proxy_scores("zico", sample=20)``: the scores of a proxy on architectures of a table, computed anew.

    Arguments: the proxy, by name or object; ``ground_truth="embedded"``, ``sample=20``, ``seed=0``, ``data``,
    and settings of the proxy. The result is indexed by encoding; NaN where the proxy failed. The scores of a
    proxy that is given by its name are computed once per session.
    """
    known: dict[tuple[object, ...], pd.Series[float]] = {}

    def proxy_scores(
        proxy: str | Proxy,
        *,
        ground_truth: str | Path = "embedded",
        sample: int | None = 20,
        seed: int = 0,
        data: Mapping[str, Any] | None = None,
        **settings: object,
    ) -> pd.Series[float]:
        from uninas_bench.gathering import gather

        key = (str(proxy), str(ground_truth), sample, seed, str(data), *sorted(settings.items()))
        if not isinstance(proxy, str) or key not in known:
            host = _host(pytestconfig)
            entry = host.proxy(proxy) if isinstance(proxy, str) else proxy
            found = gather(
                host, None, None, ground_truth, [entry.with_settings(**settings)],
                sample=sample, seed=seed, store=None, packed=None, data=data,
            )  # fmt: skip
            column = next(column for column in found.rows if column.proxy == entry.name)
            scores = column.scores.reindex(found.accuracies.index)
            if not isinstance(proxy, str):
                return scores
            known[key] = scores
        return known[key].copy()

    return proxy_scores


@pytest.fixture(scope="session")
def assert_ranking_stable(pytestconfig: pytest.Config) -> Callable[..., Check]:
    """``assert_ranking_stable("zico", baseline="file.json")``: fail where a check of some proxies does.

    Arguments: proxies, by name or as objects that stand for what is installed; None takes all. Then the
    baseline, default the first ``--uninas-baseline``; and what `uninas_bench.check_baseline` takes, such as
    ``tolerance=0.01``. Costs are timed only with ``cost=True``.
    """

    def assert_ranking_stable(
        *proxies: str | Proxy, baseline: str | Path | None = None, cost: bool = False, **limits: Any
    ) -> Check:
        from uninas_bench.baseline.checking import check
        from uninas_bench.baseline.judging import Limits
        from uninas_bench.baseline.measuring import Running
        from uninas_bench.errors import UserError

        given = pytestconfig.getoption("--uninas-baseline")
        if baseline is None and not given:
            raise UserError("assert_ranking_stable: name the baseline, or run with --uninas-baseline FILE")
        running = {name: limits.pop(name) for name in ("data", "workers", "device") if name in limits}
        found = check(
            given[0] if baseline is None else baseline,
            host=_host(pytestconfig),
            proxies=proxies or None,
            ground_truth=limits.pop("ground_truth", None),
            limits=Limits(**limits),
            running=Running(cost=cost, **running),
        )
        if not found.passed:
            pytest.fail("\n".join(found.regressions), pytrace=False)
        return found

    return assert_ranking_stable
