"""How a proxy runs its network: on a copy without in-place activations, checked for a path through it."""

from __future__ import annotations

from torch import Tensor, nn

from uninas_bench import NotApplicable, Subject


def private_network(subject: Subject) -> nn.Module:
    """A fresh network whose activations write to tensors of their own, so taps keep what they have seen.

    Tensors keep PyTorch's own layout: channels-last convolutions take 0.6 to 0.75 of the time, but round
    differently, which moves signs near zero and, through them, NWOT by 1e-7, the trainability of AZ-NAS
    by 1e-4 and ZiCo, which is decided by its smallest variances, by 1e-2.
    """
    network = subject.network()
    for module in network.modules():
        if getattr(module, "inplace", False) is True:
            module.inplace = False  # type: ignore[assignment]
    return network


def require_connected(outputs: Tensor) -> None:
    """Refuse a network whose outputs (B, ...) are the same for every sample of a batch.

    Raises:
        NotApplicable: nothing of the input arrives, so a statistic of it would mean nothing.
    """
    outputs = outputs.detach().flatten(1)
    spread = (outputs - outputs[:1]).abs().max()
    if len(outputs) > 1 and spread <= 1e-6 * outputs.abs().max():
        raise NotApplicable("the output does not depend on the input")
