"""`uninas-bench probes show`: a contact sheet of the probes, perhaps with a network's answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, cast

import click

from uninas_bench import NotApplicable, UserError
from uninas_bench.cli import options

if TYPE_CHECKING:
    from torch import nn

    from uninas_bench.host import Host
    from uninas_bench_plugins._micro_probes.probes.probe import Source
    from uninas_bench_plugins._micro_probes.results import Evaluation, ProbeResult
    from uninas_bench_plugins._micro_probes.settings import MicroProbesSettings

    Build = Callable[[], nn.Module]

PROXY = "micro_probes"
_DPI = 128
"""Four dots for a pixel of a picture of 32."""


@click.command("show")
@click.option("--probe", "names", metavar="A,B", help="Probes; default all six.")
@click.option("--side", type=click.IntRange(min=16), metavar="N",
              help="Of the pictures, in pixels; default that of the settings, 32.")  # fmt: skip
@click.option("--count", type=click.IntRange(1, 20), default=6, show_default=True, metavar="N",
              help="Pictures of each probe.")  # fmt: skip
@click.option("--network", metavar="SPACE:ARCHITECTURE",
              help="Train it on each probe for a moment, and show what it then answers.")  # fmt: skip
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), default=Path("probes.png"),
              show_default=True, metavar="FILE", help="A .png, .svg or .pdf file.")  # fmt: skip
@options.scale_option
@options.seed_option
@options.data_option
@options.set_option
@options.device_option
@options.plugin_option
def command(
    *,
    names: str | None,
    side: int | None,
    count: int,
    network: str | None,
    output: Path,
    scale: Mapping[str, str],
    seed: int,
    data: Mapping[str, str],
    settings: Mapping[str, Mapping[str, str]],
    device: str,
    plugins: Sequence[Path],
) -> None:
    """Draw what the micro-probes show and ask, and what a network answers.

    The examples are the first that `micro_probes` tests networks on, with the same settings and seed.
    Real images take the place of drawn ones in lgj, oip, rm and vm.
    """
    host = options.host_with(plugins)
    (proxy,) = options.chosen_proxies(host, (PROXY,), settings)
    chosen = _narrowed(cast("MicroProbesSettings", proxy.settings), names, side)
    if network is None and scale:
        raise UserError("--scale: of the network's space; give --network")
    build = None if network is None else _builder(host, network, scale, chosen.side)
    source = _source(host, data, seed, chosen.side)
    evaluation = None
    if build is not None:
        try:
            evaluation = _evaluated(build, chosen, source, device)
        except NotApplicable as error:
            raise UserError(f"--network {network}: {error}") from None
    _save(chosen, source, count, evaluation, network, output)


def _narrowed(settings: MicroProbesSettings, names: str | None, side: int | None) -> MicroProbesSettings:
    from uninas_bench_plugins._micro_probes.probes.catalogue import probes, read_names

    if names is not None:
        settings = replace(settings, probes="+".join(probe.name for probe in probes(read_names(names))))
    return replace(settings, side=side or settings.side or 32)


def _builder(host: Host, network: str, scale: Mapping[str, str], side: int) -> Build:
    space = options.chosen_space(host, network.partition(":")[0].strip(), scale)
    architecture = space.parse(network)
    task = replace(space.tasks[0], resolution=side)
    return lambda: space.build(architecture, task)


def _source(host: Host, data: Mapping[str, str], seed: int, side: int) -> Source:
    from uninas_bench_plugins._micro_probes.probes.images import ImagePool
    from uninas_bench_plugins._micro_probes.probes.probe import Source

    images = options.given_images(host, data)
    pool = None if images is None else ImagePool.of(images.pixels, images.labels, next(iter(data)))
    return Source(seed, side, pool)


def _evaluated(build: Build, settings: MicroProbesSettings, source: Source, device: str) -> Evaluation:
    from uninas_bench_plugins._micro_probes.evaluation import evaluate

    def tell(name: str, result: ProbeResult) -> None:
        levels = ", ".join(f"{key} {value:.3f}" for key, value in result.baselines.items())
        click.echo(f"{name}: {result.score:.3f} after {result.steps} steps ({levels})", err=True)

    return evaluate(
        build, settings, seed=source.seed, device=device, images=source.images, progress=tell, keep=True
    )


def _save(
    settings: MicroProbesSettings,
    source: Source,
    count: int,
    evaluation: Evaluation | None,
    network: str | None,
    output: Path,
) -> None:
    from uninas_bench.drawing import save
    from uninas_bench_plugins._micro_probes.pictures.panels import make_panels
    from uninas_bench_plugins._micro_probes.pictures.sheet import contact_sheet

    pictures = "drawn pictures" if source.images is None else f"images of {source.images.name}"
    about = [f"{pictures}, {source.side} × {source.side} pixels, seed {source.seed}"]
    if network is not None:
        about.append(f"{network} after {settings.epochs} epochs of {settings.data} examples of each")
    title = "The six micro-probes" if len(settings.names) == 6 else "Micro-probes"
    save(contact_sheet(make_panels(settings, source, count, evaluation), title, about), output, _DPI)
    click.echo(f"wrote {output}", err=True)
