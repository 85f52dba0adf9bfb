from __future__ import annotations

import colorsys
import itertools

import numpy as np
import pytest
import torch

from uninas_bench import UserError
from uninas_bench_plugins._micro_probes.probes.binding import COLOURS, FORMS, Binding
from uninas_bench_plugins._micro_probes.probes.probe import Source
from uninas_bench_plugins._micro_probes.probes.shapes import HUES, SHAPES, rgb

CSB = Binding()
SIX = Binding(colours=6, shapes=6)


def one_hot(label, outputs):
    return torch.nn.functional.one_hot(label, outputs).float()


def areas(examples):
    """Pixels (N, 6) of each of the six hues among the coloured ones, by the standard library's HSV."""
    images = examples.inputs[:, 0] * 0.25 + 0.5
    found = np.zeros((len(images), 6))
    hues = list(HUES.values())
    for row, image in zip(
        found, images.permute(0, 2, 3, 1).reshape(len(images), -1, 3).tolist(), strict=True
    ):
        for pixel in image:
            hue, saturation, _ = colorsys.rgb_to_hsv(*pixel)
            if saturation > 0.5:
                distances = [abs((hue - known + 0.5) % 1 - 0.5) for known in hues]
                row[int(np.argmin(distances))] += 1
    return found


def test_scores_of_oracles_and_chance():
    examples = CSB.examples(256, "test", Source(0))
    label = examples.targets["label"]
    colour, shape = label // 4, label % 4
    assert CSB.measure(one_hot(label, 16), examples.targets) == 1
    for known in (colour * 4 + (colour + 1) % 4, colour * 4):
        assert CSB.measure(one_hot(known, 16), examples.targets) == 1 / 4
    assert CSB.measure(one_hot(8 + shape, 16), examples.targets) == 1 / 4
    for always in range(16):
        assert CSB.measure(one_hot(torch.full_like(label, always), 16), examples.targets) == 1 / 16
    neither = ((colour + 1) % 4) * 4 + (shape + 1) % 4
    assert CSB.measure(one_hot(neither, 16), examples.targets) == 0
    assert CSB.baselines(examples) == {"blind": 1 / 16, "colour alone": 1 / 4, "shape alone": 1 / 4}


