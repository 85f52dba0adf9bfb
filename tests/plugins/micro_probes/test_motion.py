from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from uninas_bench import UserError
from uninas_bench_plugins._micro_probes.probes.motion import Motion
from uninas_bench_plugins._micro_probes.probes.probe import Source

MF = Motion()


@pytest.fixture(scope="module")
def many():
    return MF.examples(20_000, "test", Source(0, 16))


def bounced(place, velocity):
    """One frame on, coordinate by coordinate: at a wall the ball's rim is turned back. And whether it was."""
    turned = False
    for i in range(2):
        place[i] += velocity[i]
        while not 0.1 <= place[i] <= 0.9:
            place[i] = 2 * (0.1 if place[i] < 0.1 else 0.9) - place[i]
            velocity[i] = -velocity[i]
            turned = True
    return turned


@pytest.fixture(scope="module")
def simulated():
    """Ways of four frames (N, 4, 2), step by step, and whether a wall was hit in the last step."""
    rng = np.random.default_rng(0)
    ways, hits = [], []
    for _ in range(20_000):
        angle, speed = rng.uniform(-math.pi, math.pi), rng.uniform(0.1, 0.25)
        place, velocity = rng.uniform(0.1, 0.9, 2), speed * np.array([math.cos(angle), math.sin(angle)])
        way = [place.copy()]
        for _ in range(3):
            hit = bounced(place, velocity)
            way.append(place.copy())
        ways.append(way)
        hits.append(hit)
    return np.array(ways), np.array(hits)


def test_baselines_are_those_of_simulations(many, simulated):
    """0.078 for a straight line, 0.160 for the last centre, 0.306 for the middle."""
    ways, _ = simulated
    answers = {"straight": 2 * ways[:, 2] - ways[:, 1], "last": ways[:, 2], "blind": 0.5}
    found = MF.baselines(many)
    for name, paper in {"straight": 0.078, "last": 0.160, "blind": 0.306}.items():
        expected = np.linalg.norm(ways[:, 3] - answers[name], axis=1).mean()
        assert found[name] == pytest.approx(expected, rel=0.02)
        assert found[name] == pytest.approx(paper, rel=0.02)


def test_walls_are_met_as_often_as_in_simulations(many, simulated):
    """In 26% of the last steps; a straight line fails more often, as it does after an earlier turn too."""
    ways, hits = simulated
    # Of room 0.8: E[1 - (1 - |vx| / 0.8) (1 - |vy| / 0.8)] over directions and speeds.
    speed, square = 0.175, (0.1**2 + 0.1 * 0.25 + 0.25**2) / 3
    assert hits.mean() == pytest.approx(4 / math.pi * speed / 0.8 - square / math.pi / 0.64, abs=0.01)
    before, centre = many.targets["before"], many.targets["centre"]
    missed = (centre - 2 * before[:, 2] + before[:, 1]).norm(dim=1) > 1e-4
    expected = np.linalg.norm(ways[:, 3] - 2 * ways[:, 2] + ways[:, 1], axis=1) > 1e-4
    assert missed.float().mean() == pytest.approx(expected.mean(), rel=0.02)


def test_a_way_is_straight_and_even_but_for_walls_which_it_keeps_off(many):
    ways = torch.cat([many.targets["before"], many.targets["centre"][:, None]], dim=1).double().numpy()
    assert ways.min() > 0.1 - 1e-6
    assert ways.max() < 0.9 + 1e-6
    steps = np.diff(ways, axis=1)
    even = np.abs(steps[:, 0] - steps[:, 1]).max(axis=1) < 1e-5
    speeds = np.linalg.norm(steps[even, 0], axis=1)
    assert 0.1 - 1e-5 < speeds.min() < 0.101
    assert 0.249 < speeds.max() < 0.25 + 1e-5
    turns = 0
    for way, step in zip(ways[even][:1000], steps[even], strict=False):
        place, velocity = way[2].copy(), step[1].copy()
        turns += bounced(place, velocity)
        np.testing.assert_allclose(place, way[3], atol=1e-5)
    assert 100 < turns < 500


def test_scores_of_the_oracle_and_of_a_known_miss(many):
    centre = many.targets["centre"]
    assert MF.measure(centre, many.targets) == 0
    assert MF.measure(centre + torch.tensor([0.03, -0.04]), many.targets) == pytest.approx(0.05, rel=1e-4)
    assert MF.loss(centre + 0.1, many.targets) == pytest.approx(0.01, rel=1e-4)


def test_the_ball_is_seen_where_it_is_said_to_be():
    examples = MF.examples(200, "train", Source(0, 64))
    frames = (examples.inputs[:, 0] * 0.25 + 0.5 - 0.25).clamp(min=0)
    frames = frames * (frames > 0.28)
    places = (torch.arange(64) + 0.5) / 64
    x = (frames.sum(dim=2) * places).sum(dim=2) / frames.sum(dim=(2, 3))
    y = (frames.sum(dim=3) * places).sum(dim=2) / frames.sum(dim=(2, 3))
    assert (torch.stack([x, y], dim=2) - examples.targets["before"]).abs().max() < 0.01
    area = (frames > 0).float().mean(dim=(2, 3))
    assert area.mean() == pytest.approx(math.pi * 0.1**2, rel=0.05)


@pytest.mark.parametrize("frames", [3, 4, 6, 9])
def test_any_number_of_frames_becomes_three_channels(frames):
    probe = Motion(frames=frames, slowest=0.02, fastest=0.03)
    examples = probe.examples(10, "train", Source(0, 32))
    assert examples.inputs.shape == (10, 1, 3, 32, 32)
    assert examples.targets["before"].shape == (10, frames - 1, 2)
    # The same ways, seen for longer.
    start = Motion(slowest=0.02, fastest=0.03).examples(10, "train", Source(0, 32)).targets["before"][:, :2]
    torch.testing.assert_close(examples.targets["before"][:, :2], start)


def test_of_two_frames_the_third_channel_is_empty_and_the_second_their_difference():
    inputs = Motion(frames=3).examples(5, "train", Source(0, 32)).inputs[:, 0]
    assert (inputs[:, 2] == 0).all()
    # Orthonormal: mean and difference of the frames, each over the root of 2.
    first = (inputs[:, 0] + inputs[:, 1]) / math.sqrt(2)
    assert (first * 0.25 + 0.5).min() >= -1e-5
    assert (first * 0.25 + 0.5).max() <= 1 + 1e-5


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"frames": 2}, "mf: frames=2: expected at least 3, as one frame shows no motion"),
        ({"radius": 0.6}, "mf: radius=0.6: expected image sides between 0 and 0.5"),
        ({"slowest": 0.3}, "mf: slowest=0.3, fastest=0.25: expected 0 <= slowest <= fastest"),
    ],
)
def test_what_cannot_be_is_refused(options, message):
    with pytest.raises(UserError, match=message):
        Motion(**options)
