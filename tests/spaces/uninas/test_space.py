from __future__ import annotations

import subprocess
import sys
from typing import ClassVar

import numpy as np
import pytest

import uninas_bench as ub
from uninas_bench.architecture import Task
from uninas_bench.bounds import Bounds
from uninas_bench.errors import InvalidArchitecture
from uninas_bench.space import BoundedSpace, SearchSpace
from uninas_bench.spaces.uninas.space import NAMED, Uninas
from uninas_bench.tasks import find_task
from uninas_bench.testing.spaces import SpaceTestCase

SPACE = Uninas()
IMAGENET = find_task("imagenet1k")


class TestConformance(SpaceTestCase):
    task: ClassVar[Task] = Task("conformance", "conformance", 16, 5)
    samples = 12
    malformed = (
        "E",
        "E | E | T",
        "E | E | E | Q",
        "E, E | E | E | E",
        "E | E | E | T0",
        "[conv3 / -",
        "[conv3] | E | E | E",
        "{1:2:3} E | E | E | E",
        "[chunk5 ; ; ; ; ; concat5 / -] | E | E | E",
    )
    equivalent: ClassVar = [
        (
            "[copy2 ; gelu ; conv1 add2 / zero] | E | T2 | R",
            "[copy2 ; conv1 ; gelu identity add2 / zero] | E | T | R",
        ),
    ]

    def make_space(self) -> SearchSpace:
        return Uninas().scaled(widths="16:32:64:64", depths="1:1:1:1", stem="8:16")


# Paper, Table IV; the toolkit's totals and the text of specs: params to the printed digit but EfficientNet's.
@pytest.mark.parametrize(
    ("name", "millions"), [("resnet", 24.8), ("vit", 26.4), ("coatnet", 26.9), ("efficientnet", 23.9)]
)
def test_named_networks_have_the_published_parameters(name: str, millions: float) -> None:
    architecture = SPACE.parse(name)
    assert round(SPACE.costs(architecture, IMAGENET).params / 1e6, 1) == millions
    assert SPACE.spellings(architecture)["name"] == name
    assert SPACE.parse(f"uninas:{architecture.encoding}") == architecture


def test_widths_of_the_scale_are_not_repeated_in_the_encoding() -> None:
    own = SPACE.parse(NAMED["resnet"])
    scaled = SPACE.scaled(widths=(64, 128, 384, 512))
    assert own.encoding.startswith("{64:128:384:512}")
    assert scaled.parse(own.encoding).encoding == own.encoding.partition("} ")[2]
    assert scaled.costs(scaled.parse(own.encoding), IMAGENET) == SPACE.costs(own, IMAGENET)


def test_a_bias_on_a_feature_map_depends_on_the_resolution() -> None:
    architecture = SPACE.parse("[rel_pos_bias / -], E | E, R, R | T12, T12, T12, T12, T12 | E, R")
    with pytest.raises(
        InvalidArchitecture, match=r"imagenet1k: block 1.1, subblock 1: node 1 .* \(96, 56, 56\)"
    ):
        SPACE.costs(architecture, IMAGENET)
    assert SPACE.costs(architecture, find_task("imagenet1k@64")).params > 0


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("E E | E R R | T*5 | E", "2:3:5:1 blocks in the stages, expected 2:3:5:2"),
        ("E E | E R Q | T*5 | E R", 'block 2.3: no block "Q"'),
        (
            "E, E | E, R, R | T, T, [chunk5 ; ; ; ; ; concat5 / zero], T, T | E, R",
            "block 3.3, subblock 1: node 1 (chunk5) needs channels divisible by 5, got (384, H, W)",
        ),
        ("E, E | E, R, R | T, [- / gleu], T, T, T | E, R", 'block 3.2, subblock 2: no operation "gleu"'),
        ("{64:128:384:511} R R | R R R | R*5 | T R", "T stands for heads of 32 channels, and 511"),
    ],
)  # fmt: skip
def test_errors_name_block_and_node(text: str, message: str) -> None:
    with pytest.raises(InvalidArchitecture) as caught:
        SPACE.parse(text)
    assert str(caught.value).startswith("uninas: ")
    assert message in str(caught.value)


def test_steps_stay_within_bounds_from_a_start_within() -> None:
    assert isinstance(SPACE, BoundedSpace)
    bounds = Bounds.read("22M..27M", "..20G")
    architecture, rng = SPACE.parse("coatnet"), np.random.default_rng(0)
    for _ in range(40):
        found = SPACE.step(architecture, rng, IMAGENET, bounds, steps=5)
        assert found is not None
        assert found != architecture
        assert bounds.allows(SPACE.costs(found, IMAGENET))
        architecture = found


def test_samples_exist_at_every_resolution() -> None:
    for architecture in SPACE.sample(20, np.random.default_rng(0)):
        for resolution in (32, 64, 88, 224):
            assert SPACE.costs(architecture, find_task(f"imagenet1k@{resolution}")).params > 0


def test_a_sample_is_near_the_costs_of_templates() -> None:
    drawn = SPACE.sample(30, np.random.default_rng(1))
    params = [SPACE.costs(architecture, IMAGENET).params for architecture in drawn]
    kinds = {kind for architecture in drawn for kind in architecture.encoding.split()}
    assert 10e6 < min(params) <= max(params) < 60e6
    assert {"conv3", "matmul1", "softmax", "multiply", "global_avg"} <= kinds


@pytest.mark.parametrize("resolution", ["7", "99999", "x", ""])
def test_resolutions_of_tasks_are_checked(resolution: str) -> None:
    with pytest.raises(ub.UserError, match="expected a resolution between 8 and 4096"):
        find_task(f"imagenet1k@{resolution}")


def test_the_space_works_without_torch() -> None:
    code = (
        "import sys, numpy as np, uninas_bench as ub\n"
        "from uninas_bench.tasks import find_task\n"
        "space = ub.space('uninas')\n"
        "a = space.mutate(space.sample(1, np.random.default_rng(0))[0], np.random.default_rng(1))\n"
        "space.costs(a, find_task('imagenet1k')), space.canonical(a)\n"
        "assert 'torch' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
