"""The contact sheet: right answers look right, wrong ones do not, and the command draws what it says."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from PIL import Image

from uninas_bench import UserError
from uninas_bench.cli import main
from uninas_bench_plugins._micro_probes.pictures.answers import drawn, said, shown
from uninas_bench_plugins._micro_probes.pictures.panels import make_panels, rows_of
from uninas_bench_plugins._micro_probes.pictures.sheet import contact_sheet
from uninas_bench_plugins._micro_probes.probes.catalogue import probes
from uninas_bench_plugins._micro_probes.probes.inpainting import Inpainting
from uninas_bench_plugins._micro_probes.probes.jigsaw import Jigsaw
from uninas_bench_plugins._micro_probes.probes.memory import Memory
from uninas_bench_plugins._micro_probes.probes.motion import Motion
from uninas_bench_plugins._micro_probes.probes.probe import Source
from uninas_bench_plugins._micro_probes.probes.rotation import Rotation, round_mask
from uninas_bench_plugins._micro_probes.probes.scenes import pictures
from uninas_bench_plugins._micro_probes.probes.streams import Stream
from uninas_bench_plugins._micro_probes.results import Evaluation, ProbeResult
from uninas_bench_plugins._micro_probes.settings import MicroProbesSettings

SOURCE = Source(0)
CHAIN = "nasbench201:|nor_conv_3x3~0|+|none~0|nor_conv_3x3~1|+|none~0|none~1|nor_conv_3x3~2|"


def truth_of(probe, count=5):
    examples = probe.examples(count, "test", SOURCE)
    return examples, examples.targets[probe.truth]


@pytest.mark.parametrize("probe", probes(), ids=lambda probe: probe.name)
def test_every_answer_can_be_drawn_and_said(probe):
    examples, truth = truth_of(probe)
    found = drawn(probe, examples, truth, SOURCE)
    assert found.shape[:3] == (5, probe.views, 3)
    assert found.min() >= 0
    assert found.max() <= 1
    words = said(probe, truth)
    assert [len(line) for line in words] == [probe.views] * 5


def test_a_jigsaw_rightly_answered_is_the_picture_but_for_what_does_not_count():
    probe = Jigsaw(gamma=1.0)
    examples, truth = truth_of(probe)
    whole = pictures(SOURCE, Stream(0, "lgj", "test", 5), 32)
    counts = torch.zeros(5, 16, dtype=torch.bool).scatter_(1, truth, examples.targets["counts"])
    cells = counts.reshape(5, 1, 4, 4).repeat_interleave(8, 2).repeat_interleave(8, 3).expand(-1, 3, -1, -1)
    found = drawn(probe, examples, truth, SOURCE)[:, 0]
    torch.testing.assert_close(found[cells], whole[cells])
    # All patches in one place: it shows their mean, and the rest is blank.
    heap = drawn(probe, examples, torch.zeros_like(truth), SOURCE)[:, 0]
    assert (heap[:, :, 8:] == 1).all()
    assert heap[:, :, :8, :8].mean() == pytest.approx(float(found.mean()), abs=0.01)


def test_crops_turned_back_by_the_right_angle_are_those_that_were_not_turned():
    """By bilinear sampling twice, so not to the pixel; by another angle they are not."""
    probe = Rotation()
    examples, truth = truth_of(probe, 20)
    upright = torch.zeros_like(truth)
    still = Rotation(reach=1e-6).examples(20, "test", SOURCE)
    mask = round_mask(32) > 0.99
    target = shown(still)[..., mask]
    right = (drawn(probe, examples, truth, SOURCE)[..., mask] - target).square().mean(dim=(1, 2, 3))
    wrong = (drawn(probe, examples, upright, SOURCE)[..., mask] - target).square().mean(dim=(1, 2, 3))
    turned = (truth.abs() > 0.5).all(dim=1)
    assert (right[turned] < 0.25 * wrong[turned]).all()
    relative = Rotation(relative=True)
    few = relative.examples(20, "test", SOURCE)
    assert said(relative, few.targets["angles"])[0][0] == ""


def test_what_is_said():
    assert said(Rotation(), torch.tensor([[math.pi / 2, -math.pi]])) == [["+90°", "-180°"]]
    assert said(Motion(), torch.tensor([[0.5, 0.125]])) == [["0.50, 0.12"]]
    assert said(Memory(), torch.tensor([3])) == [["class 3"]]
    assert said(Inpainting(), torch.zeros(2, 3, 4, 4)) == [[""], [""]]


def test_a_class_is_shown_by_its_first_training_example():
    probe = Memory(classes=4)
    examples = probe.examples(6, "test", SOURCE)
    first = probe.examples(4, "train", SOURCE)
    found = drawn(probe, examples, torch.tensor([2, 2, 0, 1, 3, 3]), SOURCE)
    assert torch.equal(found, shown(first)[[2, 2, 0, 1, 3, 3]])


def test_the_ball_is_drawn_where_it_is_said_to_be():
    examples, _ = truth_of(Motion())
    answers = torch.tensor([[0.2, 0.7]]).expand(5, 2)
    found = drawn(Motion(), examples, answers, SOURCE)[:, 0]
    orange = (found[:, 0] > 0.9) & (found[:, 2] < 0.3)
    places = (torch.arange(160) + 0.5) / 160
    for one in orange:
        rows, columns = one.nonzero().T
        assert places[columns].mean() == pytest.approx(0.2, abs=0.03)
        assert places[rows].mean() == pytest.approx(0.7, abs=0.03)


def result(probe, predict, score=0.5):
    return ProbeResult(score, score, None, {}, (1.0,), 0.0, 1, truncated=False, predict=predict)


def test_answers_are_marked_by_whether_they_beat_blindness():
    settings = MicroProbesSettings(probes="mf", test=64)
    (probe,) = probes(["mf"])
    truth = probe.examples(6, "test", SOURCE).targets["centre"]
    answers = torch.where(torch.arange(6)[:, None] < 4, truth, 1 - truth)
    evaluation = Evaluation({"mf": result(probe, lambda inputs: answers[: len(inputs)])}, 0.0, 0.0)
    (panel,) = make_panels(settings, SOURCE, 6, evaluation)
    rows = rows_of(panel)
    assert list(rows) == ["input", "target", "prediction"]
    assert [cell.good for cell in rows["input"]] == [None] * 6
    blind = probe.baselines(probe.examples(64, "test", SOURCE))["blind"]
    assert panel.baselines["blind"] == blind
    errors = [math.dist(a, t) for a, t in zip(answers.tolist(), truth.tolist(), strict=True)]
    assert [cell.good for cell in rows["prediction"]] == [error < blind for error in errors]
    assert rows["target"][0].word == f"{truth[0, 0]:.2f}, {truth[0, 1]:.2f}"


def test_answers_of_classes_are_marked_by_whether_they_are_right():
    output = torch.nn.functional.one_hot(torch.tensor([0, 0, 10, 3]), 16).float()
    (probe,) = probes(["csb"])
    evaluation = Evaluation({"csb": result(probe, lambda inputs: output)}, 0.0, 0.0)
    (panel,) = make_panels(MicroProbesSettings(probes="csb", test=16), SOURCE, 4, evaluation)
    assert panel.examples.targets["label"].tolist() == [0, 5, 10, 15]
    found = [(cell.word, cell.good) for cell in rows_of(panel)["prediction"]]
    assert found == [
        ("red circle", True),
        ("red circle", False),
        ("blue triangle", True),
        ("red cross", False),
    ]


def test_a_probe_that_a_network_diverged_on_has_no_answers():
    settings = MicroProbesSettings(probes="csb", test=16)
    for found in (result(None, None), result(None, lambda _: torch.zeros(6, 16), math.nan)):
        (panel,) = make_panels(settings, SOURCE, 6, Evaluation({"csb": found}, 0.0, 0.0))
        assert list(rows_of(panel)) == ["input", "target"]
        assert panel.score is None


def test_nothing_on_a_sheet_lies_on_something_else():
    """Pictures and texts, as matplotlib measures them, at the widest and at the narrowest."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    for names, options, count in (
        ("lgj+oip+rm+csb+mf+vm", "csb.colours:6+csb.shapes:6", 6), ("csb", "", 1), ("rm+vm+mf", "", 2),
    ):  # fmt: skip
        settings = MicroProbesSettings(test=32, probes=names, options=options)
        panels = make_panels(settings, SOURCE, count)
        figure = contact_sheet(panels, "The six micro-probes", ["drawn pictures", "a network"])
        renderer = FigureCanvasAgg(figure).get_renderer()
        boxes = [text.get_window_extent(renderer) for text in figure.texts if text.get_text()]
        boxes += [axes.get_window_extent(renderer) for axes in figure.axes]
        page = figure.get_window_extent(renderer)
        views = (panel.probe.views for panel in panels)
        assert len(figure.axes) == sum(2 * max(1, count // view) * view for view in views)
        for box in boxes:
            assert box.x0 >= page.x0
            assert box.x1 <= page.x1
            assert box.y0 >= page.y0
            assert box.y1 <= page.y1
        for one, other in itertools.combinations(boxes, 2):
            assert not one.padded(-1).overlaps(other.padded(-1))


def run(*arguments):
    return CliRunner().invoke(main, ["probes", "show", *arguments], standalone_mode=False)


def test_the_command_draws_the_same_file_again(tmp_path):
    files = []
    for name in ("one.png", "two.png"):
        assert run("--probe", "mf,csb", "--count", "2", "--output", str(tmp_path / name)).exception is None
        files.append((tmp_path / name).read_bytes())
    assert files[0] == files[1]
    with Image.open(tmp_path / "one.png") as image:
        assert image.width > 1500
    assert (
        run("--probe", "mf", "--count", "1", "--seed", "1", "--output", str(tmp_path / "a.svg")).exception
        is None
    )
    assert (tmp_path / "a.svg").read_text().startswith("<?xml")


@pytest.mark.slow
def test_the_command_shows_what_a_network_answers(tmp_path):
    settings = [
        "--set",
        "micro_probes.data=64",
        "--set",
        "micro_probes.epochs=1",
        "--set",
        "micro_probes.test=32",
    ]
    scale = ["--scale", "channels=4,cells=1"]
    found = run(
        "--network", CHAIN, *scale, "--probe", "rm,vm", *settings, "--output", str(tmp_path / "a.png")
    )
    assert found.exception is None
    assert "rm: " in found.stderr
    assert "after 2 steps (blind " in found.stderr
    assert f"wrote {tmp_path / 'a.png'}" in found.stderr
    with Image.open(tmp_path / "a.png") as answered:
        run("--probe", "rm,vm", *settings, "--output", str(tmp_path / "b.png"))
        with Image.open(tmp_path / "b.png") as unanswered:
            assert answered.height > unanswered.height


def test_the_command_shows_real_images(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 255, (40, 32, 32, 3), dtype=np.uint8)
    labels = np.arange(40) % 4
    arrays = {"train_x": pixels, "train_y": labels, "test_x": pixels, "test_y": labels}
    np.savez(tmp_path / "images.npz", **arrays)
    options = [
        "--data",
        f"cifar10={tmp_path / 'images.npz'}",
        "--output",
        str(tmp_path / "a.png"),
        "--probe",
        "vm",
    ]
    assert run(*options, "--set", "micro_probes.options=vm.classes:4").exception is None
    found = run(*options)
    assert isinstance(found.exception, UserError)
    message = "vm: classes=20: cifar10 has 4 classes of two or more images; expected at most 4"
    assert str(found.exception) == message


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--probe", "cbs"], 'no probe "cbs"'),
        (["--probe", "lgj", "--side", "18"], "lgj: side=18: expected a multiple of 4"),
        (["--scale", "channels=8"], "--scale: of the network's space; give --network"),
        (["--network", "nasbench202:x"], 'no search space "nasbench202"'),
        (
            ["--data", "cifar10=a", "--data", "digits=b"],
            "--data cifar10, digits: expected the images of one task",
        ),
        (["--data", "cifar10=/nowhere.npz"], "/nowhere.npz: no such file or folder"),
        (["--set", "nwot.batch=3"], "nwot is not among --proxies micro_probes"),
        (["--probe", "mf", "--output", "a.gif"], "expected a name that ends in .svg, .png or .pdf"),
    ],
)
def test_a_mistake_is_one_line(arguments, message):
    found = run(*arguments)
    assert isinstance(found.exception, UserError)
    assert message in str(found.exception)
