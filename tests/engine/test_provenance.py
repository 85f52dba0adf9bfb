"""What a run was made with, as a text that tells whether digits can be expected again."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from uninas_bench.host import default_host
from uninas_bench.provenance import made_with, processor, provenance

MADE = provenance(default_host(), command="test", device="cpu", workers=1)


def test_neither_name_nor_command_nor_workers_change_digits() -> None:
    name, _, rest = MADE.host.partition(" ")
    assert name
    other = replace(MADE, host=f"elsewhere {rest}", command="other", workers=7, commit="0" * 40)
    assert made_with(other) == made_with(MADE)


def test_libraries_processor_and_device_do() -> None:
    system = MADE.host.partition(", ")[0]
    others = [
        replace(MADE, torch="2.0.0"),
        replace(MADE, numpy="1.0.0"),
        replace(MADE, host=f"{system}, AuthenticAMD 25-1-1"),
        replace(MADE, device="cuda"),
    ]
    assert len({made_with(made) for made in [MADE, *others]}) == 5
    assert made_with(MADE).endswith(processor())


def test_a_run_of_an_older_version_has_no_processor() -> None:
    assert made_with(replace(MADE, host="node Linux x86_64")).endswith(", processor unknown")


@pytest.mark.skipif(not Path("/proc/cpuinfo").exists(), reason="only Linux tells it there")
def test_the_processor_is_the_first_of_the_system() -> None:
    text = Path("/proc/cpuinfo").read_text(encoding="utf-8").partition("\n\n")[0]
    known = dict(line.replace("\t", "").split(":", 1) for line in text.splitlines() if ":" in line)
    if "vendor_id" not in known:
        pytest.skip("this processor has other names for them")
    numbers = "-".join(known[name].strip() for name in ("cpu family", "model", "stepping"))
    assert processor() == f"{known['vendor_id'].strip()} {numbers}"
