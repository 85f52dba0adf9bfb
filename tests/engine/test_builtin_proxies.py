"""Every installed proxy through the engine: values depend on their cell alone; reading needs no torch."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from uninas_bench import Proxy, score
from uninas_bench.engine import run
from uninas_bench.host import default_host
from uninas_bench.spaces.nasbench201 import NasBench201

SPACE = NasBench201().scaled(channels=4, cells=1)
SAMPLE = SPACE.sample(4, np.random.default_rng(7))
OPTIONS = {"space": SPACE, "task": "digits"}


def proxies() -> list[Proxy]:
    """All that boards take by themselves, on small batches."""
    host = default_host()
    found = [host.proxies[name] for name in host.default_proxies()]
    return [proxy.with_settings(batch=8) if proxy.components else proxy for proxy in found]


def bits(frame: pd.DataFrame) -> dict[tuple[str, str, str], str]:
    return {
        (row.architecture, row.proxy, row.component): f"{row.status} {float(row.value).hex()}"
        for row in frame.itertuples()
    }


@pytest.mark.slow
def test_values_depend_on_their_cell_alone() -> None:
    every = proxies()
    together = bits(score(SAMPLE, every, **OPTIONS))  # type: ignore[arg-type]
    assert len({proxy for _, proxy, _ in together}) >= 6
    backwards = score(SAMPLE[::-1], every[::-1], workers=2, **OPTIONS)  # type: ignore[arg-type]
    assert bits(backwards) == together
    for proxy in every:
        if proxy.components:
            alone = bits(score(SAMPLE[:2], [proxy], **OPTIONS))  # type: ignore[arg-type]
            expected = {key for key in together if key[0] in {a.encoding for a in SAMPLE[:2]}}
            assert {key: alone[key] for key in expected if key[1] == proxy.name} == {
                key: together[key] for key in expected if key[1] == proxy.name
            }


def test_every_proxy_has_a_score_of_its_population() -> None:
    every = proxies()
    scores = run(SAMPLE, every, **OPTIONS)  # type: ignore[arg-type]
    for proxy in every:
        aggregate = proxy.aggregate(scores.population(proxy))
        assert list(aggregate.index) == [architecture.encoding for architecture in SAMPLE]


_STORED = """
import sys
from uninas_bench.engine import run
scores = run(["0", "1", "2"], ["params", "nwot"], space="nasbench201", task="digits", store=sys.argv[1])
assert len(scores.tidy()) == 6
print("torch" in sys.modules)
"""


def test_stored_scores_are_read_without_torch(tmp_path: Path) -> None:
    command = [sys.executable, "-c", _STORED, str(tmp_path / "scores.db")]
    answers = [
        subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip() for _ in range(2)
    ]
    assert answers == ["True", "False"]


@pytest.mark.parametrize(
    "name", ["nwot", "zico", "az_nas", "jacov", "vkdnw", "epe_nas", "zen", "gradsign", "te_nas"]
)
def test_every_proxy_takes_the_images_of_the_task(name: str) -> None:
    """Asked for real images a proxy sees them, and its number changes."""
    encoding = "|nor_conv_3x3~0|+|none~0|nor_conv_1x1~1|+|skip_connect~0|none~1|nor_conv_3x3~2|"
    proxy = default_host().proxies[name].with_settings(batch=8)
    frames = [
        score([encoding], [proxy.with_settings(source=source)], **OPTIONS)  # type: ignore[arg-type]
        for source in ("gaussian", "task")
    ]
    assert all((frame["status"] == "ok").all() for frame in frames)
    assert not frames[0]["value"].equals(frames[1]["value"])
