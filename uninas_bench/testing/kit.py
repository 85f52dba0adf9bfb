"""The conformance kit: every check on one proxy, its direction on a table, its cost; as data."""

from __future__ import annotations

import logging
import math
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from uninas_bench.errors import UserError
from uninas_bench.testing import conformance
from uninas_bench.testing.conformance import Nonconforming, NotChecked, demand, tiny_encodings
from uninas_bench.testing.networks import SPACE, TASK, NoiseSource

if TYPE_CHECKING:
    from uninas_bench.host import Host
    from uninas_bench.proxy import Proxy

Result = Literal["ok", "failed", "allowed", "not checked"]
Started = Callable[[str], None]

CHECKS = (
    "declaration", "settings", "determinism", "processes", "fit", "global-state", "network", "hooks",
    "memory", "finite", "disconnected", "attention", "aggregate",
)  # fmt: skip
"""The names of the checks, in the order in which they run."""

WORDS = {
    "declaration": "name, version and reference",
    "settings": "settings",
    "determinism": "determinism",
    "processes": "1 and 2 processes",
    "fit": "fit after an interruption",
    "global-state": "global state untouched",
    "network": "network unchanged",
    "hooks": "hooks removed",
    "memory": "nothing kept alive",
    "finite": "finite on the tiny space",
    "disconnected": "disconnected network",
    "attention": "attention",
    "aggregate": "aggregate",
}
"""What a report calls them."""

