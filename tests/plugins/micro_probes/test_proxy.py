"""The proxy: conformance, settings, cells, and the way through the engine."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
import torch

import uninas_bench as ub
from tests.plugins.micro_probes.toy import SmallCNN, Transformer, made
from uninas_bench.testing.networks import TASK, cell_subject
from uninas_bench.testing.proxies import ProxyTestCase, evaluated
from uninas_bench_plugins._micro_probes.settings import NAMES, MicroProbesSettings
from uninas_bench_plugins._micro_probes.standardising import Reference, total
from uninas_bench_plugins.micro_probes import MicroProbes

TINY = {"data": 8, "test": 6, "epochs": 1, "batch": 4, "side": 16}
CELLS = ("|nor_conv_3x3~0|+|none~0|nor_conv_1x1~1|+|skip_connect~0|none~1|nor_conv_3x3~2|", "11111")
SPACE = ub.space("nasbench201", channels=4, cells=1)


def proxy(**settings):
    return ub.proxy("micro_probes", **{**TINY, **settings})


class TestMicroProbes(ProxyTestCase):
    """What every proxy keeps; bare networks of this suite are of 8 pixels, which the probes decline."""

    samples = 2
    batch = 4

    def make_proxy(self):
        return proxy(source="task", options="vm.classes:4")


def values(frame):
    return frame.set_index(["architecture", "component"])["value"]


def test_components() -> None:
    components = proxy().components
    assert components[:6] == NAMES
    assert components[6:] == (
        "vm_test",
        "vm_train",
        *(f"{name}_loss" for name in NAMES),
        "steps",
        "truncated",
    )
    assert proxy(probes="mf+csb").components == ("csb", "mf", "csb_loss", "mf_loss", "steps", "truncated")


def test_one_process_and_two_score_the_same() -> None:
    one, two = (
        values(ub.score(CELLS, [proxy()], space=SPACE, task="digits", workers=workers)) for workers in (1, 2)
    )
    assert len(one) == 2 * 16
    assert one.notna().all()
    pd.testing.assert_series_equal(one.sort_index(), two.sort_index(), check_exact=True)


def test_run_seeds_give_other_examples() -> None:
    zero, one = (values(ub.score(CELLS, [proxy()], space=SPACE, task="digits", seed=seed)) for seed in (0, 1))
    assert (zero.xs("mf", level=1) != one.xs("mf", level=1)).all()


def test_networks_are_built_for_the_side_of_the_probes() -> None:
    """A transformer's tables are for one resolution."""
    seen = []
    subject = cell_subject(proxy(side=32), CELLS[0])
    original = subject.space

    class Spy:
        def build(self, architecture, task):
            seen.append(task)
            return original.build(architecture, task)

    subject.space = Spy()
    evaluated(proxy(side=32), subject)
    assert {(task.resolution, task.classes) for task in seen} == {(32, TASK.classes)}
    subject.settings = proxy(side=0).settings
    with pytest.raises(ub.UserError, match="side=8"):
        evaluated(proxy(side=0), subject)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["nats_size", "uninas", "hytra", "mbconv"])
def test_networks_of_every_space(name) -> None:
    space = ub.space(name)
    architecture = space.sample(1, np.random.default_rng(0))[0]
    frame = ub.score([architecture], [proxy(probes="mf", side=32)], space=space, task="cifar10")
    assert set(frame["status"]) == {"ok"}, frame["message"].iloc[0]


@pytest.mark.parametrize("build", [SmallCNN, Transformer])
def test_bare_networks_get_images_of_their_size(build) -> None:
    network = made(build)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    batch = torch.randn(4, 3, 32, 32), torch.zeros(4, dtype=torch.int64)
    found = ub.score_network(network, [proxy(side=64)], [batch])["micro_probes"]
    assert all(map(math.isfinite, found.values()))
    for name, tensor in network.state_dict().items():
        assert torch.equal(tensor, before[name]), name
    assert not any(module._forward_hooks for module in network.modules())


