"""The proxies of gradients and flows against the authors' code, and against NAS-Bench-Suite-Zero."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
import torch

import uninas_bench as ub
from tests.plugins import parity
from uninas_bench import NotApplicable
from uninas_bench.subject import NetworkSubject

pytestmark = pytest.mark.data

# Relative tolerances; what is published of synflow in this file is not its logarithm.
TOLERANCES = {"snip": 1e-6, "synflow": 1e-12, "grasp": 1e-4, "grad_norm": 1e-6}


def _entries():
    folder = parity.default_folder()
    entries = parity.read_entries(folder) if folder is not None else []
    return [entry for entry in entries if "snip" in entry["scores"]]


@pytest.fixture(params=[
    pytest.param(entry, id=parity.entry_name(entry), marks=[pytest.mark.slow] if entry.get("N") == 5 else [])
    for entry in _entries()
], scope="module")  # fmt: skip
def entry(request):
    return request.param


@pytest.fixture(scope="module")
def rebuilt(entry):
    return parity.rebuild(entry)


def _random_labels(entry):
    """Those that the published grad_norm draws from torch's generator."""
    generator = torch.Generator().manual_seed(entry["input_seed"])
    return torch.randint(0, entry["classes"], (entry["batch"],), generator=generator)


@pytest.mark.parametrize("name", TOLERANCES)
def test_published_code(entry, rebuilt, name):
    """A disconnected network, of which the published code says 0 or less still, is declined."""
    proxy = ub.proxy(name, **({"norm": "network"} if name == "grad_norm" else {}))
    batches = rebuilt.batches
    if name == "grad_norm":
        batches = [(batches[0][0], _random_labels(entry))]
    subject = NetworkSubject(rebuilt.network, batches, proxy.settings, init="keep", seed=0, features=None)
    if not math.isfinite(entry["scores"]["naswot"]):
        with pytest.raises(NotApplicable):
            proxy.evaluate(subject)
        return
    value = proxy.evaluate(subject)[name]
    if name == "synflow":
        value = math.exp(value)
    assert value == pytest.approx(entry["scores"][name], rel=TOLERANCES[name])


@pytest.fixture(scope="module")
def suite_zero(real_data):
    path = real_data / "ground_truth" / "nasbench201_zero_cost_scores_cifar10.csv.gz"
    return pd.read_csv(path).set_index("arch_index")


def _scored(indices, names, real_data):
    frame = ub.score(
        [str(index) for index in indices], names, space="nasbench201", store=None,
        data={"cifar10": real_data / "images" / "cifar10_subset.npz"},
    )  # fmt: skip
    return frame.pivot_table(index="architecture", columns="proxy", values="value", sort=False).set_axis(
        indices
    )


def test_sizes_and_flows_of_nas_bench_suite_zero(suite_zero, real_data):
    """Other weights and images of the same kind: norms within 2 percent, flows within a factor e."""
    indices = [0, 4406, 4794, 5965]
    ours, theirs = _scored(indices, ["l2_norm", "synflow"], real_data), suite_zero.loc[indices]
    np.testing.assert_allclose(ours["l2_norm"], theirs["l2_norm"], rtol=2e-2)
    np.testing.assert_allclose(ours["synflow"], theirs["synflow"], atol=1)


@pytest.mark.slow
def test_gradients_of_nas_bench_suite_zero(suite_zero, real_data):
    """The scale alone: it tells which weights are counted, how often, and what the loss is divided by."""
    indices, names = [645, 4794], ["snip", "grad_norm", "fisher"]
    ratio = _scored(indices, names, real_data)[names] / suite_zero.loc[indices, names]
    assert ratio.to_numpy().min() > 1 / 2.5
    assert ratio.to_numpy().max() < 2.5
