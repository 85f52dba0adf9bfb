"""Training an autoencoder, saved after every epoch and resumed from there."""

from __future__ import annotations

import copy
import io
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import Adam

from uninas_bench import Architecture, NotApplicable, SearchSpace, UserError
from uninas_bench_plugins._arch2vec.autoencoder import Autoencoder, latents_of
from uninas_bench_plugins._arch2vec.encodings import known_encoding, learned_encoding
from uninas_bench_plugins._arch2vec.evaluation import Figures, evaluate
from uninas_bench_plugins._arch2vec.graphs import PADDING, GraphEncoding, Graphs
from uninas_bench_plugins._arch2vec.losses import total_loss
from uninas_bench_plugins._arch2vec.networks import Batch, GraphAutoencoder, batch_of
from uninas_bench_plugins._arch2vec.settings import AutoencoderSettings

FILE = "autoencoder.pt"
FIGURES = "autoencoder.json"
ALL, SOME = 20_000, 1_000
"""Architectures of a finite and of an endless space that are taken where nothing is said."""
GOOD_RECONSTRUCTION, GOOD_VALIDITY = 0.99, 0.95
"""Shares of what it was trained on, and of prior samples by the strict rule: enough for the last attempt."""
JUDGED = 3_000
"""Architectures and prior samples that an attempt is judged by."""


class Workplace(Protocol):
    """What training needs of a `FitContext`."""

    @property
    def folder(self) -> Path:
        """Where it finds what it wrote before; it exists."""
        ...

    def generator(self, stream: str = "") -> torch.Generator:
        """Equal for equal streams, each independent of the others."""
        ...

    def write(self, name: str, data: bytes) -> None:
        """A file of the folder, whole or not at all."""
        ...

    def report(self, done: int, total: int, text: str = "") -> None:
        """How far it is."""
        ...


def train_autoencoder(space: SearchSpace, settings: AutoencoderSettings, workplace: Workplace) -> Autoencoder:
    """Train an autoencoder of a space, or go on with what lies in the folder, or just load it.

    The folder then has `FILE` and, for the reader, `FIGURES` with the losses by epoch and what
    `evaluation` finds. One process, one kind of processor and the same streams give the same bits,
    interrupted or not.

    Raises:
        NotApplicable: the space has no graphs that are known.
        UserError: the folder has an autoencoder of something else; or settings that do not fit the space.
    """
    identity = f"{space.name} {space.version} {space.scale} {settings}"
    state = _load(workplace.folder, identity)
    if state is None or "prior" not in state:
        state = _trained(space, settings, workplace, identity, state)
    encoding = known_encoding(space, state["names"], state["nodes"])
    network = GraphAutoencoder(encoding, settings, torch.Generator())
    network.load_state_dict(state["network"])
    return Autoencoder(encoding, settings, network, tuple(state["prior"]))


def read_figures(folder: Path) -> Figures:
    """What a finished training wrote into its folder."""
    return Figures(**json.loads((folder / FIGURES).read_text())["figures"])


def _trained(
    space: SearchSpace,
    settings: AutoencoderSettings,
    workplace: Workplace,
    identity: str,
    state: dict[str, Any] | None,
) -> dict[str, Any]:
    """The state of a finished training, which is saved too."""
    drawn = draw_architectures(space, settings, workplace.generator("architectures"))
    encoding = learned_encoding(space, drawn, settings.nodes)
    if settings.adjacency == "fixed" and encoding.edges is None:
        raise UserError(f"adjacency=fixed: graphs of {space.name} do not share their edges")
    usable = [architecture for architecture in drawn if _fits(encoding, architecture)]
    tested = round(settings.held_out * len(usable))
    trained, held_out = usable[tested:], usable[:tested]
    if not trained:
        raise UserError(
            f"architectures={settings.architectures}, nodes={settings.nodes}: none of {len(drawn)} is left "
            f"to train on; {len(usable)} have graphs of at most so many nodes"
        )
    about = {"identity": identity, "names": list(encoding.names), "nodes": encoding.nodes}
    run, autoencoder = _best_attempt(encoding, settings, trained, workplace, about, state)
    state = {**about, "network": run.network.state_dict(), "prior": list(autoencoder.prior)}
    figures = evaluate(autoencoder, held_out, workplace.generator("evaluation"))
    workplace.report(settings.epochs, settings.epochs, f"autoencoder: {figures}")
    notes = {
        "settings": asdict(settings),
        "drawn": len(drawn),
        "trained": len(trained),
        "held_out": len(held_out),
        "attempt": run.attempt,
        "losses": run.losses,
        "figures": asdict(figures),
    }
    workplace.write(FIGURES, json.dumps(notes, indent=1).encode())
    _save(workplace, state)
    return state