@pytest.mark.parametrize("sizes", list(itertools.product((2, 4, 5, 6), repeat=2)))
def test_labels_take_turns_and_so_do_colours_and_shapes(sizes):
    probe = Binding(*sizes)
    outputs = sizes[0] * sizes[1]
    label = probe.examples(2 * outputs, "train", Source(0, 16)).targets["label"]
    assert label.bincount().tolist() == [2] * outputs
    assert sorted((label[: sizes[0]] // sizes[1]).tolist()) == list(range(sizes[0]))


@pytest.mark.slow
def test_the_target_has_the_largest_area_and_no_other_thing_has_its_colour():
    examples = SIX.examples(144, "train", Source(0, 48))
    colour = examples.targets["label"] // 6
    found = areas(examples)
    assert (found.argmax(axis=1) == colour.numpy()).all()
    coloured = (found > 5).sum(axis=1)
    assert coloured.max() == 3
    # Target and two distractors, of one colour or two, which are hidden nowhere.
    assert set(coloured.tolist()) == {2, 3}
    # Without distractors nothing but the target is coloured.
    alone = areas(Binding(colours=6, shapes=6, distractors=0).examples(36, "train", Source(0, 48)))
    assert ((alone > 5).sum(axis=1) == 1).all()


@pytest.mark.parametrize("split", ["train", "test"])
def test_distractors_share_neither_colour_nor_shape_with_the_target(split, monkeypatch):
    drawn = []
    things = Binding._things

    def watched(self, *arguments):
        drawn.append(things(self, *arguments))
        return drawn[-1]

    monkeypatch.setattr(Binding, "_things", watched)
    SIX.examples(720, split, Source(0, 16))
    for kinds in drawn[0]:
        assert (kinds[:, 1:] != kinds[:, :1]).all()
        # Each of the five others is as likely.
        offset = (kinds[:, 1:] - kinds[:, :1]) % 6
        assert (offset.flatten().bincount(minlength=6)[1:] / 1440).tolist() == pytest.approx(
            [0.2] * 5, abs=0.04
        )


def test_nothing_ever_hides_a_part_of_the_target():
    """The same target with and without four other things, which do not always find room beside it."""
    alone = Binding(distractors=0).examples(400, "train", Source(0)).inputs[:, 0]
    among = Binding(distractors=4).examples(400, "train", Source(0)).inputs[:, 0]
    coloured = ((alone.amax(dim=1) - alone.amin(dim=1)) > 2).float()
    # Less its rim, through which what is behind shines.
    target = -torch.nn.functional.max_pool2d(-coloured, 3, stride=1, padding=1) > 0
    assert target.float().mean() > 0.05
    differ = (alone - among).abs().amax(dim=1)
    assert (differ > 0.5).any(dim=(1, 2)).all()
    assert differ[target].max() < 1e-4


def test_a_picture_shows_colour_and_shape_that_its_label_says():
    """With the target alone: its pixels fill a circle, a square, ... of their own size as these do."""
    probe = Binding(colours=6, shapes=6, distractors=0)
    examples = probe.examples(360, "test", Source(0, 64))
    label = examples.targets["label"]
    images = examples.inputs[:, 0] * 0.25 + 0.5
    masks = (images.amax(dim=1) - images.amin(dim=1)) > 0.3
    fill, hole = [], []
    for mask in masks:
        rows, columns = mask.any(dim=1).nonzero(), mask.any(dim=0).nonzero()
        box = mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        fill.append(box.float().mean())
        middle = mask[(rows[0] + rows[-1]) // 2, (columns[0] + columns[-1]) // 2]
        hole.append(not bool(middle))
    fill, hole = torch.stack(fill), torch.tensor(hole)
    shape = label % 6
    mean = [float(fill[shape == kind].mean()) for kind in range(6)]
    by_name = dict(zip(FORMS, mean, strict=True))
    assert by_name["circle"] == pytest.approx(np.pi / 4, abs=0.05)
    assert by_name["triangle"] == pytest.approx(0.5, abs=0.08)
    assert by_name["square"] > by_name["circle"] - 0.06
    assert by_name["diamond"] < 0.65
    assert hole[shape == FORMS.index("ring")].all()
    assert not hole[shape != FORMS.index("ring")].any()


def test_shapes_are_negative_inside_and_about_as_large_as_each_other():
    places = torch.linspace(-1.5, 1.5, 600)
    x, y = places[None, :], places[:, None]
    area = {name: float((form(x, y) < 0).float().mean() * 9) for name, form in SHAPES.items()}
    assert area["circle"] == pytest.approx(np.pi, rel=0.01)
    assert area["square"] == pytest.approx(4 * 0.85**2, rel=0.01)
    assert area["triangle"] == pytest.approx(3 * np.sqrt(3) * 0.66**2, rel=0.02)
    assert area["ring"] == pytest.approx(np.pi * (1 - 0.25), rel=0.01)
    assert area["cross"] == pytest.approx(4 * 0.34 * 2 - 4 * 0.34**2, rel=0.01)
    assert area["diamond"] == pytest.approx(2 * 0.8 * 1.15, rel=0.01)
    # The smallest target is larger than the largest distractor.
    assert min(area.values()) * 0.18**2 > max(area.values()) * 0.12**2


def test_colours_are_those_of_the_standard_library():
    rng = np.random.default_rng(0)
    for hue, saturation, value in rng.random((50, 3)):
        expected = colorsys.hsv_to_rgb(hue, saturation, value)
        found = rgb(torch.tensor(hue), float(saturation), float(value))
        assert found.tolist() == pytest.approx(expected, abs=1e-6)
    assert CSB.words(0) == "red circle"
    assert SIX.words(35) == f"{COLOURS[5]} {FORMS[5]}" == "cyan diamond"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"colours": 7}, "csb: colours=7: expected 2 to 6"),
        ({"shapes": 1}, "csb: shapes=1: expected 2 to 6"),
        ({"distractors": 5}, "csb: distractors=5: expected 0 to 4"),
    ],
)
def test_what_cannot_be_is_refused(options, message):
    with pytest.raises(UserError, match=message):
        Binding(**options)
