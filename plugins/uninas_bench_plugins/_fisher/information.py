"""From a Jacobian of logits to the Fisher matrix, its eigenvalues and the entropy of their deciles."""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
from torch import Tensor

Fim = Literal["reference", "exact"]
Quantiles = Literal["inner", "all"]


def smoothed_probabilities(logits: Tensor, smoothing: float) -> Tensor:
    """``(1 - a) softmax(z) + a / C`` in float64 of shape (B, C), with ``a`` and its uses rounded to float16.

    The reference holds the constant in half precision, so its rows sum to 1.0002 for ten classes and
    a = 0.05; published numbers carry that rounding.
    """
    half = np.float16(smoothing)
    kept, added = float(np.float16(1) - half), float(half / np.float16(logits.shape[1]))
    return kept * logits.double().softmax(1) + added


def cholesky_factors(probabilities: Tensor) -> Tensor:
    """Lower factors L (B, C, C) with ``L L^T = diag(pi) - pi pi^T``, in closed form; the last column is 0.

    With q_i = 1 - pi_0 - ... - pi_i: L_ii = sqrt(pi_i q_i / q_(i-1)) and L_ij = -(pi_i / q_j) L_jj
    below the diagonal. The last q is zero by definition, whatever rounding left there; so are those before
    it that are not positive, where the sum of very many smoothed probabilities exceeds one.

    Source: Tanabe and Sagae, An exact Cholesky decomposition of the multinomial covariance matrix, 1992.
    """
    rest = (1 - probabilities.cumsum(1)).clamp_min(0)
    rest[:, -1] = 0
    before = torch.cat([torch.ones_like(rest[:, :1]), rest[:, :-1]], 1)
    before.clamp_min_(torch.finfo(probabilities.dtype).tiny)
    diagonal = (probabilities * rest / before).sqrt()
    ratio = torch.where(rest > 0, diagonal / rest, 0)
    below = -(probabilities[:, :, None] * ratio[:, None, :]).tril(-1)
    return below + torch.diag_embed(diagonal)


def row_seeds(fim: Fim, classes: int) -> Tensor:
    """The C - 1 combinations of logits (C - 1, C) whose Jacobians the Fisher matrix needs.

    The reference's factor has an empty last column, so the last logit's row is never used. The exact
    covariance does not change when a constant is added to all logits, so each is taken less the last.
    """
    seeds = torch.eye(classes)[:-1].clone()
    if fim == "exact":
        seeds[:, -1] = -1
    return seeds


def fisher(jacobian: Tensor, logits: Tensor, smoothing: float, fim: Fim) -> Tensor:
    """The Fisher matrix (P, P) in float64, averaged over images.

    ``exact`` is the mean of J^T (diag(pi) - pi pi^T) J, pi scaled to sum to one. ``reference`` is the mean
    of (L J)^T (L J), as the authors' code computes it: the transpose of L is missing there, and all
    published numbers were made that way.

    Args:
        jacobian: (B, C - 1, P), the rows of `row_seeds`.
        logits: (B, C).
        smoothing: weight of the uniform distribution in pi.
        fim: which of the two.
    """
    probabilities = smoothed_probabilities(logits, smoothing)
    size = jacobian.shape[2]
    total = torch.zeros(size, size, dtype=torch.float64, device=jacobian.device)
    for rows, pi in zip(jacobian, probabilities, strict=True):
        if fim == "reference":
            rooted = cholesky_factors(pi[None])[0, :, :-1] @ rows.double()
            total += rooted.T @ rooted
        else:
            # Centred before squaring: a saturated softmax would lose the difference to rounding.
            weight = (pi / pi.sum())[:, None]
            padded = torch.cat([rows.double(), rows.new_zeros(1, size, dtype=torch.float64)])
            rooted = weight.sqrt() * (padded - (weight * padded).sum(0))
            total += rooted.T @ rooted
    return total / len(jacobian)


def eigenvalues(matrix: Tensor) -> Tensor:
    """Ascending eigenvalues of a positive semi-definite matrix, tiny negative round-off set to 0.

    NaN when the matrix is not finite. The reference takes float32 singular values, whose noise stands in
    for exact zeros and gives a network that ignores its input the greatest entropy instead of none.
    """
    if not bool(matrix.isfinite().all()):
        return torch.full(matrix.shape[:1], torch.nan, dtype=matrix.dtype)
    spectrum: Tensor = torch.linalg.eigvalsh(matrix)
    return spectrum.clamp_min(0)


def quantile_entropy(values: Tensor, quantiles: Quantiles) -> float:
    """Entropy in nats of the normalised deciles of ``values``: 0 to ln 9 (``inner``) or ln 11 (``all``).

    ``inner`` takes the nine at 0.1 ... 0.9, ``all`` adds the least and the greatest value. Quantiles
    interpolate linearly, so any number of values from two on will do.

    Source: VKDNW, CVPR 2025, equation (9); UniNAS, equation (3).
    """
    levels = torch.linspace(0, 1, 11, dtype=values.dtype, device=values.device)
    q = torch.quantile(values, levels if quantiles == "all" else levels[1:-1])
    t = q / (q.abs().sum() + 1e-10)
    return -float((t * (t + 1e-10).log()).sum())
