"""The tutorial, command by command, in an environment of its own: what it shows is what there is to see."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Iterator
from pathlib import Path

import pytest

PAGE = Path(__file__).resolve().parent.parent / "docs" / "tutorials" / "your-first-proxy.md"
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)
GAP = "..."


def blocks(text: str) -> list[tuple[str, str]]:
    return [(kind, body) for kind, body in BLOCK.findall(text) if kind in {"console", "diff", "py"}]


def commands(block: str) -> Iterator[tuple[str, list[str]]]:
    """Each command with the lines that it is said to print."""
    for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
        command, *printed = part.splitlines()
        yield command, printed


def shape(line: str) -> str:
    """A line without its numbers, bars and spaces: these differ from machine to machine."""
    return re.sub(r"[\s█▏▎▍▌▋▊▉]+", " ", re.sub(r"[+-]?[.\d][.,\d]*", "#", line)).strip()


def missing(expected: list[str], printed: str) -> list[str]:
    """The expected lines that do not follow each other in what was printed; a gap allows others between."""
    lines = [shape(line) for line in printed.splitlines() if line.strip()]
    place, free, lacking = 0, False, []
    for line in (line for line in expected if line.strip()):
        if line == GAP:
            free = True
        elif shape(line) in (found := lines[place:] if free else lines[place : place + 1]):
            place, free = place + found.index(shape(line)) + 1, False
        else:
            lacking.append(line)
    return lacking if lacking or free or place == len(lines) else lines[place:]


def patch(block: str, folder: Path) -> None:
    """Replace the one line that the block takes away."""
    name, old, new = (
        line.partition(" ")[2] if i == 0 else line[1:] for i, line in enumerate(block.splitlines())
    )
    text = (folder / name).read_text(encoding="utf-8")
    assert text.count(f"{old}\n") == 1, f"{name} has no line {old}"
    (folder / name).write_text(text.replace(f"{old}\n", f"{new}\n"), encoding="utf-8")


def test_shapes_and_gaps() -> None:
    assert missing(["a 1", GAP, "c .25"], "a 2\nb\nc  1.75\n") == []
    assert missing(["a 1", "c .25"], "a 2\nb\nc  1.75\n") == ["c .25"]
    assert missing(["a"], "a\nb") == ["b"]
    assert missing(["a", GAP], "a\nb") == []


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """Variables that make ``python`` and ``uninas-bench`` those of a fresh environment on top of this one."""
    home = tmp_path / "env"
    venv.EnvBuilder(symlinks=True).create(home)
    scripts, python = home / "bin", home / "bin" / "python"
    ask = "import sysconfig; print(sysconfig.get_path('purelib'))"
    site = subprocess.run([python, "-c", ask], capture_output=True, text=True, check=True).stdout.strip()
    below = sysconfig.get_path("purelib")
    (Path(site) / "below.pth").write_text(f"import site; site.addsitedir({below!r})\n")
    program = scripts / "uninas-bench"
    program.write_text(f'#!/bin/sh\nexec "{python}" -m uninas_bench "$@"\n')
    program.chmod(0o755)
    return {
        **os.environ,
        "PATH": f"{scripts}{os.pathsep}{os.environ['PATH']}",
        "OMP_NUM_THREADS": "1",
        "UNINAS_BENCH_STORE": str(tmp_path / "scores.db"),
        "UNINAS_BENCH_CACHE": str(tmp_path / "cache"),
        # No build environment and no index: what the plugin needs is there already.
        "PIP_NO_BUILD_ISOLATION": "0",
        "PIP_NO_INDEX": "1",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    }


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.skipif(sys.platform == "win32", reason="its commands are those of a POSIX shell")
def test_the_tutorial_from_new_to_a_green_gate(environment: dict[str, str], tmp_path: Path) -> None:
    folder, code = tmp_path, 0
    for kind, block in blocks(PAGE.read_text(encoding="utf-8")):
        if kind == "diff":
            patch(block, folder)
            continue
        if kind == "py":
            source = folder / "src" / "uninas_bench_spectrum" / "__init__.py"
            assert block in source.read_text(encoding="utf-8"), "the tutorial shows another function"
            continue
        steps = list(commands(block))
        for number, (command, printed) in enumerate(steps):
            where = tmp_path / "where"
            script = f"(exit {code}); {command}; code=$?; pwd > '{where}'; exit $code"
            done = subprocess.run(
                ["bash", "-c", script],
                cwd=folder,
                env=environment,
                capture_output=True,
                text=True,
                check=False,
            )
            code, folder = done.returncode, Path(where.read_text().strip())
            asked = number + 1 < len(steps) and steps[number + 1][0] == "echo $?"
            assert code == 0 or asked, f"$ {command}\n{done.stdout}\n{done.stderr}"
            lacking = missing(printed, done.stdout)
            assert not lacking, f"$ {command}\n{done.stdout}\n{done.stderr}\nlacks: {lacking}"
