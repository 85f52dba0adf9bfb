from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from uninas_bench import UserError
from uninas_bench_plugins._micro_probes.probes.probe import Source
from uninas_bench_plugins._micro_probes.probes.rotation import Rotation, round_mask, turned_crops
from uninas_bench_plugins._micro_probes.probes.scenes import pictures
from uninas_bench_plugins._micro_probes.probes.streams import Stream

RM = Rotation()


def points(angles):
    return torch.stack([angles.cos(), angles.sin()], dim=2).flatten(1)


def test_the_score_is_the_formula():
    examples = RM.examples(50, "test", Source(0))
    output = torch.randn(50, 4, generator=torch.Generator().manual_seed(0))
    chords = []
    for row, angles in zip(output.double().numpy(), examples.targets["angles"].numpy(), strict=True):
        for (c, s), angle in zip(row.reshape(2, 2), angles, strict=True):
            length = math.hypot(c, s)
            chords.append(math.dist((c / length, s / length), (math.cos(angle), math.sin(angle))))
    assert RM.measure(output, examples.targets) == pytest.approx(np.mean(chords), rel=1e-5)


def test_the_oracle_scores_0_however_long_and_however_often_around():
    examples = RM.examples(50, "test", Source(0))
    angles = examples.targets["angles"]
    for around in (-2 * math.pi, 0, 2 * math.pi):
        assert RM.measure(points(angles + around), examples.targets) == pytest.approx(0, abs=1e-5)
        other = {"angles": angles + around}
        assert RM.measure(7 * points(angles), other) == pytest.approx(0, abs=1e-5)
        output = torch.randn(50, 4, generator=torch.Generator().manual_seed(0))
        same = pytest.approx(RM.measure(output, examples.targets), rel=1e-4)
        assert RM.measure(output, other) == same
        assert RM.loss(output, other) == pytest.approx(float(RM.loss(output, examples.targets)), rel=1e-4)


def test_the_opposite_angle_scores_2_and_no_direction_the_angle_0():
    examples = RM.examples(50, "test", Source(0))
    angles = examples.targets["angles"]
    assert RM.measure(-points(angles), examples.targets) == pytest.approx(2)
    nothing = RM.measure(torch.zeros(50, 4), examples.targets)
    assert nothing == pytest.approx(RM.baselines(examples)["blind"])


def test_guessing_scores_four_over_pi():
    examples = RM.examples(4000, "test", Source(0, 16))
    guesses = torch.randn(4000, 4, generator=torch.Generator().manual_seed(0))
    assert round(4 / math.pi, 3) == 1.273
    assert RM.measure(guesses, examples.targets) == pytest.approx(1.273, rel=0.02)
    assert RM.baselines(examples)["blind"] == pytest.approx(1.273, rel=0.02)
    assert RM.baselines(examples)["random"] == pytest.approx(1.273, rel=0.001)
    # E|chord| of an angle uniform within half a turn: (4 / r) (1 - cos(r / 2)) at r = pi / 2.
    narrow = Rotation(reach=math.pi / 2).examples(4000, "test", Source(0, 16))
    assert narrow.targets["angles"].abs().max() <= math.pi / 2
    expected = 8 / math.pi * (1 - math.sqrt(0.5))
    assert RM.baselines(narrow)["blind"] == pytest.approx(expected, rel=0.02)


def test_a_quarter_turn_is_that_of_an_array_counter_clockwise():
    picture = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    centres = torch.zeros(1, 4, 2)
    angles = torch.arange(4)[None] * (math.pi / 2)
    crops = turned_crops(picture, centres, angles, 16)
    middle = picture[0, :, 8:24, 8:24].numpy()
    for quarter in range(4):
        expected = np.rot90(middle, quarter, axes=(1, 2))
        np.testing.assert_allclose(crops[0, quarter].numpy(), expected, atol=1e-4)


def test_a_centre_is_given_in_sides_to_the_right_and_down():
    picture = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    crop = turned_crops(picture, torch.tensor([[[0.25, -0.125]]]), torch.zeros(1, 1), 16)
    torch.testing.assert_close(crop[0, 0], picture[0, :, 6:22, 12:28], atol=1e-5, rtol=0)


def test_crops_are_of_one_picture_under_one_round_mask():
    examples = RM.examples(8, "train", Source(3))
    whole = pictures(Source(3), Stream(3, "rm", "train", 8), 64)
    outside = round_mask(32) == 0
    assert (examples.inputs[..., outside] == 0).all()
    assert torch.equal(round_mask(32), round_mask(32).rot90())
    # Every crop, turned back, is found again in its picture, no further from the middle than a quarter of
    # the picture's side less half of a crop's; the two are at most a quarter of a crop's side apart.
    mask = round_mask(32) > 0.99
    apart = []
    back = turned_crops(
        (examples.inputs[:, 1] * 0.25 + 0.5), torch.zeros(8, 1, 2), -examples.targets["angles"][:, 1:], 32
    )[:, 0]
    first = turned_crops(
        (examples.inputs[:, 0] * 0.25 + 0.5), torch.zeros(8, 1, 2), -examples.targets["angles"][:, :1], 32
    )[:, 0]
    for picture, crops in zip(whole, zip(first, back, strict=True), strict=True):
        found = []
        for crop in crops:
            windows = picture.unfold(1, 32, 1).unfold(2, 32, 1)  # (3, 33, 33, 32, 32)
            errors = (windows - crop[:, None, None])[..., mask].square().mean(dim=(0, 3))
            found.append(divmod(int(errors.argmin()), 33))
            assert errors.min() < 0.25 * errors.median()
        assert all(abs(place - 16) <= 8 for centre in found for place in centre)
        apart += [abs(a - b) for a, b in zip(*found, strict=True)]
    assert 6 <= max(apart) <= 8


def test_no_crop_sees_past_its_picture():
    """The furthest crops of a white picture are white."""
    corners = torch.tensor([[[x, y] for x in (-0.25, 0.25) for y in (-0.25, 0.25)]])
    angles = torch.full((1, 4), math.pi / 4)
    crops = turned_crops(torch.ones(1, 3, 64, 64), corners, angles, 32)
    assert crops.min() > 0.999


def test_relative_asks_for_the_way_from_the_first_to_the_second():
    relative = Rotation(relative=True)
    examples, both = relative.examples(20, "test", Source(0)), RM.examples(20, "test", Source(0))
    first, second = both.targets["angles"].unbind(1)
    assert relative.head.outputs == 2
    assert torch.equal(examples.inputs, both.inputs)
    assert torch.equal(examples.targets["angles"], (second - first)[:, None])
    assert relative.measure(points((second - first)[:, None]), examples.targets) == pytest.approx(0, abs=1e-5)


@pytest.mark.parametrize("reach", [0, 4, -1])
def test_what_cannot_be_is_refused(reach):
    with pytest.raises(UserError, match=f"rm: reach={reach}: expected radians above 0, at most pi"):
        Rotation(reach=reach)
