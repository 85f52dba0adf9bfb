"""One process alone, and what torchrun's variables must be; two of them are in test_resume."""

from __future__ import annotations

from datetime import timedelta

import pytest
import torch

from tests.training.toy import free_port
from uninas_bench.errors import UserError
from uninas_bench.training.loop import distributed
from uninas_bench.training.loop.distributed import Processes, processes_from_environment

VARIABLES = ("WORLD_SIZE", "RANK", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT")


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


def test_alone_nothing_is_connected() -> None:
    with processes_from_environment("cpu") as alone:
        assert alone == Processes()
        assert alone.is_first
        assert alone.gather_objects("a") == ["a"]
        assert torch.equal(alone.sum(torch.ones(2)), torch.ones(2))
        alone.barrier()
        assert not torch.distributed.is_initialized()


def test_torchrun_with_one_process_is_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in zip(VARIABLES, ("1", "0", "0", "127.0.0.1", "1"), strict=True):
        monkeypatch.setenv(name, value)
    with processes_from_environment("cpu") as alone:
        assert alone.count == 1


@pytest.mark.parametrize(
    ("environment", "told"),
    [
        ({"WORLD_SIZE": "2"}, "WORLD_SIZE=2 but RANK, LOCAL_RANK, MASTER_ADDR, MASTER_PORT not set"),
        ({"WORLD_SIZE": "two"}, 'WORLD_SIZE="two": expected a whole number'),
    ],
)
def test_incomplete_variables_are_named(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], told: str
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(UserError, match=told), processes_from_environment("cpu"):
        pass


def test_an_unknown_device_is_named() -> None:
    with (
        pytest.raises(UserError, match='device "tpu": expected auto, cpu or cuda'),
        processes_from_environment("tpu"),
    ):
        pass


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_a_gpu_that_is_not_there_is_refused() -> None:
    with pytest.raises(UserError, match="has no GPU: 0 found"), processes_from_environment("cuda"):
        pass


def test_others_that_never_come_are_an_error_of_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    values = ("2", "0", "0", "127.0.0.1", str(free_port()))
    for name, value in zip(VARIABLES, values, strict=True):
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(distributed, "_TIMEOUT", timedelta(seconds=1))
    told = r"process 0 of 2 cannot join the others at 127\.0\.0\.1:\d+: "
    with pytest.raises(UserError, match=told) as error, processes_from_environment("cpu"):
        pass
    assert "\n" not in str(error.value)
