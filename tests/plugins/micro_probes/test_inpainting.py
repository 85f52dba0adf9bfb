from __future__ import annotations

import numpy as np
import pytest
import torch

from uninas_bench import UserError
from uninas_bench_plugins._micro_probes.probes.inpainting import Inpainting
from uninas_bench_plugins._micro_probes.probes.probe import Source

OIP = Inpainting()


def literal_score(y, o, mu):
    """The note's formula for one picture (3, s, s) in intensities."""
    distance = np.sqrt(((y - o) ** 2).mean())
    return distance + mu * np.mean([abs(y[c].std() - o[c].std()) for c in range(3)])


def as_numpy(normalised):
    return normalised.double().numpy() * 0.25 + 0.5


def test_the_score_is_the_formula_in_intensities():
    examples = OIP.examples(20, "test", Source(0))
    original = examples.targets["original"]
    noise = torch.randn(original.shape, generator=torch.Generator().manual_seed(0))
    output = 0.8 * original + 0.3 * noise
    pairs = zip(as_numpy(output), as_numpy(original), strict=True)
    expected = np.mean([literal_score(y, o, 0.5) for y, o in pairs])
    assert OIP.measure(output, examples.targets) == pytest.approx(expected, rel=1e-5)
    assert OIP.loss(output, examples.targets) == pytest.approx(expected / 0.25, rel=1e-4)


def test_the_original_scores_0_and_its_loss_has_a_slope():
    examples = OIP.examples(4, "test", Source(0))
    output = examples.targets["original"].clone().requires_grad_()
    assert OIP.measure(output.detach(), examples.targets) == 0
    loss = OIP.loss(output, examples.targets)
    loss.backward()
    assert loss < 0.002
    assert output.grad.isfinite().all()


def test_a_picture_without_contrast_pays_for_that():
    examples = OIP.examples(5, "test", Source(0))
    flat = torch.zeros_like(examples.targets["original"])
    plain = Inpainting(mu=0).measure(flat, examples.targets)
    spread = examples.targets["original"].std(dim=(2, 3), correction=0).mean() * 0.25
    assert OIP.measure(flat, examples.targets) == pytest.approx(plain + 0.5 * float(spread), rel=1e-5)


def test_a_veil_of_the_next_picture_lies_on_four_of_ten_blocks():
    examples = OIP.examples(30, "train", Source(0))
    veiled, original = examples.targets["veiled"], examples.targets["original"]
    blocks = veiled.reshape(30, 8, 4, 8, 4)
    assert torch.equal(blocks.amin(dim=(2, 4)), blocks.amax(dim=(2, 4)))
    assert (veiled.sum(dim=(1, 2, 3)) == 26 * 16).all()
    mixed = torch.where(veiled[:-1] > 0, 0.25 * original[:-1] + 0.75 * original[1:], original[:-1])
    torch.testing.assert_close(examples.inputs[:-1, 0], mixed, atol=1e-5, rtol=0)
    assert veiled.mean(dim=0).std() < 0.1


@pytest.mark.parametrize("side", [16, 30, 64])
def test_blocks_fit_any_side(side):
    veiled = OIP.examples(50, "train", Source(0, side)).targets["veiled"]
    assert veiled.shape == (50, 1, side, side)
    assert veiled.mean() == pytest.approx(26 / 64, abs=0.02)


def test_masked_only_looks_nowhere_else_for_the_distance():
    probe = Inpainting(masked_only=True, mu=0)
    examples = probe.examples(10, "test", Source(0))
    veiled, original = examples.targets["veiled"], examples.targets["original"]
    assert probe.measure(original + 3 * (1 - veiled), examples.targets) == 0
    assert probe.measure(original + 0.4 * veiled, examples.targets) == pytest.approx(0.1, rel=1e-5)


def test_baselines_are_what_such_answers_score():
    examples = OIP.examples(100, "test", Source(0))
    inputs, original = as_numpy(examples.inputs[:, 0]), as_numpy(examples.targets["original"])
    found = OIP.baselines(examples)
    copies = [literal_score(y, o, 0.5) for y, o in zip(inputs, original, strict=True)]
    means = [
        literal_score(np.broadcast_to(y.mean(axis=(1, 2), keepdims=True), o.shape), o, 0.5)
        for y, o in zip(inputs, original, strict=True)
    ]
    blind = [literal_score(original.mean(axis=0), o, 0.5) for o in original]
    assert found["copy"] == pytest.approx(np.mean(copies), rel=1e-5)
    assert found["colour"] == pytest.approx(np.mean(means), rel=1e-5)
    assert found["blind"] == pytest.approx(np.mean(blind), rel=1e-5)
    assert found["copy"] < found["blind"] < found["colour"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"blocks": 1}, "oip: blocks=1: expected at least 2 per side"),
        ({"ratio": 0}, "oip: ratio=0: expected more than 0, at most 1"),
        ({"opacity": 1.5}, "oip: opacity=1.5: expected more than 0, at most 1"),
        ({"mu": -1}, "oip: mu=-1: expected 0 or more"),
    ],
)
def test_what_cannot_be_is_refused(options, message):
    with pytest.raises(UserError, match=message):
        Inpainting(**options)
