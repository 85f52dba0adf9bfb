"""Which units of a network are active: every pointwise activation of a forward pass, as binary codes."""

from __future__ import annotations

import hashlib
import weakref
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from uninas_bench.features import hooked, logits_of

RELU = ("relu",)
POINTWISE = (
    *RELU, "relu6", "hardtanh", "leaky_relu", "prelu", "rrelu", "elu", "celu", "selu", "threshold",
    "gelu", "silu", "mish", "hardswish", "softplus", "sigmoid", "hardsigmoid", "logsigmoid", "tanh",
    "softsign",
)  # fmt: skip


class ActivationTap(TorchFunctionMode):
    """Hand the input of every call of some pointwise functions to ``visit``, before the call runs.

    Modules, functional calls, tensor methods and in-place forms all end in the same functions, so none
    is missed and none is counted twice. Softmax is no gate and is left out.
    """

    def __init__(self, names: Iterable[str], visit: Callable[[Tensor], None]) -> None:
        super().__init__()
        owners = (functional, torch, Tensor)
        spellings = [spelling for name in names for spelling in (name, f"{name}_")]
        found = (getattr(owner, spelling, None) for owner in owners for spelling in spellings)
        self.functions = frozenset(function for function in found if function is not None)
        self.visit = visit

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if func in self.functions:
            self.visit(args[0] if args else kwargs["input"])
        return func(*args, **kwargs)


def _active(inputs: Tensor) -> Tensor:
    """``inputs > 0``; numpy's comparison writes its bytes in a quarter of the time of torch's."""
    if inputs.device.type == "cpu" and inputs.dtype == torch.float32:
        return torch.from_numpy(np.greater(inputs.detach().numpy(), 0))
    return inputs > 0


def agreements(active: Tensor) -> Tensor:
    """How many units of every two samples agree, exactly: codes (B, N) of bool -> counts (B, B), float64.

    With G = C C^T, n_i active units of sample i and N units, N - n_i - n_j + 2 G_ij units agree. One
    integer product gives G and, on its diagonal, n.
    """
    if active.device.type == "cpu" and active.shape[1] > 1:  # of a single unit _int_mm makes garbage
        codes = active.view(torch.int8)
        both = torch._int_mm(codes, codes.T).double()
    else:
        # Products of 0 and 1 are exact in float32 up to 2^24 units at a time.
        both = torch.zeros(len(active), len(active), dtype=torch.float64, device=active.device)
        for part in torch.split(active, 1 << 24, dim=1):
            both += (part.float() @ part.float().T).double()
    count = both.diagonal()
    return active.shape[1] - count[:, None] - count[None, :] + 2 * both


class CodeKernel:
    """Sums `agreements` over the activations of a forward pass, for each block or for the whole network.

    Attributes:
        kernels: by block, (B, B) float64; the key is None outside the blocks.
        units: by block, the number of units seen.
    """

    def __init__(self, batch: int) -> None:
        self.batch = batch
        self.inside: list[str] = []
        self.kernels: dict[str | None, Tensor] = {}
        self.units: dict[str | None, int] = {}
        self._seen: dict[int, tuple[weakref.ref[Tensor], int, Tensor, int]] = {}

    def visit(self, inputs: Tensor) -> None:
        """Add the codes ``inputs > 0``; the batch must be the slowest part of the first dimension.

        What is not computed from the batch (a table of relative positions, say) is passed over.
        """
        if inputs.ndim < 2 or len(inputs) % self.batch or inputs.numel() == 0:
            return
        kernel, units = self._agreements(inputs)
        block = self.inside[-1] if self.inside else None
        if block in self.kernels:
            self.kernels[block] += kernel
        else:
            self.kernels[block] = kernel.clone()
        self.units[block] = self.units.get(block, 0) + units

    def _agreements(self, inputs: Tensor) -> tuple[Tensor, int]:
        # A node that feeds several edges meets one activation on each: the same tensor, the same codes.
        known = self._seen.get(id(inputs))
        if known is not None and known[0]() is inputs and known[1] == inputs._version:
            return known[2], known[3]
        active = _active(inputs).reshape(self.batch, -1)
        kernel, units = agreements(active), active.shape[1]
        self._seen[id(inputs)] = (weakref.ref(inputs), inputs._version, kernel, units)
        return kernel, units


def code_kernel(
    network: nn.Module, images: Tensor, names: Iterable[str], blocks: Sequence[tuple[str, nn.Module]] = ()
) -> tuple[CodeKernel, Tensor]:
    """One forward pass without gradients: the kernel of its activation codes, and the logits (B, C)."""
    kernel = CodeKernel(len(images))

    def enter(name: str) -> Callable[..., None]:
        return lambda *_: kernel.inside.append(name)

    def leave(*_: Any) -> None:
        kernel.inside.pop()

    handles: list[Any] = []
    for name, block in blocks:
        handles += [block.register_forward_pre_hook(enter(name)), block.register_forward_hook(leave)]
    with torch.no_grad(), hooked(handles), ActivationTap(names, kernel.visit):
        return kernel, logits_of(network(images))


def activation_patterns(network: nn.Module, images: Tensor, names: Iterable[str]) -> list[bytes]:
    """One digest per image of all its codes ``input > 0`` in a forward pass; equal for equal codes.

    Empty where no activation was met.
    """
    digests = [hashlib.blake2b(digest_size=16) for _ in range(len(images))]
    seen = False

    def visit(inputs: Tensor) -> None:
        nonlocal seen
        if inputs.ndim < 2 or len(inputs) % len(images) or inputs.numel() == 0:
            return
        seen = True
        codes = np.packbits(_active(inputs).reshape(len(images), -1).cpu().numpy(), axis=1)
        for digest, code in zip(digests, codes, strict=True):
            digest.update(code.tobytes())

    with torch.no_grad(), ActivationTap(names, visit):
        network(images)
    return [digest.digest() for digest in digests] if seen else []
