"""Every reference entry and proxy against what the authors' own code gave for the same tensors."""

from __future__ import annotations

import functools
import math

import pytest

import uninas_bench as ub
from tests.plugins import parity
from uninas_bench import NotApplicable

# component of ours: (name in the file, relative tolerance)
COMPONENTS = {
    "nwot": {"nwot": ("naswot", 1e-9)},
    "zico": {"zico": ("zico", 1e-4)},
    "jacov": {"jacov": ("jacov", 1e-4)},
    "az_nas": {name: (name, 1e-4) for name in ("expressivity", "progressivity", "trainability")},
    "zen": {"zen": ("zen", 1e-6)},
    "gradsign": {"gradsign": ("gradsign", 1e-6)},
    # The condition numbers of float32 kernels.
    "te_nas": {"ntk": ("ntk", 1e-3), "linear_regions": ("linear_region", 0)},
}
REFERENCE_STYLE = {"nwot", "zico", "az_nas", "zen", "gradsign", "te_nas"}
# In batches of several images, gradients that round to either side of 0 count with another sign.
ROBUST_TOLERANCES = {"gradsign": 2e-4}


def _entries():
    folder = parity.default_folder()
    return parity.read_entries(folder) if folder is not None else []


pytestmark = [
    pytest.mark.data,
    pytest.mark.skipif(not _entries(), reason="the reference scores are absent"),
]


def _params():
    """The full-size networks take seconds each."""
    return [
        pytest.param(
            entry, id=parity.entry_name(entry), marks=[pytest.mark.slow] if entry.get("N") == 5 else []
        )
        for entry in _entries()
    ]


@pytest.fixture(params=_params(), scope="module")
def entry(request):
    return request.param


@pytest.fixture(scope="module")
def rebuilt(entry):
    return parity.rebuild(entry)


@pytest.fixture(scope="module")
def suited(entry, rebuilt):
    """By a proxy's name: the entry with the weights that its reference score is of."""
    return lambda name: parity.with_unit_weights(entry, rebuilt) if name == "zen" else rebuilt


@pytest.fixture(scope="module")
def robust(suited):
    """Components by name of a proxy at its default settings, each evaluated once."""
    return functools.cache(lambda name: _evaluate(ub.proxy(name), suited(name)))


def _evaluate(proxy, rebuilt):
    try:
        return proxy.evaluate(rebuilt.subject(proxy))
    except NotApplicable:
        return dict.fromkeys(proxy.components, math.nan)


def _names(names):
    """Of te_nas, one backward pass for every image."""
    return [pytest.param(n, marks=[pytest.mark.slow] if n == "te_nas" else []) for n in names]


@pytest.mark.parametrize("name", _names(COMPONENTS))
def test_published_code(entry, suited, name):
    proxy = ub.proxy(name, **({"style": "reference"} if name in REFERENCE_STYLE else {}))
    values = _evaluate(proxy, suited(name))
    for component, (theirs, tolerance) in COMPONENTS[name].items():
        expected = entry["scores"][theirs]
        assert values[component] == pytest.approx(expected, rel=tolerance, abs=1e-12, nan_ok=True), component


@pytest.mark.parametrize("name", _names(sorted(REFERENCE_STYLE)))
def test_robust_style_differs_only_where_the_published_code_breaks(entry, robust, name):
    if name == "te_nas" and entry.get("N") == 5:
        pytest.skip("the small entries show it, in seconds")
    values = robust(name)
    connected = math.isfinite(entry["scores"]["naswot"])
    for component, (theirs, tolerance) in COMPONENTS[name].items():
        expected = entry["scores"][theirs]
        if not connected:
            assert math.isnan(values[component])
        elif math.isfinite(expected):
            allowed = ROBUST_TOLERANCES.get(name, tolerance)
            assert values[component] == pytest.approx(expected, rel=allowed), component
        else:
            assert math.isfinite(values[component]), component


def test_clamped_expressivity(entry, robust):
    """The file also holds the expressivity of the published code with eigenvalues clamped at 0."""
    expected = entry.get("az_extra", {}).get("expressivity_clamped")
    if expected is None or not math.isfinite(expected):
        pytest.skip("no such number for this entry")
    assert robust("az_nas")["expressivity"] == pytest.approx(expected, rel=1e-6)


def test_score_network_gives_the_same(entry, rebuilt):
    """The public call, on the caller's weights, agrees with the published code too."""
    if entry["batch"] > 16:
        pytest.skip("the small entries show it")
    scores = ub.score_network(
        rebuilt.network,
        ["nwot", "jacov"],
        rebuilt.batches,
        seed=rebuilt.input_seed,
        features=rebuilt.features,
    )
    for name, theirs in (("nwot", "naswot"), ("jacov", "jacov")):
        expected = entry["scores"][theirs]
        expected = expected if math.isfinite(expected) else math.nan
        assert scores[name][name] == pytest.approx(expected, rel=1e-4, nan_ok=True)
