"""What a number of `micro_probes` depends on."""

from __future__ import annotations

from dataclasses import dataclass

from uninas_bench import Init, Settings, UserError

NAMES = ("lgj", "oip", "rm", "csb", "mf", "vm")
"""In the order of the paper."""
SMALLEST_SIDE = 16


@dataclass(frozen=True, kw_only=True)
class MicroProbesSettings(Settings):
    """Settings of `MicroProbes`. Where the paper says nothing, which is everywhere, the defaults are ours.

    Lists are written with ``+``: a comma stands between settings.

    Attributes:
        batch: examples per step.
        source: ``gaussian``, as in other proxies, is what needs no data set: the probes draw their pictures
            themselves; ``task`` makes those of lgj, oip, rm and vm of the task's training images.
        init: the network's own, which each family has for a reason.
        data: training examples of each probe, the paper's D.
        epochs: the paper's E.
        side: of the images in pixels; 0 takes the task's resolution. A network that is of no space gets
            images of the size of the batch that it comes with.
        test: examples that each probe is scored on.
        lr: peak of AdamW's learning rate.
        weight_decay: of AdamW.
        seconds: limit for all probes of one network together, the making of examples aside; 0 for none. What
            is computed then depends on the machine, and on what else it does.
        steps_per_epoch: 0: an epoch is all data once; else so many steps on examples drawn with replacement,
            so that data and epochs cost as in the paper's additive budget.
        probes: that are trained: any of ``lgj+oip+rm+csb+mf+vm``.
        options: of the probes: ``vm.classes:10+mf.frames:5``.
        recalibrate: whether running statistics of norms are measured again after training.
        weights: of the probes in the score, 1 where nothing is said: ``lgj:2+vm:0.5``.
        reference: a file of means and deviations that scores are standardised by, which
            `_micro_probes.standardising.Reference` writes; else they are those of the population.
    """

    batch: int = 32
    init: Init = "model"
    data: int = 256
    epochs: int = 4
    side: int = 32
    test: int = 256
    lr: float = 1e-3
    weight_decay: float = 1e-2
    seconds: float = 0.0
    steps_per_epoch: int = 0
    probes: str = "+".join(NAMES)
    options: str = ""
    recalibrate: bool = True
    weights: str = ""
    reference: str = ""

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("data", "epochs", "test"):
            if getattr(self, name) < 1:
                raise UserError(f"{name}={getattr(self, name)}: expected at least 1")
        for name in ("lr", "weight_decay", "seconds", "steps_per_epoch"):
            if not 0 <= getattr(self, name) < float("inf"):
                raise UserError(f"{name}={getattr(self, name)}: expected 0 or more")
        if self.side and self.side < SMALLEST_SIDE:
            raise UserError(
                f"side={self.side}: expected at least {SMALLEST_SIDE} pixels, or 0 for the task's"
            )
        for text in ("options", "reference"):
            if "," in getattr(self, text):
                raise UserError(f"{text}={getattr(self, text)}: no comma can stand in a setting")
        names = self.names
        if not names or len(set(names)) < len(names) or not set(names) <= set(NAMES):
            raise UserError(f"probes={self.probes}: expected some of {'+'.join(NAMES)}, each once")
        weights = self.weight_of
        if not all(0 <= weight < float("inf") for weight in weights.values()) or not any(weights.values()):
            raise UserError(f"weights={self.weights}: expected numbers from 0 upwards, not all 0")
        _ = self.options_of

    @property
    def names(self) -> tuple[str, ...]:
        """The probes, in the paper's order whatever the setting's is."""
        given = [name.strip() for name in self.probes.split("+") if name.strip()]
        return tuple(sorted(given, key=lambda name: NAMES.index(name) if name in NAMES else -1))

    @property
    def weight_of(self) -> dict[str, float]:
        """The weight of every probe that is trained."""
        weights = dict.fromkeys(self.names, 1.0)
        for name, text in _pairs("weights", self.weights):
            if name not in weights:
                raise UserError(f"weights={self.weights}: {name} is none of {'+'.join(weights)}")
            try:
                weights[name] = float(text)
            except ValueError:
                raise UserError(f"weights={self.weights}: {text} is no number") from None
        return weights

    @property
    def options_of(self) -> dict[str, dict[str, str]]:
        """The options of every probe that has some, as texts."""
        found: dict[str, dict[str, str]] = {}
        for name, text in _pairs("options", self.options):
            probe, dot, option = name.partition(".")
            if not dot or probe not in self.names or not option:
                known = f"the option of one of {'+'.join(self.names)}, such as {self.names[0]}.NAME:VALUE"
                raise UserError(f"options={self.options}: expected {known}, not {name}")
            found.setdefault(probe, {})[option] = text
        return found


def _pairs(setting: str, texts: str) -> list[tuple[str, str]]:
    """The parts of ``name:value+name:value``."""
    pairs = []
    for part in filter(None, texts.split("+")):
        name, colon, value = part.partition(":")
        if not colon or not name.strip() or not value.strip():
            raise UserError(f"{setting}={texts}: expected name:value, not {part}")
        pairs.append((name.strip(), value.strip()))
    return pairs