def _best_attempt(
    encoding: GraphEncoding,
    settings: AutoencoderSettings,
    trained: Sequence[Architecture],
    workplace: Workplace,
    about: Mapping[str, Any],
    state: Mapping[str, Any] | None,
) -> tuple[_Run, Autoencoder]:
    """Train until an attempt is good, or there are no more; then the best of them.

    Args:
        encoding: of the space.
        settings: of the training.
        trained: the architectures.
        workplace: of the training.
        about: what every saved state begins with.
        state: of an interrupted training; None for a new one.
    """
    graphs = encoding.encode_all(trained)
    first = state["attempt"] if state is not None else 1
    kept = state["kept"] if state is not None else None
    for attempt in range(first, settings.attempts + 1):
        run = _Run(encoding, settings, graphs, workplace, attempt)
        run.train({**about, "kept": kept}, state if attempt == first else None)
        share = 1.0
        if settings.attempts > 1:
            draw = workplace.generator(f"judgement/{attempt}")
            found = evaluate(_finished(run, encoding, graphs), trained[:JUDGED], draw, JUDGED)
            share = _share_of_goal(found)
            text = f"autoencoder, attempt {attempt} of {settings.attempts}: {found}"
            workplace.report(settings.epochs, settings.epochs, text)
        if kept is None or share > kept["share"]:
            network = copy.deepcopy(run.network.state_dict())
            kept = {"share": share, "attempt": attempt, "network": network, "losses": run.losses}
        if share >= 1:
            break
    assert kept is not None, "there is a first attempt"
    best = _Run(encoding, settings, graphs, workplace, kept["attempt"])
    best.network.load_state_dict(kept["network"])
    best.losses = list(kept["losses"])
    return best, _finished(best, encoding, graphs)


def _share_of_goal(figures: Figures) -> float:
    """How much of reconstruction and strict validity there is of what is asked for: 1 where it is enough."""
    return min(figures.reconstruction / GOOD_RECONSTRUCTION, figures.validity["strict"] / GOOD_VALIDITY, 1.0)


def _finished(run: _Run, encoding: GraphEncoding, graphs: Graphs) -> Autoencoder:
    latents = latents_of(run.network.eval(), graphs, encoding)
    return Autoencoder(encoding, run.settings, run.network, _prior(latents, graphs, encoding))


def draw_architectures(
    space: SearchSpace, settings: AutoencoderSettings, generator: torch.Generator
) -> list[Architecture]:
    """Architectures in random order: those asked for, or what a space of its size is given."""
    most = settings.architectures or (SOME if space.size is None else ALL)
    count = most if space.size is None else min(most, space.size)
    seed = int(torch.randint(2**62, (), generator=generator))
    return space.sample(count, np.random.default_rng(seed))


def _fits(encoding: GraphEncoding, architecture: Architecture) -> bool:
    try:
        encoding.encode(architecture)
    except NotApplicable:
        return False
    return True


