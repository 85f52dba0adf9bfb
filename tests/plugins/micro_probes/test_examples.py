"""What all six probes promise of their examples: the same for everybody, nested, and of the promised form."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from uninas_bench import UserError
from uninas_bench_plugins._micro_probes.probes.catalogue import PROBES, probes
from uninas_bench_plugins._micro_probes.probes.images import ImagePool
from uninas_bench_plugins._micro_probes.probes.probe import Examples, Source
from uninas_bench_plugins._micro_probes.probes.scenes import landscapes, part
from uninas_bench_plugins._micro_probes.probes.streams import Stream

SIX = probes()
names = pytest.mark.parametrize("probe", SIX, ids=lambda probe: probe.name)


def equal(some, others):
    same = torch.equal(some.inputs, others.inputs) and some.targets.keys() == others.targets.keys()
    return same and all(torch.equal(some.targets[key], others.targets[key]) for key in some.targets)


def pool(count=64, side=20, labels=True):
    """Images of one colour each, by which they can be told apart."""
    rng = np.random.default_rng(5)
    pixels = np.broadcast_to(rng.random((count, 3, 1, 1)), (count, 3, side, side))
    return ImagePool.of(pixels, np.arange(count) % 4 if labels else None, "plain")


def colours(examples):
    """Of the middle pixels, by which plain images are known."""
    return {tuple(colour) for colour in examples.inputs[:, 0, :, 16, 16].mul(1e3).round().long().tolist()}


def test_the_six_are_those_of_the_note():
    assert list(PROBES) == ["lgj", "oip", "rm", "csb", "mf", "vm"]
    assert {probe.name for probe in SIX if probe.higher_is_better} == {"csb", "vm"}
    assert {probe.name for probe in SIX if probe.scores_training} == {"vm"}


@names
@pytest.mark.parametrize("side", [32, 48])
def test_examples_have_the_form_that_the_contract_states(probe, side):
    examples = probe.examples(5, "train", Source(0, side))
    assert examples.inputs.shape == (5, probe.views, 3, side, side)
    assert examples.inputs.dtype == torch.float32
    assert examples.inputs.isfinite().all()
    assert examples.inputs.abs().max() <= 2 or probe.name == "mf"
    assert all(len(target) == 5 for target in examples.targets.values())
    assert probe.truth in examples.targets
    assert len(examples) == 5


@names
def test_examples_depend_on_seed_split_and_place_alone(probe):
    np.random.seed(1)  # noqa: NPY002  that it is not looked at
    state, legacy = torch.get_rng_state(), np.random.get_state()[1].tolist()  # noqa: NPY002
    few, many = probe.examples(7, "train", Source(3)), probe.examples(40, "train", Source(3))
    assert equal(few, many[:7])
    assert equal(few, probe.examples(7, "train", Source(3)))
    assert not torch.equal(few.inputs, probe.examples(7, "train", Source(4)).inputs)
    assert not torch.equal(few.inputs, probe.examples(7, "test", Source(3)).inputs)
    assert torch.equal(torch.get_rng_state(), state)
    assert np.random.get_state()[1].tolist() == legacy  # noqa: NPY002


@names
def test_no_two_examples_are_alike(probe):
    both = [probe.examples(30, split, Source(0)).inputs.flatten(1) for split in ("train", "test")]
    distances = torch.cdist(torch.cat(both), torch.cat(both))
    distances.fill_diagonal_(9)
    assert distances.min() > 1


@names
def test_an_outputs_loss_can_be_followed_downhill_to_a_good_measure(probe):
    """Loss and measure agree on what is right: descent on a free output ends near the best score."""
    examples = probe.examples(12, "train", Source(0, 16))
    head = probe.head
    shape = {
        "vector": (12, head.outputs),
        "spatial": (12, head.outputs),
        "slots": (12, head.outputs, head.grid, head.grid),
        "pixels": (12, head.outputs, 16, 16),
    }[head.kind]
    output = torch.zeros(shape, requires_grad=True)
    optimizer = torch.optim.Adam([output], lr=0.05)
    first = probe.loss(output, examples.targets)
    assert first.shape == ()
    for _ in range(150):
        optimizer.zero_grad()
        loss = probe.loss(output, examples.targets)
        loss.backward()
        optimizer.step()
    assert loss < 0.2 * first
    best = 1.0 if probe.higher_is_better else 0.0
    assert probe.measure(output.detach(), examples.targets) == pytest.approx(best, abs=0.02)


@names
def test_the_right_answer_is_what_answer_makes_of_the_right_output(probe):
    examples = probe.examples(6, "test", Source(1, 16))
    truth, head = examples.targets[probe.truth], probe.head
    output = {
        "lgj": lambda: torch.nn.functional.one_hot(truth, head.outputs).mT.reshape(
            6, -1, head.grid, head.grid
        ),
        "rm": lambda: torch.stack([truth.cos(), truth.sin()], dim=2).flatten(1),
        "csb": lambda: torch.nn.functional.one_hot(truth, head.outputs),
        "vm": lambda: torch.nn.functional.one_hot(truth, head.outputs),
    }.get(probe.name, lambda: truth)().float()
    torch.testing.assert_close(probe.answer(output), truth)


@names
def test_what_is_measured_does_not_depend_on_the_order_of_examples(probe):
    examples = probe.examples(20, "test", Source(2, 16))
    order = torch.randperm(20, generator=torch.Generator().manual_seed(0))
    for name, level in probe.baselines(examples).items():
        assert probe.baselines(examples[order])[name] == pytest.approx(level, rel=1e-5)
    assert equal(examples[order][torch.argsort(order)], examples)


def test_examples_go_to_a_device():
    examples = Examples(torch.zeros(2, 1, 3, 4, 4), {"label": torch.zeros(2)}).to("meta")
    assert examples.inputs.device.type == examples.targets["label"].device.type == "meta"


@pytest.mark.parametrize("name", ["lgj", "oip", "rm", "vm"])
def test_real_images_of_training_and_test_differ(name):
    (probe,) = probes([name], {"vm": {"classes": "4"}})
    images = pool()
    shown = [colours(probe.examples(200, split, Source(0, 32, images))) for split in ("train", "test")]
    # The inpainting's veil mixes two images of one split.
    if name != "oip":
        assert [len(of_split) for of_split in shown] == [32, 32]
    assert not shown[0] & shown[1]


@pytest.mark.parametrize("name", ["lgj", "oip", "rm", "vm"])
def test_examples_of_real_images_are_nested_too(name):
    (probe,) = probes([name], {"vm": {"classes": "4"}})
    source = Source(0, 32, pool())
    assert equal(probe.examples(9, "train", source), probe.examples(30, "train", source)[:9])


def test_halves_of_images_are_disjoint_and_all():
    for count in (2, 7, 100):
        halves = [set(part(count, 3, split).tolist()) for split in ("train", "test")]
        assert halves[0] | halves[1] == set(range(count))
        assert not halves[0] & halves[1]


def test_a_pool_takes_bytes_and_floats_and_crops_the_middle():
    wide = np.zeros((3, 3, 8, 12), dtype=np.uint8)
    wide[:, :, :, 2:10] = 255
    for pixels in (wide, wide / 255):
        images = ImagePool.of(pixels)
        assert len(images) == 3
        assert torch.equal(images.take(torch.tensor([2, 0]), 8), torch.ones(2, 3, 8, 8))
        torch.testing.assert_close(images.take(torch.tensor([1]), 24), torch.ones(1, 3, 24, 24))


@pytest.mark.parametrize(
    ("pixels", "labels", "message"),
    [
        (np.zeros((4, 8, 8, 3)), None, r"mine: pixels of shape \(4, 8, 8, 3\), expected \(M, 3, H, W\)"),
        (np.zeros((4, 3, 8, 8)), np.zeros(3), r"mine: labels of shape \(3,\), expected \(4,\)"),
        (np.full((4, 3, 8, 8), 2.5), None, r"mine: values from 2.5 to 2.5, expected uint8 or floats in 0..1"),
        (np.full((4, 3, 8, 8), np.nan), None, "mine: values from nan to nan"),
    ],
)
def test_a_pool_of_other_things_is_refused(pixels, labels, message):
    with pytest.raises(UserError, match=message):
        ImagePool.of(pixels, labels, "mine")


def test_a_source_that_cannot_be_is_refused():
    with pytest.raises(UserError, match="side=8: expected at least 16 pixels"):
        Source(0, 8)
    with pytest.raises(UserError, match="seed=-1: expected 0 or more"):
        Source(-1)


def test_quantities_of_a_stream_are_independent_and_of_their_ranges():
    stream = Stream(0, "lgj", "train", 20_000)
    one, other = stream.uniform("one", -1, 3), stream.uniform("other", -1, 3)
    assert -1 <= one.min() < -0.99
    assert 2.99 < one.max() < 3
    assert abs(np.corrcoef(one, other)[0, 1]) < 0.03
    assert stream.normal("n", 0.5).std() == pytest.approx(0.5, rel=0.02)
    assert stream.integers("i", 3).bincount().tolist() == pytest.approx([6667] * 3, rel=0.04)
    orders = stream.permutations("p", 3)
    assert torch.equal(orders.sort(dim=1).values, torch.arange(3).expand(20_000, 3))
    counts = (orders * torch.tensor([9, 3, 1])).sum(dim=1).bincount()
    assert counts[counts > 0].tolist() == pytest.approx([20_000 / 6] * 6, rel=0.06)


def test_landscapes_have_an_up_and_a_left():
    """The mean landscape is lighter in the upper half, and things are lit from the left."""
    pictures = landscapes(Stream(0, "lgj", "train", 600), 32)
    mean = pictures.mean(dim=(0, 1))
    assert mean[:8].mean() > mean[-8:].mean() + 0.1
    # Steps to the right are as often up as down at edges, waves and noise; light that fades only goes down.
    steps = pictures.diff(dim=3)[pictures.diff(dim=3).abs() < 0.1].double()
    assert steps.mean() / (steps.std() / len(steps) ** 0.5) < -10
    assert pictures.min() >= 0
    assert pictures.max() <= 1


def test_a_landscape_is_the_same_at_any_side():
    small, large = (landscapes(Stream(0, "lgj", "train", 20), side) for side in (32, 96))
    shrunk = torch.nn.functional.avg_pool2d(large, 3)
    for one, other in zip(small.flatten(1), shrunk.flatten(1), strict=True):
        assert np.corrcoef(one, other)[0, 1] > 0.9
