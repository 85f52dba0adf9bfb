"""A run that is killed with SIGKILL, wherever that is, and started again is to the bit one that was not."""

from __future__ import annotations

import json
import random
import signal
from pathlib import Path

import pytest
import torch
from torch import Tensor

from tests.training.toy import Toy, assert_same, content, network, run, toy_recipe, train
from uninas_bench.training.loop.checkpoint import load_latest
from uninas_bench.training.loop.distributed import Processes
from uninas_bench.training.loop.evaluation import evaluate

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("undisturbed")
    train(folder)
    return folder


# A step has two passes, an even number is thus in the middle of an accumulation; checkpoints are those of
# steps 7, 10, 14, 20, ...
@pytest.mark.parametrize(
    ("workers", "passes"),
    [(0, [random.Random(1).randrange(16, 38), 3]), (2, [2 * random.Random(2).randrange(11, 18)])],
)
def test_a_killed_run_goes_on_to_the_bit(
    tmp_path: Path, undisturbed: Path, workers: int, passes: list[int]
) -> None:
    for number in passes:
        killed = run(
            tmp_path, "--workers", str(workers), "--signal", str(int(signal.SIGKILL)), "--at", str(number)
        )
        assert killed == [-signal.SIGKILL]
    assert not (tmp_path / "checkpoints" / "step-00000040.pt").exists()
    assert run(tmp_path, "--workers", str(workers)) == [0]
    assert_same(tmp_path, undisturbed)
    steps = [json.loads(line)["step"] for line in content(tmp_path)[1].splitlines() if b"loss" in line]
    assert steps == list(range(1, 41))
    times = [json.loads(line)["step"] for line in (tmp_path / "times.jsonl").read_bytes().splitlines()]
    assert times == [json.loads(line)["step"] for line in content(tmp_path)[1].splitlines()]


def test_two_processes_killed_go_on_to_the_bit(tmp_path: Path) -> None:
    straight, broken = tmp_path / "straight", tmp_path / "broken"
    assert run(straight, processes=2) == [0, 0]
    killed = run(broken, "--signal", str(int(signal.SIGKILL)), "--at", "27", processes=2)
    assert killed[0] == -signal.SIGKILL
    assert killed[1] != 0
    assert run(broken, processes=2) == [0, 0]
    assert_same(broken, straight)
    # What they evaluated, each a part with a ragged last batch, is the one network that was saved.
    state = load_latest(straight / "checkpoints")
    assert state is not None
    model = network()
    model.load_state_dict(state["model"])
    alone = evaluate(Toy(), model, toy_recipe(), seed=3, processes=Processes(), workers=0)
    assert alone["seen"] == 45
    assert state["metrics"] == pytest.approx(alone, rel=1e-6)


def test_three_processes_stopped_go_on_to_the_bit(tmp_path: Path) -> None:
    """SIGTERM comes to one, and all stop behind the same step. Three add up in an order, other than two."""
    straight, broken = tmp_path / "straight", tmp_path / "broken"
    assert run(straight, processes=3) == [0, 0, 0]
    stopped = run(broken, "--signal", str(int(signal.SIGTERM)), "--rank", "1", "--at", "25", processes=3)
    assert stopped == [143, 143, 143]
    assert (broken / "checkpoints" / "step-00000012.pt").exists()
    assert run(broken, processes=3) == [0, 0, 0]
    assert_same(broken, straight)


def test_two_processes_learn_what_one_learns(tmp_path: Path) -> None:
    """Without batch norm and chance; rounding is all that differs."""
    assert run(tmp_path / "two", "--plain", processes=2) == [0, 0]
    train(tmp_path / "one", objective=Toy(augment=False), model=network(0.0, norm=False))
    (two, two_log), (one, one_log) = content(tmp_path / "two"), content(tmp_path / "one")
    for name, value in one.items():
        if isinstance(value, Tensor) and name.startswith("/model"):
            torch.testing.assert_close(two[name], value, rtol=0, atol=1e-5)
    for ours, theirs in zip(two_log.splitlines(), one_log.splitlines(), strict=True):
        a, b = json.loads(ours), json.loads(theirs)
        assert a["step"] == b["step"]
        if "loss" in a:
            assert (a["rate"], a["loss"]) == (b["rate"], pytest.approx(b["loss"], abs=1e-5))
            assert a["norm"] == pytest.approx(b["norm"], rel=1e-4)
        else:
            assert a["metrics"] == pytest.approx(b["metrics"], rel=1e-5)
