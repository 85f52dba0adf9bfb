"""What networks are shown, should answer and do answer, as pictures for people to look at."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from uninas_bench_plugins._micro_probes.probes.binding import Binding
from uninas_bench_plugins._micro_probes.probes.inpainting import Inpainting
from uninas_bench_plugins._micro_probes.probes.jigsaw import Jigsaw, cut, joined
from uninas_bench_plugins._micro_probes.probes.memory import Memory
from uninas_bench_plugins._micro_probes.probes.motion import Motion
from uninas_bench_plugins._micro_probes.probes.probe import Examples, Probe, Source, intensities
from uninas_bench_plugins._micro_probes.probes.rotation import Rotation, round_mask, turned_crops
from uninas_bench_plugins._micro_probes.probes.shapes import (
    HUES,
    SHAPES,
    coverage,
    paint_,
    pixel_centres,
    rgb,
)

_PAPER = 1.0
_FINE = 160
"""Pixels per side of what is drawn anew."""


NOTES = {
    Jigsaw.name: "pale: does not count, as it is too like the patch that belongs where it is shown",
    Inpainting.name: "the whole picture counts, veiled or not",
    Rotation.name: "crops turned back; they would stand upright",
    Binding.name: "both must be right",
    Motion.name: "three frames as red, green, blue; ring: where the ball is, disc: where it is said to be",
    Memory.name: "a training example of the class stands for it",
}
"""What to know of the pictures below."""


def shown(examples: Examples) -> Tensor:
    """The inputs as pictures (N, V, 3, s, s) in 0..1."""
    return intensities(examples.inputs).clamp(0, 1)


def drawn(probe: Probe, examples: Examples, answers: Tensor, source: Source) -> Tensor:
    """Answers, of the form of the probe's target `truth`, as pictures (N, V, 3, s, s) in 0..1."""
    return _DRAWN[probe.name](probe, examples, answers, source).clamp(0, 1)


def said(probe: Probe, answers: Tensor) -> list[list[str]]:
    """Answers in a word or two, for each of N examples and V views; empty where a picture says it all."""
    say = _SAID.get(probe.name)
    rows: list[list[str]] = [[""] * probe.views] * len(answers) if say is None else say(probe, answers)
    return rows


def _jigsaw(probe: Jigsaw, examples: Examples, answers: Tensor, source: Source) -> Tensor:
    """Patches where they are put, pale if they do not count; blank where none is, a mean of several."""
    patches = cut(shown(examples)[:, 0], probe.grid)
    faint = ~examples.targets["counts"][:, :, None, None, None]
    patches = torch.where(faint, 0.35 * patches + 0.65 * _PAPER, patches)
    n, slots = answers.shape
    places = torch.zeros(n, slots, slots).scatter_(1, answers[:, None], 1.0)
    share = places / places.sum(dim=2, keepdim=True).clamp(min=1)
    put = torch.einsum("nps,nscyx->npcyx", share, patches)
    empty = places.sum(dim=2) == 0
    return joined(torch.where(empty[:, :, None, None, None], _PAPER, put), probe.grid)[:, None]


def _inpainting(probe: Inpainting, examples: Examples, answers: Tensor, source: Source) -> Tensor:
    return intensities(answers)[:, None]


def _rotation(probe: Rotation, examples: Examples, answers: Tensor, source: Source) -> Tensor:
    """Crops turned back by the answer; the second one alone if the angle is from the first one."""
    angles = torch.cat([torch.zeros_like(answers), answers], dim=1) if probe.relative else answers
    crops = shown(examples)
    middle = torch.zeros(len(crops), 1, 2)
    back = [turned_crops(crops[:, i], middle, -angles[:, i : i + 1], source.side) for i in range(probe.views)]
    return torch.lerp(torch.tensor(_PAPER), torch.cat(back, dim=1), round_mask(source.side))


def _binding(probe: Binding, examples: Examples, answers: Tensor, source: Source) -> Tensor:
    """The thing by itself."""
    x, y = pixel_centres(_FINE)
    hues, forms = torch.tensor(list(HUES.values())), list(SHAPES.values())
    things = []
    for label in answers.tolist():
        colour, form = hues[label // probe.shapes], forms[label % probe.shapes]
        cover = coverage(0.36 * form((x - 0.5) / 0.36, (y - 0.5) / 0.36), _FINE)
        paper = torch.full((1, 3, _FINE, _FINE), _PAPER)
        things.append(paint_(paper, rgb(colour[None], 0.85, 0.85)[:, :, None, None], cover[None]))
    return torch.stack(things)


def _motion(probe: Motion, examples: Examples, answers: Tensor, source: Source) -> Tensor:
    """The ball's way, where it then is (the ring), and where it is said to be (the disc)."""
    x, y = pixel_centres(_FINE)

    def away(place: Tensor) -> Tensor:
        return ((x - place[:, 0, None, None]).square() + (y - place[:, 1, None, None]).square()).sqrt()

    before = examples.targets["before"]
    picture = torch.full((len(answers), 3, _FINE, _FINE), 0.93)
    for i, place in enumerate(before.unbind(1)):
        grey = torch.full((1, 3, 1, 1), 0.9 - 0.35 * (i + 1) / before.shape[1])
        paint_(picture, grey, coverage(away(place) - probe.radius, _FINE))
    orange = torch.tensor([0.95, 0.55, 0.1])[None, :, None, None]
    paint_(picture, orange, coverage(away(answers) - probe.radius, _FINE))
    ring = (away(examples.targets["centre"]) - probe.radius).abs() - 0.012
    return paint_(picture, torch.full((1, 3, 1, 1), 0.1), coverage(ring, _FINE))[:, None]


def _memory(probe: Memory, examples: Examples, answers: Tensor, source: Source) -> Tensor:
    """The first training example of the class."""
    first = shown(probe.examples(probe.classes, "train", source))
    return first[answers]


_DRAWN: dict[str, Callable[..., Tensor]] = {
    Jigsaw.name: _jigsaw,
    Inpainting.name: _inpainting,
    Rotation.name: _rotation,
    Binding.name: _binding,
    Motion.name: _motion,
    Memory.name: _memory,
}


def _turns(probe: Rotation, answers: Tensor) -> list[list[str]]:
    rows = [[f"{math.degrees(angle):+.0f}°" for angle in row] for row in answers.tolist()]
    return [["", *row] for row in rows] if probe.relative else rows


def _words(probe: Binding, answers: Tensor) -> list[list[str]]:
    return [[probe.words(label)] for label in answers.tolist()]


def _places(probe: Motion, answers: Tensor) -> list[list[str]]:
    return [[f"{x:.2f}, {y:.2f}"] for x, y in answers.tolist()]


def _classes(probe: Memory, answers: Tensor) -> list[list[str]]:
    return [[f"class {label}"] for label in answers.tolist()]


_SAID: dict[str, Callable[..., list[list[str]]]] = {
    Rotation.name: _turns,
    Binding.name: _words,
    Motion.name: _places,
    Memory.name: _classes,
}
