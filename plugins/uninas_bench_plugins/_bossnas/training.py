"""Stages: block after block is trained, rated, and closed; a fit goes on from its last checkpoint."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch.optim import SGD, Optimizer

from uninas_bench import UserError
from uninas_bench_plugins._bossnas import checkpoint
from uninas_bench_plugins._bossnas.images import Images
from uninas_bench_plugins._bossnas.lars import Lars
from uninas_bench_plugins._bossnas.networks import Siamese
from uninas_bench_plugins._bossnas.objectives import (
    Bootstrapping,
    Classification,
    Distillation,
    Objective,
    Step,
    Teacher,
)
from uninas_bench_plugins._bossnas.plan import FIRST, Chain
from uninas_bench_plugins._bossnas.rating import rate_block
from uninas_bench_plugins._bossnas.schedules import learning_rate, teacher_momentum
from uninas_bench_plugins._bossnas.settings import BossnasSettings
from uninas_bench_plugins._bossnas.supernet import Supernet
from uninas_bench_plugins._bossnas.table import FILE, Losses, Table
from uninas_bench_plugins._bossnas.traversal import Passes

if TYPE_CHECKING:
    from uninas_bench import FitContext

SECONDS = 60.0
"""Between checkpoints."""


def fit(
    make_supernet: Callable[[], Supernet],
    context: FitContext,
    settings: BossnasSettings,
    teacher: Teacher | None = None,
    seconds: float = SECONDS,
) -> Table:
    """Train and rate a supernet, or go on with what lies in the context's folder.

    Every random draw comes from a generator of its own, named by what it is for and by the step: an
    interrupted fit draws what an uninterrupted one would have drawn, and ends bit for bit the same.

    Args:
        make_supernet: builds it from the torch generator in force.
        context: images, generators, folder.
        settings: of the proxy.
        teacher: for distillation.
        seconds: between checkpoints.
    """
    return _Fit(make_supernet, context, settings, teacher, seconds).run()


class _Fit:
    """The state of a fit; see `fit`."""

    def __init__(
        self,
        make_supernet: Callable[[], Supernet],
        context: FitContext,
        settings: BossnasSettings,
        teacher: Teacher | None,
        seconds: float,
    ) -> None:
        self.context = context
        self.settings = settings
        self.seconds = seconds
        self.images = Images(context, settings)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(context.generator("weights").initial_seed())
            supernet = make_supernet()
            self.plan = supernet.plan
            self.objective = self._objective(teacher)
            self.networks = Siamese(supernet, settings.hidden, settings.out, self._head_sizes())
        self.networks.to(context.device).to(memory_format=torch.channels_last)
        self.table = Table(notes={"training": [], "curve": [], "seconds": 0.0, "passes": {}})
        self.block = self.update = 0
        self.optimizer: Optimizer | None = None
        self.restored: dict[str, Any] | None = None
        self.loss = 0.0
        self.saved = time.monotonic()

    def _objective(self, teacher: Teacher | None) -> Objective:
        if self.settings.training == "classification":
            return Classification()
        if self.settings.training == "distillation":
            if teacher is None:
                raise UserError("training=distillation needs a teacher")
            return Distillation(teacher, self.plan.blocks, self.context.device)
        return Bootstrapping(self.settings.training == "ensemble")

    def _head_sizes(self) -> Sequence[int]:
        if self.objective.bootstraps:
            return ()
        few = self.images.calibration
        targets = (
            self.objective.head_target(block, few.images, few.labels) for block in range(self.plan.blocks)
        )
        return [t.shape[1] if t.ndim > 1 else self.context.task.classes for t in targets]

    def run(self) -> Table:
        """All stages from wherever the checkpoint stands."""
        self._restore()
        while self.block < self.plan.blocks:
            self._train()
            self._close()
        if not (self.context.folder / FILE).exists():
            self.context.write(FILE, json.dumps(self.table.to_json()).encode())
        return self.table

    @property
    def _updates(self) -> int:
        """Of one stage."""
        return self.settings.epochs * self.images.updates

    def _train(self) -> None:
        settings = self.settings
        self.optimizer = self._make_optimizer()
        self.networks.train()
        began = time.monotonic()
        while self.update < self._updates:
            lr = learning_rate(self.update, self._updates, settings.warmup * self.images.updates, settings.lr)
            for group in self.optimizer.param_groups:
                group["lr"] = lr
            self.loss += self._descend(self.optimizer) / self.images.updates
            if self.objective.bootstraps:
                self.networks.follow(self.block, teacher_momentum(self.update, self._updates))
            self.update += 1
            if self.update % self.images.updates == 0:
                self._end_epoch()
            if time.monotonic() - self.saved >= self.seconds:
                self._count(began)
                began = time.monotonic()
                self._save()
        self._count(began)

    def _make_optimizer(self) -> Optimizer:
        weights = self.networks.trained(self.block)
        settings = self.settings
        if settings.optimizer == "lars":
            made: Optimizer = Lars(weights, settings.lr, decay=settings.decay)
        else:
            made = SGD(weights, settings.lr, momentum=0.9, weight_decay=settings.decay)
        if self.restored is not None:
            made.load_state_dict(self.restored)
            self.restored = None
        return made

    def _descend(self, optimizer: Optimizer) -> float:
        """One update from the gradients of ``accumulate`` steps; the mean loss of a path."""
        settings, total = self.settings, 0.0
        optimizer.zero_grad(set_to_none=True)
        for part in range(settings.accumulate):
            step = self._step(self.update * settings.accumulate + part)
            for loss in self.objective.losses(self.networks, step):
                # Gradients of the paths add up: the authors sum them and average over the steps alone.
                (loss / settings.accumulate).backward()  # type: ignore[no-untyped-call]
                total += loss.item() / len(step.paths) / settings.accumulate
        optimizer.step()
        return total

    def _step(self, number: int) -> Step:
        block = self.block
        draw = self.context.generator(f"paths/{block}/{number}")
        chains = self._chains()
        kinds = sorted(chains)
        kind = kinds[int(torch.randint(len(kinds), (), generator=draw))]
        paths = self.plan.sample(block, kind, self.settings.paths, draw)
        views, images, labels = self.images.step(block, number, len(paths))
        return Step(block, chains[kind], paths, views, images, labels)

    def _chains(self) -> dict[int, Chain]:
        """The chosen paths before the present block, by the kind of input that they give it."""
        return self.table.chains[-1] if self.table.chains else {FIRST: ()}

    def _end_epoch(self) -> None:
        epoch = self.update // self.images.updates
        settings, notes = self.settings, self.table.notes
        notes["training"].append([self.block, epoch, self.loss])
        done = self.block * settings.epochs + epoch
        text = f"block {self.block + 1} of {self.plan.blocks}, epoch {epoch}: loss {self.loss:.3f}"
        self.context.report(done, self.plan.blocks * settings.epochs, text)
        self.loss = 0.0
        if settings.curve and epoch < settings.epochs:
            losses, _ = self._rate()
            block = Table([losses], [{}]).to_json()["blocks"][0]
            notes["curve"].append([self.block, epoch, block])

    def _rate(self) -> tuple[dict[int, Losses], Passes]:
        passes = Passes()
        losses = {}
        for kind, chain in self._chains().items():
            losses[kind], more = rate_block(
                self.networks,
                self.objective,
                self.block,
                self.plan.paths(self.block, kind),
                chain,
                self.images.validation,
                self.images.calibration,
                self.settings,
            )
            passes.add(more)
        return losses, passes

    def _close(self) -> None:
        """Rate the block and choose the paths that feed the next one: here, and only here."""
        began = time.monotonic()
        losses, passes = self._rate()
        self.table.chains.append(self._extended(losses))
        self.table.blocks.append(losses)
        self.table.notes["passes"][str(self.block)] = vars(passes) | {"seconds": time.monotonic() - began}
        self._count(began)
        self.block += 1
        self.update = 0
        self.optimizer = None
        self._save()

    def _extended(self, losses: dict[int, Losses]) -> dict[int, Chain]:
        """For each kind of input that the next block can meet the best chain that gives it."""
        before = self._chains()
        best: dict[int, tuple[float, Chain]] = {}
        for kind, rated in losses.items():
            past = sum(self._loss_of(before[kind]))
            for path, loss in rated.items():
                after = self.plan.kind_after(self.block, path)
                if after not in best or past + loss < best[after][0]:
                    best[after] = (past + loss, (*before[kind], path))
        return {kind: chain for kind, (_, chain) in sorted(best.items())}

    def _loss_of(self, chain: Chain) -> list[float]:
        kind, found = FIRST, []
        for block, path in enumerate(chain):
            found.append(self.table.blocks[block][kind][path])
            kind = self.plan.kind_after(block, path)
        return found

    def _count(self, began: float) -> None:
        self.table.notes["seconds"] += time.monotonic() - began

    def _save(self) -> None:
        state = {
            "networks": self.networks.state_dict(),
            "optimizer": self.optimizer.state_dict() if self.optimizer is not None else None,
            "block": self.block,
            "update": self.update,
            "loss": self.loss,
            "table": json.dumps(self.table.to_json()),
        }
        checkpoint.save(self.context, state)
        self.saved = time.monotonic()

    def _restore(self) -> None:
        state = checkpoint.load(self.context.folder)
        if state is None:
            return
        self.networks.load_state_dict(state["networks"])
        self.block, self.update, self.loss = state["block"], state["update"], state["loss"]
        self.table = Table.from_json(json.loads(state["table"]))
        self.restored = state["optimizer"]
