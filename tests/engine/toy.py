"""A search space of three layers and a few proxies, as small as they can be and still compute something."""

from __future__ import annotations

import itertools
import json
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Self

from uninas_bench import Architecture, Costs, FitContext, Proxy, Scale, Settings, Subject, Task, simple_proxy
from uninas_bench.errors import InvalidArchitecture, NotApplicable

if TYPE_CHECKING:
    import numpy as np
    from torch import nn

    from uninas_bench import SearchSpace

TASK = Task("toy", "toy", 4, 3)


@dataclass(frozen=True, slots=True, kw_only=True)
class ToyScale(Scale):
    channels: int = 2


class Toy:
    """Three positions, each ``a`` (1x1 convolution), ``b`` (3x3) or ``c`` (identity)."""

    name = "toy"
    version = 1
    size: int | None = 27
    tasks = (TASK,)

    def __init__(self, scale: ToyScale | None = None) -> None:
        self.scale = scale or ToyScale()

    def scaled(self, **overrides: object) -> Self:
        return type(self)(self.scale.updated(overrides))

    def enumerate(self) -> Iterator[Architecture]:
        for letters in itertools.product("abc", repeat=3):
            yield Architecture(self.name, "".join(letters))

    def sample(self, n: int, rng: np.random.Generator) -> list[Architecture]:
        every = list(self.enumerate())
        return [every[i] for i in rng.permutation(27)[:n]]

    def mutate(self, architecture: Architecture, rng: np.random.Generator) -> Architecture:
        letters = list(architecture.encoding)
        letters[int(rng.integers(3))] = "abc"[int(rng.integers(3))]
        return replace(architecture, encoding="".join(letters))

    def parse(self, text: str) -> Architecture:
        if len(text) != 3 or set(text) - set("abc"):
            raise InvalidArchitecture(f'toy: "{text}": expected three letters of a, b, c')
        return Architecture(self.name, text)

    def spellings(self, architecture: Architecture) -> Mapping[str, str]:
        return {"string": architecture.encoding}

    def canonical(self, architecture: Architecture) -> str:
        return architecture.encoding

    def costs(self, architecture: Architecture, task: Task) -> Costs:
        kernel = {"a": 1, "b": 9, "c": 0}
        return Costs(sum(kernel[letter] for letter in architecture.encoding), 0)

    def build(self, architecture: Architecture, task: Task) -> nn.Module:
        from torch import nn

        width = self.scale.channels
        layers: dict[str, nn.Module] = {
            "a": nn.Conv2d(width, width, 1),
            "b": nn.Conv2d(width, width, 3, padding=1),
            "c": nn.Identity(),
        }
        chosen = [nn.Sequential(layers[letter], nn.ReLU()) for letter in architecture.encoding]
        return nn.Sequential(
            nn.Conv2d(3, width, 1), *chosen, nn.Flatten(), nn.Linear(width * 16, task.classes)
        )

    def blocks(self, network: nn.Module) -> Sequence[tuple[str, nn.Module]]:
        return [(name, child) for name, child in network.named_children() if name in {"1", "2", "3"}]


@simple_proxy("weights", version=1, batch=2)
def weights(subject: Subject) -> float:
    return float(sum(p.detach().double().abs().sum() for p in subject.network().parameters()))


@simple_proxy("spread", version=1, batch=2)
def spread(subject: Subject) -> float:
    """A forward and a backward pass on two batches."""
    network = subject.network()
    network(subject.batch(0)[0]).logsumexp(1).sum().backward()
    gradient = sum(p.grad.double().norm() for p in network.parameters() if p.grad is not None)
    return float(gradient + subject.features(subject.batch(1)[0])[-1].detach().double().std())


@simple_proxy("global_noise", version=1, batch=2)
def global_noise(subject: Subject) -> float:
    """Misbehaves: draws from every global generator, and leaves threads and modes changed."""
    import random

    import numpy as np
    import torch

    torch.set_num_threads(2)
    torch.set_grad_enabled(False)
    return float(torch.rand(()) + np.random.rand() + random.random())  # noqa: NPY002


@simple_proxy("logged", version=1, batch=2)
def logged(subject: Subject) -> float:
    """Append the encoding to the file that TOY_LOG names, slowly."""
    assert subject.architecture is not None
    with Path(os.environ["TOY_LOG"]).open("a") as log:
        log.write(subject.architecture.encoding + "\n")
    time.sleep(0.15)
    return float(subject.generator().initial_seed() % 1000)


@dataclass(frozen=True, kw_only=True)
class LearnedSettings(Settings):
    batch: int = 2
    epochs: int = 6


class Learned(Proxy):
    """Learns a worth of each letter over some epochs; each leaves its number and process in TOY_LOG."""

    name = "learned"
    needs = frozenset({"fit"})
    Settings = LearnedSettings
    settings: LearnedSettings

    def fit(self, space: SearchSpace, context: FitContext) -> None:
        import torch

        state = context.folder / "state.json"
        epoch, worth = json.loads(state.read_text()) if state.exists() else (0, [0.0, 0.0, 0.0])
        while epoch < self.settings.epochs:
            note(f"{epoch}:{os.getpid()}")
            time.sleep(float(os.environ.get("TOY_PAUSE", "0")))
            steps = torch.rand(3, generator=context.generator(f"epoch {epoch}")).tolist()
            worth = [value / 2 + step for value, step in zip(worth, steps, strict=True)]
            epoch += 1
            context.write("state.json", json.dumps([epoch, worth]).encode())
            context.report(epoch, self.settings.epochs, f"worth {worth[0]:.3f}")

    def evaluate(self, subject: Subject) -> Mapping[str, float]:
        assert subject.architecture is not None
        worth = worth_of(subject.fitted)
        return {"learned": sum(worth["abc".index(letter)] for letter in subject.architecture.encoding)}


@lru_cache(maxsize=1)
def worth_of(folder: Path) -> list[float]:
    note(f"load:{os.getpid()}")
    worth: list[float] = json.loads((folder / "state.json").read_text())[1]
    return worth


def note(word: str) -> None:
    if "TOY_LOG" in os.environ:
        with Path(os.environ["TOY_LOG"]).open("a") as log:
            log.write(word + "\n")


@simple_proxy("moody", version=1, batch=2)
def moody(subject: Subject) -> float:
    """Ends in every way that there is, by architecture."""
    import signal

    assert subject.architecture is not None
    match subject.architecture.encoding:
        case "aaa":
            os.kill(os.getpid(), signal.SIGKILL)
        case "aab":
            os._exit(0)
        case "aac":
            time.sleep(600)
        case "aba":
            raise ValueError("first line\nsecond line")
        case "abb":
            return float("nan")
        case "abc":
            raise NotApplicable("no path from input to output")
        case "aca":
            raise MemoryError
        case "acb":
            raise RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory")
    return 1.0
