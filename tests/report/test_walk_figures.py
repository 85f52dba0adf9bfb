"""The figures of a walk: what is drawn is what was walked, and the same walk gives the same file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from uninas_bench.architecture import Costs
from uninas_bench.bounds import Bounds
from uninas_bench.drawing.render import save
from uninas_bench.report.walk_figures import (
    BINS,
    FAMILIES,
    WINDOWS,
    cost_map,
    draw_costs,
    draw_operations,
    operation_flops,
)
from uninas_bench.report.walk_table import share_lines
from uninas_bench.search.walk_files import WalkRecord
from uninas_bench.search.walk_statistics import share_table
from uninas_bench.spaces.uninas.moves import KINDS

OPERATIONS = ("conv3", "gelu", "matmul1", "copy", "conv1")
NAMED = {"resnet": Costs(24_800_000, 9_000_000_000), "mine": Costs(27_900_000, 19_000_000_000)}
BOUNDS = Bounds.read("22M..28M", "6G..20G")


def record(steps: int = 1000) -> WalkRecord:
    """conv3 grows by 1 a step, gelu stays, matmul1 is there in the second half alone, copy is free."""
    step = np.arange(1, steps + 1, dtype=np.int64)
    flops_of = np.zeros((steps, len(OPERATIONS)), np.int64)
    flops_of[:, 0] = 10**9 + step
    flops_of[:, 1] = 10**6
    flops_of[steps // 2 :, 2] = 10**9
    flops_of[:, 4] = 3 * 10**9
    rng = np.random.default_rng(0)
    return WalkRecord(
        step=step,
        outcome=np.ones(steps, np.int8),
        block=np.zeros(steps, np.int16),
        move=np.zeros(steps, np.uint16),
        moves=("conv3",),
        params=rng.integers(22_000_000, 28_000_000, steps),
        flops=rng.integers(6_000_000_000, 20_000_000_000, steps),
        flops_of=flops_of,
    )


def test_every_step_is_on_the_map() -> None:
    walk = record()
    found = cost_map(walk, BOUNDS, NAMED, "exact")
    assert found.density.shape == (BINS, BINS)
    assert found.density.sum() == len(walk) == found.steps
    assert (found.params_edges[0], found.params_edges[-1]) == (22e6, 28e6)
    place = np.searchsorted(found.params_edges, walk.params[0], "right") - 1
    assert found.density[place].sum() == sum(
        (walk.params >= found.params_edges[place]) & (walk.params < found.params_edges[place + 1])
    )


def test_open_bounds_show_what_was_seen_and_the_named_networks() -> None:
    walk = record()
    found = cost_map(walk, Bounds.read("0..", None), NAMED, "exact")
    assert found.params_edges[0] == walk.params.min()
    assert found.params_edges[-1] == max(walk.params.max(), 27_900_000)
    assert found.density.sum() == len(walk)


def test_one_network_standing_still_is_a_map_too(tmp_path: Path) -> None:
    walk = record(2)
    walk.params[:] = walk.params[0]
    found = cost_map(walk, Bounds(), {}, "exact")
    assert found.density.sum() == 2
    save(draw_costs(found), tmp_path / "costs.png")


def test_distributions_and_shares_are_of_the_steps() -> None:
    found = operation_flops(record(), OPERATIONS)
    assert found.operations == ("conv1", "conv3", "matmul1", "gelu")
    conv3, matmul = found.operations.index("conv3"), found.operations.index("matmul1")
    assert found.quantiles[conv3, 0, 2] - 10**9 == pytest.approx(250.5)
    assert found.quantiles[conv3, 1, 2] - 10**9 == pytest.approx(750.5)
    assert np.isnan(found.quantiles[matmul, 0]).all()
    assert found.present[matmul].tolist() == [0.0, 1.0]
    assert (np.diff(found.quantiles[conv3], axis=-1) > 0).all()
    assert found.shares.shape == (WINDOWS, len(FAMILIES))
    assert found.shares.sum(axis=1) == pytest.approx(1.0)
    product = list(FAMILIES).index("matrix product")
    assert found.shares[0, product] == 0
    assert found.shares[-1, product] == pytest.approx(1 / 5, rel=1e-3)
    assert (np.diff(found.steps) > 0).all()


def test_every_operation_has_one_family() -> None:
    members = [name for _, names in FAMILIES.values() for name in names]
    assert len(members) == len(set(members))
    assert set(members) <= set(KINDS)


def test_the_figures_say_what_they_show() -> None:
    walk = record()
    costs = draw_costs(cost_map(walk, BOUNDS, NAMED, "exact"))
    texts = [text.get_text() for axes in costs.axes for text in axes.texts]
    assert texts == ["ResNet", "mine"]
    assert costs.get_suptitle() == "1,000 steps; bounds (dashed): params 22M..28M, FLOPs 6G..20G"
    operations = draw_operations(operation_flops(walk, OPERATIONS))
    above, below = operations.axes
    assert [label.get_text() for label in above.get_yticklabels()] == ["conv1", "conv3", "matmul1", "gelu"]
    assert "0 / 100 %" in [text.get_text() for text in above.texts]
    legend = below.get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == list(FAMILIES)


@pytest.mark.parametrize("form", ["svg", "png"])
def test_the_same_walk_is_the_same_file(tmp_path: Path, form: str) -> None:
    for name in ("a", "b"):
        walk = record()
        save(draw_costs(cost_map(walk, BOUNDS, NAMED, "exact")), tmp_path / f"costs-{name}.{form}")
        save(draw_operations(operation_flops(walk, OPERATIONS)), tmp_path / f"operations-{name}.{form}")
    for figure in ("costs", "operations"):
        first, second = ((tmp_path / f"{figure}-{name}.{form}").read_bytes() for name in "ab")
        assert first == second
        assert len(first) > 5000


def test_the_table_in_text() -> None:
    title, headings, *lines = share_lines(share_table(record(), OPERATIONS))
    assert "share of the blocks' FLOPs in %" in title
    assert headings.split()[0] == "operation"
    assert [line.split()[0] for line in lines] == ["conv1", "conv3", "matmul1", "gelu"]
    words = lines[2].split()
    assert words[1:5] == ["0", "0", "-", "0"]
    assert words[5] == "20.0"
    assert words[-2:] == ["+2.00", "50.0%"]
    assert len({len(line) for line in [headings, *lines]}) == 1
