"""The six probes by name, and their options as text."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import fields
from typing import TypeVar, get_type_hints

from uninas_bench import UserError
from uninas_bench_plugins._micro_probes.probes.binding import Binding
from uninas_bench_plugins._micro_probes.probes.inpainting import Inpainting
from uninas_bench_plugins._micro_probes.probes.jigsaw import Jigsaw
from uninas_bench_plugins._micro_probes.probes.memory import Memory
from uninas_bench_plugins._micro_probes.probes.motion import Motion
from uninas_bench_plugins._micro_probes.probes.probe import Probe
from uninas_bench_plugins._micro_probes.probes.rotation import Rotation

PROBES: Mapping[str, type[Probe]] = {
    kind.name: kind for kind in (Jigsaw, Inpainting, Rotation, Binding, Motion, Memory)
}
"""In the order of the note."""

_T = TypeVar("_T")


def probes(
    names: Iterable[str] | None = None, options: Mapping[str, Mapping[str, str]] | None = None
) -> tuple[Probe, ...]:
    """Probes by name, in the order of the note; default all six.

    Args:
        names: of probes.
        options: texts by probe and option: ``{"lgj": {"gamma": "0.95"}}``.

    Raises:
        UserError: an unknown probe or option, a value that is none of its type, or that the probe refuses.
    """
    wanted = set(PROBES if names is None else names)
    options = options or {}
    for name in (*wanted, *options):
        _known(PROBES, name, "probe")
    if not wanted:
        raise UserError(f"no probes; known: {', '.join(PROBES)}")
    return tuple(_made(kind, options.get(name, {})) for name, kind in PROBES.items() if name in wanted)


def read_names(text: str) -> tuple[str, ...]:
    """``lgj,csb`` -> ("lgj", "csb")."""
    return tuple(name.strip() for name in text.split(",") if name.strip())


def read_options(texts: Iterable[str]) -> dict[str, dict[str, str]]:
    """``lgj.gamma=0.95`` -> {"lgj": {"gamma": "0.95"}}; `probes` checks names and values.

    Raises:
        UserError: a text of another form.
    """
    options: dict[str, dict[str, str]] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        probe, dot, option = name.strip().partition(".")
        if not (equals and dot and probe and option and value.strip()):
            raise UserError(f"{text}: expected probe.option=value, as in lgj.gamma=0.95")
        options.setdefault(probe, {})[option] = value.strip()
    return options


def _made(kind: type[Probe], texts: Mapping[str, str]) -> Probe:
    types = get_type_hints(kind)
    known = {field.name: types[field.name] for field in fields(kind)}  # type: ignore[arg-type]
    values = {}
    for option, text in texts.items():
        wanted = _known(known, option, f"{kind.name} option")
        try:
            values[option] = _TRUTHS[text.lower()] if wanted is bool else wanted(text)
        except (ValueError, KeyError):
            expected = {int: "an integer", float: "a number", bool: "true or false"}[wanted]
            raise UserError(f"{kind.name}: {option}={text}: expected {expected}") from None
    return kind(**values)


_TRUTHS = {"true": True, "false": False}


def _known(things: Mapping[str, _T], name: str, what: str) -> _T:
    if name not in things:
        raise UserError(f'no {what} "{name}" (known: {", ".join(things)})')
    return things[name]
