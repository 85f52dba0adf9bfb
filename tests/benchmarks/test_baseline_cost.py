"""What every proxy of the shipped baseline costs now, in bare passes, against what was recorded."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

import pytest

from uninas_bench.architecture import Architecture
from uninas_bench.baseline.files import read_baseline
from uninas_bench.baseline.judging import COST_TOLERANCE, is_slower
from uninas_bench.baseline.measuring import timed_architectures
from uninas_bench.baseline.timing import ROUNDS, Stopwatch
from uninas_bench.host import default_host
from uninas_bench.plan import make_plan
from uninas_bench.tasks import find_task

pytestmark = pytest.mark.slow

BASELINE = read_baseline(
    Path(str(resources.files("uninas_bench_tables"))) / "baselines" / "nasbench201-mnist-hard.json"
)


@pytest.mark.parametrize("name", [proxy.name for proxy in BASELINE.proxies])
def test_passes(benchmark, name):
    """The multiples are of the machine that runs this, so runs on different machines compare."""
    host = default_host()
    scale = dict(part.split("=") for part in BASELINE.scale.split(","))
    space, task = host.space(BASELINE.space).scaled(**scale), find_task(BASELINE.task)
    costs = {
        encoding: space.costs(Architecture(space.name, encoding), task) for encoding in BASELINE.architectures
    }
    points = [Architecture(space.name, encoding) for encoding in timed_architectures(costs)]
    plan = make_plan(host, points, [name], space=space, task=task, seed=BASELINE.seed, data=None)
    stopwatch = Stopwatch(plan, "cpu")
    recorded = BASELINE.proxy(name)

    def passes() -> float:
        stopwatch.measure()
        return sum(stopwatch.passes().values())

    found = benchmark.pedantic(passes, rounds=1)
    for _ in range(ROUNDS):
        if not is_slower(recorded, found, COST_TOLERANCE):
            break
        found = passes()
    benchmark.extra_info.update(passes=round(found, 3), recorded=recorded.passes)
    assert not is_slower(recorded, found, COST_TOLERANCE)
