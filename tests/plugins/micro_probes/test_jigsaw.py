from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch

from uninas_bench import UserError
from uninas_bench_plugins._micro_probes.probes.images import ImagePool
from uninas_bench_plugins._micro_probes.probes.jigsaw import Jigsaw, cut, joined, similarity
from uninas_bench_plugins._micro_probes.probes.probe import Source
from uninas_bench_plugins._micro_probes.probes.scenes import pictures
from uninas_bench_plugins._micro_probes.probes.streams import Stream

JIGSAW = Jigsaw()
SIDES = [
    math.dist(a, b)
    for a in itertools.product(range(4), repeat=2)
    for b in itertools.product(range(4), repeat=2)
]


def one_hot(place):
    return torch.nn.functional.one_hot(place, 16).mT.reshape(len(place), 16, 4, 4).float()


def literal_score(pixels, place, answers, gamma):
    """The note's formula, patch by patch, from what is shown."""
    scores = []
    for image, g, y in zip(pixels.double().numpy(), place.tolist(), answers.tolist(), strict=True):
        shown = [image[:, r : r + 8, c : c + 8] for r in range(0, 32, 8) for c in range(0, 32, 8)]
        x = [None] * 16
        for i in range(16):
            x[g[i]] = (shown[i] - image.mean(axis=(1, 2), keepdims=True)).ravel()
        above, below = 0.0, 0
        for i in range(16):
            if x[i] @ x[g[i]] / np.linalg.norm(x[i]) / np.linalg.norm(x[g[i]]) < gamma and g[i] != i:
                above += math.dist(divmod(g[i], 4), divmod(y[i], 4)) / 4
                below += 1
        scores.append(above / below)
    return np.mean(scores)


def test_the_score_is_the_formula():
    examples = JIGSAW.examples(40, "test", Source(0))
    place = examples.targets["place"]
    output = torch.randn(40, 16, 4, 4, generator=torch.Generator().manual_seed(0))
    expected = literal_score(examples.inputs[:, 0], place, output.flatten(2).argmax(dim=1), 0.9)
    assert JIGSAW.measure(output, examples.targets) == pytest.approx(expected, rel=1e-5)


def test_the_oracle_scores_0_and_one_swap_what_it_costs():
    examples = JIGSAW.examples(50, "test", Source(1))
    place = examples.targets["place"]
    assert JIGSAW.measure(one_hot(place), examples.targets) == 0
    wrong = place.clone()
    slot = int(examples.targets["counts"][0].nonzero()[0])
    wrong[0, slot] = (place[0, slot] + 8) % 16  # two rows away
    counts = int(examples.targets["counts"][0].sum())
    assert JIGSAW.measure(one_hot(wrong), examples.targets) == pytest.approx(0.5 / counts / 50)


def test_patches_are_those_of_the_whole_picture_in_another_order():
    source = Source(2)
    examples = JIGSAW.examples(6, "train", source)
    whole = pictures(source, Stream(2, "lgj", "train", 6), 32)
    shown = cut(examples.inputs[:, 0] * 0.25 + 0.5, 4)
    back = torch.empty_like(shown)
    back[torch.arange(6)[:, None], examples.targets["place"]] = shown
    torch.testing.assert_close(joined(back, 4), whole)


def test_patches_that_stayed_never_count_and_others_do_unless_they_are_alike():
    examples = JIGSAW.examples(600, "train", Source(0))
    stayed = examples.targets["place"] == torch.arange(16)
    assert stayed.float().mean() == pytest.approx(1 / 16, rel=0.1)
    assert not examples.targets["counts"][stayed].any()
    assert Jigsaw(gamma=1.0).examples(600, "train", Source(0)).targets["counts"][~stayed].all()


@pytest.mark.parametrize(("gamma", "share"), [(0.9, 0.04), (0.95, 0.026)])
def test_few_patches_of_landscapes_are_alike(gamma, share):
    cosines = similarity(cut(pictures(Source(0), Stream(0, "lgj", "train", 1000), 32), 4))
    apart = cosines[:, ~torch.eye(16, dtype=torch.bool)]
    assert (apart >= gamma).float().mean() == pytest.approx(share, abs=0.005)


