"""VKDNW against what the authors' own code gave for the same weights and images."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import uninas_bench as ub
from tests.plugins import parity
from uninas_bench_plugins._fisher.entries import sample_entries
from uninas_bench_plugins._fisher.information import (
    cholesky_factors,
    eigenvalues,
    fisher,
    quantile_entropy,
    row_seeds,
    smoothed_probabilities,
)
from uninas_bench_plugins._fisher.jacobian import jacobian

FOLDER = parity.default_folder()
ENTRIES = parity.read_entries(FOLDER) if FOLDER is not None else []
pytestmark = [pytest.mark.data, pytest.mark.skipif(not ENTRIES, reason="the reference scores are absent")]

FULL_RANK, RANK_DEFICIENT = 2e-6, 6e-3
"""The authors' float32 singular values are noise where an eigenvalue is zero."""


def _disconnected(entry: dict[str, Any]) -> bool:
    return not np.isfinite(entry["scores"]["naswot"])


@pytest.fixture(
    params=[
        pytest.param(
            entry, marks=[pytest.mark.slow] if entry.get("N") == 5 else [], id=parity.entry_name(entry)
        )
        for entry in ENTRIES
    ],
    scope="module",
)
def entry(request: pytest.FixtureRequest) -> dict[str, Any]:
    return request.param  # type: ignore[no-any-return]


@pytest.fixture(scope="module")
def rows(entry: dict[str, Any]) -> tuple[Tensor, Tensor]:
    """Logits and the Jacobian of all of them, in float64."""
    rebuilt = parity.rebuild(entry)
    entries = sample_entries(rebuilt.network, 128, 1)
    logits, values = jacobian(rebuilt.network, rebuilt.batches[0][0], entries, torch.eye)
    return logits, values.double()


def test_published_code(entry: dict[str, Any]) -> None:
    rebuilt = parity.rebuild(entry)
    proxy = ub.proxy("vkdnw", batch=entry["batch"])
    values = proxy.evaluate(rebuilt.subject(proxy))
    assert values["dim"] == entry["scores"]["vkdnw_dim"]
    extra = entry["vkdnw_extra"]
    assert values["entropy"] == pytest.approx(extra["vkdnw_entropy_ref64"], abs=FULL_RANK)
    if not _disconnected(entry):
        tolerance = RANK_DEFICIENT if extra["n_lam_below_1e10"] else FULL_RANK
        assert values["entropy"] == pytest.approx(entry["scores"]["vkdnw_entropy"], abs=tolerance)


def test_deciles(entry: dict[str, Any], rows: tuple[Tensor, Tensor]) -> None:
    logits, values = rows
    extra = entry["vkdnw_extra"]
    assert values.shape[2] == extra["n_params_sampled"]
    assert int((values == 0).all(1).all(0).sum()) == extra["n_zero_cols"]
    spectrum = eigenvalues(fisher(values[:, :-1], logits, 0.05, "reference")).numpy()
    assert spectrum[-1] == pytest.approx(extra["lam_max"], rel=1e-5)
    deciles = np.quantile(spectrum, np.arange(1, 10) / 10)
    np.testing.assert_allclose(deciles, extra["deciles_ref64"], rtol=1e-3, atol=1e-9 * extra["lam_max"])


def test_matrix_with_the_transpose(entry: dict[str, Any], rows: tuple[Tensor, Tensor]) -> None:
    logits, values = rows
    factors = cholesky_factors(smoothed_probabilities(logits, 0.05)).mT
    rooted = factors @ values
    matrix = torch.einsum("bcp,bcq->pq", rooted, rooted) / len(values)
    got = quantile_entropy(eigenvalues(matrix), "inner")
    assert got == pytest.approx(entry["vkdnw_extra"]["vkdnw_entropy_LtJ"], abs=1e-5)


def test_exact_matrix_without_smoothing(entry: dict[str, Any], rows: tuple[Tensor, Tensor]) -> None:
    extra = entry["vkdnw_extra"]
    if not extra["deciles_exact"][-1] > 1e-6 * extra["lam_max"]:
        pytest.skip("a saturated softmax leaves rounding only")
    logits, values = rows
    seeds = row_seeds("exact", entry["classes"]).double()
    matrix = fisher(torch.einsum("rc,bcp->brp", seeds, values), logits, 0.0, "exact")
    got = quantile_entropy(eigenvalues(matrix), "inner")
    assert got == pytest.approx(extra["vkdnw_entropy_exact_fim"], abs=1e-4)