def test_bare_networks_of_few_pixels_are_declined() -> None:
    batch = torch.randn(4, 3, 8, 8), torch.zeros(4, dtype=torch.int64)
    found = ub.score_network(made(SmallCNN), [proxy()], [batch])["micro_probes"]
    assert all(map(math.isnan, found.values()))


def test_features_that_the_caller_names() -> None:
    network = made(SmallCNN)
    batch = torch.randn(4, 3, 32, 32), torch.zeros(4, dtype=torch.int64)
    whole, early = (
        ub.score_network(network, [proxy(probes="mf")], [batch], features=features)["micro_probes"]["mf"]
        for features in (None, ["body.2"])
    )
    taken = ub.score_network(
        network, [proxy(probes="mf")], [batch], features=lambda net, x: [net.body[:3](x)]
    )
    assert whole != early
    assert taken["micro_probes"]["mf"] == pytest.approx(early, rel=1e-4)


def test_divergence_is_a_status() -> None:
    frame = ub.score(CELLS[:1], [proxy(lr=1e38, epochs=2)], space=SPACE, task="digits")
    assert set(frame["status"]) == {"not-finite"}
    assert "lgj is nan" in frame["message"].iloc[0]
    scores = values(frame)
    assert scores.xs(next(iter(NAMES)), level=1).isna().all()


def population(n=12):
    rng = np.random.default_rng(0)
    names = proxy().components
    return pd.DataFrame({name: rng.normal(size=n) for name in names}, index=[f"a{i}" for i in range(n)])


def test_aggregation_is_the_signed_sum() -> None:
    frame = population()
    pd.testing.assert_series_equal(proxy().aggregate(frame), total(frame[list(NAMES)]))


def test_aggregation_by_weights_and_reference(tmp_path) -> None:
    frame = population()
    path = tmp_path / "reference.json"
    Reference.of(frame).write(path)
    chosen = proxy(weights="vm:3+lgj:0", reference=str(path))
    expected = total(frame[list(NAMES)]) + 2 * (frame["vm"] - frame["vm"].mean()) / frame["vm"].std(ddof=0)
    expected += (frame["lgj"] - frame["lgj"].mean()) / frame["lgj"].std(ddof=0)
    np.testing.assert_allclose(chosen.aggregate(frame), expected)
    np.testing.assert_allclose(chosen.aggregate(frame[:3]), expected[:3])


def test_weights_and_reference_compute_nothing_again(tmp_path) -> None:
    store = tmp_path / "scores.db"
    done = []
    for settings in ({}, {"weights": "vm:3"}, {"reference": "none.json"}, {"lr": 1e-2}):
        found = []
        ub.score(
            CELLS[:1], [proxy(probes="vm", **settings)], space=SPACE, task="digits", store=store,
            progress=found.append,
        )  # fmt: skip
        done.append(len(found))
    assert done == [1, 0, 0, 1]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"data": 0}, "data=0: expected at least 1"),
        ({"epochs": 0}, "epochs=0: expected at least 1"),
        ({"side": 8}, "side=8: expected at least 16"),
        ({"seconds": -1}, "seconds=-1.0: expected 0 or more"),
        ({"lr": math.inf}, "lr=inf: expected 0 or more"),
        ({"probes": "lgj+nope"}, r"probes=lgj\+nope: expected some of lgj\+oip"),
        ({"probes": "lgj+lgj"}, "each once"),
        ({"probes": ""}, "expected some of"),
        ({"weights": "lgj"}, "weights=lgj: expected name:value, not lgj"),
        ({"weights": "lgj:x"}, "x is no number"),
        ({"weights": "lgj:-1"}, "expected numbers from 0 upwards"),
        ({"weights": "oip:1", "probes": "lgj"}, "oip is none of lgj"),
        ({"weights": "lgj:0", "probes": "lgj"}, "not all 0"),
        ({"options": "classes:5"}, "such as lgj.NAME:VALUE, not classes"),
        ({"reference": "a,b"}, "no comma"),
    ],
)
def test_wrong_settings_are_refused(settings, message) -> None:
    with pytest.raises(ub.UserError, match=message):
        proxy(**settings)


def test_boards_leave_it_out() -> None:
    assert MicroProbes().on_request
    assert MicroProbesSettings().names == NAMES