TABLE = "nasbench201-mnist-hard"
"""The table that direction and cost are measured on."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Finding:
    """How one check ended; ``message`` says what is wrong, or why it was not checked."""

    check: str
    result: Result
    message: str = ""


@dataclass(frozen=True, slots=True)
class Direction:
    """Kendall's tau-b with the accuracies of a table, and what it rests on.

    Attributes:
        table: its name; with ``space``, ``task``.
        space: that the table is of.
        task: that it was trained on.
        tau, low, high: with the 95% interval; NaN where the scores are constant.
        n: architectures.
        failed: how many of them have no score; they rank last.
        sample_seed: of the sample and of the scores.
        accuracy_seeds: trainings behind each accuracy.
        ceiling: the noise ceiling of tau with its interval; None where there is one training.
        size_tau: that of the parameters, for comparison.
    """

    table: str
    space: str
    task: str
    tau: float
    low: float
    high: float
    n: int
    failed: int
    sample_seed: int
    accuracy_seeds: int
    ceiling: tuple[float, float, float] | None
    size_tau: float

    @property
    def verdict(self) -> Literal["right", "reversed", "undecided", "constant"]:
        """On which side of zero the interval lies."""
        if math.isnan(self.tau):
            return "constant"
        return "right" if self.low > 0 else "reversed" if self.high < 0 else "undecided"


@dataclass(frozen=True, slots=True)
class Cost:
    """Seconds of one architecture, and how many bare forward passes of its network they are (None: none)."""

    seconds: float
    passes: float | None
    batch: int


@dataclass(frozen=True, slots=True)
class Report:
    """All that was found of one proxy."""

    proxy: str
    version: int
    reference: str
    settings: str
    origin: str
    findings: tuple[Finding, ...]
    direction: Direction | None = None
    cost: Cost | None = None

    @property
    def passed(self) -> bool:
        """Whether no check failed that was not allowed to."""
        return all(finding.result != "failed" for finding in self.findings)


def check_proxy(
    proxy: Proxy,
    host: Host,
    *,
    ground_truth: str | Path = TABLE,
    sample: int | None = 60,
    seed: int = 0,
    workers: int = 1,
    samples: int = 4,
    batch: int | None = 8,
    allowed: Sequence[str] = (),
    started: Started | None = None,
) -> Report:
    """Run every check on a proxy, then score architectures of a table with it.

    Args:
        proxy: with the settings of a user.
        host: that knows it, and what it requires.
        ground_truth: the table for direction and cost, by name or path.
        sample: architectures of the table, None for all, 0 for no board.
        seed: of that sample and of its scores.
        workers: processes that score them.
        samples: architectures of the tiny space.
        batch: images per batch of the checks; None takes the proxy's own. The board always does.
        allowed: checks whose failure is only noted.
        started: called with the words of what comes next.

    Raises:
        UserError: the proxy needs something that the user has to give, or ``allowed`` names no check.
    """
    unknown = [name for name in allowed if name not in CHECKS]
    if unknown:
        from uninas_bench.errors import UnknownName

        raise UnknownName("check", unknown[0], CHECKS)
    small = proxy if batch is None else proxy.with_settings(batch=batch)
    findings = []
    with tempfile.TemporaryDirectory() as name, conformance.cache_at(Path(name) / "cache"):
        for check, run in _checks(small, host, tiny_encodings(samples), Path(name)):
            if started is not None:
                started(WORDS[check])
            findings.append(_finding(check, run, allowed=check in allowed))
    direction = cost = None
    # Without a value anywhere there is nothing to correlate.
    finite = next(finding for finding in findings if finding.check == "finite")
    if sample != 0 and finite.result != "failed":
        if started is not None:
            started("direction and cost")
        direction, cost = _on_a_board(
            proxy, host, ground_truth=ground_truth, sample=sample, seed=seed, workers=workers
        )
    return Report(
        proxy.name, proxy.version, proxy.reference, str(proxy.settings), host.owner("proxy", proxy.name),
        tuple(findings), direction, cost,
    )  # fmt: skip


def _checks(
    proxy: Proxy, host: Host, encodings: Sequence[str], folder: Path
) -> Iterator[tuple[str, Callable[[], None]]]:
    first = encodings[0]
    yield "declaration", lambda: conformance.declares_itself(proxy)
    yield "settings", lambda: conformance.settings_survive(proxy)
    yield "determinism", lambda: _evaluating(proxy, lambda: _deterministic(proxy, encodings))
    yield "processes", lambda: _evaluating(proxy, lambda: _processes(proxy, host, encodings, folder))
    yield "fit", lambda: conformance.fits_the_same_after_an_interruption(proxy, encodings, folder)
    yield (
        "global-state",
        lambda: _evaluating(proxy, lambda: conformance.leaves_global_state_alone(proxy, first)),
    )
    yield "network", lambda: conformance.leaves_the_network_alone(proxy, first)
    yield "hooks", lambda: conformance.removes_hooks(proxy, first)
    yield "memory", lambda: conformance.keeps_nothing_alive(proxy, first)
    yield "finite", lambda: _evaluating(proxy, lambda: conformance.finite_or_declined(proxy, encodings))
    yield "disconnected", lambda: _evaluating(proxy, lambda: conformance.makes_nothing_up(proxy, first))
    yield "attention", lambda: conformance.takes_attention(proxy)
    yield "aggregate", lambda: conformance.aggregates(proxy)


def _finding(check: str, run: Callable[[], None], *, allowed: bool) -> Finding:
    try:
        run()
    except NotChecked as reason:
        return Finding(check, "not checked", str(reason))
    except UserError:
        raise
    except Nonconforming as error:
        message = str(error)
    # Whatever a proxy raises is a finding of its author's, and the other checks go on.
    except Exception as error:
        _log.debug("%s", check, exc_info=True)
        text = " ".join(str(error).split())
        message = f"raised {type(error).__name__}: {text}".removesuffix(": ")
    else:
        return Finding(check, "ok")
    return Finding(check, "allowed" if allowed else "failed", message)


def _evaluating(proxy: Proxy, run: Callable[[], None]) -> None:
    conformance.check_evaluates(proxy)
    run()


def _deterministic(proxy: Proxy, encodings: Sequence[str]) -> None:
    conformance.same_twice(proxy, proxy.with_settings(**_texts(proxy)), encodings)


def _texts(proxy: Proxy) -> dict[str, str]:
    """The settings as texts: a copy made with them is a fresh instance."""
    return dict(part.split("=", 1) for part in str(proxy.settings).split(","))


def _processes(proxy: Proxy, host: Host, encodings: Sequence[str], folder: Path) -> None:
    """The engine's scores with one and two processes, and the value in a fresh interpreter."""
    from uninas_bench.engine import run

    conformance.same_in_another_process(proxy, encodings[0], folder)
    columns = [
        run(
            encodings, [proxy], space=SPACE, task=TASK, store=None, workers=workers, host=host,
            data={TASK.dataset: NoiseSource()}, command="conformance kit",
        ).tidy().query("proxy == @proxy.name").set_index(["architecture", "component"])["value"]
        for workers in (1, 2)
    ]  # fmt: skip
    one, two = columns
    differ = ~((one == two) | (one.isna() & two.isna()))
    demand(
        not differ.any(),
        f"{int(differ.sum())} of {len(one)} values differ between 1 and 2 processes: something global, or "
        "the order of a set, is in them",
    )


def _on_a_board(
    proxy: Proxy, host: Host, *, ground_truth: str | Path, sample: int | None, seed: int, workers: int
) -> tuple[Direction, Cost]:
    from uninas_bench.leaderboard import build

    # Scores that came with the package, or that a store holds, say nothing of the code as it is now.
    frame = build(
        ground_truth=ground_truth, proxies=[proxy], sample=sample, seed=seed, store=None, packed=None,
        workers=workers, host=host,
    )  # fmt: skip
    row = frame[frame["proxy"] == proxy.name].iloc[0]
    size = frame[frame["proxy"] == "params"].iloc[0]
    table = frame.attrs["ground_truth"]
    direction = Direction(
        table["name"], frame.attrs["space"], frame.attrs["task"],
        float(row["tau"]), float(row["tau_low"]), float(row["tau_high"]),
        int(row["n"]), int(row["failed"]), seed, table["seeds"], _ceiling(frame.attrs["noise_ceiling"]),
        float(size["tau"]),
    )  # fmt: skip
    passes = float(row["passes"])
    return direction, Cost(
        float(row["seconds"]), None if math.isnan(passes) else passes, proxy.settings.batch
    )


def _ceiling(found: Mapping[str, Any] | None) -> tuple[float, float, float] | None:
    if found is None:
        return None
    return found["corrected"], found["corrected_low"], found["corrected_high"]
