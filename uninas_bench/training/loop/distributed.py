"""The processes of one training: started by ``torchrun``, or a single one that needs none of it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

import torch
from torch import Tensor, distributed

from uninas_bench.errors import UserError

T = TypeVar("T")
# Others wait for the first process while it writes a checkpoint, or for the slowest while it evaluates.
_TIMEOUT = timedelta(minutes=30)
_CPU = torch.device("cpu")
_VARIABLES = ("RANK", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT")


@dataclass(frozen=True)
class Processes:
    """This process among those of a training; alone by default, and then nothing below communicates.

    All methods are for every process to call, in the same order.

    Attributes:
        rank: from 0; the first writes checkpoints and logs.
        count: of all processes, on all machines.
        local_rank: of this process on its machine.
        device: that this process computes on.
    """

    rank: int = 0
    count: int = 1
    local_rank: int = 0
    device: torch.device = _CPU

    @property
    def is_first(self) -> bool:
        """Whether this process writes what is written once."""
        return self.rank == 0

    def gather_objects(self, value: T) -> list[T]:
        """Every process's value, in the order of the ranks; a value is anything that pickles."""
        if self.count == 1:
            return [value]
        values: list[T | None] = [None] * self.count
        distributed.all_gather_object(values, value)
        return values  # type: ignore[return-value]

    def sum(self, tensor: Tensor) -> Tensor:
        """The sum over all processes; the argument is left as it is and may be on any device."""
        if self.count == 1:
            return tensor
        total = tensor.to(self.device, copy=True)
        distributed.all_reduce(total)
        return total.to(tensor.device)

    def copy_from_first(self, tensors: Iterator[Tensor]) -> None:
        """Overwrite tensors on this process's device with those of the first process."""
        if self.count > 1:
            for tensor in tensors:
                distributed.broadcast(tensor, 0)

    def barrier(self) -> None:
        """Wait for all."""
        if self.count > 1:
            distributed.barrier()


@contextmanager
def processes_from_environment(device: str = "auto") -> Iterator[Processes]:
    """The processes that torchrun's variables name, connected until the end of the block.

    Args:
        device: ``cpu``, ``cuda``, or ``auto`` for a GPU where there is one. Of several GPUs each process
            takes the one of its local rank. NCCL connects GPUs, Gloo connects CPUs.

    Raises:
        UserError: the variables are incomplete, there are fewer GPUs than processes, or the processes cannot
            reach each other.
    """
    count, local_rank, rank = (_integer(name) for name in ("WORLD_SIZE", "LOCAL_RANK", "RANK"))
    count = count or 1
    chosen = _device(device, local_rank or 0)
    if count == 1:
        yield Processes(device=chosen)
        return
    missing = [name for name in _VARIABLES if name not in os.environ]
    if missing or rank is None or local_rank is None:
        raise UserError(f"WORLD_SIZE={count} but {', '.join(missing)} not set; start the command by torchrun")
    try:
        distributed.init_process_group(
            "nccl" if chosen.type == "cuda" else "gloo",
            timeout=_TIMEOUT,
            device_id=chosen if chosen.type == "cuda" else None,
        )
    except (distributed.DistError, ValueError) as error:
        where = f"{os.environ['MASTER_ADDR']}:{os.environ['MASTER_PORT']}"
        reason = str(error).partition("\n")[0]
        raise UserError(f"process {rank} of {count} cannot join the others at {where}: {reason}") from None
    try:
        yield Processes(rank, count, local_rank, chosen)
    finally:
        distributed.destroy_process_group()


def _integer(name: str) -> int | None:
    text = os.environ.get(name)
    if text is None:
        return None
    if not text.isdecimal():
        raise UserError(f'{name}="{text}": expected a whole number, as torchrun sets it')
    return int(text)


def _device(name: str, local_rank: int) -> torch.device:
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cpu":
        return _CPU
    if name != "cuda":
        raise UserError(f'device "{name}": expected auto, cpu or cuda')
    if local_rank >= torch.cuda.device_count():
        raise UserError(
            f"process {local_rank} of this machine has no GPU: {torch.cuda.device_count()} found; start "
            "fewer processes, or train on the CPU"
        )
    device = torch.device("cuda", local_rank)
    torch.cuda.set_device(device)
    return device
