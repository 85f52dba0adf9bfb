"""How a proxy runs its network: on a copy and random numbers of its own, checked for a path."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from uninas_bench import NotApplicable, Subject


@contextmanager
def private_network(subject: Subject) -> Iterator[nn.Module]:
    """A fresh network to run on, with what it draws by itself (dropout) seeded from the subject.

    Tensors keep PyTorch's own layout: channels-last convolutions take 0.6 to 0.75 of the time, but round
    differently, which moves signs near zero and, through them, NWOT by 1e-7, the trainability of AZ-NAS
    by 1e-4 and ZiCo, which is decided by its smallest variances, by 1e-2.
    """
    with own_randomness(subject):
        network = subject.network()
        # An in-place activation would overwrite what a tap has seen.
        for module in network.modules():
            if getattr(module, "inplace", False) is True:
                module.inplace = False  # type: ignore[assignment]
        yield network


@contextmanager
def own_randomness(subject: Subject) -> Iterator[None]:
    """Seed what a network draws by itself (dropout) from the subject, and leave torch's state untouched."""
    device = subject.device
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        seed = subject.generator("network").initial_seed()
        torch.default_generator.manual_seed(seed)
        if device.type == "cuda":
            with torch.cuda.device(device):
                torch.cuda.manual_seed(seed)
        yield


def require_connected(outputs: Tensor) -> None:
    """Refuse a network whose outputs (B, ...) are the same for every sample of a batch.

    Raises:
        NotApplicable: nothing of the input arrives, so a statistic of it would mean nothing.
    """
    outputs = outputs.detach().flatten(1)
    spread = (outputs - outputs[:1]).abs().max()
    if len(outputs) > 1 and spread <= 1e-6 * outputs.abs().max():
        raise NotApplicable("the output does not depend on the input")