@pytest.mark.data
def test_few_patches_of_photographs_are_alike(real_data):
    """3% at 0.9, 6% at 0.8, in CIFAR-10; and baselines hardly differ from those of landscapes."""
    with np.load(real_data / "images" / "cifar10_subset.npz") as arrays:
        pool = ImagePool.of(arrays["train_x"][:2000].transpose(0, 3, 1, 2))
    cosines = similarity(cut(pool.take(torch.arange(2000), 32), 4))
    apart = cosines[:, ~torch.eye(16, dtype=torch.bool)]
    assert (apart >= 0.9).float().mean() == pytest.approx(0.03, abs=0.004)
    assert (apart >= 0.8).float().mean() == pytest.approx(0.06, abs=0.006)
    found = JIGSAW.baselines(JIGSAW.examples(1000, "test", Source(0, 32, pool)))
    assert found["random"] == pytest.approx(0.502, rel=0.02)
    assert found["blind"] == pytest.approx(0.397, rel=0.02)


def test_by_plain_intensities_most_patches_would_be_alike():
    """Why the mean colour is taken off: the median cosine would be 0.88, and 41% would not count."""
    unit = torch.nn.functional.normalize(
        cut(pictures(Source(0), Stream(0, "lgj", "train", 400), 32), 4).flatten(2), dim=2
    )
    apart = (unit @ unit.mT)[:, ~torch.eye(16, dtype=torch.bool)]
    assert apart.median() == pytest.approx(0.88, abs=0.02)
    assert (apart >= 0.9).float().mean() == pytest.approx(0.41, abs=0.04)


def test_pictures_of_which_nothing_counts_are_left_out():
    pixels = np.random.default_rng(0).random((16, 3, 32, 32))
    pixels[::2] = 0.5
    examples = JIGSAW.examples(8, "train", Source(0, 32, ImagePool.of(pixels)))
    counted = examples.targets["counts"].any(dim=1)
    assert 0 < counted.sum() < 8
    zeros = torch.zeros(8, 16, 4, 4)
    known = JIGSAW.measure(zeros[counted], examples[counted.nonzero()[:, 0]].targets)
    assert JIGSAW.measure(zeros, examples.targets) == known
    nothing = examples[(~counted).nonzero()[:, 0]]
    assert math.isnan(JIGSAW.measure(zeros[~counted], nothing.targets))
    assert JIGSAW.loss(zeros[~counted], nothing.targets) == 0


def test_baselines_are_those_of_uniform_places():
    """0.502 for a random place, 0.397 for the best single one, 0.535 for leaving patches as shown."""
    distances = np.array(SIDES).reshape(16, 16) / 4
    random, single = distances.mean(), distances.mean(axis=1).min()
    shown = distances.sum() / (16 * 15)
    assert (round(random, 3), round(single, 3), round(shown, 3)) == (0.502, 0.397, 0.535)
    examples = JIGSAW.examples(2000, "test", Source(0))
    found = JIGSAW.baselines(examples)
    assert found["random"] == pytest.approx(0.502, rel=0.02)
    assert found["blind"] == pytest.approx(0.397, rel=0.02)
    assert found["as shown"] == pytest.approx(0.535, rel=0.02)
    guesses = torch.randn(2000, 16, 4, 4, generator=torch.Generator().manual_seed(0))
    assert JIGSAW.measure(guesses, examples.targets) == pytest.approx(0.502, rel=0.02)


def test_slots_that_do_not_count_are_not_trained_on():
    examples = JIGSAW.examples(10, "train", Source(0))
    output = torch.zeros(10, 16, 4, 4, requires_grad=True)
    JIGSAW.loss(output, examples.targets).backward()
    moved = output.grad.flatten(2).abs().sum(dim=1) > 0
    assert torch.equal(moved, examples.targets["counts"])


def test_an_assignment_gives_each_place_once_with_the_greatest_sum():
    jigsaw = Jigsaw(grid=2, assign=True)
    output = torch.randn(30, 4, 2, 2, generator=torch.Generator().manual_seed(1))
    answers = jigsaw.answer(output)
    for logits, answer in zip(output.flatten(2), answers.tolist(), strict=True):
        best = max(itertools.permutations(range(4)), key=lambda p: sum(logits[p[i], i] for i in range(4)))
        assert tuple(answer) == best
    greedy = Jigsaw(grid=2).answer(output)
    assert (greedy != answers).any()


def test_what_cannot_be_is_refused():
    with pytest.raises(UserError, match="lgj: side=34: expected a multiple of 4"):
        JIGSAW.examples(2, "train", Source(0, 34))
    with pytest.raises(UserError, match="lgj: grid=1: expected at least 2"):
        Jigsaw(grid=1)
    with pytest.raises(UserError, match="lgj: gamma=0: expected a cosine above 0, at most 1"):
        Jigsaw(gamma=0)
