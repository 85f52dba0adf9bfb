"""One optimiser step: accumulated passes, clipped gradients, and randomness that follows from its number."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from uninas_bench.seeds import derive_seed
from uninas_bench.training.loop.schedule import Plan, learning_rate

if TYPE_CHECKING:
    from uninas_bench.training.loop.distributed import Processes
    from uninas_bench.training.recipes.recipe import Recipe


class Stepper:
    """Makes the steps of a plan on a network and its optimiser, on one process or together with others.

    Attributes:
        losses: names of what the network gives as losses; known after the first step.
    """

    def __init__(
        self,
        model: nn.Module,
        optimiser: torch.optim.Optimizer,
        recipe: Recipe,
        plan: Plan,
        *,
        seed: int,
        processes: Processes,
    ) -> None:
        self.losses: tuple[str, ...] = ()
        self._model = model
        self._optimiser = optimiser
        self._recipe = recipe
        self._plan = plan
        self._seed = seed
        self._processes = processes
        self._parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
        # Buffers, such as running statistics, are the first process's in every pass: the ones that are saved.
        self._parallel = DistributedDataParallel(model) if processes.count > 1 else None
        self._settled = self._parallel is None
        self._network: Any = self._parallel or model
        if recipe.run.compile:
            self._network = torch.compile(self._network)

    def step(self, number: int, batches: Iterator[tuple[Any, Any]]) -> Tensor:
        """Make step ``number``, counted from 0, with the next batches.

        The global generators of torch are set to a seed of their own for every step and process: what drop
        path and dropout draw then depends on nothing that was drawn before, and a resumed run, which begins
        at any step, needs no state of generators to go on as an uninterrupted one.

        Returns:
            This process's losses, each the mean over the accumulated passes, and last the norm of all
            gradients before clipping, which is all processes'; float32, on the device: reading it waits for
            the step.
        """
        images, targets = next(batches)
        if not self._settled:
            self._settle(images, targets)
        torch.manual_seed(derive_seed(self._seed, "step", number, self._processes.rank))
        rate = learning_rate(number, self._plan)
        for group in self._optimiser.param_groups:
            group["lr"] = rate
        self._model.train()
        self._optimiser.zero_grad(set_to_none=True)
        passes = self._recipe.run.accumulate
        total: Tensor | None = None
        for index in range(passes):
            if index > 0:
                images, targets = next(batches)
            last = index == passes - 1
            with nullcontext() if last or self._parallel is None else self._parallel.no_sync():
                values = self._losses_of(images, targets) / passes
                values.sum().backward()  # type: ignore[no-untyped-call]
            total = values.detach() if total is None else total + values.detach()
        assert total is not None
        norm = nn.utils.clip_grad_norm_(self._parameters, self._recipe.optimiser.clip or math.inf)
        self._optimiser.step()
        return torch.cat([total, norm.float().reshape(1)])

    def _losses_of(self, images: Any, targets: Any) -> Tensor:
        with autocast(self._recipe, self._processes.device):
            losses = self._network(images, targets)
        self.losses = tuple(losses)
        return torch.stack([loss.float() for loss in losses.values()])

    def _settle(self, images: Any, targets: Any) -> None:
        """Make a pass that leaves no trace but the order in which gradients are exchanged.

        PyTorch groups gradients for the exchange by guess at first, and behind the first backward pass by the
        order in which they came. More than two processes add up in an order that depends on the grouping.
        Without this pass, the first step of a resumed run would round otherwise than the same step of an
        uninterrupted one.
        """
        before = [buffer.clone() for buffer in self._model.buffers()]
        self._model.train()
        self._losses_of(images, targets).sum().backward()  # type: ignore[no-untyped-call]
        for buffer, value in zip(self._model.buffers(), before, strict=True):
            buffer.copy_(value)
        self._settled = True


def autocast(recipe: Recipe, device: torch.device) -> torch.autocast:
    """The precision of forward passes: bfloat16 where the recipe says so, by itself on GPUs only."""
    precision = recipe.run.precision
    reduced = precision == "bfloat16" or (precision == "auto" and device.type == "cuda")
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=reduced)
