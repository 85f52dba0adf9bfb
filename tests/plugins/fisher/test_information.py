"""The algebra after the Jacobian, against numpy and against sums written out."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from uninas_bench_plugins._fisher.information import (
    cholesky_factors,
    eigenvalues,
    fisher,
    quantile_entropy,
    row_seeds,
    smoothed_probabilities,
)


def _logits(batch: int, classes: int, spread: float = 3.0, seed: int = 0) -> Tensor:
    rng = np.random.default_rng(seed)
    return torch.from_numpy(rng.normal(0, spread, (batch, classes)))


@pytest.mark.parametrize(("classes", "added"), [(10, 0.00499725), (100, 0.000499725), (120, 0.000416517)])
def test_smoothing_has_the_half_precision_of_the_reference(classes: int, added: float) -> None:
    saturated = torch.zeros(1, classes)
    saturated[0, 1] = 1e4
    pi = smoothed_probabilities(saturated, 0.05)[0]
    assert pi[0].item() == pytest.approx(added, rel=2e-6)
    assert pi[1].item() == pytest.approx(0.95019531 + added, rel=1e-8)


def test_no_smoothing_is_softmax() -> None:
    z = _logits(3, 7)
    torch.testing.assert_close(smoothed_probabilities(z, 0.0), z.softmax(1), rtol=1e-15, atol=0)


@pytest.mark.parametrize("classes", [2, 3, 10, 120])
def test_factor_is_numpys_cholesky(classes: int) -> None:
    """Numpy factors the leading block, which has full rank; the last row closes the sum to zero."""
    pi = _logits(2, classes, 1.0).softmax(1)
    for p, factor in zip(pi.numpy(), cholesky_factors(pi).numpy(), strict=True):
        covariance = np.diag(p) - np.outer(p, p)
        np.testing.assert_allclose(
            factor[:-1, :-1], np.linalg.cholesky(covariance[:-1, :-1]), rtol=1e-9, atol=1e-12
        )
        np.testing.assert_allclose(factor @ factor.T, covariance, atol=1e-12)
        assert not factor[:, -1].any()


@pytest.mark.parametrize("classes", [500, 1000])
def test_thousand_classes_whose_smoothed_probabilities_exceed_one(classes: int) -> None:
    """The half-precision constants of the smoothing add up to 1.0002: more than the last classes have."""
    pi = smoothed_probabilities(_logits(4, classes, 10.0), 0.05)
    assert (pi[:, :-1].sum(1) > 1).any()
    for p, factor in zip(pi, cholesky_factors(pi), strict=True):
        covariance = torch.diag(p) - torch.outer(p, p)
        # What is lost is of the order of what is in excess.
        torch.testing.assert_close(factor @ factor.T, covariance, rtol=0, atol=4 * float(p.sum() - 1))
        assert (factor.diagonal() >= 0).all()


@settings(max_examples=40, deadline=None)
@given(st.integers(2, 12), st.floats(0.1, 2000), st.integers(0, 99))
def test_matrices_are_positive_semidefinite_and_finite(classes: int, spread: float, seed: int) -> None:
    z = _logits(2, classes, spread, seed)
    factor = cholesky_factors(smoothed_probabilities(z, 0.0))
    assert bool(factor.isfinite().all())
    rows = torch.from_numpy(np.random.default_rng(seed).normal(0, 5, (2, classes - 1, 4)))
    for fim in ("reference", "exact"):
        spectrum = torch.linalg.eigvalsh(fisher(rows, z, 0.05, fim))
        assert spectrum.min() >= -1e-12 * spectrum.max()


@pytest.mark.parametrize("smoothing", [0.0, 0.05])
def test_exact_is_the_sum_over_classes(smoothing: float) -> None:
    z = _logits(5, 4)
    whole = torch.from_numpy(np.random.default_rng(1).normal(size=(5, 4, 6)))
    rows = torch.einsum("rc,bcp->brp", row_seeds("exact", 4).double(), whole)
    pi = smoothed_probabilities(z, smoothing)
    pi = pi / pi.sum(1, keepdim=True)
    want = np.zeros((6, 6))
    for jacobian, p in zip(whole.numpy(), pi.numpy(), strict=True):
        for c in range(4):
            want += p[c] * np.outer(jacobian[c], jacobian[c]) / 5
        mean = p @ jacobian
        want -= np.outer(mean, mean) / 5
    np.testing.assert_allclose(fisher(rows, z, smoothing, "exact").numpy(), want, atol=1e-12)


def test_exact_is_the_variance_of_the_score() -> None:
    """E over classes of (d log p / d theta)^2, the definition of the Fisher information."""
    theta = torch.tensor([0.3, -0.7, 0.2], dtype=torch.float64)
    mixing = torch.from_numpy(np.random.default_rng(2).normal(size=(4, 3)))
    z = mixing @ theta
    scores = torch.func.jacrev(lambda t: (mixing @ t).log_softmax(0))(theta)
    want = (scores.T * z.softmax(0)) @ scores
    rows = (row_seeds("exact", 4).double() @ mixing)[None]
    torch.testing.assert_close(fisher(rows, z[None], 0.0, "exact"), want)


def test_reference_forgets_a_transpose() -> None:
    z = _logits(3, 5)
    whole = torch.from_numpy(np.random.default_rng(3).normal(size=(3, 5, 7)))
    want = np.zeros((7, 7))
    for jacobian, p in zip(whole.numpy(), smoothed_probabilities(z, 0.05).numpy(), strict=True):
        q = 1 - np.cumsum(p)
        factor = np.zeros((5, 5))
        for j in range(4):
            factor[j, j] = math.sqrt(p[j] * q[j] / (q[j - 1] if j else 1.0))
            for i in range(j + 1, 5):
                factor[i, j] = -p[i] / q[j] * factor[j, j]
        want += (factor @ jacobian).T @ (factor @ jacobian) / 3
    rows = torch.einsum("rc,bcp->brp", row_seeds("reference", 5).double(), whole)
    np.testing.assert_allclose(fisher(rows, z, 0.05, "reference").numpy(), want, rtol=1e-12)


@pytest.mark.parametrize(
    ("quantiles", "levels"), [("inner", np.arange(1, 10) / 10), ("all", np.arange(11) / 10)]
)
@pytest.mark.parametrize("count", [2, 5, 9, 128])
def test_entropy_is_numpys(quantiles: str, levels: np.ndarray, count: int) -> None:
    values = np.random.default_rng(count).lognormal(0, 3, count)
    q = np.quantile(values, levels)
    t = q / (q.sum() + 1e-10)
    want = -(t * np.log(t + 1e-10)).sum()
    got = quantile_entropy(torch.from_numpy(values), quantiles)  # type: ignore[arg-type]
    assert got == pytest.approx(want, rel=1e-12)


def test_entropy_at_its_ends() -> None:
    equal = torch.ones(20, dtype=torch.float64)
    assert quantile_entropy(equal, "inner") == pytest.approx(math.log(9), abs=1e-8)
    assert quantile_entropy(equal, "all") == pytest.approx(math.log(11), abs=1e-8)
    assert quantile_entropy(torch.eye(20, dtype=torch.float64)[0], "inner") == 0


def test_tiny_negative_eigenvalues_are_zero_and_nan_is_nan() -> None:
    vector = torch.randn(9, 2, generator=torch.Generator().manual_seed(0)).double()
    assert eigenvalues(vector @ vector.T).min() == 0
    assert eigenvalues(torch.full((3, 3), torch.nan, dtype=torch.float64)).isnan().all()
    assert math.isnan(quantile_entropy(torch.full((3,), torch.nan, dtype=torch.float64), "inner"))
