from __future__ import annotations

import uninas_bench as ub
from uninas_bench.bounds import Bounds
from uninas_bench.tasks import find_task


def test_costs_are_bounded_at_the_budgets_resolution() -> None:
    """At 32 pixels 6 to 20 GFLOPs are out of reach; the search scores there and keeps to those of 224."""
    found = ub.search(
        "uninas", "params", task="cifar10@32", budget="imagenet1k", flops="6G..20G", params="22M..28M",
        iterations=8, population=4, start=("coatnet",), store=None,
    )  # fmt: skip
    space, bounds = ub.space("uninas"), Bounds.read("22M..28M", "6G..20G")
    for architecture in found.candidates.architectures:
        assert bounds.allows(space.costs(architecture, find_task("imagenet1k")))
        assert not bounds.allows(space.costs(architecture, find_task("cifar10@32")))
    assert found.candidates.candidates[0].costs == space.costs(found.best, find_task("imagenet1k"))