def _prior(latents: Tensor, graphs: Graphs, encoding: GraphEncoding) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of each number over the graphs that have its node; 0 where none has."""
    there = torch.from_numpy(graphs.operations != PADDING).view(len(latents), -1)
    weights = there.repeat_interleave(latents.shape[1] // there.shape[1], 1).float()
    count = weights.sum(0)
    mean = latents.sum(0) / count.clamp(min=1)
    squares = (weights * (latents - mean) ** 2).sum(0)
    return mean, (squares / (count - 1).clamp(min=1)).sqrt()


class _Run:
    """The epochs of one attempt, counted from 1."""

    def __init__(
        self,
        encoding: GraphEncoding,
        settings: AutoencoderSettings,
        graphs: Graphs,
        workplace: Workplace,
        attempt: int = 1,
    ) -> None:
        self.settings = settings
        self.graphs = graphs
        self.workplace = workplace
        self.attempt = attempt
        self.network = GraphAutoencoder(encoding, settings, self._generator("weights"))
        self.optimizer = Adam(self.network.parameters(), settings.lr, fused=True)
        self.losses: list[float] = []

    def _generator(self, stream: str) -> torch.Generator:
        return self.workplace.generator(stream if self.attempt == 1 else f"attempt {self.attempt}/{stream}")

    def train(self, about: Mapping[str, Any], state: Mapping[str, Any] | None) -> None:
        """All epochs, or those that a saved state lacks."""
        if state is not None:
            self.network.load_state_dict(state["network"])
            self.optimizer.load_state_dict(state["optimizer"])
            self.losses = list(state["losses"])
        for epoch in range(len(self.losses), self.settings.epochs):
            self.losses.append(self._epoch(epoch))
            saved = {
                "attempt": self.attempt,
                "network": self.network.state_dict(),
                "optimizer": self.optimizer.state_dict(),
                "losses": self.losses,
            }
            _save(self.workplace, {**about, **saved})
            text = f"autoencoder, epoch {epoch + 1}: loss {self.losses[-1]:.4f}"
            self.workplace.report(epoch + 1, self.settings.epochs, text)

    def _epoch(self, epoch: int) -> float:
        """One pass over all graphs; the mean loss of a step."""
        order = torch.randperm(len(self.graphs), generator=self._generator(f"order/{epoch}")).numpy()
        draw = self._generator(f"noise/{epoch}")
        noisy = self.settings.mode == "train" or epoch == 0
        self.network.train(noisy)
        for group in self.optimizer.param_groups:
            group["lr"] = self.settings.lr * self._share(epoch)
        total, steps = 0.0, math.ceil(len(order) / self.settings.batch)
        for step in range(steps):
            chosen = order[step * self.settings.batch : (step + 1) * self.settings.batch]
            loss = self._loss(batch_of(self.graphs, chosen), draw if noisy else None)
            self.optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(self.network.parameters(), self.settings.clip)
            self.optimizer.step()
            total += loss.item()
        return total / steps

    def _share(self, epoch: int) -> float:
        """Of the learning rate, in this epoch."""
        return 1.0 if self.settings.schedule == "constant" else 1 - epoch / self.settings.epochs

    def _loss(self, batch: Batch, draw: torch.Generator | None) -> Tensor:
        mean, log_std = self.network.encoder(batch)
        latents = mean
        if draw is not None:
            kept = 1 - self.settings.dropout
            latents = mean + log_std.exp() * torch.randn(mean.shape, generator=draw)
            latents = latents * (torch.rand(mean.shape, generator=draw) < kept) / kept
        operations, edges = self.network.decoder(batch.scattered(latents))
        return total_loss(batch.gathered(operations), edges, mean, log_std, batch, self.settings)


def _save(workplace: Workplace, state: dict[str, Any]) -> None:
    buffer = io.BytesIO()
    torch.save(state, buffer)
    workplace.write(FILE, buffer.getvalue())


def _load(folder: Path, identity: str) -> dict[str, Any] | None:
    """What `_save` wrote, without running any code that the file may carry; None where there is no file."""
    file = folder / FILE
    if not file.exists():
        return None
    state: dict[str, Any] = torch.load(file, map_location="cpu", weights_only=True)
    if state["identity"] != identity:
        raise UserError(f"{file}: an autoencoder of {state['identity']}; expected one of {identity}")
    return state
