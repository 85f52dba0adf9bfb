from __future__ import annotations

import numpy as np
import pytest
import torch

from uninas_bench import UserError
from uninas_bench_plugins._micro_probes.probes.glyphs import Glyphs, outside
from uninas_bench_plugins._micro_probes.probes.images import ImagePool
from uninas_bench_plugins._micro_probes.probes.memory import Memory
from uninas_bench_plugins._micro_probes.probes.probe import Source
from uninas_bench_plugins._micro_probes.probes.streams import Stream

VM = Memory()


def test_the_score_is_test_accuracy_less_the_gap():
    """2 p_test - p_train: 1 for who knows all, 2/k - 1 for who knows only the training set by heart."""
    assert VM.score(1.0, 1.0) == 1
    assert VM.score(1 / 20, 1.0) == pytest.approx(2 / 20 - 1) == VM.baselines(None)["memoriser"]
    assert VM.score(1 / 20, 1 / 20) == pytest.approx(1 / 20) == VM.baselines(None)["blind"]
    # The formula's oddities: to know nothing is better than to memorise; test above training counts double.
    assert VM.score(0.5, 0.3) == pytest.approx(0.7)


def test_accuracy():
    examples = VM.examples(100, "test", Source(0))
    label = examples.targets["label"]
    answers = torch.where(torch.arange(100) < 30, label, (label + 1) % 20)
    output = torch.nn.functional.one_hot(answers, 20).float()
    assert VM.measure(output, examples.targets) == pytest.approx(0.3)


def test_classes_take_turns():
    for split in ("train", "test"):
        label = VM.examples(100, split, Source(0, 16)).targets["label"]
        assert label.tolist() == list(range(20)) * 5


def test_classes_of_the_long_tail_are_as_frequent_as_zipf_says_and_nested():
    probe = Memory(longtail=True)
    label = probe.examples(1000, "train", Source(0, 16)).targets["label"]
    counts = label.bincount(minlength=20).numpy()
    share = 1 / np.arange(1, 21)
    assert np.abs(counts - 1000 * share / share.sum()).max() < 3
    assert sorted(label[:20].tolist()) == list(range(20))
    for count in (64, 256):
        few = probe.examples(count, "train", Source(0, 16)).targets["label"]
        assert torch.equal(few, label[:count])
        wanted = np.maximum(count * share / share.sum(), 1)
        assert np.abs(few.bincount(minlength=20).numpy() - wanted).max() <= 4
    test = probe.examples(40, "test", Source(0, 16)).targets["label"]
    assert test.tolist() == list(range(20)) * 2


def test_a_class_looks_the_same_in_both_splits_and_instances_differ():
    """The nearest mean of 25 training pictures, pixel by pixel, finds half of the classes again."""
    train, test = VM.examples(500, "train", Source(0)), VM.examples(200, "test", Source(0))
    centres = torch.stack(
        [train.inputs[train.targets["label"] == k, 0].mean(dim=0) for k in range(20)]
    ).flatten(1)
    nearest = torch.cdist(test.inputs.flatten(1), centres).argmin(dim=1)
    accuracy = (nearest == test.targets["label"]).float().mean()
    assert 0.35 < accuracy < 0.95
    other = VM.examples(500, "train", Source(1))
    strangers = torch.stack([other.inputs[k::20, 0].mean(dim=0) for k in range(20)]).flatten(1)
    guessed = torch.cdist(test.inputs.flatten(1), strangers).argmin(dim=1)
    assert (guessed == test.targets["label"]).float().mean() < 0.2


def test_a_glyph_is_its_polygon():
    """Inside and outside as matplotlib's paths have it, and distances to the line of an edge in radii."""
    from matplotlib.path import Path

    corners = Glyphs.drawn(Stream(0, "vm", "train", 30)).corners
    places = torch.linspace(-1.2, 1.2, 41)
    across, down = places.expand(30, 41, 41), places[:, None].expand(30, 41, 41)
    distance = outside(corners, across, down)
    points = torch.stack([across[0], down[0]], dim=2).reshape(-1, 2).numpy()
    for polygon, found in zip(corners.numpy(), distance.flatten(1).numpy(), strict=True):
        assert np.linalg.norm(polygon, axis=1).min() > 0.45
        assert np.linalg.norm(polygon, axis=1).max() <= 1
        inside = Path(polygon).contains_points(points)
        clear = np.abs(found) > 1e-3
        assert ((found < 0) == inside)[clear].all()
        assert abs(found).max() < 3
        # Half of an edge's way from its middle to the centre is as far from its line as the centre's half.
        for here, there in zip(polygon, np.roll(polygon, -1, axis=0), strict=True):
            middle = torch.tensor((here + there) / 4).reshape(2, 1, 1, 1)
            edge = there - here
            height = abs(edge[0] * here[1] - edge[1] * here[0]) / np.linalg.norm(edge)
            one = outside(torch.tensor(polygon)[None], middle[0], middle[1])
            assert float(one) == pytest.approx(-height / 2, abs=1e-4)


def labelled(counts, side=16):
    """Images whose red says their label and whose green which of them it is."""
    labels = np.repeat(np.arange(len(counts)) * 10, counts)
    pixels = np.zeros((len(labels), 3, side, side))
    pixels[:, 0] = (labels / 100)[:, None, None]
    pixels[:, 1] = (np.arange(len(labels)) / len(labels))[:, None, None]
    return ImagePool.of(pixels, labels, "mine")


def test_real_classes_keep_their_labels_apart_and_their_halves():
    probe = Memory(classes=4)
    source = Source(0, 16, labelled([6, 2, 9, 1, 5, 4]))
    seen = {}
    for split in ("train", "test"):
        examples = probe.examples(80, split, source)
        values = examples.inputs[:, 0, :2, 0, 0].mul(1e4).round().long().tolist()
        reds = {}
        for label, (red, _) in zip(examples.targets["label"].tolist(), values, strict=True):
            reds.setdefault(label, set()).add(red)
        assert all(len(of_label) == 1 for of_label in reds.values())
        seen[split] = reds, {tuple(value) for value in values}
    assert seen["train"][0] == seen["test"][0]
    assert len({red for (red,) in seen["train"][0].values()}) == 4
    assert not seen["train"][1] & seen["test"][1]


def test_real_classes_differ_from_seed_to_seed():
    pool = labelled([4] * 10)
    chosen = {
        tuple(Memory(classes=3).examples(3, "train", Source(seed, 16, pool)).inputs[:, 0, 0, 0, 0].tolist())
        for seed in range(8)
    }
    assert len(chosen) > 4


def test_what_cannot_be_is_refused():
    with pytest.raises(UserError, match="vm: classes=1: expected at least 2"):
        Memory(classes=1)
    unlabelled = ImagePool.of(np.zeros((9, 3, 16, 16)), name="mine")
    with pytest.raises(UserError, match="vm: mine: images without labels; expected at least 20 classes"):
        VM.examples(2, "train", Source(0, 16, unlabelled))
    message = "vm: classes=20: mine has 3 classes of two or more images; expected at most 3"
    with pytest.raises(UserError, match=message):
        VM.examples(2, "train", Source(0, 16, labelled([2, 1, 5, 3])))
