"""Whole fits: stages, best paths, and that an interruption leaves no trace."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from tests.plugins.bossnas import toy
from tests.plugins.bossnas.toy import KilledError, ToyContext, interrupted, same, small, supernet, weights
from uninas_bench import UserError
from uninas_bench_plugins._bossnas import checkpoint
from uninas_bench_plugins._bossnas.table import read_table
from uninas_bench_plugins._bossnas.training import fit


@pytest.mark.parametrize("optimizer", ["sgd", "lars"])
def test_interrupted_fits_end_bit_for_bit_the_same(tmp_path, optimizer):
    settings = small(images=64, optimizer=optimizer, accumulate=1, pairs="each", curve=True)
    fit(supernet, ToyContext(tmp_path / "whole"), settings)
    for at in (1, 4, 8):
        context = ToyContext(tmp_path / str(at))
        with pytest.raises(KilledError):
            interrupted(context, settings, at)
        state = torch.load(context.folder / checkpoint.FILE, weights_only=True)
        assert not (context.folder / "ratings.json").exists(), f"{state['block']}, {state['update']}"
        torch.rand(3)  # the generator in force means nothing to a fit
        fit(supernet, context, settings)
        same(tmp_path / "whole", context.folder)


def test_seeds_differ_and_repeat(tmp_path):
    settings = small(epochs=1)
    tables = [
        fit(supernet, ToyContext(tmp_path / str(i), seed), settings) for i, seed in enumerate((0, 0, 1))
    ]
    assert tables[0].blocks == tables[1].blocks
    assert tables[0].blocks != tables[2].blocks


def test_best_paths_are_chosen_at_the_end_of_a_stage_alone(tmp_path):
    context = ToyContext(tmp_path)
    table = fit(supernet, context, small(curve=True))
    assert [len(stage[0]) for stage in table.chains] == [1, 2, 3]
    for k, block in enumerate(table.blocks):
        losses = block[0]
        assert table.chains[k][0][-1] == min(losses, key=losses.get)
        assert table.chains[k][0][:k] == (table.chains[k - 1][0] if k else ())
    assert [entry[:2] for entry in table.notes["training"]] == [[k, e] for k in range(3) for e in (1, 2)]
    assert [entry[:2] for entry in table.notes["curve"]] == [[k, 1] for k in range(3)]
    assert [done for done, _, _ in context.reports] == [1, 2, 3, 4, 5, 6]
    assert read_table(tmp_path).blocks == table.blocks


def test_closed_blocks_stay_as_they_are(tmp_path):
    context, settings = ToyContext(tmp_path), small()
    with pytest.raises(KilledError):
        interrupted(context, settings, 7)  # 6 updates of the first block, then its end
    after_first = weights(tmp_path)
    fit(supernet, context, settings)
    final = weights(tmp_path)
    first = [name for name in final if ".bodies.0." in name and ("weight" in name or "bias" in name)]
    later = [name for name in final if ".bodies.1." in name and "conv.weight" in name]
    assert first
    assert all(torch.equal(after_first[name], final[name]) for name in first)
    assert all(not torch.equal(after_first[name], final[name]) for name in later)


def test_training_lowers_the_loss(tmp_path):
    table = fit(supernet, ToyContext(tmp_path), small(epochs=4, images=320))
    losses = {(block, epoch): loss for block, epoch, loss in table.notes["training"]}
    for block in range(3):
        assert losses[block, 4] < losses[block, 1] - 0.1


@pytest.mark.parametrize("training", ["plain", "classification", "distillation"])
@pytest.mark.parametrize("rating", ["own", "linear"])
def test_ablations_rate_every_path(tmp_path, training, rating):
    teacher = torch.nn.Sequential(torch.nn.Conv2d(3, 5, 3), torch.nn.ReLU())
    extra = {"teacher": "given"} if training == "distillation" else {}
    settings = small(training=training, rating=rating, epochs=1, **extra)
    table = fit(supernet, ToyContext(tmp_path), settings, teacher)
    assert [len(block[0]) for block in table.blocks] == [9, 9, 3]
    values = [loss for block in table.blocks for loss in block[0].values()]
    if rating == "linear":
        assert all(0 <= value <= 1 for value in values)
    elif training != "plain":
        assert all(value > 0 for value in values)


def test_an_untrained_supernet_is_rated(tmp_path):
    table = fit(supernet, ToyContext(tmp_path), small(epochs=0))
    assert [len(block[0]) for block in table.blocks] == [9, 9, 3]
    assert table.notes["training"] == []


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"images": 32, "batch": 32, "accumulate": 2}, "an update takes 64 images"),
        ({"resolution": 16}, "the images have 8 pixels a side"),
    ],
)
def test_what_cannot_be_trained_on(tmp_path, changes, message):
    with pytest.raises(UserError, match=message):
        fit(supernet, ToyContext(tmp_path), small(**changes))


CHILD = """
import sys
from pathlib import Path
from tests.plugins.bossnas.toy import ToyContext, small, supernet
from uninas_bench_plugins._bossnas.training import fit
fit(supernet, ToyContext(Path(sys.argv[1])), small(epochs=6, images=320), seconds=0.0)
"""


@pytest.mark.slow
def test_kill_9_leaves_no_trace(tmp_path):
    root = Path(toy.__file__).parents[3]
    environment = {
        **os.environ,
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": os.pathsep.join([str(root), *sys.path]),
    }

    def child():
        return subprocess.Popen([sys.executable, "-c", CHILD, str(tmp_path / "killed")], env=environment)

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        fit(supernet, ToyContext(tmp_path / "whole"), small(epochs=6, images=320))
    finally:
        torch.set_num_threads(threads)
    file = tmp_path / "killed" / checkpoint.FILE
    seen = 0
    for _ in range(3):
        process = child()
        deadline = time.monotonic() + 100
        while time.monotonic() < deadline and process.poll() is None:
            if file.exists() and file.stat().st_mtime_ns > seen:
                time.sleep(0.5)
                break
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
        process.wait()
        seen = file.stat().st_mtime_ns
    assert not (tmp_path / "killed" / "ratings.json").exists(), "killed too late to say anything"
    assert child().wait(250) == 0
    same(tmp_path / "whole", tmp_path / "killed")
