"""Compiled steps learn what plain ones learn."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch

from tests.training.toy import network, toy_recipe, train


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs a C++ compiler on CPUs")
@pytest.mark.timeout(600)
@pytest.mark.filterwarnings("default")  # what compilers say about themselves is not ours
def test_compiled_steps_are_those_of_the_network(tmp_path: Path) -> None:
    losses = []
    for compiled in (False, True):
        folder = tmp_path / str(compiled)
        run = {"steps": 4, "compile": compiled, "accumulate": 1}
        train(folder, toy_recipe(run=run, backbone={"drop_path": 0.0}), model=network(0.0))
        lines = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
        losses.append(torch.tensor([line["loss"] for line in lines if "loss" in line]))
    assert len(losses[0]) == 4
    assert torch.allclose(losses[0], losses[1], rtol=1e-3)
    torch._dynamo.reset()
